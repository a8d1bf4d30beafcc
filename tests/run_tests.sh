#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# Installs what is missing, builds everything and runs all tests.
#   tests/run_tests.sh [--preset release|dev|asan] [arguments for ctest, e.g. -R graph]
# The last line is "N passed, N failed" (and ", N skipped" when some were); the exit code is 0 only when tests ran and
# none failed. Tests look for data in $RDI_DATA (default: ../shared/data beside the checkout) and skip without it.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

preset=release
if [ "${1-}" = --preset ]; then
  preset=${2-}
  shift 2 || true
fi
case "$preset" in
  release) buildDir=build dependencies=() ;;
  dev) buildDir=build-dev dependencies=() ;;
  asan) buildDir=build-asan dependencies=(--no-trainer) ;;
  *)
    echo "run_tests.sh: unknown preset '$preset' (known: release, dev, asan)" >&2
    exit 2
    ;;
esac

# A step before the tests that fails is itself the one failed test.
failed() {
  echo "run_tests.sh: $1" >&2
  echo "0 passed, 1 failed"
  exit 1
}

export RDI_DATA=${RDI_DATA:-$(realpath -m ../shared/data)}
cmake/install_dependencies.sh "${dependencies[@]}" || failed "the packages listed above could not be installed"
cmake --preset "$preset" || failed "configuring failed; see above"
cmake --build --preset "$preset" --parallel "$(nproc)" || failed "the build failed; see above"

# Tests run beside each other; OpenMP threads that spin while they wait would take the cores from one another.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
LC_ALL=C ctest --test-dir "$buildDir" --output-on-failure --parallel "$(nproc)" "$@" 2>&1 | tee "$log"

# ctest ends with "98% tests passed, 2 tests failed out of 100"; what it skipped counts as passed there.
read -r failedCount total < <(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests? failed out of ([0-9]+)$/\1 \2/p' "$log") ||
  failed "ctest ran no test"
skipped=$(grep -cE '^ *[0-9]+/[0-9]+ +Test +#[0-9]+: .*\*\*\*(Skipped|Not Run \(Disabled\))' "$log")
passed=$((total - failedCount - skipped))
if [ "$skipped" -gt 0 ]; then
  echo "$passed passed, $failedCount failed, $skipped skipped"
else
  echo "$passed passed, $failedCount failed"
fi
[ "$failedCount" -eq 0 ] && [ "$passed" -gt 0 ]
