// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// What the evaluator adds to the forwards and backwards that an attack cannot do without: PGD by the
// evaluator's loop beside a loop that does nothing but forward, backward, sign and clamp, on RDI-ResNet38.
// Prints which of the two gives the same images first: they must agree before their times are compared.

#include <benchmark/benchmark.h>

#include <cstdio>

#include "graph/simplify.hpp"
#include "graph/zoo/zoo.hpp"
#include "trainer/attacks.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/torch_compat.hpp"

namespace {

using namespace rdi::train;
using torch::Tensor;

constexpr int64_t kBatch = 50;
constexpr int kSteps = 5;
constexpr double kEpsilon = 8.0 / 255, kStep = 2.0 / 255;

struct Work {
  explicit Work(bool channelsLast) {
    onnx::ModelProto model = rdi::zoo::build("rdi-resnet38", 1);
    rdi::graph::simplify(model);
    GraphModuleOptions options;
    options.channelsLast = channelsLast;
    module = std::make_shared<GraphModule>(model, options);
    module->eval();
    torch::manual_seed(1);
    images = torch::rand({kBatch, 3, 32, 32});
    labels = torch::arange(kBatch).remainder(10);
    rule.thresholds.assign(module->exitCount() - 1, 0.5F);
  }

  Tensor evaluator(const AttackForm& form) {
    torch::Generator generator = makeGenerator(torch::kCPU, 1);
    AttackOptions options;
    options.epsilon = kEpsilon;
    options.stepSize = kStep;
    options.steps = kSteps;
    options.randomStart = false;
    return attackUnderRule(*module, images, labels, options, form, rule, generator);
  }

  // Average loss of all exits, nothing else.
  Tensor bare() {
    const FrozenParameters frozen(*module);
    const Tensor low = (images - kEpsilon).clamp_min(0), high = (images + kEpsilon).clamp_max(1);
    Tensor moved = images.clone();
    for (int step = 0; step < kSteps; ++step) {
      moved.requires_grad_(true);
      Tensor loss = torch::zeros({});
      for (const Tensor& scores : module->forward(moved, ForwardMode::evaluation()))
        loss = loss + torch::cross_entropy_loss(scores, labels);
      const Tensor gradient = torch::autograd::grad({loss}, {moved})[0];
      torch::NoGradGuard noGradient;
      moved = at::clamp(moved.detach() + kStep * gradient.sign(), low, high);
    }
    return moved;
  }

  std::shared_ptr<GraphModule> module;
  Tensor images, labels;
  rdi::graph::ExitRule rule;
};

void report(benchmark::State& state) {
  state.counters["image_steps/s"] =
      benchmark::Counter(static_cast<double>(kBatch * kSteps), benchmark::Counter::kIsIterationInvariantRate);
}

template <typename Body>
void add(const std::string& name, const Body& body) {
  benchmark::RegisterBenchmark(name.c_str(), [body](benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(body());
    report(state);
  })->Unit(benchmark::kMillisecond);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  at::set_num_threads(1);
  using Kind = AttackForm::Kind;
  Work plain(false), channelsLast(true);
  const auto differing = (plain.evaluator({Kind::average, 0}) != plain.bare()).sum().item<int64_t>();
  std::printf("pixels that differ between the loops: %lld of %lld (gradients of rounding size may turn)\n",
              static_cast<long long>(differing), static_cast<long long>(plain.images.numel()));
  if (differing > plain.images.numel() / 100) {
    std::fprintf(stderr, "attack_benchmark: the loops do not do the same, their times mean nothing\n");
    return 1;
  }
  add("bare_loop", [&] { return plain.bare(); });
  add("evaluator/average", [&] { return plain.evaluator({Kind::average, 0}); });
  add("evaluator/routed", [&] { return plain.evaluator({Kind::routed, 0}); });
  add("evaluator/soft-routed", [&] { return plain.evaluator({Kind::softRouted, 0}); });
  add("channels_last/bare_loop", [&] { return channelsLast.bare(); });
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
