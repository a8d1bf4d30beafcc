// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/defence.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>
#include <sstream>

#include "graph/error.hpp"
#include "trainer/attacks.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

// The mean over images of KL(p || q), exits x N x C logits: one number an exit.
Tensor divergence(const Tensor& logits, const Tensor& others) {
  const Tensor reference = torch::log_softmax(logits, -1);
  return (torch::exp(reference) * (reference - torch::log_softmax(others, -1))).sum(-1).mean(-1);
}

}  // namespace

Defence::Defence(const TrainOptions& options, GraphModule& module, const torch::Device& device,
                 GraphModule* teacher)
    : options_(options), module_(module), teacher_(teacher) {
  const size_t exits = module.exitCount();
  std::vector<double> weights = options.exitWeights;
  if (weights.empty()) weights.assign(exits, 1.0);
  if (weights.size() != exits)
    throw Error(text("--exit-weights: found ", weights.size(), " values, expected ", exits,
                     ", one for each exit of the model"));
  exitWeights_ = torch::tensor(std::vector<float>(weights.begin(), weights.end())).to(device);

  if (options.defence == "standard") return;
  const std::vector<std::string> words = split(options.defence);
  for (const std::string& word : words) {
    Part part;
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (equals != std::string::npos) {
      const std::string number = word.substr(equals + 1);
      const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), part.weight);
      if (problem != std::errc() || end != number.data() + number.size() || !(part.weight > 0) ||
          !std::isfinite(part.weight))
        throw Error(text("--defence: found \"", word, "\", expected FORM=WEIGHT with a weight above 0"));
    }
    part.isEach = name == "each";
    if (!part.isEach) part.form = attackFormFromName(name, exits);
    if (part.form.isSlowdown() && exits < 2)
      throw Error(text("--defence ", name, ": slows early exits down, the model has none"));
    parts_.push_back(part);
  }
  if (parts_.empty()) throw Error("--defence: found nothing, expected standard or an attack form, e.g. own");
  const bool isTrades = options.loss == "trades";
  if (isTrades) options_.attack.surrogate = Surrogate::divergence;
  if (!isTrades && options.cleanWeight >= 1) parts_.clear();
  usesClean_ = isTrades || options.cleanWeight > 0;
}

bool Defence::followsRule() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& p) { return p.form.followsRule(); });
}

const Defence::Part& Defence::drawn(int64_t iteration) const {
  double total = 0;
  for (const Part& part : parts_) total += part.weight;
  std::seed_seq words{options_.seed, static_cast<uint64_t>(iteration)};
  std::mt19937 random(words);
  double left = total * (static_cast<double>(random()) / 4294967296.0);
  for (const Part& part : parts_)
    if ((left -= part.weight) < 0) return part;
  return parts_.back();
}

AttackedImages Defence::attacked(const Batch& batch, const AttackOptions& attack, const graph::ExitRule& rule,
                                 int64_t iteration, const RowGenerator& generator) const {
  if (!usesAttacked()) return {};
  const Part& part = drawn(iteration);
  AttackOptions now = attack;
  now.surrogate = options_.attack.surrogate;
  const auto run = [&](const AttackForm& form) {
    return attackUnderRule(module_, batch.images, batch.labels, now, form, rule, generator);
  };
  if (!part.isEach) return {{run(part.form)}};
  AttackedImages result;
  for (size_t k = 0; k < module_.exitCount(); ++k)
    result.images.push_back(run({AttackForm::Kind::single, k}));
  return result;
}

Defence::Scores Defence::attackedScores(const AttackedImages& attacked, const ForwardMode& mode) const {
  if (attacked.images.size() == 1) return module_.forward(attacked.images[0], mode);
  Scores scores;
  for (size_t k = 0; k < attacked.images.size(); ++k)
    scores.push_back(module_.forward(attacked.images[k], mode, onlyExit(k))[k]);
  return scores;
}

// N x classes: what the answers should be, as probabilities. The label, smoothed, mixed with what the teacher
// says.
Tensor Defence::targetsOf(const Batch& batch, int64_t classes) const {
  torch::NoGradGuard noGradient;
  const double spread = options_.labelSmoothing;
  Tensor targets = torch::one_hot(batch.labels, classes).to(torch::kFloat32);
  if (spread > 0) targets = targets * (1 - spread) + spread / static_cast<double>(classes);
  if (teacher_ == nullptr) return targets;
  const size_t last = teacher_->exitCount() - 1;
  const Tensor answers = teacher_->forward(batch.images, ForwardMode::evaluation(), onlyExit(last))[last];
  return targets.lerp(torch::softmax(answers, 1), options_.teacherShare);
}

// Mean over images, one number an exit. The earlier exits also hear what the main exit says of the same
// images.
Tensor Defence::crossEntropy(const Tensor& scores, const Tensor& targets) const {
  const int64_t exits = scores.size(0), last = exits - 1;
  Tensor wanted = targets.unsqueeze(0);
  if (options_.selfDistillation > 0 && exits > 1) {
    const Tensor heard = targets.lerp(torch::softmax(scores[last].detach(), 1), options_.selfDistillation);
    wanted = torch::cat({heard.expand({last, -1, -1}), wanted});
  }
  return -(wanted * torch::log_softmax(scores, -1)).sum(-1).mean(-1);
}

Defence::Loss Defence::lossOf(const Batch& batch, const AttackedImages& attacked,
                              const ForwardMode& mode) const {
  Tensor clean, robust;  // exits x N x C
  // Batch statistics are taken of clean and attacked images apart; without them one pass serves both.
  if (usesClean_ && attacked.images.size() == 1 && !module_.hasBatchNormalization()) {
    const Tensor both = torch::stack(module_.forward(torch::cat({batch.images, attacked.images[0]}), mode));
    clean = both.narrow(1, 0, batch.images.size(0));
    robust = both.narrow(1, batch.images.size(0), batch.images.size(0));
  } else {
    if (usesClean_) clean = torch::stack(module_.forward(batch.images, mode));
    if (usesAttacked()) robust = torch::stack(attackedScores(attacked, mode));
  }
  const Tensor& some = clean.defined() ? clean : robust;
  const Tensor targets = targetsOf(batch, some.size(2));
  Tensor losses;  // exits
  if (!robust.defined())
    losses = crossEntropy(clean, targets);
  else if (options_.loss == "trades")
    losses = crossEntropy(clean, targets) + options_.tradesBeta * divergence(clean, robust);
  else if (!clean.defined())
    losses = crossEntropy(robust, targets);
  else
    losses = options_.cleanWeight * crossEntropy(clean, targets) +
             (1 - options_.cleanWeight) * crossEntropy(robust, targets);

  std::vector<Tensor> correct;
  for (const Tensor& scores : {clean, robust})
    if (scores.defined()) correct.push_back(scores.detach().argmax(2).eq(batch.labels).sum(1));
  return {(losses * exitWeights_).sum(), torch::stack(correct, 1)};
}

}  // namespace rdi::train
