// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/model_io.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/shapes.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi::graph {
namespace {

namespace fs = std::filesystem;

class ModelFile : public testing::Test {
protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("rdi-model-io-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
};

/// The error's message; "" when there is none.
std::string messageOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_F(ModelFile, IsReadBackAsItWasWritten) {
  const auto model = test::tinyMultiExit();
  saveModel(model, path("a.onnx"));
  EXPECT_EQ(serialize(loadModel(path("a.onnx"))), serialize(model));
  EXPECT_EQ(readFile(path("a.onnx")), serialize(model));
}

TEST_F(ModelFile, IsReplacedWholeOrNotAtAll) {
  writeFileAtomically(path("file"), "old");
  writeFileAtomically(path("file"), "new");
  EXPECT_EQ(readFile(path("file")), "new");
  fs::create_directory(path("folder"));
  for (const auto& target : {path("folder"), path("missing/file"), std::string("/sys/rdi-file")}) {
    const auto message = messageOf([&] { writeFileAtomically(target, "bytes"); });
    EXPECT_EQ(message.rfind(target, 0), 0u) << message;
  }
  const auto count = std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  EXPECT_EQ(count, 2) << "a temporary file was left";
}

TEST_F(ModelFile, ErrorsOfReadingNameTheFile) {
  std::ofstream(path("empty.onnx"));
  std::ofstream(path("text.onnx")) << "no model\n";
  fs::create_directory(path("folder.onnx"));
  for (const char* name : {"missing.onnx", "empty.onnx", "text.onnx", "folder.onnx"}) {
    const auto message = messageOf([&] { loadModel(path(name)); });
    EXPECT_EQ(message.rfind(path(name), 0), 0u) << name << ": " << message;
  }
}

TEST(ParseModel, ATruncatedModelIsAnErrorWhereverItEnds) {
  const std::string tiny = serialize(test::tinyMultiExit());
  const std::string small = serialize(zoo::build("rdi-smallcnn"));
  const auto expectErrors = [](const std::string& bytes, size_t step) {
    for (size_t size = 0; size < bytes.size(); size += step) {
      const std::string cut = bytes.substr(0, size);
      EXPECT_NE(messageOf([&] { parseModel(cut.data(), cut.size(), "cut.onnx"); }), "")
          << size << " bytes were enough";
    }
  };
  // What follows the graph in the file (opset, metadata) is not needed to read it, so only cuts inside are
  // tried.
  const size_t end = tiny.size() - 16;
  expectErrors(tiny.substr(0, end), 1);
  expectErrors(small.substr(0, 97 * 40), 97);
  expectErrors(small.substr(0, small.size() - 400), 97 * 1009);
}

TEST(ParseModel, FlippedBytesAreReadOrRefusedButNeverMore) {
  const std::string bytes = serialize(test::tinyMultiExit());
  size_t refused = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0xff);
    refused += messageOf([&] { parseModel(damaged.data(), damaged.size(), "damaged.onnx"); }).empty() ? 0 : 1;
  }
  EXPECT_GT(refused, bytes.size() / 20);  // weights may be anything, structure not
}

struct Refusal {
  const char* word;  // in the message
  std::function<void(onnx::ModelProto&)> damage;
};

