// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/thresholds.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

constexpr float kNever = std::numeric_limits<float>::infinity();
constexpr float kBlocked = std::numeric_limits<float>::max();  // below no threshold but an infinite one
constexpr int kQuantiles = 50;
constexpr int kSweeps = 20;

// A score table reduced to what thresholds decide on; image-major.
struct Decisions {
  size_t exits = 0, count = 0;
  std::vector<float>
      uncertainty;          // at each exit; kBlocked where the exits do not agree long enough, kNever for NaN
  std::vector<char> right;  // if the image left there

  size_t at(size_t image, size_t exit) const { return image * exits + exit; }
};

Decisions decisionsOf(const ScoreTable& table, const graph::ExitRule& rule) {
  Decisions decisions;
  decisions.exits = static_cast<size_t>(table.exitCount);
  decisions.count = static_cast<size_t>(table.count);
  const auto classes = static_cast<size_t>(table.classCount);
  std::vector<float> fused(classes), probabilities(classes), scratch(2 * classes);
  for (int64_t i = 0; i < table.count; ++i) {
    const std::vector<const float*> rows = table.rows(i);
    for (int k = 0; k < table.exitCount; ++k) {
      graph::fuseScores(rows.data(), k, table.classCount, rule.fusion, rule.scores, fused.data());
      graph::toProbabilities(fused.data(), table.classCount, rule.scores, probabilities.data());
      const float found = graph::uncertainty(probabilities.data(), table.classCount, rule.criterion);
      const bool patient = graph::leavesAt(rows.data(), k, table.classCount, rule, kBlocked, scratch.data());
      decisions.uncertainty.push_back(std::isnan(found) ? kNever : patient ? found : kBlocked);
      decisions.right.push_back(graph::argmax(fused.data(), table.classCount) ==
                                table.labels[static_cast<size_t>(i)]);
    }
  }
  return decisions;
}

struct Outcome {
  double accuracy = 0;
  std::vector<double> shares;
};

Outcome decide(const Decisions& decisions, const std::vector<float>& thresholds) {
  std::vector<size_t> leaving(decisions.exits);
  size_t right = 0;
  for (size_t i = 0; i < decisions.count; ++i) {
    size_t k = 0;
    while (k < thresholds.size() && !(decisions.uncertainty[decisions.at(i, k)] < thresholds[k])) ++k;
    ++leaving[k];
    right += static_cast<size_t>(decisions.right[decisions.at(i, k)]);
  }
  Outcome outcome;
  outcome.accuracy = static_cast<double>(right) / static_cast<double>(decisions.count);
  for (size_t count : leaving)
    outcome.shares.push_back(static_cast<double>(count) / static_cast<double>(decisions.count));
  return outcome;
}

// How far the accuracy lies below what is allowed, then the cost: smaller is better, in this order.
struct Merit {
  double missing = 0, cost = 0;
  bool operator<(const Merit& other) const {
    return missing != other.missing ? missing < other.missing : cost < other.cost;
  }
};

class Search {
public:
  Search(const ScoreTable& clean, const std::vector<ScoreTable>& attacked, const graph::ExitRule& rule,
         const std::vector<graph::ExitCost>& costs, double maxDrop)
      : clean_(decisionsOf(clean, rule)), costs_(costs) {
    for (const ScoreTable& table : attacked) attacked_.push_back(decisionsOf(table, rule));
    closed_.assign(clean_.exits - 1, -kNever);
    // A hair below the limit still counts as on it: shares are sums of rounded fractions.
    least_ = accuracy(closed_, decide(clean_, closed_)) - maxDrop - 1e-9;
    for (size_t k = 0; k + 1 < clean_.exits; ++k) candidates_.push_back(candidatesAt(k));
  }

