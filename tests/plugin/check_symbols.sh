#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
# check_symbols.sh LIBRDI ARCHIVE...: the library exports rdi:: alone, and its code neither prints nor ends the process.
set -eu

library=$1
shift

exported=$(nm --dynamic --defined-only --demangle "$library" | cut -d ' ' -f 3-)
strangers=$(printf '%s\n' "$exported" | grep -v '^rdi::' || true)
if [ -z "$exported" ] || [ -n "$strangers" ]; then
  printf 'exported besides rdi:: \n%s\n' "$strangers"
  exit 1
fi

# fprintf and fwrite stand for every stream; abort and exit for every end. run_main.cpp is for programs, and its member
# of the archive is not linked into the library.
forbidden='abort|exit|_exit|quick_exit|printf|fprintf|puts|fputs|putchar|fwrite|__printf_chk|__fprintf_chk|std::cout|std::cerr|std::clog'
for archive in "$@"; do
  found=$(nm --print-file-name --undefined-only --demangle "$archive" 2>/dev/null | grep -v 'run_main.cpp.o' |
          grep -E " U ($forbidden)(@|\$)" || true)
  if [ -n "$found" ]; then
    printf 'code that prints or ends the process:\n%s\n' "$found"
    exit 1
  fi
done
if nm --dynamic --undefined-only --demangle "$library" | grep -E " U ($forbidden)(@|\$)"; then
  echo "the library prints or ends the process"
  exit 1
fi
