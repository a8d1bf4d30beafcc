#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# Trains, calibrates, measures and deploys one of the CIFAR-10 models of this folder, as its card tells. Goes on where it was
# stopped: give the same command again.
#   models/reproduce.sh NAME FOLDER_OF_CIFAR10 [OUT; default out/models] [-- options for rdi-train, e.g. --threads 1]
# Names: rdi-resnet38-lean-cifar10, rdi-mobilenetv2-lean-cifar10 (which learns from stages of the first), and the same nets without exits:
# resnet38-cifar10, mobilenetv2-cifar10-taught, and mobilenetv2-cifar10, which teaches both MobileNets.
# The MobileNets' seventh stage ran with -- --device cuda --precision bf16, the others without.
set -euo pipefail

usage() {
  sed -n '7,9s/^# *//p' "$0" >&2
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

first="$out/first"

# The stage $1 of the lean net after the first: rises and falls of the learning rate that differ in the options after it.
stage() {
  local stage=$1
  shift
  train "$out/$stage" --config "$recipes/resnet38-lean-second.ini" "$@"
}
follow=(--criterion margin --exit-shares "2,5,3") # attacks that know the rule, for a part of the batches

four_stages() {
  train "$first" --config "$recipes/resnet38-lean.ini"
  stage second --init "$first/model.onnx"
  stage third --init "$out/second/model.onnx" --epsilon 8/255 --step-size 8/255 --iterations 800 --learning-rate 0.03 \
    --crop-share 0.3 --ema 0.995 --validate-every 400
  stage fourth --init "$out/third/model.onnx" --defence own=0.5,soft-routed=0.5 "${follow[@]}" --epsilon 9/255 --step-size 9/255 \
    --crop-share 0.55 --iterations 1200 --learning-rate 0.05 --ema 0.995 --validate-every 600
}

half=(--teacher-share 0.5 --label-smoothing 0) # of every label is what the teacher answers

# Six stages, and the mean of the last two in $out/lean.onnx.
six_stages() {
  four_stages
  rdi-convert "$out/third/model.onnx" --average "$out/fourth/model.onnx" -o "$out/mean.onnx"
  stage fifth --init "$out/mean.onnx" --teacher "$out/third/model.onnx" "${half[@]}" --defence own=0.7,soft-routed=0.3 "${follow[@]}" \
    --epsilon 8/255 --step-size 8/255 --crop-share 0.55 --iterations 1300 --learning-rate 0.06 --ema 0.997 --validate-every 650
  rdi-convert "$out/third/model.onnx" --average "$out/fifth/model.onnx" "$out/fifth/model.onnx" -o "$out/mean2.onnx"
  stage sixth --init "$out/mean2.onnx" --teacher "$out/mean2.onnx" "${half[@]}" --defence own=0.7,soft-routed=0.3 "${follow[@]}" \
    --crop-share 0.25 --iterations 620 --learning-rate 0.035 --ema 0.995 --validate-every 620
  rdi-convert "$out/sixth/model.onnx" --average "$out/fifth/model.onnx" -o "$out/lean.onnx"
}

# The stage $1 of the MobileNetV2, by the options after it.
mobile() {
  local stage=$1
  shift
  train "$out/mobile-$stage" --config "$recipes/mobilenetv2-lean.ini" "$@"
}
small=(--batch-size 64)

# What can be done on a core: six stages.
mobile_stages() {
  four_stages
  mobile first --crop 16 --crop-share 0.82 --epochs 5.6 --ema 0.995
  mobile second "${small[@]}" --init "$out/mobile-first/model.onnx" --teacher "$out/fourth/model.onnx" "${half[@]}" \
    --crop 16 --crop-share 1 --learning-rate 0.06 --iterations 3900
  mobile third "${small[@]}" --init "$out/mobile-second/model.onnx" --teacher "$out/fourth/model.onnx" "${half[@]}" \
    --learning-rate 0.06 --warmup-share 0.12 --iterations 1800 --ema 0.997
  mobile clean "${small[@]}" --init "$out/mobile-third/model.onnx" --defence standard --clean-weight 1 --crop-share 1 \
    --learning-rate 0.07 --warmup-share 0.15 --iterations 3600 --ema 0.995 --validate-every 1800
  mobile again "${small[@]}" --init "$out/mobile-clean/model.onnx" --defence standard --clean-weight 1 --crop-share 1 \
    --exit-weights 0.4,0.7,1 --learning-rate 0.07 --warmup-share 0.12 --iterations 3600 --ema 0.995 --validate-every 1800
  mobile last "${small[@]}" --init "$out/mobile-again/model.onnx" --teacher "$out/mobile-again/model.onnx" "${half[@]}" \
    --exit-weights 0.5,1,1 --epsilon 7/255 --step-size 7/255 --epsilon-warmup-iterations 400 \
    --crop-share 0.82 --learning-rate 0.07 --warmup-share 0.08 --iterations 4500 --ema 0.997
}

# From there in one piece on a GPU, as the options after the name tell.
mobile_onward() {
  local stage=$1
  shift
  train "$out/mobile-$stage" --config "$recipes/mobilenetv2-lean-onward.ini" --init "$out/mobile-last/model.onnx" "$@"
}

# The net without exits as $out/mobile-single.onnx.
mobile_single() {
  mobile_onward single --defence main --exit-weights 0,0,1
  rdi-convert "$out/mobile-single/model.onnx" --static main -o "$out/mobile-single.onnx"
}

# It teaches the net with exits once more, on a core, in the folder $1 by the options after it.
mobile_taught() {
  local run=$1
  shift
  mobile_stages
  mobile_onward lean
  mobile_single
  train "$out/$run" --config "$recipes/mobilenetv2-lean-taught.ini" --init "$out/mobile-lean/model.onnx" \
    --teacher "$out/mobile-single.onnx" "$@"
}

# Writes an exit rule into the model under the name $1; the options after it choose it on held-out images.
point() {
  local point=$1
  shift
  rdi-evaluate calibrate "$model" --data "$data" --criterion margin --fusion last --patience 1 --operating-point "$point" "$@"
}

mkdir -p "$out"
model="$out/$name.onnx"
case "$name" in
  rdi-resnet38-lean-cifar10)
    six_stages
    cp "$out/lean.onnx" "$model"
    ;;
  resnet38-cifar10)
    six_stages
    stage single --init "$out/lean.onnx" --teacher "$out/lean.onnx" "${half[@]}" --defence main --exit-weights 0,0,1 \
      --epsilon 8/255 --step-size 8/255 --crop-share 0.55 --iterations 1300 --learning-rate 0.06 --ema 0.997 --validate-every 1300
    rdi-convert "$out/lean.onnx" --average "$out/single/model.onnx" -o "$out/single-mean.onnx"
    stage single-last --init "$out/single-mean.onnx" --teacher "$out/single-mean.onnx" "${half[@]}" --defence main --exit-weights 0,0,1 \
      --crop-share 0.25 --iterations 620 --learning-rate 0.035 --ema 0.995 --validate-every 620
    rdi-convert "$out/single-last/model.onnx" --average "$out/single-mean.onnx" -o "$out/single.onnx"
    rdi-convert "$out/single.onnx" --static main -o "$model"
    ;;
  rdi-mobilenetv2-lean-cifar10)
    mobile_taught mobile-taught
    cp "$out/mobile-taught/model.onnx" "$model"
    ;;
  mobilenetv2-cifar10-taught)
    mobile_taught mobile-single-taught --defence main --exit-weights 0,0,1
    rdi-convert "$out/mobile-single-taught/model.onnx" --static main -o "$model"
    ;;
  mobilenetv2-cifar10)
    mobile_stages
    mobile_single
    cp "$out/mobile-single.onnx" "$model"
    ;;
  *)
    echo "reproduce.sh: there is no model '$name'" >&2
    usage
    ;;
esac

if [[ "$name" == rdi-* ]]; then
  case "$name" in
    *resnet*)
      point balanced --policy accuracy --max-cost 79.5
      point fast --policy accuracy --max-cost 65
      point careful --policy accuracy --max-cost 92
      ;;
    *mobilenet*)
      point balanced --policy accuracy --max-cost 79.5
      point fast --policy accuracy --max-cost 53
      point careful --policy robust --max-cost 79.5 --attack apgd-ce,pgd --attack-loss soft-routed,routed --steps 15 --epsilon 8/255 \
        --held-out 600 --check-share 0 --rounds 3 --batch-size 100 --folder "$out/$name-careful"
      ;;
  esac
  rdi-convert "$model" -o "$out/$name.early-exit.onnx"
fi
rdi-evaluate "$model" --data "$data" --suite full --epsilon 8/255 --limit 500 -o "$out/$name-suite"
