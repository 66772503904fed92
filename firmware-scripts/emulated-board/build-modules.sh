#!/usr/bin/env bash
# Installs memtide's packages for arm64 on any machine: build-modules.sh FOLDER → FOLDER/node_modules
# koffi comes ready made; epoll and i2c-bus (GPIO, I2C) are compiled where there are a cross compiler and Node's headers,
# and left out, with a word, where not: memtide runs without them.
set -Eeuo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$(mkdir -p "$1" && cd "$1" && pwd)
cp "$root/package.json" "$root/package-lock.json" "$folder/"
cd "$folder"
npm ci --omit=dev --cpu=arm64 --os=linux --ignore-scripts --no-audit --no-fund --loglevel=error >&2
if command -v aarch64-linux-gnu-g++ >/dev/null; then
  CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ npm_config_arch=arm64 \
    npm rebuild epoll i2c-bus --foreground-scripts --loglevel=error >compile.log 2>&1 ||
    {
      tail -n 20 compile.log >&2
      rm -rf node_modules/{epoll,i2c-bus}/build
      printf '  epoll and i2c-bus could not be compiled for arm64: the board has neither GPIO nor I2C\n' >&2
    }
else
  printf '  no aarch64-linux-gnu-g++: the board has neither GPIO nor I2C\n' >&2
fi
