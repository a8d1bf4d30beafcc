// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/threshold_search.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <utility>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

constexpr float kNever = std::numeric_limits<float>::infinity();
constexpr size_t kNone = std::numeric_limits<size_t>::max();
constexpr size_t kQuantiles = 100;
constexpr size_t kCosts = 500;      // resolution of a frontier
constexpr size_t kStarts = 4;       // that best() goes downhill from
constexpr double kRounding = 1e-9;  // shares and costs are rounded; a limit met so closely is met

// What a point of accuracy may cost: the frontier is looked for from accuracy alone to cost alone.
constexpr double kPrices[] = {0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 10};

// Where a sorted list of values can be cut in two, at most so many times: half-way between neighbours.
std::vector<float> cuts(const std::vector<float>& values, size_t most) {
  std::vector<float> result;
  const size_t count = values.size();
  const size_t steps = std::min(count, most);
  for (size_t s = 1; s <= steps; ++s) {
    const size_t below = count * s / steps;
    const float last = values[below - 1];
    const float next = below < count ? values[below] : std::nextafter(last, kNever);
    if (!(last < next)) continue;
    const float middle = last + (next - last) / 2;
    result.push_back(middle > last ? middle : next);
  }
  return result;
}

// `rights`: how many images are right, of the clean ones first, then of each attacked table; `paid`: by all
// clean images together.
RulePoint pointOf(const std::vector<int64_t>& rights, int64_t paid, size_t imageCount,
                  const std::vector<graph::ExitCost>& costs) {
  const auto count = static_cast<double>(imageCount);
  const int64_t attacked =
      rights.size() > 1 ? *std::min_element(rights.begin() + 1, rights.end()) : rights[0];
  return {static_cast<double>(paid) / count / static_cast<double>(costs.back().own.total()),
          static_cast<double>(rights[0]) / count, static_cast<double>(attacked) / count};
}

}  // namespace

RulePoint measureRule(const Decisions& clean, const std::vector<Decisions>& attacked,
                      const std::vector<graph::ExitCost>& costs, const std::vector<float>& thresholds) {
  std::vector<int64_t> rights(1 + attacked.size());
  int64_t paid = 0;
  for (size_t i = 0; i < clean.count; ++i) {
    const size_t taken = exitTaken(clean, i, thresholds);
    rights[0] += clean.right[clean.at(i, taken)];
    paid += costs[taken].paid.total();
    for (size_t t = 0; t < attacked.size(); ++t)
      rights[t + 1] += attacked[t].right[attacked[t].at(i, exitTaken(attacked[t], i, thresholds))];
  }
  return pointOf(rights, paid, clean.count, costs);
}

bool Merit::operator<(const Merit& other) const {
  return std::tie(missing, value, tie) < std::tie(other.missing, other.value, other.tie);
}

Merit meritOf(const RulePoint& point, const Goal& goal) {
  const double accuracy = point.accuracy(goal.cleanWeight);
  const double missing =
      std::max(point.cost - goal.mostCost, 0.0) + std::max(goal.leastAccuracy - accuracy, 0.0);
  return {missing > kRounding ? missing : 0,
          std::isinf(goal.price) ? point.cost : goal.price * point.cost - accuracy, point.cost - accuracy};
}

struct ThresholdSearch::Tables {
  Decisions clean;
  std::vector<Decisions> attacked;
  std::vector<graph::ExitCost> costs;

  size_t count() const { return 1 + attacked.size(); }
  const Decisions& at(size_t table) const { return table == 0 ? clean : attacked[table - 1]; }
  size_t earlyCount() const { return costs.size() - 1; }

  RulePoint point(const std::vector<int64_t>& rights, int64_t paid) const {
    return pointOf(rights, paid, clean.count, costs);
  }
};

// The most accurate of all that was seen, for each of many costs.
class ThresholdSearch::Archive {
public:
  using Levels = std::vector<size_t>;
  struct Entry {
    Levels levels;
    RulePoint point;
  };

  Archive(double cleanWeight, double lowestCost, double highestCost)
      : cleanWeight_(cleanWeight),
        lowest_(lowestCost),
        width_(std::max(highestCost - lowestCost, kRounding) / kCosts),
        best_(kCosts + 1, -kNever),
        entries_(kCosts + 1) {}

  template <typename MakeLevels>
  void offer(const RulePoint& point, const MakeLevels& levels) {
    const auto bucket = static_cast<size_t>(std::clamp((point.cost - lowest_) / width_, 0.0, double{kCosts}));
    const double accuracy = point.accuracy(cleanWeight_);
    if (accuracy < best_[bucket] || (accuracy == best_[bucket] && point.cost >= entries_[bucket].point.cost))
      return;
    best_[bucket] = accuracy;
    entries_[bucket] = {levels(), point};
  }

