// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/graph_module.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/partition.hpp"

namespace rdi::train {
namespace {

torch::Tensor toTensor(const onnx::TensorProto& proto) {
  const std::vector<float> values = graph::floatValues(proto);
  const std::vector<int64_t> dims(proto.dims().begin(), proto.dims().end());
  return torch::tensor(values, torch::kFloat32).reshape(dims);
}

int64_t opsetOf(const onnx::ModelProto& model) {
  for (const onnx::OperatorSetIdProto& opset : model.opset_import())
    if (opset.domain().empty() || opset.domain() == "ai.onnx") return opset.version();
  return 11;
}

int64_t declaredBatch(const onnx::ModelProto& model) {
  const std::string name = graph::inputName(model);
  for (const onnx::ValueInfoProto& input : model.graph().input()) {
    const onnx::TensorShapeProto& shape = input.type().tensor_type().shape();
    if (input.name() == name && shape.dim_size() > 0) return shape.dim(0).dim_value();
  }
  return 0;
}

// Values that a Constant node gives, as the tensor it stands for.
onnx::TensorProto constantValue(const onnx::NodeProto& node) {
  if (const onnx::AttributeProto* value = graph::findAttribute(node, "value")) return value->t();
  if (const onnx::AttributeProto* value = graph::findAttribute(node, "value_float"))
    return graph::floatTensor(node.output(0), {}, {value->f()});
  if (const onnx::AttributeProto* value = graph::findAttribute(node, "value_floats"))
    return graph::floatTensor(node.output(0), {value->floats_size()},
                              {value->floats().begin(), value->floats().end()});
  if (const onnx::AttributeProto* value = graph::findAttribute(node, "value_int"))
    return graph::intTensor(node.output(0), {}, {value->i()});
  if (const onnx::AttributeProto* value = graph::findAttribute(node, "value_ints"))
    return graph::intTensor(node.output(0), {value->ints_size()},
                            {value->ints().begin(), value->ints().end()});
  throw Error(text("operator Constant of node \"", node.output(0), "\": holds no number"));
}

}  // namespace

GraphModule::GraphModule(const onnx::ModelProto& model, const GraphModuleOptions& options)
    : options_(options) {
  const onnx::GraphProto& graph = model.graph();
  const std::vector<std::string> exits = graph::exitNames(model);
  if (exits.size() > 64) throw Error(text("found ", exits.size(), " exits, expected at most 64"));

  std::map<std::string, onnx::TensorProto> madeByNodes;
  ConstantTable constants;
  std::set<std::string> initializers;
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    constants[tensor.name()] = &tensor;
    initializers.insert(tensor.name());
  }
  for (const onnx::NodeProto& node : graph.node())
    if (node.op_type() == "Constant" && node.output_size() == 1) {
      madeByNodes[node.output(0)] = constantValue(node);
      constants[node.output(0)] = &madeByNodes[node.output(0)];
    }

  std::vector<ExitSet> neededBy(static_cast<size_t>(graph.node_size()), 0);
  std::set<std::string> readSomewhere;
  for (size_t k = 0; k < exits.size(); ++k)
    for (int index : graph::ancestors(graph, {exits[k]})) {
      neededBy[static_cast<size_t>(index)] |= onlyExit(k);
      for (const std::string& name : graph.node(index).input()) readSomewhere.insert(name);
    }

  const auto isFrozen = [&](int index) {
    const ExitSet last = onlyExit(exits.size() - 1);
    return options_.freezeBackbone && (neededBy[static_cast<size_t>(index)] & last) != 0;
  };
  std::set<std::string> readByFrozen;
  for (int index = 0; index < graph.node_size(); ++index)
    if (isFrozen(index))
      readByFrozen.insert(graph.node(index).input().begin(), graph.node(index).input().end());

  // ---- Slots by name: the input first, then weights and results as they appear ----
  std::map<std::string, int> slotOf;
  slots_.emplace_back();
  const auto addSlot = [&](const std::string& name, torch::Tensor value) {
    slotOf[name] = static_cast<int>(slots_.size());
    slots_.push_back(std::move(value));
    return slotOf[name];
  };
  input_ = addSlot(graph::inputName(model), {});

  const auto weightSlot = [&](const std::string& name, bool isStatistic) {
    const Kind kind = initializers.count(name) == 0 ? Kind::constant
                      : readByFrozen.count(name)    ? Kind::frozen
                      : isStatistic                 ? Kind::statistic
                                                    : Kind::parameter;
    torch::Tensor value = toTensor(*constants.at(name));
    if (options_.channelsLast && value.dim() == 4)
      value = value.contiguous(torch::MemoryFormat::ChannelsLast);
    const std::string registered = text("weight", weights_.size());
    value =
        kind == Kind::parameter ? register_parameter(registered, value) : register_buffer(registered, value);
    weights_.push_back({name, value, kind});
    return addSlot(name, value);
  };

  std::vector<bool> needed;
  for (const ExitSet by : neededBy) needed.push_back(by != 0);
  const NormChains chains = findNormChains(graph, needed, {exits.begin(), exits.end()});

