// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/import.hpp"

#include <gtest/gtest.h>

#include <set>

#include "graph/attributes.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/converters/messages.hpp"

namespace rdi::convert {
namespace {

using test::expectRefused;

/// The weights of a network of the zoo under other names.
class Import : public testing::Test {
protected:
  explicit Import(const std::string& architecture = "rdi-smallcnn") : architecture_(architecture) {
    model_ = zoo::build(architecture_, 7);
    weights_.file = "net.pt";
    for (const auto& tensor : model_.graph().initializer())
      weights_.tensors[tensor.name()] =
          denseTensor(ElementType::float32, {tensor.dims().begin(), tensor.dims().end()}, tensor.raw_data());
  }

  void rename(const std::function<std::string(const std::string&)>& newName) {
    std::map<std::string, Tensor> renamed;
    for (const auto& [name, tensor] : weights_.tensors) renamed[newName(name)] = tensor;
    weights_.tensors = renamed;
  }

  Imported import(const ImportOptions& options = {}) const {
    return importWeights(weights_, architecture_, options);
  }

  void expectImported(const ImportOptions& options = {}) const {
    const auto imported = import(options);
    ASSERT_EQ(imported.model.graph().initializer_size(), model_.graph().initializer_size());
    for (const auto& tensor : model_.graph().initializer())
      EXPECT_EQ(graph::floatValues(*graph::findInitializer(imported.model.graph(), tensor.name())),
                graph::floatValues(tensor));
  }

  /// A tensor of one element that stays alive.
  Tensor single() const { return denseTensor(ElementType::int8, {1}, "x"); }

