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
constexpr int64_t kNoAttack = -1;
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

// What so many images come to: right when clean, right under every attack (kNoAttack: none was made), and
// paid by the clean ones together.
RulePoint pointOf(int64_t right, int64_t unbroken, int64_t paid, size_t imageCount,
                  const std::vector<graph::ExitCost>& costs) {
  const auto count = static_cast<double>(imageCount);
  return {static_cast<double>(paid) / count / static_cast<double>(costs.back().own.total()),
          static_cast<double>(right) / count,
          static_cast<double>(unbroken == kNoAttack ? right : unbroken) / count};
}

bool isRight(const Decisions& decisions, size_t image, size_t exit) {
  return decisions.right[decisions.at(image, exit)] != 0;
}

}  // namespace

RulePoint measureRule(const Decisions& clean, const std::vector<Decisions>& attacked,
                      const std::vector<graph::ExitCost>& costs, const std::vector<float>& thresholds) {
  int64_t right = 0, unbroken = 0, paid = 0;
  for (size_t i = 0; i < clean.count; ++i) {
    const size_t taken = exitTaken(clean, i, thresholds);
    right += isRight(clean, i, taken);
    paid += costs[taken].paid.total();
    unbroken += std::all_of(attacked.begin(), attacked.end(), [&](const Decisions& decisions) {
      return isRight(decisions, i, exitTaken(decisions, i, thresholds));
    });
  }
  return pointOf(right, attacked.empty() ? kNoAttack : unbroken, paid, clean.count, costs);
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

  RulePoint point(int64_t right, int64_t unbroken, int64_t paid) const {
    return pointOf(right, attacked.empty() ? kNoAttack : unbroken, paid, clean.count, costs);
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
    const auto isRightIn = [&](size_t table, size_t image) {
      return isRight(tables_.at(table), image, leaver(table, image, levels, 0, tables_.costs.size()));
    };
    int64_t right = 0, unbroken = 0, paid = 0;
    for (size_t i = 0; i < tables_.clean.count; ++i) {
      paid += paid_[leaver(0, i, levels, 0, tables_.costs.size())];
      right += isRightIn(0, i);
      bool holds = true;
      for (size_t t = 1; t < tables_.count() && holds; ++t) holds = isRightIn(t, i);
      unbroken += holds;
    }
    return tables_.point(right, unbroken, paid);
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

  // What becomes of an image of a table while the levels of `first` and `second` are open.
  struct Path {
    size_t before = kNone;       // the exit at which it leaves before `first`
    size_t row = 0, column = 0;  // the levels from which on `first` and `second` let it go
    bool reachesSecond = false;  // when `first` does not, and `second` is not the main exit
    size_t last = 0;             // where it leaves when neither does
  };
  Path pathOf(size_t table, size_t image, const Levels& levels, size_t first, size_t second) const {
    Path path;
    const size_t before = leaver(table, image, levels, 0, first);
    if (before < first) {
      path.before = before;
      return path;
    }
    const size_t at = tables_.clean.at(image, 0);
    path.row = ranks_[table][at + first];
    path.column = ranks_[table][at + second];
    const size_t between = leaver(table, image, levels, first + 1, second);
    path.reachesSecond = between == second && second < tables_.earlyCount();
    path.last = path.reachesSecond ? leaver(table, image, levels, second + 1, tables_.costs.size()) : between;
    return path;
  }

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

  // How many clean images are right and what they pay in all, for every level of exit `first` (rows) and of
  // `second` (columns), the other exits staying where they are. An image that leaves at `first` from level r
  // on makes a difference from row r on, and so for columns: each image adds its differences to at most four
  // cells, and running sums in both directions do the rest.
  std::vector<Sums> cleanSums(const Levels& levels, size_t first, size_t second) const {
    const Decisions& decisions = tables_.clean;
    const size_t rows = candidates_[first].size(), columns = candidates_[second].size();
    std::vector<Sums> sums(rows * columns);
    for (size_t i = 0; i < decisions.count; ++i) {
      const auto add = [&](size_t row, size_t column, size_t exit, size_t insteadOf, int sign) {
        if (row >= rows || column >= columns) return;
        Sums& cell = sums[row * columns + column];
        cell.add({isRight(decisions, i, exit), paid_[exit]}, sign);
        if (insteadOf != kNone) cell.add({isRight(decisions, i, insteadOf), paid_[insteadOf]}, -sign);
      };
      const Path path = pathOf(0, i, levels, first, second);
      if (path.before != kNone) {
        add(0, 0, path.before, kNone, 1);
        continue;
      }
      add(0, 0, path.last, kNone, 1);
      add(path.row, 0, first, path.last, 1);
      if (!path.reachesSecond) continue;
      add(0, path.column, second, path.last, 1);
      add(path.row, path.column, second, path.last, -1);  // those have left at `first`
    }
    addUp(sums, columns);
    return sums;
  }

  // How many images are right in every attacked table, likewise. In one table an image that comes to `first`
  // is right, or not, from its row on; in the rows before, in some range of columns. So between the rows of
  // two tables it is right in all of them in one range of columns, or nowhere.
  std::vector<Sums> unbrokenSums(const Levels& levels, size_t first, size_t second) const {
    struct Side {
      size_t row = 0;  // from here on it leaves at `first`
      bool isRightThere = false;
      size_t from = 0, to = 0;  // columns in which it is right in the rows before
    };
    const size_t rows = candidates_[first].size(), columns = candidates_[second].size();
    std::vector<Sums> sums(rows * columns);
    const auto add = [&](size_t row, size_t column, int sign) {
      if (row < rows && column < columns) sums[row * columns + column].right += sign;
    };
    std::vector<Side> sides;
    for (size_t i = 0; i < tables_.clean.count; ++i) {
      sides.clear();
      bool isBroken = false;
      for (size_t t = 1; t < tables_.count() && !isBroken; ++t) {
        const Decisions& decisions = tables_.at(t);
        const Path path = pathOf(t, i, levels, first, second);
        if (path.before != kNone) {
          isBroken = !isRight(decisions, i, path.before);
          continue;
        }
        const bool isRightLast = isRight(decisions, i, path.last);
        Side side{std::min(path.row, rows), isRight(decisions, i, first), 0, isRightLast ? columns : 0};
        if (path.reachesSecond) {
          const size_t column = std::min(path.column, columns);
          side.from = isRightLast ? 0 : column;
          side.to = isRight(decisions, i, second) ? columns : column;
        }
        sides.push_back(side);
      }
      if (isBroken) continue;
      std::sort(sides.begin(), sides.end(), [](const Side& a, const Side& b) { return a.row < b.row; });
      for (size_t strip = 0; strip <= sides.size(); ++strip) {
        if (strip > 0 && !sides[strip - 1].isRightThere) break;  // from here on broken in that table
        const size_t top = strip > 0 ? sides[strip - 1].row : 0;
        const size_t bottom = strip < sides.size() ? sides[strip].row : rows;
        size_t from = 0, to = columns;
        for (size_t s = strip; s < sides.size(); ++s) {
          from = std::max(from, sides[s].from);
          to = std::min(to, sides[s].to);
        }
        if (top >= bottom || from >= to) continue;
        add(top, from, 1);
        add(top, to, -1);
        add(bottom, from, -1);
        add(bottom, to, 1);
      }
    }
    addUp(sums, columns);
    return sums;
  }

  // Running sums in both directions.
  static void addUp(std::vector<Sums>& sums, size_t columns) {
    for (size_t cell = 0; cell < sums.size(); ++cell) {
      const bool hasAbove = cell >= columns, hasLeft = cell % columns > 0;
      if (hasAbove) sums[cell].add(sums[cell - columns], 1);
      if (hasLeft) sums[cell].add(sums[cell - 1], 1);
      if (hasAbove && hasLeft) sums[cell].add(sums[cell - columns - 1], -1);
    }
  }

  Pick bestPair(const Levels& levels, size_t first, size_t second, const Goal& goal, Archive* archive) const {
    const std::vector<Sums> clean = cleanSums(levels, first, second);
    std::vector<Sums> unbroken;
    if (tables_.count() > 1) unbroken = unbrokenSums(levels, first, second);
    const size_t columns = candidates_[second].size();
    Pick best{{kNever, 0, 0}, 0, 0};
    for (size_t cell = 0; cell < clean.size(); ++cell) {
      const RulePoint point =
          tables_.point(clean[cell].right, unbroken.empty() ? 0 : unbroken[cell].right, clean[cell].paid);
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
