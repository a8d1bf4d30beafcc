#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# Installs a build into an empty prefix, moves the prefix, and uses it as strangers do: find_package, the samples built
# alone, ctypes, LD_PRELOAD, and no plugin at all.
#   install_test.sh BUILD_DIR SOURCE_DIR CMAKE PYTHON
set -euo pipefail
build=$1 source=$2 cmake=$3 python=$4
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "install_test.sh: $1" >&2
  exit 1
}

"$cmake" --install "$build" --prefix "$scratch/first" >"$scratch/log" || { cat "$scratch/log"; fail "cmake --install failed"; }
mv "$scratch/first" "$scratch/prefix"
prefix=$scratch/prefix
[ -f "$prefix/include/rdi/rdi.hpp" ] || fail "include/rdi/rdi.hpp is not installed"
library=$(find "$prefix" -name librdi.so | head -1)
[ -n "$library" ] || fail "librdi.so is not installed"
stray=$(find "$prefix/include" -type f ! -path '*/include/rdi/*')
[ -z "$stray" ] || fail "private headers are installed: $stray"

model=$scratch/model.onnx
"$prefix/bin/rdi-convert" --arch rdi-smallcnn -o "$scratch/fresh.onnx" >"$scratch/log"
"$prefix/bin/rdi-convert" "$scratch/fresh.onnx" -o "$model" --thresholds=0.5,0.5 >>"$scratch/log"

build_alone() {
  if ! { "$cmake" -S "$1" -B "$scratch/$2" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release &&
    "$cmake" --build "$scratch/$2"; } >"$scratch/log" 2>&1; then
    cat "$scratch/log"
    fail "$2 does not build against the prefix"
  fi
}
build_alone "$source/tests/install/consumer" consumer
answer=$("$scratch/consumer/consumer" "$model")
[[ $answer =~ ^classes\ 10\ exit\ [012]\ of\ 3$ ]] || fail "the consumer said: $answer"

build_alone "$source/samples" samples
"$scratch/samples/classify_image" --help >/dev/null || fail "the sample built alone does not run"

expect_exits() {
  [[ $1 =~ ^exits\ 0\ [12]$ ]] || fail "$2 said: $1"
}
expect_exits "$("$python" "$source/tests/install/python_net.py" "$model" "$library" 2>&1)" "Python with ctypes"
expect_exits "$(LD_PRELOAD=$library "$python" "$source/tests/install/python_net.py" "$model" 2>&1)" "Python with LD_PRELOAD"

# The trainer's programs, when they were built: the plugin beside them is found.
if [ -x "$prefix/bin/rdi-evaluate" ]; then
  "$prefix/bin/rdi-fetch-data" --help >"$scratch/log" || fail "rdi-fetch-data does not run"
  mkdir -p "$scratch/saved/inputs"
  "$python" - "$scratch/fresh.onnx" "$scratch/saved/inputs" <<'END'
import sys, cv2, numpy
net, images = cv2.dnn.readNet(sys.argv[1]), numpy.random.default_rng(1).random((8, 1, 28, 28), numpy.float32)
net.setInput(images)
numpy.save(sys.argv[2] + "/clean.npy", images)
numpy.save(sys.argv[2] + "/clean.scores.npy", numpy.stack(net.forward(["exit1", "exit2", "main"]), 1))
numpy.save(sys.argv[2] + "/labels.npy", numpy.zeros(8, numpy.uint8))
END
  found=$("$prefix/bin/rdi-evaluate" deployed "$model" --inputs "$scratch/saved" 2>"$scratch/log") || { cat "$scratch/log"; fail "rdi-evaluate deployed fails"; }
  [[ $found == *"with $prefix/lib"*librdi.so* ]] || fail "rdi-evaluate deployed took another plugin: $found"
fi

# The README's examples, as they stand there.
block() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$source/README.md" | sed '1d;$d'; }
mkdir "$scratch/readme"
cp "$model" "$scratch/readme/model.early-exit.onnx"
"$python" -c 'import sys, cv2, numpy; cv2.imwrite(sys.argv[1], numpy.full((28, 28), 99, numpy.uint8))' "$scratch/readme/picture.png"
{
  block cpp | grep '^#include'
  echo 'int main() {'
  block cpp | grep -v '^#include'
  echo 'return scores.cols == 10 && exitTaken >= 0 && exitTaken < 3 ? 0 : 1; }'
} >"$scratch/readme/main.cpp"
cat >"$scratch/readme/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(readme LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(OpenCV REQUIRED)
find_package(rdi REQUIRED)
add_executable(app main.cpp)
target_link_libraries(app rdi::rdi ${OpenCV_LIBS})
END
build_alone "$scratch/readme" readme_build
(cd "$scratch/readme" && "$scratch/readme_build/app") || fail "the README's C++ example does not run"
block python >"$scratch/readme/example.py"
echo 'assert scores.shape == (1, 10) and exit_taken.shape == (1, 1), (scores.shape, exit_taken.shape)' >>"$scratch/readme/example.py"
(cd "$scratch/readme" && LD_LIBRARY_PATH=$(dirname "$library") "$python" example.py) || fail "the README's Python example does not run"

# What the README promises that OpenCV says when nobody loaded the plugin.
expected="Can't create layer \"onnx_node!stage1\" of type \"RdiStage\""
grep -qF "$expected" "$source/README.md" || fail "the README does not explain: $expected"
message=$("$python" "$source/tests/install/python_net.py" "$model" 2>&1) && fail "the model ran without the plugin"
[[ $message == *"$expected"* ]] || fail "without the plugin OpenCV said: $message"
echo "installed, moved and used"
