// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// What it costs that the trainer interprets an ONNX graph: one training step of RDI-ResNet38 (forward, loss
// of all exits, backward, SGD) beside the same network written with torch::nn. Compares outputs and gradients
// first, then takes turns.
//   rdi_training_step_benchmark [BATCH [PAIRS [THREADS]]]      default 32 15 1

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "benchmarks/torch_resnet38.hpp"
#include "graph/error.hpp"
#include "graph/run_main.hpp"
#include "graph/zoo/zoo.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/optimizer.hpp"

namespace {

using namespace rdi::train;
using torch::Tensor;

struct Step {
  std::vector<Tensor> scores, gradients;
};

class Contender {
public:
  template <typename Forward>
  Contender(Forward forward, const std::vector<Tensor>& parameters)
      : forward_(std::move(forward)), parameters_(parameters), sgd_(parameters, 0.9, 5e-4) {}

  Step step(const Tensor& images, const Tensor& labels, double learningRate) {
    Step result;
    result.scores = forward_(images);
    Tensor loss = torch::zeros({});
    for (const Tensor& scores : result.scores) loss = loss + torch::cross_entropy_loss(scores, labels);
    result.gradients = torch::autograd::grad({loss}, parameters_);
    sgd_.step(result.gradients, learningRate);
    return result;
  }

private:
  std::function<std::vector<Tensor>(const Tensor&)> forward_;
  std::vector<Tensor> parameters_;
  Sgd sgd_;
};

double largestDifference(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i)
    largest =
        std::max(largest, ((a[i] - b[i]).abs().max() / b[i].abs().max().clamp_min(1e-6)).item<double>());
  return largest;
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

int run(int64_t batch, int pairs, int threads) {
  at::set_num_threads(threads);
  GraphModule interpreted(rdi::zoo::build("rdi-resnet38", 1));
  TorchResNet38 written;
  std::map<std::string, Tensor> byName;
  for (const auto& entry : written.named_parameters()) byName[entry.key()] = entry.value();
  for (const auto& entry : written.named_buffers()) byName[entry.key()] = entry.value();
  std::vector<Tensor> parameters;
  {
    torch::NoGradGuard noGradient;
    for (const GraphModule::Weight& weight : interpreted.weights()) {
      if (!weight.moves()) continue;
      if (byName.count(weight.name) == 0) throw rdi::Error("torch::nn's net has no weight " + weight.name);
      byName[weight.name].copy_(weight.value);
      if (weight.kind == GraphModule::Kind::parameter) parameters.push_back(byName[weight.name]);
    }
  }
  torch::manual_seed(1);
  const Tensor images = torch::rand({batch, 3, 32, 32}), labels = torch::arange(batch).remainder(10);
  Contender ours([&](const Tensor& x) { return interpreted.forward(x, ForwardMode::training()); },
                 interpreted.trainable());
  Contender theirs([&](const Tensor& x) { return written.forward(x); }, parameters);

  const Step a = ours.step(images, labels, 0), b = theirs.step(images, labels, 0);
  const double scores = largestDifference(a.scores, b.scores),
               gradients = largestDifference(a.gradients, b.gradients);
  std::printf("largest relative difference of scores %.1e, of gradients %.1e\n", scores, gradients);
  if (!(scores < 1e-4 && gradients < 1e-3)) {
    std::fprintf(stderr,
                 "training_step_benchmark: the nets do not compute the same, their times mean nothing\n");
    return 1;
  }

  std::vector<double> ownTimes, theirTimes, ratios;
  const auto timed = [&](Contender& contender) {
    const auto start = std::chrono::steady_clock::now();
    contender.step(images, labels, 1e-4);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  for (int i = 0; i < pairs; ++i) {
    // Who comes first alternates too.
    const double first = timed(i % 2 == 0 ? ours : theirs), second = timed(i % 2 == 0 ? theirs : ours);
    ownTimes.push_back(i % 2 == 0 ? first : second);
    theirTimes.push_back(i % 2 == 0 ? second : first);
    ratios.push_back(theirTimes.back() / ownTimes.back());
  }
  const auto line = [&](const char* name, const std::vector<double>& seconds) {
    std::printf("%-12s %7.1f images/s (quartiles %.1f to %.1f)\n", name,
                static_cast<double>(batch) / quantile(seconds, 0.5),
                static_cast<double>(batch) / quantile(seconds, 0.75),
                static_cast<double>(batch) / quantile(seconds, 0.25));
  };
  line("ONNX graph", ownTimes);
  line("torch::nn", theirTimes);
  std::printf("throughput of the ONNX graph / torch::nn: median of %d pairs %.3f (quartiles %.3f to %.3f)\n",
              pairs, quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return rdi::runMain("rdi_training_step_benchmark", [&] {
    const auto number = [&](int index, int otherwise) {
      if (argc <= index) return otherwise;
      const int found = std::atoi(argv[index]);
      if (found < 1)
        throw rdi::Error(
            rdi::text("found \"", argv[index], "\", expected a number above 0: BATCH PAIRS THREADS"));
      return found;
    };
    return run(number(1, 32), number(2, 15), number(3, 1));
  });
}
