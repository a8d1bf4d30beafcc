// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "arguments.hpp"

#include <algorithm>
#include <cctype>
#include <exception>
#include <filesystem>
#include <iostream>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>

namespace {

/// OpenCV's messages contain line ends and what follows them is indented.
std::string onOneLine(const std::string& message) {
  std::string result;
  bool broken = false;
  for (const char c : message) {
    if (std::iscntrl(static_cast<unsigned char>(c))) {
      broken = true;
    } else if (!broken || c != ' ') {
      if (broken && !result.empty()) result += ' ';
      broken = false;
      result += c;
    }
  }
  return result;
}

}  // namespace

Arguments::Arguments(int argc, char** argv, const std::set<std::string>& known) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.rfind("--", 0) != 0) {
      words_.push_back(word);
      continue;
    }
    const size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    if (!known.count(name)) throw WrongUsage("unknown option --" + name);
    if (equals != std::string::npos) {
      options_[name] = word.substr(equals + 1);
    } else if (i + 1 < argc) {
      options_[name] = argv[++i];
    } else {
      throw WrongUsage("--" + name + " needs a value");
    }
  }
}

std::string Arguments::get(const std::string& name, const std::string& fallback) const {
  const auto found = options_.find(name);
  return found == options_.end() ? fallback : found->second;
}

int Arguments::number(const std::string& name, int fallback, int lowest) const {
  if (!has(name)) return fallback;
  const std::string text = get(name);
  const bool isNumber =
      !text.empty() && text.size() < 10 &&
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
  if (!isNumber || std::stoi(text) < lowest) {
    throw WrongUsage("--" + name + " is '" + text + "'; expected a whole number of at least " +
                     std::to_string(lowest));
  }
  return std::stoi(text);
}

int runSample(int argc, char** argv, const std::string& usage, const std::function<int()>& body) {
  const std::string program = std::filesystem::path(argv[0]).filename().string();
  if (std::any_of(argv + 1, argv + argc, [](const std::string& word) { return word == "--help"; })) {
    std::cout << "usage: " << program << " " << usage;
    return 0;
  }
  // OpenCV also logs what it throws, and every video backend it tries; what matters is said here.
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  try {
    return body();
  } catch (const WrongUsage& error) {
    std::cerr << program << ": " << onOneLine(error.what()) << "\nusage: " << program << " " << usage;
    return 2;
  } catch (const cv::Exception& error) {
    std::cerr << program << ": " << onOneLine(error.err) << "\n";
  } catch (const std::exception& error) {
    std::cerr << program << ": " << onOneLine(error.what()) << "\n";
  }
  return 1;
}
