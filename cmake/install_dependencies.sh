#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# Installs with apt what building rdi needs and this machine lacks (Debian 12 and 13). Does nothing, and needs no
# rights, when all is there.
#   --no-trainer  leave out libtorch
#   --no-tests    leave out GoogleTest, Google Benchmark and python3-jsonschema
#   --print       only print the packages that are missing
set -euo pipefail

trainer=yes
tests=yes
print=no
for argument in "$@"; do
  case "$argument" in
    --no-trainer) trainer=no ;;
    --no-tests) tests=no ;;
    --print) print=yes ;;
    *)
      echo "install_dependencies.sh: unknown option '$argument' (known: --no-trainer, --no-tests, --print)" >&2
      exit 2
      ;;
  esac
done

packages=(
  g++ cmake ninja-build
  libopencv-dev libdnnl-dev
  libonnx-dev libprotobuf-dev protobuf-compiler nlohmann-json3-dev
  libcli11-dev zlib1g-dev
  python3 python3-numpy python3-opencv
  dataset-fashion-mnist
)
if [ "$trainer" = yes ]; then
  # Without the pthread OpenBLAS libtorch falls back to the reference BLAS, which is ten times slower.
  packages+=(libtorch-dev libopenblas0-pthread)
  # Lets several machines train one model.
  packages+=(libgloo-dev)
  # Draws the plots of reports. Its packages exclude each other, so any one that is there will do.
  command -v gnuplot >/dev/null || packages+=(gnuplot-nox)
fi
if [ "$tests" = yes ]; then
  packages+=(libgtest-dev libbenchmark-dev python3-jsonschema)
  # Pictures to train on as if they were one's own.
  [ "$trainer" = no ] || packages+=(oxygen-icon-theme)
fi

missing=()
for package in "${packages[@]}"; do
  if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
    missing+=("$package")
  fi
done

if [ "$print" = yes ]; then
  [ ${#missing[@]} -eq 0 ] || printf '%s\n' "${missing[@]}"
  exit 0
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "install_dependencies.sh: these packages are missing and there is no apt-get here; install them by hand: ${missing[*]}" >&2
  exit 1
fi

asRoot=(env DEBIAN_FRONTEND=noninteractive)
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install_dependencies.sh: cannot install ${missing[*]}: neither root nor sudo; run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  asRoot=(sudo "${asRoot[@]}")
fi

echo "Installing with apt: ${missing[*]}"
"${asRoot[@]}" apt-get update -qq
"${asRoot[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
