#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# Builds and runs the benchmarks, repetitions interleaved at random, prints tables with ratios and draws plots.
#   benchmarks/run.sh [QUESTION...] [-- arguments for the programs, e.g. --threads 2 --clock cpu]
# QUESTION is static, exits, data, batch, precision, camera or startup (default: all). Results go to $OUT (default: out/).
set -euo pipefail
questions=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  case "$1" in
    static | exits | data | batch | precision | camera | startup) questions+=("$1") ;;
    *) echo "run.sh: there is no question '$1'; put -- before the arguments for the programs" >&2; exit 2 ;;
  esac
  shift
done
[ $# -eq 0 ] || shift
[ ${#questions[@]} -gt 0 ] || questions=(static exits data batch precision camera startup)
cd "$(dirname "$0")/.."
out=${OUT:-out}
mkdir -p "$out"

cmake --preset release >/dev/null
targets=("${questions[@]/#/rdi_}")
cmake --build --preset release --parallel "$(nproc)" --target "${targets[@]/%/_benchmark}" >/dev/null

export OMP_WAIT_POLICY=passive
for question in "${questions[@]}"; do
  build/bin/rdi_"$question"_benchmark --benchmark_repetitions="${REPETITIONS:-15}" --benchmark_min_time="${SECONDS_EACH:-0.1}" \
    --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true \
    --benchmark_out="$out/$question.json" --benchmark_out_format=json "$@" >/dev/null
  benchmarks/table.py "$out/$question.json"
done
benchmarks/plots.py "$out"