TEST(CheckModel, RefusesWhatIsNoClassifierWithExits) {
  const auto dims = [](onnx::ModelProto& model) -> onnx::TensorShapeProto& {
    return *model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  };
  const auto nodeOf = [](onnx::ModelProto& model, const std::string& opType) -> onnx::NodeProto& {
    for (auto& node : *model.mutable_graph()->mutable_node())
      if (node.op_type() == opType) return node;
    throw Error("no such node");
  };
  const std::vector<Refusal> refusals = {
      {"input", [](auto& model) { *model.mutable_graph()->add_input() = model.graph().input(0); }},
      {"input", [](auto& model) { model.mutable_graph()->clear_input(); }},
      {"N x C x H x W", [&](auto& model) { dims(model).mutable_dim()->RemoveLast(); }},
      {"fixed", [&](auto& model) { dims(model).mutable_dim(2)->set_dim_param("H"); }},
      {"fixed", [&](auto& model) { dims(model).mutable_dim(3)->set_dim_value(0); }},
      {"fixed", [&](auto& model) { dims(model).mutable_dim(3)->set_dim_value(-8); }},
      {"values", [&](auto& model) { dims(model).mutable_dim(3)->set_dim_value(int64_t{1} << 40); }},
      {"channels", [&](auto& model) { dims(model).mutable_dim(1)->set_dim_value(5); }},
      {"output", [](auto& model) { model.mutable_graph()->clear_output(); }},
      {"", [](auto& model) { model.mutable_graph()->mutable_output(0)->set_name("nobody"); }},
      {"", [](auto& model) { *model.mutable_graph()->add_output() = model.graph().output(0); }},
      {"relu1",
       [&](auto& model) {
         auto& output = *model.mutable_graph()->mutable_output(0);
         output.set_name("relu1");
         *output.mutable_type()->mutable_tensor_type()->mutable_shape() = dims(model);
         output.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(1)->set_dim_value(4);
       }},
      {"bytes",
       [](auto& model) { model.mutable_graph()->mutable_initializer(0)->mutable_raw_data()->pop_back(); }},
      {"dimensions", [](auto& model) { model.mutable_graph()->mutable_initializer(0)->set_dims(0, -1); }},
      {"dimensions",
       [](auto& model) { model.mutable_graph()->mutable_initializer(0)->set_dims(0, int64_t{1} << 62); }},
      {"another file",
       [](auto& model) {
         model.mutable_graph()->mutable_initializer(0)->set_data_location(onnx::TensorProto::EXTERNAL);
       }},
      {"type", [](auto& model) { model.mutable_graph()->mutable_initializer(0)->set_data_type(4711); }},
      {"sub-graph",
       [](auto& model) {
         auto* attribute = model.mutable_graph()->mutable_node(0)->add_attribute();
         attribute->set_name("body");
         attribute->set_type(onnx::AttributeProto::GRAPH);
         attribute->mutable_g()->set_name("inner");
       }},
      {"Bogus", [](auto& model) { model.mutable_graph()->mutable_node(0)->set_op_type("Bogus"); }},
      {"nowhere", [](auto& model) { model.mutable_graph()->mutable_node(0)->set_input(0, "nowhere"); }},
      {"", [](auto& model) { model.clear_opset_import(); }},
      {"opset 9999", [](auto& model) { model.mutable_opset_import(0)->set_version(9999); }},
      {"strides",
       [&](auto& model) {
         setAttribute(nodeOf(model, "Conv"), "strides", Shape{0, 0});
       }},
      {"kernel_shape",
       [&](auto& model) {
         setAttribute(nodeOf(model, "Conv"), "kernel_shape", Shape{-3, 3});
       }},
      {"kernel",
       [&](auto& model) {
         setAttribute(nodeOf(model, "Conv"), "kernel_shape", Shape{1, 1});
       }},
      {"pads",
       [&](auto& model) {
         setAttribute(nodeOf(model, "Conv"), "pads", Shape{-1, 0, 0, 0});
       }},
      {"pads", [&](auto& model) { setAttribute(nodeOf(model, "Conv"), "pads", Shape(4, INT64_MAX)); }},
      {"dilations",
       [&](auto& model) {
         setAttribute(nodeOf(model, "Conv"), "dilations", Shape{0, 1});
       }},
      {"groups", [&](auto& model) { setAttribute(nodeOf(model, "Conv"), "group", int64_t{0}); }},
      {"groups", [&](auto& model) { setAttribute(nodeOf(model, "Conv"), "group", int64_t{3}); }},
      {"empty",
       [&](auto& model) {
         setAttribute(nodeOf(model, "Conv"), "dilations", Shape{9, 9});
       }},
      {"bias",
       [&](auto& model) {
         *model.mutable_graph()->add_initializer() = floatTensor("bias", {3}, {1, 2, 3});
         nodeOf(model, "Conv").add_input("bias");
       }},
      {"multiply", [&](auto& model) { setAttribute(nodeOf(model, "Gemm"), "transA", int64_t{1}); }},
      {"add", [&](auto& model) { nodeOf(model, "Gemm").set_input(2, "conv3.weight"); }},
      {"parameters", [&](auto& model) { nodeOf(model, "BatchNormalization").set_input(3, "conv3.weight"); }},
  };
  for (size_t i = 0; i < refusals.size(); ++i) {
    SCOPED_TRACE("refusal " + std::to_string(i));
    auto model = test::tinyMultiExit();
    ASSERT_NO_THROW(checkModel(model, "file.onnx"));
    refusals[i].damage(model);
    const auto message = messageOf([&] { checkModel(model, "file.onnx"); });
    EXPECT_EQ(message.rfind("file.onnx: ", 0), 0u) << message;
    EXPECT_NE(message.find(refusals[i].word), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST(CheckModel, ExitsMustAgreeOnTheNumberOfClasses) {
  test::ToyModel toy;
  toy.exit("image", 3, "exit1");
  toy.node("Flatten", {"image"}, "flat");
  toy.linear("flat", 192, 7, "main");
  toy.output("main", 7);
  const auto message = messageOf([&] { checkModel(toy.model(), "file.onnx"); });
  EXPECT_NE(message.find("'main' has 7 classes"), std::string::npos) << message;
}

TEST(CheckModel, WeightsMayBeListedAsInputsToo) {
  auto model = test::tinyMultiExit();  // as ONNX files of IR 3 do
  for (const auto& tensor : model.graph().initializer()) {
    auto& input = *model.mutable_graph()->add_input();
    input.set_name(tensor.name());
    input.mutable_type()->mutable_tensor_type()->set_elem_type(tensor.data_type());
    for (const int64_t dim : tensor.dims())
      input.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(dim);
  }
  EXPECT_NO_THROW(checkModel(model, "file.onnx"));
  EXPECT_EQ(inputName(model), "image");
}

// ONNX's own inference reads past an input of too few dimensions when the kernel is left to the weights.
TEST(Shapes, AConvolutionMayLeaveItsKernelToItsWeightsAndIsStillComparedWithItsInput) {
  const auto model = test::tinyMultiExit();
  auto bare = model;
  onnx::NodeProto* conv = nullptr;
  for (auto& node : *bare.mutable_graph()->mutable_node()) {
    if (node.op_type() != "Conv") continue;
    auto& attributes = *node.mutable_attribute();
    for (int i = attributes.size() - 1; i >= 0; --i)
      if (attributes[i].name() == "kernel_shape") attributes.DeleteSubrange(i, 1);
    conv = &node;
  }
  ASSERT_NE(conv, nullptr);
  EXPECT_EQ(inferShapes(bare, 1), inferShapes(model, 1));
  *bare.mutable_graph()->add_initializer() = floatTensor("flat", {2, 3}, std::vector<float>(6));
  const std::string features = conv->input(0);
  conv->set_input(0, "flat");
  EXPECT_NE(messageOf([&] { inferShapes(bare, 1); }), "");
  knownShapes(bare, 1);  // says what it can
  conv->set_input(0, features);
  conv->set_input(1, features);
  EXPECT_NE(messageOf([&] { inferShapes(bare, 1); }).find("states no kernel_shape"), std::string::npos);
}

// ONNX's own inference would count the first one down, two at a time.
TEST(Shapes, ADimensionThatAFileMerelyClaimsIsRefusedBeforeAnythingIsInferred) {
  auto model = test::tinyMultiExit();
  model.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(3)
      ->set_dim_value(int64_t{1} << 40);
  EXPECT_NE(messageOf([&] { inferShapes(model, 1); }).find("has a dimension of 1099511627776"),
            std::string::npos);
  EXPECT_NE(messageOf([&] { knownShapes(model, 1); }).find("expected at most 268435456"), std::string::npos);

  auto reshaped = test::tinyMultiExit();
  *reshaped.mutable_graph()->add_initializer() = intTensor("shape", {4}, {1, 3, int64_t{1} << 40, -1});
  auto* node = reshaped.mutable_graph()->add_node();
  node->set_op_type("Reshape");
  node->add_input(inputName(reshaped));
  node->add_input("shape");
  node->add_output("huge");
  EXPECT_NE(messageOf([&] { inferShapes(reshaped, 1); }).find("'huge' has a dimension of"),
            std::string::npos);
}

TEST(Shapes, AreInferredForAnyBatch) {
  const auto model = test::tinyMultiExit();
  EXPECT_EQ(inferShapes(model, 1).at("relu1"), (Shape{1, 4, 8, 8}));
  EXPECT_EQ(inferShapes(model, 5).at("relu1"), (Shape{5, 4, 8, 8}));
  EXPECT_EQ(inferShapes(model, 5).at("main"), (Shape{5, 4}));
  EXPECT_EQ(inputShape(model), (Shape{3, 8, 8}));
  EXPECT_EQ(classCount(model), 4);
  EXPECT_EQ(toString({1, 3, 8}), "1x3x8");
}

}  // namespace
}  // namespace rdi::graph
