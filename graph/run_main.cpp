// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/run_main.hpp"

#include <cstdio>
#include <exception>

#include "graph/error.hpp"

namespace rdi {

int runMain(const std::string& program, const std::function<int()>& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(), onOneLine(error.what()).c_str());
    return 1;
  }
}

}  // namespace rdi