  std::string architecture_;
  onnx::ModelProto model_;
  Weights weights_;
};

TEST_F(Import, TakesTheZoosOwnNames) {
  expectImported();
  EXPECT_TRUE(import().ignored.empty());
}

TEST_F(Import, StripsWrappers) {
  for (const std::string wrapper :
       {"module.", "_orig_mod.", "module.module.", "_orig_mod.module.", "module._orig_mod.module."}) {
    const auto before = weights_.tensors;
    rename([&](const std::string& name) { return wrapper + name; });
    expectImported();
    weights_.tensors = before;
  }
}

TEST_F(Import, RenamesByPrefixAndByRegularExpression) {
  rename([](const std::string& name) { return "net." + name; });
  expectImported({{"net.="}, {}});
  expectImported({{"re:^net\\.="}, {}});
  rename([](const std::string& name) { return "a=b." + name; });
  expectImported({{"a=b.=", "net.="}, {}});  // one after the other, split at the last "="
  rename([](const std::string& name) {
    const auto dot = name.rfind('.');
    return name.substr(dot + 1) + "/" + name.substr(0, dot);
  });
  expectImported({{"re:^(\\w+)/(.*)$=$2.$1", "a=b.net.="}, {}});
}

TEST_F(Import, IgnoresCountersAndWhatItMay) {
  weights_.tensors["bn1.num_batches_tracked"] = single();
  expectImported();
  EXPECT_TRUE(import().ignored.empty());
  weights_.tensors["head2.weight"] = weights_.tensors["head2.bias"] = single();
  expectRefused([&] { import(); }, {"net.pt", "2 are left over", "head2.weight", "head2.bias", "--ignore"});
  expectImported({{}, {"head2."}});
  expectImported({{}, {"re:head\\d\\.(weight|bias)$"}});
  EXPECT_EQ(import({{}, {"head2."}}).ignored, (std::vector<std::string>{"head2.bias", "head2.weight"}));
}

TEST_F(Import, MakesAnewWhatMayBeMissing) {
  weights_.tensors.erase("branch_layer1.0.weight");
  weights_.tensors.erase("branch_layer1.0.bias");
  expectRefused([&] { import(); }, {"2 are missing", "branch_layer1.0.weight"});
  expectRefused([&] { import({{}, {}, { "branch_layer2." }}); }, {"2 are missing", "branch_layer1.0.weight"});
  const auto imported = import({{}, {}, {"branch_layer"}});
  EXPECT_EQ(std::set<std::string>(imported.fresh.begin(), imported.fresh.end()),
            (std::set<std::string>{"branch_layer1.0.weight", "branch_layer1.0.bias"}));
  const auto made = zoo::build("rdi-smallcnn");
  for (int i = 0; i < made.graph().initializer_size(); ++i) {
    const auto& tensor = imported.model.graph().initializer(i);
    if (tensor.name() == "branch_layer1.0.weight")
      EXPECT_EQ(tensor.SerializeAsString(), made.graph().initializer(i).SerializeAsString());
  }
  expectRefused([&] { import({{}, {}, { "re:*" }}); }, {"--fresh", "regular expression"});
}

TEST_F(Import, ListsEveryTensorThatDoesNotFit) {
  weights_.tensors.erase("conv2.weight");
  weights_.tensors.erase("fc1.bias");
  weights_.tensors["conv1.bias"] = single();
  weights_.tensors["extra.weight"] = single();
  weights_.others["fc1.bias"] = "a tensor of ComplexFloatStorage";
  expectRefused([&] { import(); },
                {"net.pt: does not fit rdi-smallcnn", "2 are missing", "1 have another shape",
                 "1 are left over", "conv2.weight", "fc1.bias (a tensor of ComplexFloatStorage there",
                 "conv1.bias is 1, expected 32", "extra.weight"});
}

TEST_F(Import, GuessesTheCause) {
  const auto before = weights_.tensors;
  rename([](const std::string& name) { return "module.backbone." + name; });
  expectRefused([&] { import(); }, {"begin with 'backbone.'", "--map backbone.="});
  rename([](const std::string& name) {
    return "x" + std::to_string(name.size()) + name.substr(name.size() / 2);
  });
  expectRefused([&] { import(); }, {"another network", "--map"});
  weights_.tensors = before;
  const std::string bytes(4 * 100 * 200, '\0');
  for (auto& [name, tensor] : weights_.tensors) {
    if (tensor.shape[0] != 10) continue;
    auto shape = tensor.shape;
    shape[0] = 100;
    tensor = denseTensor(ElementType::float32, shape,
                         std::string_view(bytes).substr(0, shape.size() == 2 ? bytes.size() : 400));
  }
  expectRefused([&] { import(); }, {"100 classes", "fc3.weight is 100x200, expected 10x200"});
}

TEST_F(Import, RefusesRulesThatDoNotWork) {
  expectRefused([&] { import({{"no equal sign"}, {}}); }, {"--map", "FROM=TO"});
  expectRefused([&] { import({{"=x"}, {}}); }, {"--map", "FROM=TO"});
  expectRefused([&] { import({{"re:(=x"}, {}}); }, {"--map", "regular expression"});
  expectRefused([&] { import({{}, { "re:*" }}); }, {"--ignore", "regular expression"});
  expectRefused(
      [&] {
        import({{"backbone.="}, {}});
      },
      {"net.pt", "--map backbone.=", "matches no tensor", "branch_layer1.0.bias"});
  expectRefused(
      [&] {
        import({{"conv2.=conv1."}, {}});
      },
      {"'conv1.bias' and 'conv2.bias'", "become 'conv1.bias'"});
}

TEST_F(Import, RefusesADoubleBeyondFloatByName) {
  const std::vector<double> values(32, 1e200);
  const std::string bytes(reinterpret_cast<const char*>(values.data()), 32 * sizeof(double));
  weights_.tensors["conv1.bias"] = denseTensor(ElementType::float64, {32}, bytes);
  expectRefused([&] { import(); }, {"net.pt: tensor 'conv1.bias'", "1e+200"});
}

TEST_F(Import, RefusesUnknownArchitectures) {
  architecture_ = "rdi-vgg";
  expectRefused([&] { import(); }, {"rdi-vgg", "rdi-resnet38"});
}

class ImportMobileNet : public Import {
protected:
  ImportMobileNet() : Import("rdi-mobilenetv2") {}
};

TEST_F(ImportMobileNet, NamesTheWeightsThatNoLayerUses) {
  expectImported();
  weights_.tensors["module.conv2.weight"] = single();
  expectImported();
  EXPECT_EQ(import().ignored, (std::vector<std::string>{"module.conv2.weight, which no layer uses"}));
}

}  // namespace
}  // namespace rdi::convert
