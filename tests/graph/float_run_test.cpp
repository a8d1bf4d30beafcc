// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/float_run.hpp"

#include <gtest/gtest.h>

#include <map>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "graph/simplify.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/graph/naive_run.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi::graph {
namespace {

std::map<std::string, test::Tensor> run(const onnx::ModelProto& model, const test::Tensor& picture) {
  std::map<std::string, test::Tensor> tensors;
  const ShapeMap shapes = inferShapes(model);
  runInFloat(model, {{picture.values.begin(), picture.values.end()}},
             [&](const std::string& name, const std::vector<float>& values) {
               tensors[name] = {shapes.at(name), {values.begin(), values.end()}};
             });
  return tensors;
}

TEST(FloatRun, ShowsEveryTensorOfTheZoosNetsAsPlainLoopsComputeIt) {
  for (const auto& name : zoo::architectures()) {
    SCOPED_TRACE(name);
    onnx::ModelProto model = zoo::build(name);
    test::randomizeWeights(model, 7);
    simplify(model);
    const Shape size = inputShape(model);
    const test::Tensor picture = test::randomInput({1, size[0], size[1], size[2]}, 3);
    const auto expected = test::runNaively(model, picture);
    const auto found = run(model, picture);
    EXPECT_EQ(found.size(), static_cast<size_t>(model.graph().node_size()) + 1);
    for (const auto& [tensor, values] : found)
      EXPECT_LT(test::relativeDifference(expected.at(tensor), values), 1e-4) << tensor;
  }
}

TEST(FloatRun, AnOperatorThatItLacksIsNamed) {
  onnx::ModelProto model = zoo::build("rdi-smallcnn");
  for (auto& node : *model.mutable_graph()->mutable_node())
    if (node.op_type() == "Relu") node.set_op_type("Softplus");
  const test::Tensor picture = test::randomInput({1, 1, 28, 28}, 3);
  try {
    run(model, picture);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Softplus"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace rdi::graph
