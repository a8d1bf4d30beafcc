#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# Trains, calibrates, measures and deploys one of the CIFAR-10 models of this folder, as its card tells. Goes on where it was
# stopped: give the same command again.
#   models/reproduce.sh NAME FOLDER_OF_CIFAR10 [OUT; default out/models] [-- options for rdi-train, e.g. --threads 1]
# Names: rdi-resnet38-lean-cifar10, resnet38-cifar10 (the net without exits; both begin with the same run).
set -euo pipefail

usage() {
  sed -n '7,8s/^# *//p' "$0" >&2
  exit 2
}
[ $# -ge 2 ] || usage
name=$1
data="cifar10:$(realpath "$2")"
shift 2
out=out/models
if [ $# -gt 0 ] && [ "$1" != -- ]; then
  out=$1
  shift
fi
[ $# -eq 0 ] || shift
options=("$@")
root=$(realpath "$(dirname "$0")/..")
export PATH="${RDI_BIN:-$root/build/bin}:$PATH"
recipes="$root/trainer/recipes"

# Trains into the folder $1, by the options after it; a run that was stopped goes on.
train() {
  local run=$1
  shift
  [ ! -e "$run/model.onnx" ] || return 0
  if [ -e "$run/checkpoint.rdi" ]; then
    rdi-train --resume "$run"
  else
    rdi-train "$@" --data "$data" -o "$run" "${options[@]}"
  fi
}

case "$name" in
  rdi-resnet38-lean-cifar10 | resnet38-cifar10) ;;
  *)
    echo "reproduce.sh: there is no model '$name'" >&2
    usage
    ;;
esac

first="$out/first" run="$out/$name"
train "$first" --config "$recipes/resnet38-lean.ini"
case "$name" in
  rdi-resnet38-lean-cifar10) train "$run" --config "$recipes/resnet38-lean-second.ini" --init "$first/model.onnx" ;;
  resnet38-cifar10)
    # BatchNormalization goes into the convolutions here, and stays there.
    rdi-convert "$first/model.onnx" --static main -o "$out/trunk.onnx"
    train "$run" --config "$recipes/resnet38-lean-onward.ini" --defence main --init "$out/trunk.onnx"
    ;;
esac

model="$out/$name.onnx"
cp "$run/model.onnx" "$model"
if [[ "$name" == rdi-* ]]; then
  for point in "balanced --max-cost 79" "fast --max-cost 65" "careful --max-cost 92"; do
    # shellcheck disable=SC2086  # a name and an option
    rdi-evaluate calibrate "$model" --data "$data" --policy accuracy --criterion margin --fusion last --patience 1 \
      --operating-point $point
  done
  rdi-convert "$model" -o "$out/$name.early-exit.onnx"
fi
rdi-evaluate "$model" --data "$data" --suite full --epsilon 8/255 --limit 500 -o "$out/$name-suite"
