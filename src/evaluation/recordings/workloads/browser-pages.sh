#!/bin/sh
# Browser: headless Chromium with a fresh profile opens four local pages one after another (each leads to the next), and
# is closed after half a minute. Nothing is fetched from a network.
set -eu
pages=$(cd "$(dirname "$0")/pages" && pwd)
profile=$(mktemp -d)
browser=
finish() {
  [ -z "$browser" ] || kill "$browser" 2>/dev/null || true
  [ -z "$browser" ] || wait "$browser" 2>/dev/null || true
  rm -rf "$profile"
}
trap finish EXIT
chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
  --disable-component-update --disable-sync --disable-breakpad --window-size=1280,720 \
  --remote-debugging-port=0 --user-data-dir="$profile" "file://$pages/gallery.html" 2>/dev/null &
browser=$!
sleep 32
