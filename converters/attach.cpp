// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/attach.hpp"

#include <algorithm>
#include <cmath>

#include "graph/cost.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/partition.hpp"
#include "graph/zoo/lean_branch.hpp"
#include "graph/zoo/network_builder.hpp"

namespace rdi::convert {
namespace {

/// One value a channel, of none, one or all given.
std::vector<float> perChannel(const std::vector<float>& given, float fallback, int64_t channels,
                              const char* option) {
  const auto count = static_cast<size_t>(channels);
  if (given.empty()) return std::vector<float>(count, fallback);
  if (given.size() == 1) return std::vector<float>(count, given[0]);
  if (given.size() != count)
    throw Error(text(option, " has ", given.size(), " values for ", channels,
                     " channels; expected one, or one a channel"));
  return given;
}

/// Puts (pixel - mean) / deviation before all else, so that the network takes pixel / 255 from now on.
void prependNormalization(onnx::ModelProto& model, const AttachOptions& options) {
  if (options.mean.empty() && options.deviation.empty()) return;
  const int64_t channels = graph::inputShape(model)[0];
  auto mean = perChannel(options.mean, 0, channels, "--mean");
  auto deviation = perChannel(options.deviation, 255, channels, "--std");
  for (size_t c = 0; c < mean.size(); ++c) {
    if (!std::isfinite(mean[c])) throw Error(text("--mean is ", mean[c], ", expected a pixel value"));
    if (!std::isfinite(deviation[c]) || deviation[c] <= 0)
      throw Error(text("--std is ", deviation[c], ", expected a number above 0"));
    mean[c] /= 255;
    deviation[c] /= 255;
  }
  const std::string input = graph::inputName(model), normalized = input + ".normalized";
  const int before = model.graph().node_size();
  zoo::NetworkBuilder builder(std::move(model), 0);
  builder.normalize(normalized, input, mean, deviation);
  model = builder.finish();
  auto& nodes = *model.mutable_graph()->mutable_node();
  for (int i = 0; i < before; ++i)
    for (auto& name : *nodes[i].mutable_input())
      if (name == input) name = normalized;
  std::rotate(nodes.pointer_begin(), nodes.pointer_begin() + before, nodes.pointer_end());
}

constexpr int64_t kLeastWidth = 8, kWidthStep = 4, kMostWidth = 256;

/// Writes one branch; every layer's name begins with it.
class Branch {
public:
  Branch(zoo::NetworkBuilder& net, std::string name, const AttachPoint& point, int64_t classes, double budget)
      : net_(net),
        name_(std::move(name)),
        shape_(point.shape),
        x_(point.tensor),
        classes_(classes),
        budget_(budget) {}

  /// Scores; throws rdi::Error when not even the smallest classifier keeps to the budget.
  std::string build() {
    if (shape_.size() == 2) {
      checkBudget(static_cast<double>(shape_[1] * classes_));
      return classify();
    }
    const graph::Shape features(shape_.begin() + 1, shape_.end());
    const int64_t width = widest(features);
    return width >= kLeastWidth ? zoo::addLeanBranch(net_, name_, x_, features, width, classes_) : flatten();
  }

private:
  /// Channels of the lean branch that the budget allows.
  int64_t widest(const graph::Shape& features) const {
    const auto cost = [&](int64_t width) {
      return static_cast<double>(zoo::leanBranchMacs(features, width, classes_));
    };
    int64_t width = 0;
    while (width + kWidthStep <= kMostWidth && cost(width + kWidthStep) <= budget_) width += kWidthStep;
    return width;
  }

  /// One linear layer on as fine a picture as the budget allows, brought to one scale before: features of a
  /// network that was fed 0 .. 255 are thousands of times too large for it to learn from.
  std::string flatten() {
    const int64_t most = std::min(shape_[2], shape_[3]);
    const auto cost = [&](int64_t window) {
      return static_cast<double>(shape_[1] * (shape_[2] / window) * (shape_[3] / window) * classes_);
    };
    int64_t window = 1;
    while (window < most && cost(window) > budget_) ++window;
    checkBudget(cost(window));
    if (window > 1) x_ = net_.averagePool(name_ + ".pool", x_, window);
    x_ = net_.flatten(name_ + ".flatten", net_.batchNorm(name_ + ".bn", x_));
    return classify();
  }

  std::string classify() { return net_.linear(name_ + ".classifier", x_, classes_); }

