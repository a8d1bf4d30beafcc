// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "benchmarks/harness.hpp"

#include <benchmark/benchmark.h>

#include <ctime>

#include <algorithm>
#include <iostream>
#include <oneapi/dnnl/dnnl.hpp>
#include <opencv2/core/utility.hpp>
#include <stdexcept>

#include "graph/error.hpp"
#include "graph/run_main.hpp"

namespace rdi::bench {
namespace {

clockid_t chosenClock = CLOCK_MONOTONIC;  // set once, before anything is measured

struct WrongUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string usage(const std::string& program, const std::vector<Option>& options) {
  std::string lines = "usage: " + program;
  for (const Option& option : options) lines += " [--" + option.name + " VALUE]";
  lines += " [--benchmark_...]\n";
  for (const Option& option : options)
    lines += text("  --", option.name, "  ", option.help, option.standard.empty() ? "" : " (default ",
                  option.standard, option.standard.empty() ? "" : ")", "\n");
  return lines;
}

/// Takes our options out of argv and leaves Google Benchmark's.
Settings takeSettings(int& argc, char** argv, const std::vector<Option>& options) {
  Settings settings;
  for (const Option& option : options) settings[option.name] = option.standard;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.rfind("--benchmark_", 0) == 0) {
      argv[kept++] = argv[i];
      continue;
    }
    const auto known = word.rfind("--", 0) == 0 ? settings.find(word.substr(2)) : settings.end();
    if (known == settings.end()) throw WrongUsage("unknown option " + word);
    if (i + 1 == argc) throw WrongUsage(text("'", word, "' is not followed by a value"));
    known->second = argv[++i];
  }
  argc = kept;
  const std::string& threads = settings.at("threads");
  if (threads.empty() || threads.size() > 4 || threads.find_first_not_of("0123456789") != std::string::npos ||
      std::stoi(threads) < 1)
    throw WrongUsage(text("'--threads ", threads, "' is not understood, expected a number above 0"));
  if (settings.at("clock") != "wall" && settings.at("clock") != "cpu")
    throw WrongUsage(text("'--clock ", settings.at("clock"), "' is not understood, expected wall or cpu"));
  return settings;
}

std::string isaName() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "SSE4.1";
    case dnnl::cpu_isa::avx:
      return "AVX";
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    case dnnl::cpu_isa::avx2_vnni:
      return "AVX2 VNNI";
    case dnnl::cpu_isa::avx512_core:
      return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "AVX-512 VNNI";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX-512 BF16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "AVX-512 AMX";
    default:
      return text("oneDNN's code ", static_cast<int>(dnnl::get_effective_cpu_isa()));
  }
}

double quantile(std::vector<double> values, double position) {
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(position * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

double now() {
  timespec time{};
  clock_gettime(chosenClock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

bool usesCpuClock() { return chosenClock == CLOCK_PROCESS_CPUTIME_ID; }

int benchmarkMain(int argc, char** argv, const std::string& program, const std::vector<Option>& options,
                  const std::function<void(const Settings&)>& registerAll) {
  std::vector<Option> all{{"threads", "1", "threads of every engine"},
                          {"clock", "wall", "wall, or cpu: CPU time of the process, for busy machines"}};
  all.insert(all.end(), options.begin(), options.end());
  if (std::any_of(argv + 1, argv + argc, [](const std::string& word) { return word == "--help"; })) {
    std::cout << usage(program, all);
    return 0;
  }
  Settings settings;
  try {
    settings = takeSettings(argc, argv, all);
  } catch (const WrongUsage& error) {
    std::cerr << program << ": " << error.what() << "\n" << usage(program, all);
    return 2;
  }
  return runMain(program, [&] {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
      std::cerr << usage(program, all);
      return 2;
    }
    if (settings.at("clock") == "cpu") chosenClock = CLOCK_PROCESS_CPUTIME_ID;
    cv::setNumThreads(std::stoi(settings.at("threads")));
    const dnnl_version_t* oneDnn = dnnl_version();
    benchmark::AddCustomContext("threads", settings.at("threads"));
    benchmark::AddCustomContext("clock", settings.at("clock"));
    benchmark::AddCustomContext("oneDNN", text(oneDnn->major, ".", oneDnn->minor, ".", oneDnn->patch));
    benchmark::AddCustomContext("oneDNN ISA", isaName());
    benchmark::AddCustomContext("OpenCV", cv::getVersionString());
    benchmark::AddCustomContext("OpenCV CPU features", cv::getCPUFeaturesLine());
    registerAll(settings);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
  });
}

void measure(const std::string& name, double pictures, const std::function<void()>& pass,
             const Counters& counters) {
  measureSeconds(
      name, pictures,
      [pass] {
        const double start = now();
        pass();
        return now() - start;
      },
      counters);
}

void measureSeconds(const std::string& name, double pictures, const std::function<double()>& pass,
                    const Counters& counters) {
  auto* registered = benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    pass();  // caches are cold after another benchmark's turn
    for (auto unused : state) state.SetIterationTime(pass());
    for (const auto& [key, value] : counters) state.counters[key] = value;
    state.counters["pictures"] = pictures;
  });
  registered->UseManualTime()->Unit(benchmark::kMillisecond);
  registered->ComputeStatistics("q1", [](const std::vector<double>& times) { return quantile(times, 0.25); });
  registered->ComputeStatistics("q3", [](const std::vector<double>& times) { return quantile(times, 0.75); });
}

void measureNet(const std::string& name, const cv::dnn::Net& net, const std::vector<cv::Mat>& blobs,
                const Counters& counters) {
  double rows = 0;
  for (const cv::Mat& blob : blobs) rows += blob.size[0];
  measure(
      name, rows,
      [net, blobs] {
        cv::dnn::Net runnable = net;  // copies share one network
        for (const cv::Mat& blob : blobs) {
          runnable.setInput(blob);
          benchmark::DoNotOptimize(runnable.forward().data);
        }
      },
      counters);
}

}  // namespace rdi::bench