  std::vector<float> best(const std::vector<float>& equal) const {
    std::vector<float> winner = closed_;
    Merit winnerMerit = merit(winner);
    const auto offer = [&](const std::vector<float>& thresholds) {
      const Merit found = merit(thresholds);
      if (found < winnerMerit) {
        winner = thresholds;
        winnerMerit = found;
      }
    };
    if (closed_.size() == 2) {
      for (float first : candidates_[0])
        for (float second : candidates_[1]) offer({first, second});
      return winner;
    }
    // Each exit in turn to its best threshold, from several starts: no start is right for every net.
    std::vector<std::vector<float>> starts = {closed_, equal};
    for (size_t level = 1; level < kQuantiles; level += 7) {
      std::vector<float> start;
      for (const std::vector<float>& candidates : candidates_)
        start.push_back(candidates[std::min(level, candidates.size() - 1)]);
      starts.push_back(start);
    }
    for (const std::vector<float>& start : starts) offer(improved(start));
    return winner;
  }

private:
  double accuracy(const std::vector<float>& thresholds, const Outcome& clean) const {
    if (attacked_.empty()) return clean.accuracy;
    double lowest = 1;
    for (const Decisions& decisions : attacked_)
      lowest = std::min(lowest, decide(decisions, thresholds).accuracy);
    return (clean.accuracy + lowest) / 2;
  }

  Merit merit(const std::vector<float>& thresholds) const {
    const Outcome clean = decide(clean_, thresholds);
    return {std::max(0.0, least_ - accuracy(thresholds, clean)), graph::paidFraction(costs_, clean.shares)};
  }

  // Closed, the quantiles of the uncertainty on clean images, and open.
  std::vector<float> candidatesAt(size_t exit) const {
    std::vector<float> values;
    for (size_t i = 0; i < clean_.count; ++i) {
      const float value = clean_.uncertainty[clean_.at(i, exit)];
      if (value < kBlocked) values.push_back(value);
    }
    std::sort(values.begin(), values.end());
    std::vector<float> candidates = {-kNever};
    for (size_t q = 1; q < kQuantiles && !values.empty(); ++q)
      candidates.push_back(values[values.size() * q / kQuantiles]);
    candidates.push_back(kNever);
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    return candidates;
  }

  std::vector<float> improved(std::vector<float> thresholds) const {
    Merit current = merit(thresholds);
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      bool changed = false;
      for (size_t k = 0; k < thresholds.size(); ++k)
        for (float candidate : candidates_[k]) {
          std::vector<float> tried = thresholds;
          tried[k] = candidate;
          const Merit found = merit(tried);
          if (!(found < current)) continue;
          current = found;
          thresholds = tried;
          changed = true;
        }
      if (!changed) break;
    }
    return thresholds;
  }

  Decisions clean_;
  std::vector<Decisions> attacked_;
  const std::vector<graph::ExitCost>& costs_;
  std::vector<float> closed_;
  double least_ = 0;
  std::vector<std::vector<float>> candidates_;
};

void checkTable(const ScoreTable& table) {
  if (table.count < 1 || table.exitCount < 1)
    throw Error(text("thresholds: found ", table.count, " images, expected at least one"));
}

}  // namespace

std::vector<float> equalShares(const ScoreTable& images, const graph::ExitRule& rule) {
  checkTable(images);
  const Decisions decisions = decisionsOf(images, rule);
  const size_t share = decisions.count / decisions.exits;
  std::vector<size_t> left(decisions.count);
  for (size_t i = 0; i < left.size(); ++i) left[i] = i;
  std::vector<float> thresholds;
  for (size_t k = 0; k + 1 < decisions.exits; ++k) {
    const auto uncertaintyOf = [&](size_t image) { return decisions.uncertainty[decisions.at(image, k)]; };
    std::stable_sort(left.begin(), left.end(),
                     [&](size_t a, size_t b) { return uncertaintyOf(a) < uncertaintyOf(b); });
    const float threshold = share < left.size() ? uncertaintyOf(left[share]) : kNever;
    thresholds.push_back(threshold);
    left.erase(
        std::remove_if(left.begin(), left.end(), [&](size_t i) { return uncertaintyOf(i) < threshold; }),
        left.end());
  }
  return thresholds;
}

std::vector<float> leastCost(const ScoreTable& clean, const std::vector<ScoreTable>& attacked,
                             const graph::ExitRule& rule, const std::vector<graph::ExitCost>& costs,
                             double maxDrop) {
  checkTable(clean);
  for (const ScoreTable& table : attacked) checkTable(table);
  if (static_cast<int>(costs.size()) != clean.exitCount)
    throw Error(text("thresholds: found costs of ", costs.size(), " exits, expected ", clean.exitCount));
  if (!(maxDrop >= 0 && maxDrop <= 1))
    throw Error(text("thresholds: found a largest drop of ", maxDrop, ", expected 0 to 1"));
  return Search(clean, attacked, rule, costs, maxDrop).best(equalShares(clean, rule));
}

}  // namespace rdi::train
