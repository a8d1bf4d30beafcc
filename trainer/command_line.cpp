// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/command_line.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "graph/run_main.hpp"

namespace rdi::train {
namespace {

volatile std::sig_atomic_t stopSignal = 0;

extern "C" void rememberStop(int signal) {
  stopSignal = signal;
  std::signal(signal, SIG_DFL);
}

// OpenMP's threads spin while they wait for each other. Beside other work they keep the very thread that they
// wait for from running: 25 images/s instead of 213 was seen. libgomp reads its settings before main, so the
// program starts itself once more.
void letWaitingThreadsSleep(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 0);
  execv("/proc/self/exe", argv);  // when it returns, it failed: slower is better than not at all
}

}  // namespace

int runProgram(CLI::App& app, const std::string& program, int argc, char** argv,
               const std::function<int()>& body) {
  letWaitingThreadsSleep(argv);
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

CLI::Validator fraction() {
  return CLI::Validator(
      [](std::string& number) {
        const size_t slash = number.find('/');
        if (slash == std::string::npos) return std::string();
        double above = 0, below = 0;
        if (!CLI::detail::lexical_cast(number.substr(0, slash), above) ||
            !CLI::detail::lexical_cast(number.substr(slash + 1), below) || below == 0)
          return number + " is neither a number nor a fraction such as 8/255";
        char digits[32];
        std::snprintf(digits, sizeof digits, "%.17g", above / below);
        number = digits;
        return std::string();
      },
      "");
}

void addAttackOptions(CLI::App& app, AttackOptions& options, const std::string& stepsName) {
  app.add_option("--epsilon", options.epsilon, "Radius of the attack, in [0,1] pixel units, e.g. 8/255")
      ->transform(fraction())
      ->capture_default_str();
  app.add_option("--step-size", options.stepSize, "Step of the attack, in [0,1] pixel units, e.g. 2/255")
      ->transform(fraction())
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
