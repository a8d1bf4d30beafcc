// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/subject.hpp"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "trainer/model_fit.hpp"
#include "trainer/progress_line.hpp"
#include "trainer/train_options.hpp"

namespace rdi::train {
namespace {

constexpr int64_t kUsualHeldOut = 5000;

// The same number of classes in another order, or of other things, would be counted as wrong answers.
void checkClassNames(const std::vector<std::string>& expected, const DataSource& source) {
  const size_t count = expected.size();
  if (count == 0 || count != source.classNames.size()) return;  // checkModelFitsData speaks of numbers
  for (size_t i = 0; i < count; ++i)
    if (expected[i] != source.classNames[i])
      throw Error(text(source.name, ": found \"", source.classNames[i], "\" as class ", i, ", expected \"",
                       expected[i], "\", as the model's rdi.class_names say"));
}

}  // namespace

Subject loadSubject(const std::string& file, const std::string& data) {
  Subject subject;
  subject.file = file;
  subject.source = dataSource(data);
  namingTheModel(file, [&] {
    subject.model = graph::loadModel(file);
    refuseEarlyExit(subject.model, file);
    subject.metadata = graph::readMetadata(subject.model);
    subject.costs = graph::exitCosts(subject.model);
    if (subject.metadata.rule) subject.rule = *subject.metadata.rule;
    subject.source.pictureShape = graph::inputShape(subject.model);
    checkClassNames(subject.metadata.classNames, subject.source);
    if (givesProbabilities(subject.model)) subject.scoresInFile = graph::Scores::probabilities;
  });
  subject.rule.scores = graph::Scores::logits;
  return subject;
}

graph::ExitRule pointOf(const Subject& subject, const std::string& name) {
  if (name.empty() || name == graph::kDefaultPoint) return subject.rule;
  return namingTheModel(subject.file, [&] {
    graph::ExitRule rule = graph::pointNamed(subject.metadata.operatingPoints, name).rule;
    rule.scores = graph::Scores::logits;
    graph::checkRule(rule, subject.exitCount());
    return rule;
  });
}

ImageSet loadImages(const Subject& subject, Split split) {
  ProgressLine line;
  const ImageSet images = subject.source.load(split, loadingOn(line));
  namingTheModel(subject.file, [&] { checkModelFitsData(subject.model, images, subject.source); });
  return images;
}

ImageSet loadHeldOut(const Subject& subject, int64_t count) {
  const ImageSet all = loadImages(subject, Split::train);
  const std::optional<HeldOut> recorded = heldOutOf(subject.metadata.recipe, subject.source.name);
  if (!recorded) {
    std::fprintf(
        stderr,
        "rdi-evaluate: %s does not say which images it was trained on; a rule chosen on images it knows is "
        "too trusting\n",
        subject.file.c_str());
    return heldOutPart(all, count > 0 ? count : kUsualHeldOut, 0);
  }
  if (recorded->count < 1)
    throw Error(text(subject.file, ": was trained on all images, none is left to choose a rule on"));
  const HeldOut asked{count > 0 ? count : recorded->count, recorded->seed};
  checkStillHeldOut(asked, *recorded, subject.file);
  return heldOutPart(all, asked.count, asked.seed);
}

void checkWritable(const std::string& path) {
  if (path.empty()) return;
  if (std::filesystem::is_directory(path))
    throw Error(text(path, ": found a folder, expected a file to write"));
  // A file is saved as a temporary one beside it that is renamed.
  const std::string probe = text(path, ".tmp.", getpid());
  const bool isOpen = std::ofstream(probe).is_open();
  if (!isOpen) throw Error(text(path, ": cannot be written; give a file in a writable folder"));
  std::filesystem::remove(probe);
}

}  // namespace rdi::train