  std::map<int, size_t> lastReader;  // slot -> step
  const NodeContext context{constants, opsetOf(model), declaredBatch(model)};
  for (int index = 0; index < graph.node_size(); ++index) {
    const onnx::NodeProto& node = graph.node(index);
    if (neededBy[static_cast<size_t>(index)] == 0 || node.op_type() == "Constant") continue;
    for (int extra = 1; extra < node.output_size(); ++extra)
      if (!node.output(extra).empty() && readSomewhere.count(node.output(extra)) != 0)
        throw Error(text("operator ", node.op_type(), " of node \"", node.name(), "\": output ", extra, " (",
                         node.output(extra), ") is used, but the trainer only gives the first"));
    if (chains.inside.count(index) != 0) continue;
    const auto chain = chains.endingAt.find(index);
    const bool isChain = chain != chains.endingAt.end();
    CompiledNode compiled = isChain ? compileNormChain(chain->second, context) : compileNode(node, context);
    Step step;
    step.frozen = isFrozen(index);
    const bool takesStatistics = isChain && !step.frozen;
    hasBatchNormalization_ = hasBatchNormalization_ || takesStatistics;
    step.operation = std::move(compiled.operation);
    step.exits = neededBy[static_cast<size_t>(index)];
    for (const std::string& name : compiled.operands) {
      int slot = 0;
      if (!name.empty()) {
        const auto found = slotOf.find(name);
        if (found != slotOf.end()) {
          slot = found->second;
        } else if (constants.count(name) != 0) {
          const auto& statistics = compiled.statistics;
          slot = weightSlot(name, std::find(statistics.begin(), statistics.end(), name) != statistics.end());
        } else {
          throw Error(text("operator ", node.op_type(), " of node \"", node.name(),
                           "\": nothing makes input \"", name, "\""));
        }
        lastReader[slot] = steps_.size();
      }
      step.operands.push_back(slot);
    }
    step.output = addSlot(node.output(0), {});
    lastReader[step.output] = std::max(lastReader[step.output], steps_.size());
    steps_.push_back(std::move(step));
  }

  for (const std::string& exit : exits) {
    const auto found = slotOf.find(exit);
    if (found == slotOf.end()) throw Error(text("nothing makes output \"", exit, "\""));
    outputs_.push_back(found->second);
  }
  for (const auto& [slot, step] : lastReader) {
    const bool isWeight = slots_[static_cast<size_t>(slot)].defined();
    const bool isOutput = std::find(outputs_.begin(), outputs_.end(), slot) != outputs_.end();
    if (!isWeight && !isOutput) steps_[step].dead.push_back(slot);
  }
}

std::vector<torch::Tensor> GraphModule::forward(const torch::Tensor& images, const ForwardMode& mode,
                                                ExitSet exits) {
  std::vector<torch::Tensor> slots = slots_;
  slots[static_cast<size_t>(input_)] =
      options_.channelsLast ? images.contiguous(torch::MemoryFormat::ChannelsLast) : images;
  const ForwardMode frozen = ForwardMode::evaluation();
  ForwardMode shared = mode;
  shared.group = group_;
  shared.part = part_;
  for (const Step& step : steps_) {
    if ((step.exits & exits) != 0)
      slots[static_cast<size_t>(step.output)] =
          step.operation(Operands(slots, step.operands), step.frozen ? frozen : shared);
    for (int slot : step.dead) slots[static_cast<size_t>(slot)].reset();
  }
  std::vector<torch::Tensor> scores(outputs_.size());
  for (size_t k = 0; k < outputs_.size(); ++k) {
    if ((exits & onlyExit(k)) == 0) continue;
    scores[k] = slots[static_cast<size_t>(outputs_[k])];
    if (scores[k].scalar_type() == torch::kBFloat16) scores[k] = scores[k].to(torch::kFloat32);
    if (options_.logProbabilities) scores[k] = torch::log(torch::clamp_min(scores[k], 1e-12));
  }
  return scores;
}

std::vector<torch::Tensor> GraphModule::forward(const torch::Tensor& images) {
  return forward(images, is_training() ? ForwardMode::training() : ForwardMode::evaluation());
}

void GraphModule::shareBatches(WorkerGroup& group, const BatchPart& part) {
  group_ = &group;
  part_ = part;
}

std::vector<torch::Tensor> GraphModule::trainable() const {
  std::vector<torch::Tensor> result;
  for (const Weight& weight : weights_)
    if (weight.kind == Kind::parameter) result.push_back(weight.value);
  return result;
}

void GraphModule::writeBack(onnx::ModelProto& model) const {
  std::map<std::string, onnx::TensorProto*> initializers;
  for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer())
    initializers[tensor.name()] = &tensor;
  for (const Weight& weight : weights_) {
    if (!weight.moves()) continue;
    const auto found = initializers.find(weight.name);
    if (found == initializers.end()) throw Error(text("the model has no initializer \"", weight.name, "\""));
    const torch::Tensor value = weight.value.detach().to(torch::kCPU, torch::kFloat32).contiguous();
    const std::vector<int64_t> dims(found->second->dims().begin(), found->second->dims().end());
    if (value.sizes() != torch::IntArrayRef(dims))
      throw Error(text("initializer \"", weight.name, "\" changed its shape"));
    found->second->clear_float_data();
    found->second->set_raw_data(value.data_ptr<float>(), static_cast<size_t>(value.numel()) * sizeof(float));
  }
}

FrozenParameters::FrozenParameters(const GraphModule& module) {
  for (const torch::Tensor& parameter : module.trainable())
    if (parameter.requires_grad()) {
      parameter.set_requires_grad(false);
      frozen_.push_back(parameter);
    }
}

FrozenParameters::~FrozenParameters() {
  for (const torch::Tensor& parameter : frozen_) parameter.set_requires_grad(true);
}

}  // namespace rdi::train
