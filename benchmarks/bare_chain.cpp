// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "benchmarks/bare_chain.hpp"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "graph/attributes.hpp"
#include "graph/shapes.hpp"
#include "graph/window.hpp"

namespace rdi::bench {
namespace {

using dnnl::memory;

memory::dims dims(const std::array<int64_t, 2>& pair) { return {pair[0], pair[1]}; }

/// A few values that stay in a sane range however often they are convolved.
void fill(memory& buffer, float value) {
  auto* const values = static_cast<float*>(buffer.get_data_handle());
  std::fill_n(values, buffer.get_desc().get_size() / sizeof(float), value);
}

/// What the convolution's result runs into before somebody else reads it.
dnnl::post_ops fused(const onnx::GraphProto& graph, const onnx::NodeProto& convolution) {
  dnnl::post_ops after;
  std::string tensor = convolution.output(0);
  for (const auto& node : graph.node()) {
    if (std::find(node.input().begin(), node.input().end(), tensor) == node.input().end()) continue;
    if (node.op_type() == "Add" && node.input(0) == tensor) after.append_sum(1.0f);
    if (node.op_type() == "Relu") {
#if DNNL_VERSION_MAJOR >= 3
      after.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
#else
      after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
#endif
    }
    if (node.op_type() != "Add" || node.input(0) != tensor) break;
    tensor = node.output(0);
  }
  return after;
}

}  // namespace

struct BareChain::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::vector<dnnl::primitive> convolutions;
  std::vector<std::unordered_map<int, memory>> arguments;
  memory buffers[2], scratch;
};

BareChain::BareChain(const onnx::ModelProto& staticNet, int64_t batch) : state_(std::make_unique<State>()) {
  const onnx::GraphProto& graph = staticNet.graph();
  const graph::ShapeMap shapes = graph::inferShapes(staticNet, batch);
  std::vector<dnnl::convolution_forward::primitive_desc> descriptions;
  size_t bytes[3] = {0, 0, 0};
  for (const auto& node : graph.node()) {
    if (node.op_type() != "Conv") continue;
    const graph::Shape from = shapes.at(node.input(0)), to = shapes.at(node.output(0));
    graph::Shape weights = shapes.at(node.input(1));
    const graph::Window window = graph::windowOf(node, from, to, {weights[2], weights[3]});
    const int64_t groups = graph::intAttribute(node, "group", 1);
    if (groups > 1) weights = {groups, weights[0] / groups, weights[1], weights[2], weights[3]};
    const auto any = [](const graph::Shape& shape) {
      return memory::desc(shape, memory::data_type::f32, memory::format_tag::any);
    };
    const memory::desc bias({to[1]}, memory::data_type::f32, memory::format_tag::a);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(fused(graph, node));
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const memory::dims dilations{window.dilations[0] - 1, window.dilations[1] - 1};
    using Convolution = dnnl::convolution_forward;
    constexpr auto kKind = dnnl::prop_kind::forward_inference;
    constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
    descriptions.emplace_back(state_->engine, kKind, kAlgorithm, any(from), any(weights), bias, any(to),
                              dims(window.strides), dilations, dims(window.padsBegin), dims(window.padsEnd),
                              attributes);
#else
    descriptions.emplace_back(
        Convolution::desc(kKind, kAlgorithm, any(from), any(weights), bias, any(to), dims(window.strides),
                          dilations, dims(window.padsBegin), dims(window.padsEnd)),
        attributes, state_->engine);
#endif
    const auto& made = descriptions.back();
    bytes[0] = std::max({bytes[0], made.src_desc().get_size(), made.dst_desc().get_size()});
    bytes[2] = std::max(bytes[2], made.scratchpad_desc().get_size());
    state_->convolutions.push_back(Convolution(made));
  }
  const auto buffer = [&](size_t size) {
    return memory(
        {{static_cast<int64_t>(size / sizeof(float)) + 1}, memory::data_type::f32, memory::format_tag::a},
        state_->engine);
  };
  for (memory& one : state_->buffers) fill(one = buffer(bytes[0]), 0.5f);
  state_->scratch = buffer(bytes[2]);
  for (size_t i = 0; i < descriptions.size(); ++i) {
    const auto& made = descriptions[i];
    const auto view = [&](const memory::desc& desc, const memory& whole) {
      return memory(desc, state_->engine, whole.get_data_handle());
    };
    memory weights(made.weights_desc(), state_->engine), bias(made.bias_desc(), state_->engine);
    fill(weights, 1e-3f);
    fill(bias, 0.1f);
    state_->arguments.push_back({{DNNL_ARG_SRC, view(made.src_desc(), state_->buffers[i % 2])},
                                 {DNNL_ARG_DST, view(made.dst_desc(), state_->buffers[1 - i % 2])},
                                 {DNNL_ARG_WEIGHTS, weights},
                                 {DNNL_ARG_BIAS, bias},
                                 {DNNL_ARG_SCRATCHPAD, view(made.scratchpad_desc(), state_->scratch)}});
  }
}

BareChain::~BareChain() = default;

size_t BareChain::size() const { return state_->convolutions.size(); }

void BareChain::run() {
  for (size_t i = 0; i < state_->convolutions.size(); ++i)
    state_->convolutions[i].execute(state_->stream, state_->arguments[i]);
  state_->stream.wait();
}

}  // namespace rdi::bench
