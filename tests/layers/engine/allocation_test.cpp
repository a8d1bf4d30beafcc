// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// What a forward allocates and looks up: nothing. This program's malloc and its two ways to make a primitive
// stand in for those of the C library and of oneDNN and count. What oneDNN allocates inside of one execution
// (it copies the arguments into a map) is its own affair and not counted.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <opencv2/core.hpp>

#include "layers/engine/stage_engine.hpp"
#include "layers/layer_table.hpp"
#include "layers/stage_layer.hpp"
#include "tests/layers/early_exit_nets.hpp"
#include "tests/layers/model_builder.hpp"

namespace {

std::atomic<int> allocations{0}, executions{0}, creations{0};
thread_local bool insideOneDnn = false;

void countAllocation() {
  if (!insideOneDnn) ++allocations;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  countAllocation();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  countAllocation();
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  countAllocation();
  return __libc_realloc(memory, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  countAllocation();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
  countAllocation();
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}

int dnnl_primitive_execute(const void* primitive, void* stream, int count, const void* arguments) {
  using Execute = int(const void*, void*, int, const void*);
  static Execute* const execute = next<Execute>("dnnl_primitive_execute");
  ++executions;
  insideOneDnn = true;
  const int status = execute(primitive, stream, count, arguments);
  insideOneDnn = false;
  return status;
}

int dnnl_primitive_create(void** primitive, const void* description) {
  using Create = int(void**, const void*);
  static Create* const create = next<Create>("dnnl_primitive_create");
  ++creations;
  return create(primitive, description);
}

}  // extern "C"

namespace rdi {
namespace {

using engine::Layout;
using test::ModelBuilder;

struct Counts {
  int allocations, executions, creations;
};

template <typename Body>
Counts countsOf(const Body& body) {
  allocations = executions = creations = 0;
  body();
  return {allocations, executions, creations};
}

/// A residual block and a classifier.
onnx::ModelProto stage() {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, 16, 8, 8});
  const std::string inner = builder.add("Relu", {builder.conv(x, 16, 16, 3, 1, 1)});
  const std::string sum =
      builder.add("Relu", {builder.add("Add", {builder.conv(inner, 16, 16, 3, 1, 1), x})});
  const std::string row = builder.add("Flatten", {builder.add("GlobalAveragePool", {sum})});
  onnx::ModelProto model = builder.stage({builder.gemm(row, 16, 10)});
  graph::RangeMap ranges;
  for (const auto& node : model.graph().node()) ranges[node.output(0)] = {0, 3};
  ranges["x"] = {-1, 1};
  graph::writeRanges(model, ranges);
  return model;
}

class Allocation : public testing::TestWithParam<graph::Precision> {
protected:
  void SetUp() override {
    if (!engine::hasOneDnn()) GTEST_SKIP() << "this build has no oneDNN";
  }
};

TEST_P(Allocation, CompilingAllocatesAndMakesPrimitives) {
  const Counts counts = countsOf(
      [&] { engine::makeOneDnnEngine(stage(), {Layout::nhwc}, engine::precisionInUse(GetParam())); });
  EXPECT_GT(counts.allocations, 0) << "else the counting counts nothing";
  EXPECT_GE(counts.creations, 4);
}

TEST_P(Allocation, ARowAllocatesAndLooksUpNothing) {
  const auto runner = engine::makeOneDnnEngine(stage(), {Layout::nhwc}, engine::precisionInUse(GetParam()));
  runner->prepare(2, 1);
  const std::vector<float> input = test::randomValues(16 * 8 * 8, 1);
  std::vector<float> output(10);
  const float* const inputs[] = {input.data()};
  float* const outputs[] = {output.data()};
  for (int i = 0; i < 2; ++i) {
    const Counts counts = countsOf([&] {
      runner->runRow(1, inputs, outputs);
      runner->runSingleRow(inputs, outputs);
    });
    EXPECT_EQ(counts.allocations, 0);
    EXPECT_EQ(counts.creations, 0);
    EXPECT_GE(counts.executions, 8) << "two rows of at least four operations";
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, Allocation,
                         testing::Values(graph::Precision::float32, graph::Precision::bf16,
                                         graph::Precision::int8),
                         [](const auto& instance) { return graph::nameOf(instance.param); });

TEST(StageLayerAllocation, ForwardAllocatesAndLooksUpNothing) {
  if (!engine::hasOneDnn()) GTEST_SKIP() << "this build has no oneDNN";
  registerLayerTypes();
  const test::Threads threads(1);
  const onnx::ModelProto model = test::zooModel("rdi-smallcnn");
  cv::dnn::Net net = test::load(test::earlyExitModel(model));
  for (const int batch : {1, 3}) {
    const cv::Mat blob = test::pictures(model, batch);
    net.setInput(blob);
    net.forward();
    const cv::Ptr<StageLayer> layer = test::layerOf<StageLayer>(net, "stage1");
    std::vector<cv::dnn::MatShape> shapes, internals;
    layer->getMemoryShapes({cv::dnn::MatShape(blob.size.p, blob.size.p + 4)}, 1, shapes, internals);
    std::vector<cv::Mat> inputs{blob}, outputs;
    for (const auto& shape : shapes) outputs.emplace_back(shape, CV_32F);
    const Counts counts = countsOf([&] { layer->forward(inputs, outputs, outputs); });
    EXPECT_EQ(counts.allocations, 0);
    EXPECT_EQ(counts.creations, 0);
    EXPECT_GT(counts.executions, 0);
  }
}

}  // namespace
}  // namespace rdi