  void checkBudget(double least) const {
    if (least > budget_)
      throw Error(text("the smallest branch at '", x_, "' costs ", least / 1e6, " MMAC, but ", budget_ / 1e6,
                       " are left for each; give a larger --budget or fewer exits"));
  }

  zoo::NetworkBuilder& net_;
  std::string name_;
  graph::Shape shape_;
  std::string x_;
  int64_t classes_;
  double budget_;
};

/// What the network was fed, in options or in the file's own words.
AttachOptions withFileNormalization(const onnx::ModelProto& model, AttachOptions options) {
  const auto recorded = graph::readMetadata(model).preprocessing;
  if (!recorded || !options.mean.empty() || !options.deviation.empty()) return options;
  const bool usual =
      std::abs(recorded->scale * 255 - 1) < 1e-6 &&
      std::all_of(recorded->mean.begin(), recorded->mean.end(), [](double mean) { return mean == 0; });
  if (usual) return options;
  options.mean.assign(recorded->mean.begin(), recorded->mean.end());
  options.deviation = {static_cast<float>(1 / recorded->scale)};
  return options;
}

/// Rule, results and cost speak of other exits; pixels are divided by 255 and nothing else from now on.
void renewMetadata(onnx::ModelProto& model) {
  graph::Metadata metadata = graph::readMetadata(model);
  const auto shape = graph::inputShape(model);
  graph::Preprocessing preprocessing = metadata.preprocessing.value_or(graph::Preprocessing{});
  preprocessing.scale = graph::Preprocessing{}.scale;
  preprocessing.mean.clear();
  if (!metadata.preprocessing) preprocessing.swapRB = shape[0] == 3;
  preprocessing.channels = static_cast<int>(shape[0]);
  preprocessing.height = static_cast<int>(shape[1]);
  preprocessing.width = static_cast<int>(shape[2]);
  metadata.preprocessing = preprocessing;
  metadata.rule.reset();
  metadata.results = nullptr;
  metadata.cost = graph::costToJson(model);
  graph::eraseRuleAndResults(model);
  graph::writeMetadata(model, metadata);
}

Attached attach(onnx::ModelProto model, const AttachOptions& given) {
  if (graph::isEarlyExit(model)) throw Error("is an early-exit file; expected a classifier with one exit");
  const auto outputs = graph::exitNames(model);
  if (outputs.size() != 1)
    throw Error(text("has ", outputs.size(), " outputs already; expected a classifier with one exit"));
  Attached attached;
  attached.backboneMacs = graph::modelMacs(model).total();
  std::vector<AttachPoint> points;
  for (const auto& tensor : given.at) points.push_back(attachPoint(model, tensor));
  if (given.at.empty()) points = equidistant(attachPoints(model), given.exits, attached.backboneMacs);
  const bool softmax = graph::kindOfScores(model, outputs) == graph::Scores::probabilities;
  const int64_t classes = graph::classCount(model);
  const double budget =
      given.share * static_cast<double>(attached.backboneMacs) / static_cast<double>(points.size());
  prependNormalization(model, withFileNormalization(model, given));

  zoo::NetworkBuilder net(std::move(model), given.seed);
  for (size_t k = 0; k < points.size(); ++k) {
    const std::string exit = "exit" + std::to_string(k + 1), branch = "branch_" + exit;
    std::string scores = Branch(net, branch, points[k], classes, budget).build();
    if (softmax) scores = net.softmax(branch + ".softmax", scores);
    net.addExit(exit, scores);
    attached.exits.push_back({exit, points[k], 0});
  }
  attached.model = net.finish();
  auto& declared = *attached.model.mutable_graph()->mutable_output();
  std::rotate(declared.pointer_begin(), declared.pointer_begin() + 1,
              declared.pointer_end());  // the network's own last
  for (auto& exit : attached.exits)
    exit.macs = graph::exitCosts(attached.model, {exit.name})[0].own.total() - exit.point.macs;
  renewMetadata(attached.model);
  return attached;
}

}  // namespace

Attached attachExits(const onnx::ModelProto& model, const std::string& name, const AttachOptions& options) {
  try {
    Attached attached = attach(model, options);
    graph::checkModel(attached.model, name);
    return attached;
  } catch (const Error& error) {
    const std::string message = error.what();
    throw Error(message.rfind(name + ": ", 0) == 0 ? message : name + ": " + message);
  }
}

}  // namespace rdi::convert
