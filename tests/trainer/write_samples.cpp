// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// write_samples FOLDER: made-up evaluations as rdi-evaluate --json writes them, for tests in other languages
// and for looking at what is made of them.

#include "graph/run_main.hpp"
#include "tests/trainer/sample_evaluation.hpp"
#include "trainer/evaluation_json.hpp"

int main(int argc, char** argv) {
  return rdi::runMain("write_samples", [&] {
    const std::string folder = argc > 1 ? argv[1] : ".";
    rdi::train::saveEvaluation(rdi::test::multiExitSample(), folder + "/multi-exit.json");
    rdi::train::saveEvaluation(rdi::test::singleExitSample(), folder + "/single-exit.json");
    return 0;
  });
}
