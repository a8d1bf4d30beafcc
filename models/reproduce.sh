#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# Trains, calibrates, measures and deploys one of the CIFAR-10 models of this folder, as its card tells. Goes on where it was
# stopped: give the same command again.
#   models/reproduce.sh NAME FOLDER_OF_CIFAR10 [OUT; default out/NAME] [-- options for rdi-train, e.g. --threads 1]
# Names: rdi-resnet38-lean-cifar10, resnet38-cifar10 (its single-exit baseline).
set -euo pipefail

usage() {
  sed -n '8,9s/^# *//p' "$0" >&2
  exit 2
}
[ $# -ge 2 ] || usage
name=$1
data="cifar10:$(realpath "$2")"
shift 2
out="out/$name"
if [ $# -gt 0 ] && [ "$1" != -- ]; then
  out=$1
  shift
fi
[ $# -eq 0 ] || shift
root=$(realpath "$(dirname "$0")/..")
export PATH="${RDI_BIN:-$root/build/bin}:$PATH"
recipes="$root/trainer/recipes"

case "$name" in
  rdi-resnet38-lean-cifar10) recipe=(--config "$recipes/resnet38-lean.ini") ;;
  resnet38-cifar10) recipe=(--config "$recipes/resnet38-lean.ini" --arch resnet38 --defence main) ;;
  *)
    echo "reproduce.sh: there is no model '$name'" >&2
    usage
    ;;
esac

if [ ! -e "$out/run/model.onnx" ]; then
  if [ -e "$out/run/checkpoint.rdi" ]; then
    rdi-train --resume "$out/run"
  else
    rdi-train "${recipe[@]}" --data "$data" -o "$out/run" "$@"
  fi
fi
case "$name" in
  rdi-*)
    cp "$out/run/model.onnx" "$out/$name.onnx"
    for point in "balanced --max-cost 79" "fast --max-cost 65" "careful --max-cost 92"; do
      # shellcheck disable=SC2086  # a name and an option
      rdi-evaluate calibrate "$out/$name.onnx" --data "$data" --policy accuracy --criterion margin --fusion last --patience 1 \
        --operating-point $point
    done
    rdi-convert "$out/$name.onnx" -o "$out/$name.early-exit.onnx"
    ;;
  *) cp "$out/run/model.onnx" "$out/$name.onnx" ;;
esac
rdi-evaluate "$out/$name.onnx" --data "$data" --suite full --limit 500 -o "$out/suite"
