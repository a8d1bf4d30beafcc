// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/trainer/tiny_programs.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

namespace rdi::test {

std::vector<std::string> TinyPrograms::training(const std::string& run, int iterations,
                                                const std::vector<std::string>& more) const {
  std::vector<std::string> command = {RDI_TRAIN, "-o", run, "--iterations", std::to_string(iterations)};
  const auto add = [&](const std::string& name, const std::string& value) {
    if (std::find(more.begin(), more.end(), name) != more.end()) return;
    command.push_back(name);
    command.push_back(value);
  };
  if (std::find(more.begin(), more.end(), "--arch") == more.end()) add("--init", model_);
  add("--data", data_);
  add("--batch-size", "16");
  add("--held-out", "100");
  add("--attack-steps", "2");
  add("--step-size", "0.05");
  add("--epsilon", "0.1");
  add("--threads", "1");
  add("--log-every", "1");
  add("--checkpoint-every", "5");
  add("--ema", "0.9");
  add("--validate-images", "20");
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

void TinyPrograms::waitForLines(const std::string& run, int lines) {
  for (int i = 0; i < 3000; ++i) {
    if (std::filesystem::exists(run + "/metrics.jsonl")) {
      const std::string text = graph::readFile(run + "/metrics.jsonl");
      if (std::count(text.begin(), text.end(), '\n') >= lines) return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ADD_FAILURE() << run << " never came to " << lines << " iterations";
}

}  // namespace rdi::test
