#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# Builds the libFuzzer programs with clang, AddressSanitizer and UndefinedBehaviorSanitizer, and runs each on its seeds.
#   tests/fuzz/run_fuzzers.sh [--built] [EXECUTIONS]     of all programs together, default 1000000
# --built builds nothing (minutes): it runs what an earlier call built, and ends with exit code 77, saying so, where that
# is not there or older than the sources.
# Build, corpus (which grows from run to run) and findings lie in $RDI_FUZZ_BUILD, default build-fuzz beside the sources.
# Inputs have at most 64 KiB; one allocation of more than 64 MiB counts as a finding. The last line is
# "N executions, M findings"; exit code 0 only when there was none. A finding's input is kept and runs again with
# build-fuzz/bin/fuzz_NAME FILE.
set -uo pipefail
built=no
if [ "${1-}" = --built ]; then
  built=yes
  shift
fi
executions=${1:-1000000}
cd "$(dirname "$0")/../.." || exit 1
build=$(realpath -m "${RDI_FUZZ_BUILD:-build-fuzz}")

if [ "$built" = yes ]; then
  newer=$(find graph layers converters tests/fuzz tests/graph -newer "$build/bin/fuzz_plugin" \( -name '*.cpp' -o -name '*.hpp' \) \
    -print -quit 2>/dev/null)
  if [ ! -x "$build/bin/fuzz_plugin" ] || [ -n "$newer" ]; then
    echo "run_fuzzers.sh: $build holds no programs of these sources (${newer:-none built}); tests/fuzz/run_fuzzers.sh builds them"
    exit 77
  fi
fi
if [ "$built" = no ] && ! command -v clang++ >/dev/null; then
  echo "run_fuzzers.sh: needs clang++ with its runtime (Debian: clang, libclang-rt-dev)" >&2
  exit 1
fi
[ "$built" = yes ] || {
  mkdir -p "$build"
  cmake -G Ninja -S . -B "$build" -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g" -DRDI_SANITIZE=address,undefined,fuzzer-no-link -DRDI_BUILD_FUZZERS=ON \
    -DRDI_BUILD_TRAINER=OFF -DRDI_BUILD_SAMPLES=OFF -DRDI_BUILD_BENCHMARKS=OFF >"$build/build.log" 2>&1 &&
    cmake --build "$build" --target fuzzers --parallel "${RDI_FUZZ_JOBS:-$(nproc)}" >>"$build/build.log" 2>&1 || {
    tail -n 30 "$build/build.log" >&2
    echo "run_fuzzers.sh: the build failed; see $build/build.log" >&2
    exit 1
  }
  rm -f "$build/build.log"
}
"$build/bin/write_seeds" "$build/seeds" && python3 -B tests/fuzz/python_seeds.py "$build/seeds" || exit 1
# Somebody else's exporter, where the data is.
for name in onnx_weights model; do
  cp -f "${RDI_DATA:-../shared/data}/onnx/mnist.onnx" "$build/seeds/$name/" 2>/dev/null
done

export OMP_NUM_THREADS=1 OPENCV_LOG_LEVEL=SILENT
export UBSAN_OPTIONS=print_stacktrace=1
done=0 findings=0
# Name and share of the executions in percent; running a net costs most.
while read -r name share; do
  mkdir -p "$build/corpus/$name" "$build/findings"
  runs=$((executions * share / 100))
  log=$build/findings/$name.log
  start=$SECONDS
  "$build/bin/fuzz_$name" -runs="$runs" -seed=1 -max_len=65536 -timeout=60 -malloc_limit_mb=64 -rss_limit_mb=4096 \
    -print_final_stats=1 -artifact_prefix="$build/findings/$name-" "$build/corpus/$name" "$build/seeds/$name" >"$log" 2>&1
  code=$?
  ran=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  if [ "$code" -eq 0 ]; then
    printf '%-14s %8d executions %6d s\n' "$name" "$ran" $((SECONDS - start))
    done=$((done + ran))
    rm -f "$log"
  else
    findings=$((findings + 1))
    printf '%-14s FINDING: %s\n' "$name" "$(grep -m1 -E 'ERROR|SUMMARY|runtime error' "$log" || tail -n 1 "$log")"
    grep -E '^artifact_prefix|Test unit written' "$log"
    echo "  see $log"
  fi
done <<'END'
weights 15
torch_zip 20
torch_legacy 20
safetensors 15
onnx_weights 10
model 10
plugin 10
END
echo "$done executions, $findings findings"
[ "$findings" -eq 0 ]
