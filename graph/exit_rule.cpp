// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/exit_rule.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/error.hpp"

namespace rdi::graph {

namespace {

template <typename Enum>
struct Name {
  Enum value;
  const char* name;
};

constexpr Name<Criterion> kCriteria[] = {{Criterion::entropy, "entropy"},
                                         {Criterion::maxProbability, "max_probability"},
                                         {Criterion::margin, "margin"}};
constexpr Name<Fusion> kFusions[] = {{Fusion::last, "last"}, {Fusion::mean, "mean"}};
constexpr Name<Scores> kScores[] = {{Scores::logits, "logits"}, {Scores::probabilities, "probabilities"}};

template <typename Enum, size_t N>
Enum fromName(const Name<Enum> (&table)[N], const char* what, const std::string& name) {
  std::string known;
  for (const auto& entry : table) {
    if (name == entry.name) return entry.value;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw Error(text("unknown ", what, " '", name, "'; known: ", known));
}

template <typename Enum, size_t N>
std::string nameIn(const Name<Enum> (&table)[N], Enum value) {
  for (const auto& entry : table)
    if (value == entry.value) return entry.name;
  return {};
}

}  // namespace

Criterion criterionFromName(const std::string& name) { return fromName(kCriteria, "criterion", name); }
Fusion fusionFromName(const std::string& name) { return fromName(kFusions, "fusion", name); }
Scores scoresFromName(const std::string& name) { return fromName(kScores, "kind of scores", name); }
std::string nameOf(Criterion criterion) { return nameIn(kCriteria, criterion); }
std::string nameOf(Fusion fusion) { return nameIn(kFusions, fusion); }
std::string nameOf(Scores scores) { return nameIn(kScores, scores); }

ExitRule mainExitOnly(size_t exitCount) {
  ExitRule rule;
  rule.thresholds.assign(exitCount - 1, -std::numeric_limits<float>::infinity());
  return rule;
}

void checkRule(const ExitRule& rule, size_t exitCount) {
  if (rule.thresholds.size() + 1 != exitCount)
    throw Error(text("there are ", rule.thresholds.size(), " thresholds for ", exitCount, " exits; expected ",
                     exitCount - 1, ", one for every exit but the main one"));
  for (size_t k = 0; k < rule.thresholds.size(); ++k)
    if (std::isnan(rule.thresholds[k]))
      throw Error(
          text("threshold ", k + 1, " is NaN; expected a number, inf (everybody leaves) or -inf (nobody)"));
  if (rule.patience < 1) throw Error(text("patience is ", rule.patience, ", expected 1 or more"));
}

void toProbabilities(const float* src, int classCount, Scores scores, float* dst) {
  if (scores == Scores::probabilities) {
    std::copy(src, src + classCount, dst);
    return;
  }
  float largest = src[0];
  bool ordered = true;
  for (int c = 0; c < classCount; ++c) {
    largest = std::max(largest, src[c]);
    ordered = ordered && !std::isnan(src[c]);
  }
  double total = 0;
  for (int c = 0; c < classCount; ++c) {
    const double value =
        ordered ? std::exp(static_cast<double>(src[c]) - largest) : std::numeric_limits<double>::quiet_NaN();
    dst[c] = static_cast<float>(value);
    total += value;
  }
  for (int c = 0; c < classCount; ++c) dst[c] = static_cast<float>(dst[c] / total);
}

float uncertainty(const float* probabilities, int classCount, Criterion criterion) {
  double entropy = 0;
  float first = -std::numeric_limits<float>::infinity();
  float second = first;
  for (int c = 0; c < classCount; ++c) {
    const float p = probabilities[c];
    if (std::isnan(p)) return std::numeric_limits<float>::quiet_NaN();
    entropy -= p * std::log(static_cast<double>(p) + 1e-5);
    if (p > first) {
      second = first;
      first = p;
    } else {
      second = std::max(second, p);
    }
  }
  switch (criterion) {
    case Criterion::entropy:
      return static_cast<float>(entropy);
    case Criterion::maxProbability:
      return 1.0f - first;
    case Criterion::margin:
      return classCount > 1 ? 1.0f - (first - second) : 0.0f;
  }
  return std::numeric_limits<float>::quiet_NaN();
}

int argmax(const float* values, int classCount) {
  return static_cast<int>(std::max_element(values, values + classCount) - values);
}

void fuseScores(const float* const* scores, int k, int classCount, Fusion fusion, Scores kind, float* dst) {
  if (fusion == Fusion::last) {
    std::copy(scores[k], scores[k] + classCount, dst);
    return;
  }
  std::vector<float> scratch(classCount);
  fusedProbabilities(scores, k, classCount, fusion, kind, dst, scratch.data());
  if (kind == Scores::logits)
    for (int c = 0; c < classCount; ++c)
      dst[c] = std::log(std::max(dst[c], std::numeric_limits<float>::min()));
}

void fusedProbabilities(const float* const* scores, int k, int classCount, Fusion fusion, Scores kind,
                        float* dst, float* scratch) {
  if (fusion == Fusion::last) return toProbabilities(scores[k], classCount, kind, dst);
  std::fill(dst, dst + classCount, 0.0f);
  for (int j = 0; j <= k; ++j) {
    toProbabilities(scores[j], classCount, kind, scratch);
    for (int c = 0; c < classCount; ++c) dst[c] += scratch[c];
  }
  for (int c = 0; c < classCount; ++c) dst[c] /= static_cast<float>(k + 1);
}

bool leavesAt(const float* const* scores, int k, int classCount, const ExitRule& rule, float threshold,
              float* scratch) {
  float* probabilities = scratch;
  float* work = scratch + classCount;
  fusedProbabilities(scores, k, classCount, rule.fusion, rule.scores, probabilities, work);
  const float found = uncertainty(probabilities, classCount, rule.criterion);
  if (!(found < threshold)) return false;
  if (rule.patience <= 1 || std::isinf(threshold)) return true;
  if (k + 1 < rule.patience) return false;
  const int answer = argmax(probabilities, classCount);
  for (int j = k - rule.patience + 1; j < k; ++j) {
    fusedProbabilities(scores, j, classCount, rule.fusion, rule.scores, probabilities, work);
    if (argmax(probabilities, classCount) != answer) return false;
  }
  return true;
}

int exitTaken(const float* const* scores, int exitCount, int classCount, const ExitRule& rule) {
  std::vector<float> scratch(2 * static_cast<size_t>(classCount));
  for (int k = 0; k + 1 < exitCount; ++k)
    if (leavesAt(scores, k, classCount, rule, rule.thresholds[k], scratch.data())) return k;
  return exitCount - 1;
}

}  // namespace rdi::graph
