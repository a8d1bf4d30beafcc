// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/trainer/sample_evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace rdi::test {
namespace {

using train::Evaluation;
using train::EvaluationRow;
using train::Family;
using Percents = std::vector<double>;

constexpr int kImages = 1000;
constexpr double kEpsilon = 8.0 / 255;

std::vector<double> shares(const Percents& percents) {
  std::vector<double> result;
  for (const double percent : percents) result.push_back(percent / 100);
  return result;
}

// Images from the easiest (0) to the hardest, with some disorder of this row's own.
std::vector<int> order(size_t row, unsigned disorder) {
  std::mt19937 random(static_cast<unsigned>(row) + disorder);
  std::vector<double> difficulty(kImages);
  for (int i = 0; i < kImages; ++i)
    difficulty[static_cast<size_t>(i)] = i + static_cast<double>(random() % disorder);
  std::vector<int> result(kImages);
  std::iota(result.begin(), result.end(), 0);
  std::sort(result.begin(), result.end(), [&](int a, int b) {
    return difficulty[static_cast<size_t>(a)] < difficulty[static_cast<size_t>(b)];
  });
  return result;
}

int labelOf(int image) { return image * 7 % 10; }

// The easiest `core` images are right in every row; two strong attacks share nothing else.
void addRow(Evaluation& e, int core, const std::string& name, Family family, const nlohmann::json& settings,
            double percentRight, const Percents& leaving, const Percents& forced) {
  EvaluationRow row;
  row.name = name;
  row.family = family;
  row.settings = settings;
  row.attacked = kImages;
  row.seconds = 3.5 * static_cast<double>(e.rows.size());
  train::RuleOutcome& outcome = row.outcome;
  outcome.right.assign(kImages, false);
  outcome.taken.assign(kImages, static_cast<int>(leaving.size()) - 1);
  outcome.answers.assign(kImages, 0);
  const std::vector<int> images = order(e.rows.size(), 200), leavers = order(e.rows.size(), 1500);
  const auto right = static_cast<int>(std::lround(percentRight * kImages / 100));
  const bool isStrong = percentRight < 35;
  int count = core;
  for (int i = 0; i < core; ++i) outcome.right[static_cast<size_t>(i)] = true;
  for (const int image : images) {
    const bool isAllowed = image >= core && (!isStrong || image % 2 == static_cast<int>(e.rows.size() % 2));
    if (count < right && isAllowed) outcome.right[static_cast<size_t>(image)] = true, ++count;
  }
  outcome.accuracy = static_cast<double>(count) / kImages;
  size_t next = 0;
  for (size_t k = 0; k < leaving.size(); ++k) {
    const bool isLast = k + 1 == leaving.size();
    const auto leave =
        isLast ? leavers.size() - next : static_cast<size_t>(std::lround(leaving[k] * kImages / 100));
    size_t rightHere = 0;
    for (size_t i = next; i < next + leave; ++i) {
      outcome.taken[static_cast<size_t>(leavers[i])] = static_cast<int>(k);
      rightHere += outcome.right[static_cast<size_t>(leavers[i])];
    }
    next += leave;
    outcome.shares.push_back(static_cast<double>(leave) / kImages);
    outcome.accuracyLeaving.push_back(leave == 0
                                          ? std::numeric_limits<double>::quiet_NaN()
                                          : static_cast<double>(rightHere) / static_cast<double>(leave));
  }
  for (int i = 0; i < kImages; ++i)
    outcome.answers[static_cast<size_t>(i)] =
        outcome.right[static_cast<size_t>(i)] ? labelOf(i) : (labelOf(i) + 1 + i % 9) % 10;
  outcome.accuracyForced = shares(forced);
  e.rows.push_back(row);
}

nlohmann::json attack(const std::string& method, const std::string& form, int steps) {
  return {{"method", method}, {"form", form},           {"norm", "linf"}, {"epsilon", kEpsilon},
          {"steps", steps},   {"step_size", 2.0 / 255}, {"restarts", 1}};
}

// A disc on a slope of colours, in the colours of its class.
std::vector<uint8_t> picture(int image, unsigned noiseSeed) {
  std::mt19937 random(noiseSeed);
  std::vector<uint8_t> pixels;
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 32; ++x) {
        const bool isDisc = std::hypot(x - 12 - image % 8, y - 16) < 6 + image % 5;
        const int base = isDisc ? 40 + (image * (c + 2) * 37) % 200 : 60 + 4 * (c == 1 ? x : y);
        const int noise = noiseSeed == 0 ? 0 : static_cast<int>(random() % 3) * 8 - 8;
        pixels.push_back(static_cast<uint8_t>(std::clamp(base + noise, 0, 255)));
      }
  return pixels;
}