  std::vector<Entry> frontier() const {
    std::vector<Entry> result;
    double mostAccurate = -kNever;
    for (size_t bucket = 0; bucket < entries_.size(); ++bucket)
      if (best_[bucket] > mostAccurate) {
        mostAccurate = best_[bucket];
        result.push_back(entries_[bucket]);
      }
    return result;
  }

private:
  double cleanWeight_, lowest_, width_;
  std::vector<double> best_;
  std::vector<Entry> entries_;
};

// Candidates of every exit, and every image's place among them. A level is the index of a candidate.
class ThresholdSearch::Grid {
public:
  using Levels = Archive::Levels;
  using Range = std::pair<float, float>;

  // Candidates strictly within the range of their exit, and always "nobody" and "everybody".
  Grid(const Tables& tables, const std::vector<Range>& ranges) : tables_(tables) {
    for (size_t k = 0; k < tables.earlyCount(); ++k) {
      std::vector<float> values;
      for (size_t t = 0; t < tables.count(); ++t)
        for (size_t i = 0; i < tables.clean.count; ++i) {
          const Decisions& decisions = tables.at(t);
          const float value = decisions.uncertainty[decisions.at(i, k)];
          if (value > ranges[k].first && value < ranges[k].second &&
              value < std::numeric_limits<float>::max())
            values.push_back(value);
        }
      std::sort(values.begin(), values.end());
      candidates_.push_back(cuts(values, kQuantiles));
      candidates_.back().insert(candidates_.back().begin(), -kNever);
      candidates_.back().push_back(kNever);
    }
    candidates_.push_back({-kNever});  // the main exit has nothing to choose
    for (size_t t = 0; t < tables.count(); ++t) ranks_.push_back(ranksOf(tables.at(t)));
    for (const graph::ExitCost& cost : tables.costs) paid_.push_back(cost.paid.total());
  }

  Levels closed() const { return Levels(tables_.earlyCount(), 0); }

  // Every exit lets the same share of all images go.
  Levels diagonal(double share) const {
    Levels levels;
    for (size_t k = 0; k < tables_.earlyCount(); ++k)
      levels.push_back(static_cast<size_t>(share * static_cast<double>(candidates_[k].size() - 1)));
    return levels;
  }

  std::vector<float> thresholds(const Levels& levels) const {
    std::vector<float> result;
    for (size_t k = 0; k < levels.size(); ++k) result.push_back(candidates_[k][levels[k]]);
    return result;
  }

  // Of each exit the largest candidate that is not above its threshold.
  Levels levelsOf(const std::vector<float>& thresholds) const {
    Levels levels;
    for (size_t k = 0; k < thresholds.size(); ++k)
      levels.push_back(
          static_cast<size_t>(std::upper_bound(candidates_[k].begin(), candidates_[k].end(), thresholds[k]) -
                              candidates_[k].begin() - 1));
    return levels;
  }

  // Between the neighbours of each exit's candidate.
  std::vector<Range> rangesAround(const Levels& levels) const {
    std::vector<Range> ranges;
    for (size_t k = 0; k < levels.size(); ++k)
      ranges.emplace_back(candidates_[k][levels[k] > 0 ? levels[k] - 1 : 0],
                          candidates_[k][std::min(levels[k] + 1, candidates_[k].size() - 1)]);
    return ranges;
  }

  RulePoint measure(const Levels& levels) const {
    std::vector<int64_t> rights;
    int64_t paid = 0;
    for (size_t t = 0; t < tables_.count(); ++t) {
      const Decisions& decisions = tables_.at(t);
      rights.push_back(0);
      for (size_t i = 0; i < decisions.count; ++i) {
        const size_t taken = leaver(t, i, levels, 0, tables_.costs.size());
        rights.back() += decisions.right[decisions.at(i, taken)];
        if (t == 0) paid += paid_[taken];
      }
    }
    return tables_.point(rights, paid);
  }

