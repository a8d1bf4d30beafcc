#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# Builds and runs the benchmarks, repetitions interleaved at random, and prints a table with ratios.
#   benchmarks/run.sh [RESULTS.json] [-- arguments for rdi_benchmark, e.g. --threads 2 --benchmark_filter=resnet38]
set -euo pipefail
results=$(realpath -m "$(dirname "$0")/../out/benchmark.json")
if [ $# -gt 0 ] && [ "$1" != -- ]; then
  results=$(realpath -m "$1")
  shift
fi
if [ $# -gt 0 ]; then
  [ "$1" = -- ] || { echo "run.sh: put -- before the arguments for rdi_benchmark" >&2; exit 2; }
  shift
fi
cd "$(dirname "$0")/.."
mkdir -p "$(dirname "$results")"

cmake --preset release >/dev/null
cmake --build --preset release --parallel "$(nproc)" --target rdi_benchmark >/dev/null
build/bin/rdi_benchmark --benchmark_repetitions=15 --benchmark_min_time=0.1 \
  --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true \
  --benchmark_out="$results" --benchmark_out_format=json "$@" >/dev/null
benchmarks/table.py "$results"
echo
echo "all figures: $results"
