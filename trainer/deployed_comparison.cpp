// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/deployed_comparison.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>

#include "graph/error.hpp"
#include "trainer/number_format.hpp"

namespace rdi::train {
namespace {

constexpr double kLeastRounding = 1e-6;  // of a float32 uncertainty itself
constexpr size_t kListedDifferences = 20;

// The libtorch scores in the kind that the file gives.
ScoreTable inKindOf(const ScoreTable& logits, graph::Scores kind) {
  ScoreTable table = logits;
  if (kind == graph::Scores::logits) return table;
  for (int64_t i = 0; i < table.count; ++i)
    for (int k = 0; k < table.exitCount; ++k)
      graph::toProbabilities(logits.scores(i, k), table.classCount, graph::Scores::logits,
                             table.values.data() + (i * table.exitCount + k) * table.classCount);
  return table;
}

DeployedComparison::Side sideOf(const std::vector<int>& exits, int64_t right, const DeployedFile& file) {
  DeployedComparison::Side side;
  const auto count = static_cast<double>(exits.size());
  side.accuracy = static_cast<double>(right) / count;
  side.shares.assign(file.costs.size(), 0);
  for (const int exit : exits) side.shares[static_cast<size_t>(exit)] += 1 / count;
  side.paid = graph::paidFraction(file.costs, side.shares);
  side.paper = graph::paperFraction(file.costs, side.shares);
  return side;
}

// How the rule sees one image at one exit.
class Decision {
public:
  Decision(const std::vector<const float*>& scores, int classCount, const graph::ExitRule& rule)
      : scores_(scores),
        classCount_(classCount),
        rule_(rule),
        probabilities_(static_cast<size_t>(classCount)) {}

  float uncertainty(int exit) {
    load(exit);
    return graph::uncertainty(probabilities_.data(), classCount_, rule_.criterion);
  }

  // Of the most probable class before the next one.
  float lead(int exit) {
    load(exit);
    if (classCount_ < 2) return 1;
    std::partial_sort(probabilities_.begin(), probabilities_.begin() + 2, probabilities_.end(),
                      std::greater<>());
    return probabilities_[0] - probabilities_[1];
  }

private:
  void load(int exit) {
    std::vector<float> fused(probabilities_.size());
    graph::fuseScores(scores_.data(), exit, classCount_, rule_.fusion, rule_.scores, fused.data());
    graph::toProbabilities(fused.data(), classCount_, rule_.scores, probabilities_.data());
  }