void addPictures(Evaluation& e, const std::vector<std::string>& rows) {
  for (const int image : {3, 151, 305, 426, 602, 804, 957}) {
    train::PictureSample sample;
    sample.image = image;
    sample.label = labelOf(image);
    sample.channels = 3;
    sample.height = sample.width = 32;
    for (const std::string& name : rows) {
      const auto row =
          std::find_if(e.rows.begin(), e.rows.end(), [&](const EvaluationRow& r) { return r.name == name; });
      const auto i = static_cast<size_t>(image);
      sample.views.push_back({name, picture(image, name == "clean" ? 0 : static_cast<unsigned>(name.size())),
                              row->outcome.taken[i], row->outcome.answers[i]});
    }
    e.pictures.push_back(sample);
  }
}

Evaluation common(const std::string& model) {
  Evaluation e;
  e.model = model;
  e.command = "rdi-evaluate " + model + " --data cifar10:DIR --suite full --limit 1000 --json results.json";
  e.data = "cifar10";
  e.set = "test";
  e.classNames = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  e.imageCount = kImages;
  e.seed = 1;
  return e;
}

int64_t mac(double mi) { return static_cast<int64_t>(mi * 1024 * 1024); }

}  // namespace

Evaluation multiExitSample() {
  Evaluation e = common("models/rdi-resnet38-cifar10.onnx");
  e.rule.thresholds = {0.2642F, 0.3698F, 0.3614F, 0.7664F, 1.0351F, 1.3061F};
  const double own[] = {16.796875, 30.296875, 36.546875, 50.046875, 61.421875, 74.921875, 79.421875};
  const double paid[] = {16.796875, 37.671875, 51.296875, 65.921875, 78.421875, 91.921875, 96.421875};
  const int64_t linear[] = {320, 320, 320, 320, 640, 640, 640};
  int64_t paidLinear = 0;
  for (size_t k = 0; k < 7; ++k) {
    paidLinear += linear[k];
    e.costs.push_back({k < 6 ? "exit" + std::to_string(k + 1) : "main",
                       {mac(own[k]), linear[k]},
                       {mac(paid[k]), paidLinear}});
  }
  const auto add = [&](const std::string& name, Family family, const nlohmann::json& settings, double right,
                       const Percents& leaving, const Percents& forced) {
    addRow(e, 237, name, family, settings, right, leaving, forced);
  };
  add("clean", Family::clean, {}, 84.8, {6.8, 12.4, 11.7, 22.7, 15.0, 16.4, 15.0},
      {71.1, 75.4, 78.5, 80.7, 82.1, 84.9, 83.7});
  const double single[] = {69.5, 62.4, 61.4, 47.7, 45.8, 43.6, 50.2};
  for (size_t k = 0; k < 7; ++k) {
    const double d = static_cast<double>(k);
    const std::string form = k < 6 ? "single:" + std::to_string(k + 1) : "main";
    Percents forced = {60, 58, 56, 52, 48, 47, 46};
    forced[k] = 24 + d;
    add("pgd " + form, Family::paper, attack("pgd", form, 20), single[k],
        {4.1 + d / 4, 8.2, 10.5 + d / 2, 21.9, 17.3, 18.4 - d / 4, 19.6 - d / 2}, forced);
  }
  add("pgd average", Family::paper, attack("pgd", "average", 20), 42.7,
      {4.4, 8.9, 9.9, 20.1, 17.4, 19.2, 20.1}, {50.2, 47.1, 45.0, 41.2, 40.3, 39.9, 38.7});
  add("pgd max-average", Family::paper, attack("pgd", "max-average", 20), 43.5,
      {5.0, 9.1, 10.2, 20.4, 17.0, 18.7, 19.6}, {52.0, 48.3, 46.4, 42.1, 40.9, 40.2, 39.5});
  add("pgd random", Family::simple, attack("pgd", "random", 20), 44.3,
      {5.1, 9.0, 10.4, 20.6, 17.1, 18.5, 19.3}, {52.4, 48.8, 46.9, 42.8, 41.5, 40.8, 40.1});
  add("fgsm average", Family::simple, attack("fgsm", "average", 1), 51.6,
      {5.9, 10.1, 11.0, 21.2, 16.5, 17.8, 17.5}, {56.0, 54.8, 53.9, 50.1, 49.5, 49.3, 48.2});
  nlohmann::json wrm = attack("wrm", "average", 15);
  wrm.erase("epsilon");
  wrm.erase("norm");
  wrm["gamma"] = 1.3;
  add("wrm average", Family::simple, wrm, 83.7, {6.9, 12.5, 11.6, 22.5, 15.1, 16.4, 15.0},
      {70.4, 74.5, 77.3, 79.6, 81.2, 83.7, 82.5});
  e.rows.back().inBall = false;
  const Percents routed = {0.6, 1.9, 3.7, 15.6, 21.4, 24.5, 32.3};
  add("pgd routed", Family::adaptive, attack("pgd", "routed", 20), 31.3, routed,
      {55.1, 53.2, 50.8, 44.0, 41.7, 38.2, 35.9});
  add("pgd soft-routed", Family::adaptive, attack("pgd", "soft-routed", 20), 29.1,
      {1.1, 2.6, 4.9, 17.1, 20.6, 23.5, 30.2}, {54.0, 52.3, 49.1, 42.4, 40.0, 36.1, 33.8});
  add("apgd-ce soft-routed", Family::adaptive, attack("apgd-ce", "soft-routed", 50), 26.0,
      {1.3, 2.9, 5.2, 17.5, 20.4, 23.2, 29.5}, {53.8, 51.6, 48.4, 41.3, 39.1, 34.9, 32.4});
  add("apgd-dlr routed", Family::adaptive, attack("apgd-dlr", "routed", 50), 32.2, routed,
      {56.3, 54.4, 51.7, 45.2, 42.9, 39.3, 37.1});
  add("apgd-ce main", Family::adaptive, attack("apgd-ce", "main", 50), 49.4,
      {4.6, 8.0, 11.9, 21.6, 17.5, 17.9, 18.5}, {61.2, 58.8, 56.7, 52.2, 43.8, 36.6, 23.6});
  add("square average", Family::blackBox, attack("square", "average", 1000), 24.0,
      {3.9, 7.2, 9.4, 20.3, 18.0, 20.1, 21.1}, {55.4, 53.1, 51.7, 48.0, 46.6, 46.2, 45.7});
  e.rows.back().onlySurvivors = true;
  e.rows.back().attacked = 244;
  add("slowdown uniform", Family::slowdown, attack("pgd", "uniform", 30), 76.6,
      {0.7, 2.4, 5.1, 13.7, 15.8, 18.5, 43.8}, {60.3, 66.8, 70.9, 74.0, 76.2, 78.8, 79.0});
  add("slowdown hinge", Family::slowdown, attack("pgd", "hinge", 30), 74.7,
      {0.3, 0.6, 3.5, 11.7, 15.0, 11.7, 57.2}, {58.7, 64.9, 69.3, 72.5, 75.1, 77.4, 78.3});
  addPictures(e, {"clean", "pgd average", "apgd-ce soft-routed", "slowdown hinge"});
  return e;
}

Evaluation singleExitSample() {
  Evaluation e = common("models/resnet38-cifar10.onnx");
  e.costs = {{"main", {mac(79.421875), 640}, {mac(79.421875), 640}}};
  const auto add = [&](const std::string& name, Family family, const nlohmann::json& settings, double right) {
    addRow(e, 236, name, family, settings, right, {100}, {right});
  };
  add("clean", Family::clean, {}, 83.6);
  add("pgd main", Family::paper, attack("pgd", "main", 20), 42.3);
  add("fgsm main", Family::simple, attack("fgsm", "main", 1), 51.1);
  add("apgd-ce main", Family::adaptive, attack("apgd-ce", "main", 50), 26.3);
  add("apgd-dlr main", Family::adaptive, attack("apgd-dlr", "main", 50), 27.9);
  addPictures(e, {"clean", "pgd main", "apgd-ce main"});
  return e;
}

}  // namespace rdi::test
