// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// The zoo against the published networks; the lean ones are this project's own. The paper counts convolution
// MACs in units of 2^20 ("Mi") and charges an input for the trunk and its own exit's head; `paid` charges
// every head on the way. Figures with four digits are the published table's, rounded as there; the integers
// behind them were worked out by hand from the layer sizes.

#include "graph/zoo/zoo.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <opencv2/dnn.hpp>
#include <set>

#include "graph/attributes.hpp"
#include "graph/cost.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "graph/zoo/network_builder.hpp"
#include "tests/graph/naive_run.hpp"

namespace rdi {
namespace {

std::string fixed(double value, int digits) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}
std::string mi(int64_t macs) { return fixed(static_cast<double>(macs) / (1 << 20), 4); }
std::string mega(int64_t macs) { return fixed(static_cast<double>(macs) / 1e6, 4); }

struct CostRow {
  const char* exit;
  const char *ownConvMi, *ownConv, *ownTotal;     // Mi, 10^6, 10^6
  const char *paidConvMi, *paidConv, *paidTotal;  // Mi, 10^6, 10^6
  int64_t headConv, headLinear;                   // main: its linear layers
  int64_t ownConvMacs, ownTotalMacs, paidConvMacs, paidTotalMacs;
};

struct Published {
  const char* architecture;
  std::vector<CostRow> rows;
  const char* headOverheadPercent;  // convolutions of all heads, of the backbone's
  int64_t backboneParameters;
  std::vector<int64_t> headParameters;
  int64_t totalParameters;
};

// The authors' MobileNetV2 declares a 1x1 convolution (conv2, 320 -> 1280, 409,600 weights) that its forward
// never uses. It is not built, so parameter counts are that much below the published 2,706,522 and 2,753,398.
constexpr int64_t kDeadWeights = 409600;

std::vector<Published> published() {
  return {
      {"rdi-smallcnn",
       {{"exit1", "0.8185", "0.8582", "1.0154", "0.8185", "0.8582", "1.0154", 663552, 157200,  //
         858240, 1015440, 858240, 1015440},
        {"exit2", "7.0060", "7.3463", "7.7083", "7.6388", "8.0099", "8.5291", 0, 362000,  //
         7346304, 7708304, 8009856, 8529056},
        {"main", "9.2560", "9.7056", "9.9524", "9.8888", "10.3692", "11.1352", 0, 246800,  //
         9705600, 9952400, 10369152, 11135152}},
       "6.8",
       312202,
       {162234, 362410},
       836846},
      {"rdi-resnet38",
       {{"exit1", "16.7969", "17.6128", "17.6131", "16.7969", "17.6128", "17.6131", 7733248, 320,  //
         17612800, 17613120, 17612800, 17613120},
        {"exit2", "30.2969", "31.7686", "31.7689", "37.6719", "39.5018", "39.5025", 7733248, 320,  //
         31768576, 31768896, 39501824, 39502464},
        {"exit3", "36.5469", "38.3222", "38.3225", "51.2969", "53.7887", "53.7896", 1179648, 320,  //
         38322176, 38322496, 53788672, 53789632},
        {"exit4", "50.0469", "52.4780", "52.4783", "65.9219", "69.1241", "69.1254", 1179648, 320,  //
         52477952, 52478272, 69124096, 69125376},
        {"exit5", "61.4219", "64.4055", "64.4061", "78.4219", "82.2313", "82.2332", 0, 640,  //
         64405504, 64406144, 82231296, 82233216},
        {"exit6", "74.9219", "78.5613", "78.5619", "91.9219", "96.3871", "96.3896", 0, 640,  //
         78561280, 78561920, 96387072, 96389632},
        {"main", "79.4219", "83.2799", "83.2805", "96.4219", "101.1057", "101.1089", 0, 640,  //
         83279872, 83280512, 101105664, 101108864}},
       "21.4",
       564122,
       {44554, 44554, 18890, 18890, 650, 650},
       692310},
      {"rdi-resnet38-lean",
       {{"exit1", "40.2910", "42.2482", "42.2492", "40.2910", "42.2482", "42.2492", 387072, 960,  //
         42248192, 42249152, 42248192, 42249152},
        {"exit2", "61.7734", "64.7741", "64.7748", "62.1426", "65.1612", "65.1628", 368640, 640,  //
         64774144, 64774784, 65161216, 65162816},
        {"main", "79.4219", "83.2799", "83.2805", "80.1426", "84.0356", "84.0378", 0, 640,  //
         83279872, 83280512, 84035584, 84037824}},
       "0.9",
       564122,
       {56554, 37706},
       658382},
      {"rdi-mobilenetv2",
       {{"exit1", "7.9414", "8.3272", "8.3278", "7.9414", "8.3272", "8.3278", 5050368, 640,  //
         8327168, 8327808, 8327168, 8327808},
        {"exit2", "22.9062", "24.0189", "24.0193", "27.7227", "29.0693", "29.0703", 2076672, 320,  //
         24018944, 24019264, 29069312, 29070272},
        {"exit3", "30.1250", "31.5884", "31.5890", "36.9219", "38.7154", "38.7170", 0, 640,  //
         31588352, 31588992, 38715392, 38716992},
        {"exit4", "36.5469", "38.3222", "38.3228", "43.3438", "45.4492", "45.4515", 0, 640,  //
         38322176, 38322816, 45449216, 45451456},
        {"exit5", "51.1602", "53.6453", "53.6463", "57.9570", "60.7724", "60.7756", 0, 960,  //
         53645312, 53646272, 60772352, 60775552},
        {"exit6", "67.9062", "71.2049", "71.2065", "74.7031", "78.3319", "78.3367", 0, 1600,  //
         71204864, 71206464, 78331904, 78336704},
        {"main", "86.9199", "91.1421", "91.1549", "93.7168", "98.2692", "98.2868", 0, 12800,  //
         91142144, 91154944, 98269184, 98286784}},
       "7.8",
       2706522 - kDeadWeights,
       {27818, 15178, 650, 650, 970, 1610},
       2753398 - kDeadWeights},
      {"rdi-mobilenetv2-k2",
       {{"exit1", "23.2812", "24.4122", "24.4128", "23.2812", "24.4122", "24.4128", 7520256, 640,  //
         24412160, 24412800, 24412160, 24412800},
        {"exit2", "44.0938", "46.2356", "46.2366", "51.2656", "53.7559", "53.7575", 0, 960,  //
         46235648, 46236608, 53755904, 53757504},
        {"main", "86.9199", "91.1421", "91.1549", "94.0918", "98.6624", "98.6768", 0, 12800,  //
         91142144, 91154944, 98662400, 98676800}},
       "8.3",
       2706522 - kDeadWeights,
       {31898, 970},
       2706522 - kDeadWeights + 31898 + 970},
      {"rdi-mobilenetv2-lean",
       {{"exit1", "44.5859", "46.7517", "46.7524", "44.5859", "46.7517", "46.7524", 516096, 640,  //
         46751744, 46752384, 46751744, 46752384},
        {"exit2", "63.2803", "66.3542", "66.3548", "63.7725", "66.8703", "66.8716", 202752, 640,  //
         66354176, 66354816, 66870272, 66871552},
        {"main", "86.9199", "91.1421", "91.1549", "87.6055", "91.8610", "91.8751", 0, 12800,  //
         91142144, 91154944, 91860992, 91875072}},
       "0.8",
       2706522 - kDeadWeights,
       {46922, 65354},
       2706522 - kDeadWeights + 46922 + 65354},
  };
}

class ZooTable : public testing::TestWithParam<Published> {};

TEST_P(ZooTable, CostsAreThePublishedOnesToTheDigit) {
  const auto& expected = GetParam();
  const auto costs = graph::exitCosts(zoo::build(expected.architecture));
  ASSERT_EQ(costs.size(), expected.rows.size());
  graph::Macs before;
  for (size_t i = 0; i < costs.size(); ++i) {
    const auto& row = expected.rows[i];
    const auto& cost = costs[i];
    SCOPED_TRACE(row.exit);
    EXPECT_EQ(cost.exit, row.exit);
    EXPECT_EQ(cost.own.conv, row.ownConvMacs);
    EXPECT_EQ(cost.own.total(), row.ownTotalMacs);
    EXPECT_EQ(cost.paid.conv, row.paidConvMacs);
    EXPECT_EQ(cost.paid.total(), row.paidTotalMacs);
    EXPECT_EQ(fixed(cost.paperMi(), 4), row.ownConvMi);
    EXPECT_EQ(mi(cost.own.conv), row.ownConvMi);
    EXPECT_EQ(mega(cost.own.conv), row.ownConv);
    EXPECT_EQ(mega(cost.own.total()), row.ownTotal);
    EXPECT_EQ(mi(cost.paid.conv), row.paidConvMi);
    EXPECT_EQ(mega(cost.paid.conv), row.paidConv);
    EXPECT_EQ(mega(cost.paid.total()), row.paidTotal);
    EXPECT_EQ(cost.own.linear, row.headLinear);
    // What `paid` adds over `own` is the heads rejected on the way.
    EXPECT_EQ(cost.paid.conv - cost.own.conv, before.conv);
    EXPECT_EQ(cost.paid.linear - cost.own.linear, before.linear);
    before.conv += row.headConv;
    before.linear += row.headLinear;
  }
  const auto& main = costs.back();
  EXPECT_EQ(
      fixed(100.0 * static_cast<double>(main.paid.conv - main.own.conv) / static_cast<double>(main.own.conv),
            1),
      expected.headOverheadPercent);
}

TEST_P(ZooTable, ParameterCountsAreThePublishedOnes) {
  const auto& expected = GetParam();
  const auto model = zoo::build(expected.architecture);
  EXPECT_EQ(graph::parameterCount(model, "main"), expected.backboneParameters);
  int64_t total = expected.backboneParameters;
  for (size_t i = 0; i < expected.headParameters.size(); ++i) {
    const std::string exit = "exit" + std::to_string(i + 1);
    EXPECT_EQ(graph::parameterCount(model, exit, {"main"}), expected.headParameters[i]) << exit;
    total += expected.headParameters[i];
  }
  EXPECT_EQ(total, expected.totalParameters);
}

TEST_P(ZooTable, TheSameSeedGivesTheSameBytesAndAnotherSeedOthers) {
  const std::string name = GetParam().architecture;
  const std::string first = graph::serialize(zoo::build(name, 7));
  EXPECT_EQ(first, graph::serialize(zoo::build(name, 7)));
  const std::string second = graph::serialize(zoo::build(name, 8));
  EXPECT_EQ(first.size(), second.size());
  EXPECT_NE(first, second);
}

TEST_P(ZooTable, IsAValidMultiExitModelThatSaysHowToFeedIt) {
  const auto& expected = GetParam();
  const std::string bytes = graph::serialize(zoo::build(expected.architecture));
  const auto model = graph::parseModel(bytes.data(), bytes.size(), expected.architecture);
  EXPECT_EQ(model.ir_version(), 6);
  ASSERT_EQ(model.opset_import_size(), 1);
  EXPECT_EQ(model.opset_import(0).version(), 11);
  EXPECT_EQ(graph::inputName(model), "image");
  EXPECT_EQ(model.graph().input(0).type().tensor_type().shape().dim(0).dim_param(), "N");
  EXPECT_EQ(graph::classCount(model), 10);
  std::vector<std::string> exits;
  for (const auto& row : expected.rows) exits.push_back(row.exit);
  EXPECT_EQ(graph::exitNames(model), exits);
  const auto metadata = graph::readMetadata(model);
  EXPECT_EQ(metadata.architecture, expected.architecture);
  ASSERT_TRUE(metadata.preprocessing.has_value());
  EXPECT_EQ((graph::Shape{metadata.preprocessing->channels, metadata.preprocessing->height,
                          metadata.preprocessing->width}),
            graph::inputShape(model));
  EXPECT_EQ(metadata.preprocessing->swapRB, metadata.preprocessing->channels == 3);
}

TEST_P(ZooTable, OpenCvReadsItAsPlainOnnxAndGivesTheSameNumbers) {
  auto model = zoo::build(GetParam().architecture);
  test::randomizeWeights(model, 11);
  const auto shape = graph::inputShape(model);
  const auto input = test::randomInput({2, shape[0], shape[1], shape[2]}, 5);
  const auto expected = test::runNaively(model, input);

  const std::string bytes = graph::serialize(model);
  auto net = cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
  const int sizes[] = {2, static_cast<int>(shape[0]), static_cast<int>(shape[1]), static_cast<int>(shape[2])};
  cv::Mat blob(4, sizes, CV_32F);
  std::copy(input.values.begin(), input.values.end(), blob.ptr<float>());
  net.setInput(blob);
  const auto exits = graph::exitNames(model);
  std::vector<cv::Mat> outputs;
  net.forward(outputs, std::vector<cv::String>(exits.begin(), exits.end()));
  for (size_t i = 0; i < exits.size(); ++i) {
    const cv::Mat& out = outputs[i];
    const test::Tensor got{{out.rows, out.cols}, {out.begin<float>(), out.end<float>()}};
    // float32 sums of up to 1,280 terms through at most 54 layers: 1e-4 of the largest score holds with room.
    EXPECT_LT(test::relativeDifference(expected.at(exits[i]), got), 1e-4) << exits[i];
  }
}

TEST(Zoo, NetsWithoutSideExitsAreTheBackbonesOfThoseWithThem) {
  for (const auto& [plain, lean] :
       {std::pair{"resnet38", "rdi-resnet38-lean"}, {"mobilenetv2", "rdi-mobilenetv2-lean"}}) {
    SCOPED_TRACE(plain);
    const auto model = zoo::build(plain), whole = zoo::build(lean);
    const auto costs = graph::exitCosts(model);
    ASSERT_EQ(costs.size(), 1U);
    const graph::Macs backbone = graph::exitCosts(whole).back().own;
    EXPECT_EQ(costs[0].paid.conv, backbone.conv);
    EXPECT_EQ(costs[0].paid.linear, backbone.linear);
    EXPECT_EQ(graph::parameterCount(model, "main"), graph::parameterCount(whole, "main"));
    for (const auto& weight : model.graph().initializer())
      EXPECT_NE(graph::findInitializer(whole.graph(), weight.name()), nullptr) << weight.name();
    EXPECT_EQ(graph::readMetadata(model).architecture, plain);
  }
}

// A first convolution of 442,368; 13 blocks of 4,718,592 and two that halve, of 3,670,016; 640 at the end.
TEST(Zoo, ResNet32Costs83PercentOfResNet38) {
  const auto costs = graph::exitCosts(zoo::build("resnet32"));
  ASSERT_EQ(costs.size(), 1U);
  EXPECT_EQ(costs[0].paid.conv, 442368 + 13 * 4718592 + 2 * 3670016);
  EXPECT_EQ(costs[0].paid.linear, 640);
}

INSTANTIATE_TEST_SUITE_P(Zoo, ZooTable, testing::ValuesIn(published()), [](const auto& test) {
  std::string name = test.param.architecture;
  for (auto& c : name)
    if (c == '-') c = '_';
  return name;
});

TEST(Zoo, TrunkOfMobileNetV2CostsWhatIsPublishedLayerByLayer) {
  const std::vector<const char*> afterLayer = {"3.125",  "8.094",  "16.109", "20.926", "24.348", "27.770",
                                               "30.125", "33.336", "36.547", "39.758", "44.094", "51.160",
                                               "58.227", "63.087", "67.906", "72.726", "80.670", "86.920"};
  const auto model = zoo::build("rdi-mobilenetv2");
  const auto shapes = graph::inferShapes(model);
  std::map<int, int64_t> macsOfLayer;
  for (const auto& node : model.graph().node())
    if (node.name().rfind("layer", 0) == 0)
      macsOfLayer[std::stoi(node.name().substr(5))] += graph::nodeMacs(node, shapes).conv;
  ASSERT_EQ(macsOfLayer.size(), afterLayer.size() + 1);
  int64_t sum = macsOfLayer[1];
  for (size_t i = 0; i < afterLayer.size(); ++i) {
    sum += macsOfLayer[static_cast<int>(i) + 2];
    EXPECT_EQ(fixed(static_cast<double>(sum) / (1 << 20), 3), afterLayer[i]) << "after layer " << i + 2;
  }
}

TEST(Zoo, ResNet38HasTheWeightsOfTheAuthorsStateDict) {
  const auto model = zoo::build("rdi-resnet38");
  EXPECT_EQ(model.graph().initializer_size(), 249);  // without the 47 batch counters
  int64_t running = 0;
  for (const auto& tensor : model.graph().initializer())
    if (tensor.name().find(".running_") != std::string::npos) running += tensor.dims(0);
  EXPECT_EQ(running, 3552);
  const std::map<std::string, graph::Shape> some = {
      {"conv1.weight", {16, 3, 3, 3}},
      {"bn1.running_mean", {16}},
      {"group0_layer0.bn1.running_var", {16}},
      {"group1_layer0.downsample.0.weight", {32, 16, 1, 1}},
      {"group2_layer0.downsample.1.bias", {64}},
      {"group2_layer5.conv2.weight", {64, 64, 3, 3}},
      {"branch_layer1.1.weight", {64, 16, 5, 5}},
      {"branch_layer2.5.weight", {32, 64, 3, 3}},
      {"branch_layer2.6.running_mean", {32}},
      {"branch_layer1.9.weight", {10, 32}},
      {"branch_layer3.1.conv1.weight", {32, 32, 3, 3}},
      {"branch_layer4.4.bias", {10}},
      {"branch_layer6.2.weight", {10, 64}},
      {"fc.weight", {10, 64}},
  };
  for (const auto& [name, shape] : some) {
    const auto* tensor = graph::findInitializer(model.graph(), name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(graph::Shape(tensor->dims().begin(), tensor->dims().end()), shape) << name;
  }
}

double deviation(const onnx::ModelProto& model, const std::string& name) {
  double sum = 0;
  const auto values = graph::floatValues(*graph::findInitializer(model.graph(), name));
  for (const float value : values) sum += static_cast<double>(value) * value;
  return std::sqrt(sum / static_cast<double>(values.size()));
}

TEST(Zoo, WeightsStartAsInTheAuthorsCode) {
  const auto small = zoo::build("rdi-smallcnn", 3);
  for (const char* name : {"fc3.weight", "fc3.bias", "conv1.bias", "branch_layer1.0.bias"})
    EXPECT_EQ(deviation(small, name), 0) << name;
  // The deviation of n samples strays from the true one by about 1 / sqrt(2 n): 0.4 % for the smallest of
  // these.
  EXPECT_NEAR(deviation(small, "conv4.weight") / std::sqrt(2.0 / (64 * 9)), 1, 0.02);
  EXPECT_NEAR(deviation(small, "fc1.weight") / (1 / std::sqrt(3.0 * 1024)), 1, 0.02);
  const auto resnet = zoo::build("rdi-resnet38", 3);
  EXPECT_NEAR(deviation(resnet, "branch_layer1.1.weight") / std::sqrt(2.0 / (25 * 64)), 1, 0.02);
  EXPECT_EQ(deviation(resnet, "bn1.weight"), 1);
  EXPECT_EQ(deviation(resnet, "bn1.bias"), 0);
  const auto mobile = zoo::build("rdi-mobilenetv2", 3);
  EXPECT_NEAR(deviation(mobile, "layer19.weight") / (1 / std::sqrt(3.0 * 320)), 1, 0.02);
  EXPECT_NEAR(deviation(mobile, "layer18.conv2.weight") / (1 / std::sqrt(3.0 * 9)), 1, 0.02);
}

TEST(Zoo, NumbersAreTheSameOnEveryPlatform) {
  zoo::Random random(1);
  EXPECT_DOUBLE_EQ(random.uniform(0, 1), 0.13387664401253274);  // (mt19937_64(1)() >> 11) * 2^-53
  zoo::Random normal(1);
  const double first = normal.normal(1), second = normal.normal(1);
  zoo::Random again(1);
  const double radius = std::sqrt(-2 * std::log(1 - again.uniform(0, 1))),
               angle = again.uniform(0, 2 * CV_PI);
  EXPECT_DOUBLE_EQ(first, radius * std::cos(angle));
  EXPECT_DOUBLE_EQ(second, radius * std::sin(angle));
}

TEST(Zoo, EveryArchitectureTellsApartAsManyClassesAsAsked) {
  for (const std::string& name : zoo::architectures())
    for (const int64_t classes : {2, 37}) {
      const auto model = zoo::build(name, 1, classes);
      const auto shapes = graph::inferShapes(model);
      for (const std::string& exit : graph::exitNames(model))
        EXPECT_EQ(shapes.at(exit).back(), classes) << name;
    }
}

TEST(Zoo, AnUnknownArchitectureIsNamedTogetherWithTheKnownOnes) {
  try {
    zoo::build("rdi-vgg");
    FAIL() << "no error";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("rdi-vgg"), std::string::npos) << message;
    for (const auto& name : zoo::architectures()) EXPECT_NE(message.find(name), std::string::npos) << message;
  }
}

TEST(NetworkBuilder, RefusesLayersThatDoNotFit) {
  zoo::NetworkBuilder net("odd", {3, 4, 4}, 1);
  zoo::ConvOptions wide;
  wide.outChannels = 8;
  wide.kernel = 5;
  EXPECT_THROW(net.conv("conv", net.input(), wide), Error);
  wide.kernel = 3;
  wide.groups = 2;
  EXPECT_THROW(net.conv("conv", net.input(), wide), Error);
  EXPECT_THROW(net.maxPool("pool", net.input(), 8), Error);
  EXPECT_THROW(net.relu("relu", "nowhere"), Error);
  EXPECT_THROW(net.linear("fc", net.input(), 10), Error);
  const auto pooled = net.globalAveragePool("pool", net.input());
  EXPECT_THROW(net.add("add", net.input(), pooled), Error);
  EXPECT_THROW(net.relu("pool", net.input()), Error);
}

}  // namespace
}  // namespace rdi