  // From `levels` downhill, two exits at a time, until no pair gives anything better. All that is seen on the
  // way is offered to the archive, if there is one.
  Levels improved(Levels levels, const Goal& goal, Archive* archive) const {
    std::vector<std::pair<size_t, size_t>> pairs;
    for (size_t j = 0; j < tables_.earlyCount(); ++j)
      for (size_t k = j + 1; k < tables_.earlyCount(); ++k) pairs.emplace_back(j, k);
    if (pairs.empty()) pairs.emplace_back(0, 1);  // one early exit, with the main one
    Merit current = meritOf(measure(levels), goal);
    for (size_t unchanged = 0, p = 0; unchanged < pairs.size(); p = (p + 1) % pairs.size()) {
      ++unchanged;
      const auto& [first, second] = pairs[p];
      const Pick pick = bestPair(levels, first, second, goal, archive);
      if (!(pick.merit < current)) continue;
      current = pick.merit;
      levels[first] = pick.first;
      if (second < tables_.earlyCount()) levels[second] = pick.second;
      unchanged = 1;
    }
    return levels;
  }

private:
  struct Sums {
    int64_t right = 0, paid = 0;
    void add(const Sums& other, int sign) {
      right += sign * other.right;
      paid += sign * other.paid;
    }
  };
  struct Pick {
    Merit merit;
    size_t first = 0, second = 0;
  };

  // The lowest level at which each image leaves each exit; past the last level when it never does. Nobody
  // leaves at level 0.
  std::vector<uint16_t> ranksOf(const Decisions& decisions) const {
    std::vector<uint16_t> ranks;
    ranks.reserve(decisions.uncertainty.size());
    for (size_t i = 0; i < decisions.count; ++i)
      for (size_t k = 0; k < decisions.exitCount; ++k)
        ranks.push_back(static_cast<uint16_t>(std::upper_bound(candidates_[k].begin(), candidates_[k].end(),
                                                               decisions.uncertainty[decisions.at(i, k)]) -
                                              candidates_[k].begin()));
    return ranks;
  }

  // The first exit in [from, to) that lets the image go; `to` when none does.
  size_t leaver(size_t table, size_t image, const Levels& levels, size_t from, size_t to) const {
    const Decisions& decisions = tables_.at(table);
    const uint16_t* ranks = &ranks_[table][decisions.at(image, 0)];
    for (size_t k = from; k < to; ++k)
      if (k == tables_.earlyCount() || ranks[k] <= levels[k]) return k;
    return to;
  }

  // How many images of a table are right and what they pay in all, for every level of exit `first` (rows) and
  // of `second` (columns), the other exits staying where they are. An image that leaves at `first` from level
  // r on makes a difference from row r on, and so for columns: each image adds its differences to at most
  // four cells, and running sums in both directions do the rest.
  std::vector<Sums> sumsOver(size_t table, const Levels& levels, size_t first, size_t second) const {
    const Decisions& decisions = tables_.at(table);
    const size_t rows = candidates_[first].size(), columns = candidates_[second].size();
    std::vector<Sums> sums(rows * columns);
    for (size_t i = 0; i < decisions.count; ++i) {
      const auto outcome = [&](size_t exit) {
        return Sums{decisions.right[decisions.at(i, exit)], paid_[exit]};
      };
      const auto add = [&](size_t row, size_t column, size_t exit, size_t insteadOf, int sign) {
        if (row >= rows || column >= columns) return;
        Sums& cell = sums[row * columns + column];
        cell.add(outcome(exit), sign);
        if (insteadOf != kNone) cell.add(outcome(insteadOf), -sign);
      };
      const size_t before = leaver(table, i, levels, 0, first);
      if (before < first) {
        add(0, 0, before, kNone, 1);
        continue;
      }
      const size_t row = ranks_[table][decisions.at(i, first)];
      const size_t column = ranks_[table][decisions.at(i, second)];
      const size_t between = leaver(table, i, levels, first + 1, second);
      const size_t last =
          between < second ? between : leaver(table, i, levels, second + 1, tables_.costs.size());
      if (between < second || second == tables_.earlyCount()) {
        const size_t otherwise = between < second ? between : second;
        add(0, 0, otherwise, kNone, 1);
        add(row, 0, first, otherwise, 1);
        continue;
      }
      add(0, 0, last, kNone, 1);
      add(row, 0, first, last, 1);
      add(0, column, second, last, 1);
      add(row, column, second, last, -1);  // those have left at `first`
    }
    for (size_t r = 0; r < rows; ++r)
      for (size_t c = 0; c < columns; ++c) {
        Sums& cell = sums[r * columns + c];
        if (r > 0) cell.add(sums[(r - 1) * columns + c], 1);
        if (c > 0) cell.add(sums[r * columns + c - 1], 1);
        if (r > 0 && c > 0) cell.add(sums[(r - 1) * columns + c - 1], -1);
      }
    return sums;
  }

