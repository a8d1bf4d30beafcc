// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/attach_points.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <set>

#include "graph/cost.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/nearest_name.hpp"
#include "graph/partition.hpp"

namespace rdi::convert {
namespace {

constexpr double kMargin = 0.05;  // share of the cost at both ends where an exit would be pointless

int64_t macsUpTo(const onnx::ModelProto& model, const graph::ShapeMap& shapes, const std::string& tensor) {
  int64_t total = 0;
  for (const int index : graph::ancestors(model.graph(), {tensor}))
    total += graph::nodeMacs(model.graph().node(index), shapes).total();
  return total;
}

/// Tensors that depend on the picture.
std::set<std::string> computedFromImage(const onnx::ModelProto& model) {
  std::set<std::string> tensors{graph::inputName(model)};
  for (const auto& node : model.graph().node()) {
    const bool reads = std::any_of(node.input().begin(), node.input().end(),
                                   [&](const auto& input) { return tensors.count(input) != 0; });
    if (reads) tensors.insert(node.output().begin(), node.output().end());
  }
  return tensors;
}

/// Tensors through which everything that the outputs need passes, in order: those that are alone in being
/// read later at some point of the computation.
std::vector<std::string> bottlenecks(const onnx::ModelProto& model) {
  const auto& graph = model.graph();
  const auto needed = graph::ancestors(graph, graph::exitNames(model));
  const auto dynamic = computedFromImage(model);
  std::map<std::string, int> lastReader;
  for (const int index : needed)
    for (const auto& input : graph.node(index).input())
      if (dynamic.count(input)) lastReader[input] = index;
  for (const auto& output : graph.output()) lastReader[output.name()] = std::numeric_limits<int>::max();
  std::set<std::string> live;
  if (const std::string image = graph::inputName(model); lastReader.count(image)) live.insert(image);
  std::vector<std::string> result;
  for (const int index : needed) {
    for (const auto& output : graph.node(index).output())
      if (dynamic.count(output) && lastReader.count(output)) live.insert(output);
    for (auto tensor = live.begin(); tensor != live.end();)
      tensor = lastReader.at(*tensor) <= index ? live.erase(tensor) : std::next(tensor);
    if (live.size() == 1 && (result.empty() || result.back() != *live.begin()))
      result.push_back(*live.begin());
  }
  return result;
}

std::string joined(const std::vector<AttachPoint>& points) {
  std::string result;
  for (const auto& point : points) result += (result.empty() ? "" : ", ") + point.tensor;
  return result;
}

}  // namespace

std::vector<AttachPoint> attachPoints(const onnx::ModelProto& model) {
  const auto shapes = graph::inferShapes(model);
  const auto total = static_cast<double>(graph::modelMacs(model).total());
  std::vector<AttachPoint> points;
  for (const auto& tensor : bottlenecks(model)) {
    const AttachPoint point{tensor, shapes.at(tensor), macsUpTo(model, shapes, tensor)};
    const double share = static_cast<double>(point.macs) / std::max(total, 1.0);
    if (point.shape.size() != 4 || share < kMargin || share > 1 - kMargin) continue;
    if (!points.empty() && points.back().macs == point.macs) points.pop_back();
    points.push_back(point);
  }
  return points;
}

std::vector<AttachPoint> equidistant(const std::vector<AttachPoint>& points, size_t count, int64_t total) {
  if (points.size() < count)
    throw Error(text("has ", points.size(), points.size() == 1 ? " point" : " points",
                     " where a branch can read all that the rest of the network needs",
                     points.empty() ? "" : ": ", joined(points), "; expected at least ", count,
                     ", one an exit; give fewer --exits, or name tensors with --at"));
  // best[i][k]: least sum of distances with point i as the k-th chosen one.
  constexpr double kNone = std::numeric_limits<double>::infinity();
  std::vector<std::vector<double>> best(points.size(), std::vector<double>(count, kNone));
  std::vector<std::vector<size_t>> before(points.size(), std::vector<size_t>(count, 0));
  for (size_t i = 0; i < points.size(); ++i)
    for (size_t k = 0; k < count; ++k) {
      const double target =
          static_cast<double>(total) * static_cast<double>(k + 1) / static_cast<double>(count + 1);
      const double distance = std::abs(static_cast<double>(points[i].macs) - target);
      if (k == 0) best[i][k] = distance;
      for (size_t j = 0; k > 0 && j < i; ++j)
        if (best[j][k - 1] + distance < best[i][k]) {
          best[i][k] = best[j][k - 1] + distance;
          before[i][k] = j;
        }
    }
  size_t last = 0;
  for (size_t i = 0; i < points.size(); ++i)
    if (best[i][count - 1] < best[last][count - 1]) last = i;
  std::vector<AttachPoint> chosen(count);
  for (size_t k = count; k-- > 0; last = before[last][k]) chosen[k] = points[last];
  return chosen;
}

AttachPoint attachPoint(const onnx::ModelProto& model, const std::string& tensor) {
  const auto shapes = graph::inferShapes(model);
  const auto found = shapes.find(tensor);
  const auto refuse = [&](const std::string& why) {
    const auto good = joined(attachPoints(model));
    throw Error(text("no branch can read '", tensor, "': ", why,
                     "; expected features N x C x H x W or N x F, such as ",
                     good.empty() ? "the output of an activation" : good));
  };
  if (found == shapes.end()) {
    std::vector<std::string> names;
    for (const auto& node : model.graph().node())
      names.insert(names.end(), node.output().begin(), node.output().end());
    refuse("there is no such tensor" + didYouMean(tensor, names));
  }
  if (computedFromImage(model).count(tensor) == 0) refuse("it does not depend on the picture");
  for (const auto& exit : graph::exitNames(model))
    if (exit == tensor) refuse("it is the network's own output");
  const auto& shape = found->second;
  if ((shape.size() != 4 && shape.size() != 2) || shape[0] != 1) refuse("it is " + graph::toString(shape));
  return {tensor, shape, macsUpTo(model, shapes, tensor)};
}

}  // namespace rdi::convert
