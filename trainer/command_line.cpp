// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/command_line.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <vector>

#include "graph/nearest_name.hpp"
#include "graph/run_main.hpp"

namespace rdi::train {
namespace {

volatile std::sig_atomic_t stopSignal = 0;

extern "C" void rememberStop(int signal) {
  stopSignal = signal;
  std::signal(signal, SIG_DFL);
}

// --epsilon, --steps, ...: what can be typed or written into a recipe.
std::vector<std::string> optionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  for (const CLI::App* sub : app.get_subcommands({})) {
    const std::vector<std::string> more = optionNames(*sub);
    names.insert(names.end(), more.begin(), more.end());
  }
  return names;
}

// What is left over when everything else was understood.
std::string complaintAbout(const std::vector<std::string>& words, const CLI::App& app) {
  for (const std::string& word : words)
    if (word.size() > 1 && word.front() == '-')
      return "there is no option " + word + didYouMean(word, optionNames(app));
  return "found \"" + words.front() + "\", expected an option";
}

// An ini file whose every key must be an option.
class Recipe : public CLI::ConfigINI {
public:
  explicit Recipe(const CLI::App& app) : app_(app) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::vector<CLI::ConfigItem> entries = CLI::ConfigINI::from_config(input);
    const std::vector<std::string> known = optionNames(app_);
    // What was typed before wins over a key that excludes it.
    const auto isOverruled = [&](const CLI::ConfigItem& item) {
      const CLI::Option* option = app_.get_option_no_throw("--" + item.fullname());
      if (option == nullptr) return false;
      const auto& others = option->get_excludes();
      return std::any_of(others.begin(), others.end(),
                         [](const CLI::Option* other) { return other->count() > 0; });
    };
    entries.erase(std::remove_if(entries.begin(), entries.end(), isOverruled), entries.end());
    for (const CLI::ConfigItem& item : entries) {
      const std::string option = "--" + item.fullname();
      if (std::find(known.begin(), known.end(), option) == known.end()) {
        std::vector<std::string> keys;
        for (const std::string& name : known) keys.push_back(name.substr(2));
        throw CLI::ConfigError(
            "--config: there is no key " + item.fullname() + didYouMean(item.fullname(), keys),
            CLI::ExitCodes::ConfigError);
      }
    }
    return entries;
  }

private:
  const CLI::App& app_;
};

// OpenMP's threads spin while they wait for each other. Beside other work they keep the very thread that they
// wait for from running: 25 images/s instead of 213 was seen. OpenBLAS's own threads do likewise, a sixth of
// a core. Both libraries read their settings before main, so the program starts itself once more.
void letWaitingThreadsSleep(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 0);
  setenv("OPENBLAS_THREAD_TIMEOUT", "4", 0);  // 2^4 cycles
  execv("/proc/self/exe", argv);              // when it returns, it failed: slower is better than not at all
}

// Features of a batch take megabytes. Given back to the system after each step and asked for again, they are
// cleared page by page: a fifth of the time of a training step. So what was once asked for is kept.
void keepMemory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

}  // namespace

int runProgram(CLI::App& app, const std::string& program, int argc, char** argv,
               const std::function<int()>& body) {
  letWaitingThreadsSleep(argv);
  keepMemory();
  try {
    app.parse(argc, argv);
  } catch (const CLI::FileError& error) {
    std::fprintf(stderr, "%s: --config: %s\n", program.c_str(), error.what());
    return 1;
  } catch (const CLI::ExtrasError&) {
    std::fprintf(stderr, "%s: %s\nRun with --help for more information.\n", program.c_str(),
                 complaintAbout(app.remaining_for_passthrough(true), app).c_str());
    return 2;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return runMain(program, body);
}

void addRecipeOption(CLI::App& app) {
  app.set_config("--config", "", "Recipe: an ini file with any of these options");
  app.config_formatter(std::make_shared<Recipe>(app));
}

CLI::Validator fraction() {
  return CLI::Validator(
      [](std::string& number) {
        const size_t slash = number.find('/');
        if (slash == std::string::npos) return std::string();
        const auto read = [](const char* first, const char* last, double& value) {
          const auto [end, problem] = std::from_chars(first, last, value);
          return problem == std::errc() && end == last;
        };
        double above = 0, below = 0;
        const char* const text = number.data();
        if (!read(text, text + slash, above) || !read(text + slash + 1, text + number.size(), below) ||
            below == 0)
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

std::string commandLine(int argc, const char* const* argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) {
    const std::string word = i == 0 ? std::filesystem::path(argv[0]).filename().string() : argv[i];
    const bool isPlain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) ||
             std::string("-_./:,=+@%").find(c) != std::string::npos;
    });
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
    line += (i == 0 ? "" : " ") + (isPlain ? word : quoted + "'");
  }
  return line;
}

size_t terminalWidth() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void catchStopSignals() {
  std::signal(SIGINT, rememberStop);
  std::signal(SIGTERM, rememberStop);
}

bool stopRequested() { return stopSignal != 0; }

}  // namespace rdi::train
