// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <functional>
#include <map>
#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

namespace rdi::bench {

/// An option of a benchmark program, --NAME VALUE.
struct Option {
  std::string name, standard, help;
};

/// What the options were set to, by name.
using Settings = std::map<std::string, std::string>;

/// A benchmark program: reads its options and Google Benchmark's, calls `registerAll`, which checks that
/// outputs are equal and registers measurements, then runs them. --threads, --clock and --help are understood
/// by all. Returns the exit code; 2 for wrong usage.
int benchmarkMain(int argc, char** argv, const std::string& program, const std::vector<Option>& options,
                  const std::function<void(const Settings&)>& registerAll);

using Counters = std::map<std::string, double>;

/// One measured iteration is one call of `pass`, which handles `pictures` pictures; medians and quartiles
/// over the repetitions are reported. The clock is --clock: wall, or the CPU time of the process, which other
/// programs on the machine disturb less.
void measure(const std::string& name, double pictures, const std::function<void()>& pass,
             const Counters& counters = {});

/// The same for something that measures itself: `pass` returns seconds.
void measureSeconds(const std::string& name, double pictures, const std::function<double()>& pass,
                    const Counters& counters = {});

/// Sends every blob through the net once an iteration, one after the other.
void measureNet(const std::string& name, const cv::dnn::Net& net, const std::vector<cv::Mat>& blobs,
                const Counters& counters = {});

/// Seconds on the clock that was chosen.
double now();
bool usesCpuClock();

}  // namespace rdi::bench