  const std::vector<const float*>& scores_;
  int classCount_;
  const graph::ExitRule& rule_;
  std::vector<float> probabilities_;
};

ExitDifference explain(int64_t image, int libtorch, int opencv, const std::vector<const float*>& scores,
                       int classCount, const graph::ExitRule& rule) {
  ExitDifference difference;
  difference.image = image;
  difference.libtorch = libtorch;
  difference.opencv = opencv;
  const int exit = difference.decidedAt = std::min(libtorch, opencv);
  Decision decision(scores, classCount, rule);
  difference.uncertainty = decision.uncertainty(exit);
  difference.threshold = rule.thresholds[static_cast<size_t>(exit)];
  difference.distance = std::abs(double{difference.uncertainty} - difference.threshold);
  if (rule.patience > 1)
    for (int k = std::max(0, exit - rule.patience + 1); k <= exit; ++k)
      difference.distance = std::min(difference.distance, double{decision.lead(k)});
  return difference;
}

// Equal infinities, and NaN on both sides, are equal.
double differenceOf(float a, float b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double difference = std::abs(double{a} - b);
  return std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
}

std::string number(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::string describe(const ExitDifference& d, const std::string& set, const DeployedFile& file) {
  return text(set, ", image ", d.image, ": ", file.costs[static_cast<size_t>(d.libtorch)].exit,
              " in libtorch, ", file.costs[static_cast<size_t>(d.opencv)].exit, " in OpenCV; at ",
              file.costs[static_cast<size_t>(d.decidedAt)].exit, " ", graph::nameOf(file.rule.criterion), " ",
              number("%.7g", d.uncertainty), ", threshold ", number("%.7g", d.threshold), ", ",
              number("%.2g", d.distance), " from another decision");
}

}  // namespace

DeployedComparison compareDeployed(const std::string& name, const ScoreTable& logits,
                                   const DeployedAnswers& opencv, const DeployedFile& file) {
  const auto exits = static_cast<int>(file.costs.size());
  const auto classes = static_cast<size_t>(file.classCount);
  if (logits.exitCount != exits || logits.classCount != file.classCount)
    throw Error(text(name, ": found scores of ", logits.exitCount, " exits and ", logits.classCount,
                     " classes, expected ", exits, " and ", file.classCount, ", as ", file.path, " has"));
  if (logits.count < 1) throw Error(text(name, ": holds no images"));
  const ScoreTable table = inKindOf(logits, file.rule.scores);
  const RuleOutcome outcome = applyRule(table, file.rule);

  DeployedComparison result;
  result.name = name;
  result.count = table.count;
  int64_t right[2] = {};
  std::vector<float> expected(classes);
  for (int64_t i = 0; i < table.count; ++i) {
    const auto row = static_cast<size_t>(i);
    const float* found = opencv.scores.data() + row * classes;
    const int exit = opencv.exits[row], answer = graph::argmax(found, static_cast<int>(classes));
    if (exit < 0 || exit >= exits)
      throw Error(text(name, ": image ", i, " left by exit ", exit, " in OpenCV, expected 0 to ", exits - 1));
    right[0] += outcome.right[row];
    right[1] += answer == table.labels[row];
    result.answerDifferences += answer != outcome.answers[row];
    const std::vector<const float*> scores = table.rows(i);
    if (exit != outcome.taken[row]) {
      result.exitDifferences.push_back(
          explain(i, outcome.taken[row], exit, scores, static_cast<int>(classes), file.rule));
      continue;
    }
    graph::fuseScores(scores.data(), exit, static_cast<int>(classes), file.rule.fusion, file.rule.scores,
                      expected.data());
    double largest = 0, scale = 1;
    for (size_t c = 0; c < classes; ++c) {
      largest = std::max(largest, differenceOf(expected[c], found[c]));
      if (std::isfinite(expected[c])) scale = std::max(scale, std::abs(double{expected[c]}));
    }
    result.largestScoreDifference = std::max(result.largestScoreDifference, largest);
    if (result.imageOfLargestDifference < 0 || largest / scale > result.largestRelativeDifference) {
      result.largestRelativeDifference = largest / scale;
      result.imageOfLargestDifference = i;
    }
  }
  result.libtorch = sideOf(outcome.taken, right[0], file);
  result.opencv = sideOf(opencv.exits, right[1], file);
  return result;
}

// When no score moves by more than d, entropy moves by at most d times the standard deviation of ln p under
// p, which is below 1 + ln(classes), as a function of logits; of probabilities, by d times the sum of |ln p +
// 1|, where ln p stops at ln(1e-5). The other criteria move less.
double roundingOf(const std::vector<DeployedComparison>& comparisons, const DeployedFile& file) {
  const auto classes = static_cast<double>(file.classCount);
  const double slope = file.rule.scores == graph::Scores::logits ? 1 + std::log(classes) : 12 * classes;
  double largest = kLeastRounding;
  for (const DeployedComparison& set : comparisons) largest = std::max(largest, set.largestScoreDifference);
  return largest * slope;
}

std::vector<std::string> unexplained(const std::vector<DeployedComparison>& comparisons,
                                     const DeployedFile& file, double tolerance, double rounding) {
  std::vector<std::string> lines;
  for (const DeployedComparison& set : comparisons) {
    if (!(set.largestRelativeDifference <= tolerance))
      lines.push_back(
          text(set.name, ", image ", set.imageOfLargestDifference, ": the scores of the same exit differ by ",
               number("%.2g", set.largestRelativeDifference), " of the largest, expected at most ",
               number("%.2g", tolerance), "; was ", file.path, " made from the model that was evaluated?"));
    for (const ExitDifference& difference : set.exitDifferences)
      if (!(difference.distance <= rounding))
        lines.push_back(text(describe(difference, set.name, file), ", which is beyond the rounding of ",
                             number("%.2g", rounding)));
  }
  return lines;
}

std::string toTable(const std::vector<DeployedComparison>& comparisons, const DeployedFile& file,
                    double rounding) {
  size_t width = 6;
  for (const DeployedComparison& set : comparisons) width = std::max(width, set.name.size());
  const auto line = [&](const std::string& name, const std::vector<std::string>& cells) {
    static constexpr size_t kWidths[] = {8, 10, 8, 10, 8, 7, 8, 12};
    std::string result = name + std::string(width - name.size(), ' ');
    for (size_t i = 0; i < cells.size(); ++i) {
      const size_t pad = kWidths[i] > cells[i].size() ? kWidths[i] - cells[i].size() : 0;
      result += std::string(pad, ' ') + cells[i];
    }
    return result + "\n";
  };
  std::string table = line("", {"", "right, %", "", "paid, %", "", "other", "other", "difference"});
  table +=
      line("inputs", {"images", "libtorch", "OpenCV", "libtorch", "OpenCV", "exit", "answer", "of scores"});
  std::vector<std::string> moved;
  for (const DeployedComparison& set : comparisons) {
    table +=
        line(set.name, {std::to_string(set.count), percent(set.libtorch.accuracy),
                        percent(set.opencv.accuracy), percent(set.libtorch.paid), percent(set.opencv.paid),
                        std::to_string(set.exitDifferences.size()), std::to_string(set.answerDifferences),
                        number("%.1e", set.largestScoreDifference)});
    for (const ExitDifference& difference : set.exitDifferences)
      moved.push_back(describe(difference, set.name, file));
  }
  table += text(moved.size(), " image(s) leave by another exit; rounding can move an uncertainty by ",
                number("%.1e", rounding), "\n");
  for (size_t i = 0; i < moved.size() && i < kListedDifferences; ++i) table += "  " + moved[i] + "\n";
  if (moved.size() > kListedDifferences)
    table += text("  ... and ", moved.size() - kListedDifferences, " more\n");
  return table;
}

nlohmann::json toJson(const std::vector<DeployedComparison>& comparisons, const DeployedFile& file,
                      double rounding) {
  const auto sideJson = [](const DeployedComparison::Side& side) {
    return nlohmann::json{{"accuracy", side.accuracy},
                          {"exit_shares", side.shares},
                          {"paid_fraction", side.paid},
                          {"paper_fraction", side.paper}};
  };
  nlohmann::json sets = nlohmann::json::array();
  for (const DeployedComparison& set : comparisons) {
    nlohmann::json moved = nlohmann::json::array();
    for (const ExitDifference& d : set.exitDifferences)
      moved.push_back({{"image", d.image},
                       {"libtorch", file.costs[static_cast<size_t>(d.libtorch)].exit},
                       {"opencv", file.costs[static_cast<size_t>(d.opencv)].exit},
                       {"decided_at", file.costs[static_cast<size_t>(d.decidedAt)].exit},
                       {"uncertainty", d.uncertainty},
                       {"threshold", text(d.threshold)},
                       {"distance", d.distance}});
    sets.push_back({{"inputs", set.name},
                    {"image_count", set.count},
                    {"libtorch", sideJson(set.libtorch)},
                    {"opencv", sideJson(set.opencv)},
                    {"exit_differences", moved},
                    {"answer_differences", set.answerDifferences},
                    {"largest_score_difference", set.largestScoreDifference},
                    {"largest_relative_difference", set.largestRelativeDifference}});
  }
  return {{"model", file.path}, {"rounding", rounding}, {"sets", sets}};
}

}  // namespace rdi::train
