#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# Fashion-MNIST from end to end on any Debian machine: installs what is missing, builds (without the trainer), and runs
# the early-exit model over the 10,000 test pictures, beside the same net run statically by OpenCV's own engine.
#   samples/run_demo.sh [FOLDER for what it writes; default out/demo]
set -euo pipefail
out=$(realpath -m "${1:-"$(dirname "$0")/../out/demo"}")
cd "$(dirname "$0")/.."

build="build-demo"
data=/usr/share/datasets/fashion-mnist
name=rdi-smallcnn-fashion-mnist

for model in "models/$name.onnx" "models/$name.early-exit.onnx"; do
  if [ ! -f "$model" ]; then
    echo "run_demo.sh: $model is missing; is this checkout complete?" >&2
    exit 1
  fi
done

cmake/install_dependencies.sh --no-trainer --no-tests
echo "Building into $build ..."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DRDI_BUILD_TRAINER=OFF -DRDI_BUILD_TESTS=OFF \
  -DRDI_BUILD_BENCHMARKS=OFF && cmake --build "$build" --parallel "$(nproc)"; } >"$log" 2>&1; then
  cat "$log" >&2
  echo "run_demo.sh: the build failed; see above" >&2
  exit 1
fi

mkdir -p "$out"
for part in images-idx3 labels-idx1; do
  gunzip -c "$data/t10k-$part-ubyte.gz" >"$out/t10k-$part-ubyte"
done
"$build/bin/rdi-convert" "models/$name.onnx" --static main -o "$out/$name.static.onnx" >/dev/null
# One thread: nets this small gain nothing from more, and what else the machine does disturbs the times less.
"$build/bin/classify_test_set" "models/$name.early-exit.onnx" --threads 1 --static "$out/$name.static.onnx" \
  --images "$out/t10k-images-idx3-ubyte" --labels "$out/t10k-labels-idx1-ubyte" --sheet "$out/contact_sheet.png"
