// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/command_line.hpp"

#include <csignal>
#include <cstdio>

#include "graph/run_main.hpp"

namespace rdi::train {
namespace {

volatile std::sig_atomic_t stopSignal = 0;

extern "C" void rememberStop(int signal) {
  stopSignal = signal;
  std::signal(signal, SIG_DFL);
}

}  // namespace

int runProgram(CLI::App& app, const std::string& program, int argc, char** argv,
               const std::function<int()>& body) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::FileError& error) {
    std::fprintf(stderr, "%s: --config: %s\n", program.c_str(), error.what());
    return 1;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return runMain(program, body);
}

void addAttackOptions(CLI::App& app, AttackOptions& options, const std::string& stepsName) {
  app.add_option("--epsilon", options.epsilon, "Radius of the attack, in [0,1] pixel units")
      ->capture_default_str();
  app.add_option("--step-size", options.stepSize, "Step of the attack, in [0,1] pixel units")
      ->capture_default_str();
  app.add_option(stepsName, options.steps, "Gradient steps of the attack")->capture_default_str();
  app.add_option("--restarts", options.restarts, "Attack so often and keep the worst")->capture_default_str();
  app.add_option("--random-start", options.randomStart, "Start at a random point of the ball (true or false)")
      ->capture_default_str();
  app.add_option("--start-scale", options.startScale, "Start in so many times the ball")
      ->capture_default_str();
  app.add_option("--project", options.project, "Back into the ball after each step (true or false)")
      ->capture_default_str();
}

void catchStopSignals() {
  std::signal(SIGINT, rememberStop);
  std::signal(SIGTERM, rememberStop);
}

bool stopRequested() { return stopSignal != 0; }

}  // namespace rdi::train
