#!/bin/sh
# Video: makes two 1080p clips and transcodes each into a ladder of three sizes for streaming, one program after another,
# with a pause before each as a queue has. Needs ffmpeg with libx264. About 20 s on two cores.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for source in testsrc2 mandelbrot; do
  clip="$folder/$source.mkv"
  ffmpeg -v error -nostdin -f lavfi -i "$source=size=1920x1080:rate=30" -t 4 \
    -c:v libx264 -preset ultrafast -pix_fmt yuv420p "$clip"
  for height in 1080 720 360; do
    sleep 0.7
    ffmpeg -v error -nostdin -i "$clip" -vf "scale=-2:$height" -c:v libx264 -preset veryfast -f null -
  done
  sleep 1.5
done
