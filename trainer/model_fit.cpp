// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/model_fit.hpp"

#include <cmath>
#include <optional>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"

namespace rdi::train {
namespace {

// Images are fed as pixel / 255, whatever the file asks for.
void checkPreprocessing(const onnx::ModelProto& model) {
  constexpr double kScale = 1.0 / 255.0, kTolerance = 1e-6;
  const std::optional<graph::Preprocessing> wanted = graph::readMetadata(model).preprocessing;
  if (!wanted) return;
  if (!(std::abs(wanted->scale / kScale - 1) <= kTolerance))
    throw Error(text("rdi.preprocessing: found scale ", wanted->scale, ", expected ", kScale,
                     " (1/255), the only one that the trainer feeds"));
  for (double mean : wanted->mean)
    if (mean != 0)
      throw Error(
          text("rdi.preprocessing: found mean ", mean, ", expected 0, the only one that the trainer feeds"));
}

}  // namespace

void checkModelFitsData(const onnx::ModelProto& model, const ImageSet& images, const DataSource& source) {
  const graph::Shape expected = graph::inputShape(model);
  const graph::Shape found = {images.channels, images.height, images.width};
  if (expected != found)
    throw Error(text(source.name, ": found images of ", graph::toString(found), ", expected ",
                     graph::toString(expected), ", the model's input (channels x height x width)"));
  const int64_t classes = graph::classCount(model);
  if (classes != static_cast<int64_t>(source.classNames.size()))
    throw Error(text(source.name, ": found ", source.classNames.size(), " classes, expected ", classes,
                     ", as the model tells apart"));
  checkPreprocessing(model);
}

void refuseEarlyExit(const onnx::ModelProto& model, const std::string& path) {
  if (graph::isEarlyExit(model))
    throw Error(
        text(path,
             ": found an early-exit model, which only the plugin runs; expected the multi-exit model it "
             "was converted from"));
}

bool givesProbabilities(const onnx::ModelProto& model) {
  return graph::kindOfScores(model, graph::exitNames(model)) == graph::Scores::probabilities;
}

}  // namespace rdi::train
