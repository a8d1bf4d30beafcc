// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/subject.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "trainer/model_fit.hpp"

namespace rdi::train {

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
    if (givesProbabilities(subject.model)) subject.scoresInFile = graph::Scores::probabilities;
  });
  subject.rule.scores = graph::Scores::logits;
  return subject;
}

std::string describe(const graph::ExitRule& rule) {
  std::string thresholds;
  for (float threshold : rule.thresholds) thresholds += text(thresholds.empty() ? "" : ", ", threshold);
  return text("leaves when ", graph::nameOf(rule.criterion), " is below ", thresholds, "; fusion ",
              graph::nameOf(rule.fusion), ", patience ", rule.patience);
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
