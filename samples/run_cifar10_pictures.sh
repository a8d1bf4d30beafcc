#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# What the lean ResNet says to airplanes, cars, cats and dogs of a camera's kind, cut from the pictures of Debian's opencv-doc:
# file by file, as a sheet, and as frames of a clip. Needs the programs of build/bin; opencv-doc is fetched when it is not
# installed.
#   samples/run_cifar10_pictures.sh [FOLDER for what it writes; default out/cifar10-pictures]
set -euo pipefail
out=$(realpath -m "${1:-"$(dirname "$0")/../out/cifar10-pictures"}")
cd "$(dirname "$0")/.."
model=models/rdi-resnet38-lean-cifar10.early-exit.onnx
bin=${RDI_BIN:-build/bin}

for needed in "$model" "$bin/classify_image" "$bin/camera"; do
  if [ ! -e "$needed" ]; then
    echo "run_cifar10_pictures.sh: $needed is missing; build the project first (README, Build)" >&2
    exit 1
  fi
done

mkdir -p "$out"
doc=/usr/share/doc/opencv-doc
if [ ! -d "$doc/opencv4/html" ]; then
  doc="$out/opencv-doc"
  if [ ! -d "$doc" ]; then
    echo "Fetching opencv-doc ..."
    (cd "$out" && apt-get download opencv-doc >/dev/null)
    dpkg-deb -x "$out"/opencv-doc_*.deb "$doc.part"
    mv "$doc.part" "$doc"
  fi
fi

rm -rf "$out/objects" "$out/frames"
/usr/bin/python3 samples/cut_cifar10_objects.py "$doc" "$out/objects" "$out/frames"
"$bin/classify_image" "$model" "$out/objects" --sheet "$out/sheet.png"
"$bin/camera" "$model" --source "$out/frames/%02d.png" --output "$out/clip-%02d.png"