  Pick bestPair(const Levels& levels, size_t first, size_t second, const Goal& goal, Archive* archive) const {
    std::vector<std::vector<Sums>> sums;
    for (size_t t = 0; t < tables_.count(); ++t) sums.push_back(sumsOver(t, levels, first, second));
    const size_t columns = candidates_[second].size();
    Pick best{{kNever, 0, 0}, 0, 0};
    std::vector<int64_t> rights(sums.size());
    for (size_t cell = 0; cell < sums[0].size(); ++cell) {
      for (size_t t = 0; t < sums.size(); ++t) rights[t] = sums[t][cell].right;
      const RulePoint point = tables_.point(rights, sums[0][cell].paid);
      const size_t row = cell / columns, column = cell % columns;
      if (archive)
        archive->offer(point, [&] {
          Levels offered = levels;
          offered[first] = row;
          if (second < levels.size()) offered[second] = column;
          return offered;
        });
      const Merit merit = meritOf(point, goal);
      if (merit < best.merit) best = {merit, row, column};
    }
    return best;
  }

  const Tables& tables_;
  std::vector<std::vector<float>> candidates_;
  std::vector<std::vector<uint16_t>> ranks_;  // a table: count x exits
  std::vector<int64_t> paid_;
};

ThresholdSearch::ThresholdSearch(Decisions clean, std::vector<Decisions> attacked,
                                 std::vector<graph::ExitCost> costs) {
  auto tables = std::make_unique<Tables>(Tables{std::move(clean), std::move(attacked), std::move(costs)});
  for (size_t t = 0; t < tables->count(); ++t) {
    const Decisions& decisions = tables->at(t);
    if (decisions.count != tables->clean.count)
      throw Error(
          text("thresholds: found ", decisions.count, " attacked images, expected ", tables->clean.count));
    if (decisions.exitCount != tables->costs.size())
      throw Error(text("thresholds: found costs of ", tables->costs.size(), " exits, expected ",
                       decisions.exitCount));
  }
  if (tables->costs.size() < 2) throw Error("thresholds: found one exit only, there is nothing to choose");
  tables_ = std::move(tables);
  grid_ =
      std::make_unique<Grid>(*tables_, std::vector<Grid::Range>(tables_->earlyCount(), {-kNever, kNever}));
}

ThresholdSearch::~ThresholdSearch() = default;

RulePoint ThresholdSearch::measure(const std::vector<float>& thresholds) const {
  return measureRule(tables_->clean, tables_->attacked, tables_->costs, thresholds);
}

std::vector<FoundThresholds> ThresholdSearch::frontier(double cleanWeight) const {
  const auto cost = [&](const graph::ExitCost& exit) {
    return static_cast<double>(exit.paid.total()) / static_cast<double>(tables_->costs.back().own.total());
  };
  Archive archive(cleanWeight, cost(tables_->costs.front()), cost(tables_->costs.back()));
  const auto offer = [&](const Grid::Levels& levels) {
    archive.offer(grid_->measure(levels), [&] { return levels; });
  };
  offer(grid_->closed());
  for (int tenth = 1; tenth <= 10; ++tenth) offer(grid_->diagonal(tenth / 10.0));
  for (double price : kPrices) {
    Goal goal;
    goal.cleanWeight = cleanWeight;
    goal.price = price;
    const std::vector<Archive::Entry> seen = archive.frontier();
    const auto start = std::min_element(seen.begin(), seen.end(), [&](const auto& a, const auto& b) {
      return meritOf(a.point, goal) < meritOf(b.point, goal);
    });
    grid_->improved(start->levels, goal, &archive);
  }
  std::vector<FoundThresholds> result;
  for (const Archive::Entry& entry : archive.frontier())
    result.push_back({grid_->thresholds(entry.levels), entry.point});
  return result;
}

FoundThresholds ThresholdSearch::best(const Goal& goal, const std::vector<FoundThresholds>& starts) const {
  std::vector<FoundThresholds> promising = starts;
  promising.push_back({grid_->thresholds(grid_->closed()), {}});
  promising.back().point = measure(promising.back().thresholds);
  const auto better = [&](const FoundThresholds& a, const FoundThresholds& b) {
    return meritOf(a.point, goal) < meritOf(b.point, goal);
  };
  std::stable_sort(promising.begin(), promising.end(), better);
  promising.resize(std::min(promising.size(), kStarts));
  FoundThresholds winner = promising.front();
  for (const FoundThresholds& start : promising) {
    const Grid::Levels coarse = grid_->improved(grid_->levelsOf(start.thresholds), goal, nullptr);
    const Grid fine(*tables_, grid_->rangesAround(coarse));
    const Grid::Levels polished = fine.improved(fine.levelsOf(grid_->thresholds(coarse)), goal, nullptr);
    for (const std::vector<float>& thresholds : {grid_->thresholds(coarse), fine.thresholds(polished)}) {
      FoundThresholds found{thresholds, measure(thresholds)};
      if (better(found, winner)) winner = found;
    }
  }
  return winner;
}

}  // namespace rdi::train
