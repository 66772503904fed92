#!/usr/bin/env bash
# The disk that dom0 and the guests mount at /opt/memtide: build-app.sh MODULES FILE
# memtide as it is compiled here, its boards, its tests, and the packages in MODULES/node_modules. ext4, label memtide-app.
set -Eeuo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/app/dist" "$(dirname "$2")"
cp -r "$root/package.json" "$root/boards" "$work/app/"
cp -r "$root/dist/bin" "$root/dist/src" "$root/dist/test" "$work/app/dist/"
mkdir -p "$work/app/src/evaluation"
cp -r "$root/src/evaluation/recordings" "$work/app/src/evaluation/"
cp -r "$1/node_modules" "$work/app/"
if command -v aarch64-linux-gnu-gcc >/dev/null; then
  mkdir "$work/app/bin"
  for program in evtchn-ping-pong play-plan; do
    aarch64-linux-gnu-gcc -static -O2 -Wall -Wextra -Werror -o "$work/app/bin/$program" \
      "$root/firmware-scripts/emulated-board/$program.c"
  done
fi
# What only people and compilers read.
find "$work/app" \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.md' \) -delete
kib=$(du -sk --apparent-size "$work/app" | cut -f 1)
mke2fs -q -t ext4 -L memtide-app -O ^has_journal -d "$work/app" "$2.new" "$((kib * 13 / 10 + 16384))k" >/dev/null
mv "$2.new" "$2"
