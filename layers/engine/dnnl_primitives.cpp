// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/dnnl_primitives.hpp"

#include "graph/error.hpp"

namespace rdi::engine {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using Role = PrimitiveArgument::Role;

/// Scales of an operation on 8-bit numbers; 1 where a tensor holds other numbers.
struct EightBits {
  float source = 1, destination = 1, addend = 1;
  std::vector<float> perChannel;  // of the weights
  bool grouped = false;
};

// oneDNN 3 dropped the operation descriptors between arguments and primitive descriptor, the scale of an
// element-wise post-operation, and moved the engine to the front. Scales of 8-bit numbers were attributes
// that multiply the sums of products, bias included, before the post-operations; now they are arguments, one
// a tensor, and bias and post-operations work on real values.
#if DNNL_VERSION_MAJOR >= 3
template <typename Primitive, typename... Arguments>
typename Primitive::primitive_desc describe(const dnnl::engine& engine,
                                            const dnnl::primitive_attr& attributes,
                                            const Arguments&... arguments) {
  return {engine, arguments..., attributes};
}

memory::dims none(const memory::dims& strides) { return memory::dims(strides.size(), 0); }

dnnl::pooling_forward::primitive_desc describePooling(
    const dnnl::engine& engine, const dnnl::primitive_attr& attributes, algorithm kind,
    const memory::desc& source, const memory::desc& destination, const memory::dims& strides,
    const memory::dims& kernel, const memory::dims& padsBegin, const memory::dims& padsEnd) {
  return {engine,      dnnl::prop_kind::forward_inference,
          kind,        source,
          destination, strides,
          kernel,      none(strides),
          padsBegin,   padsEnd,
          attributes};
}

dnnl::eltwise_forward::primitive_desc describeActivation(const dnnl::engine& engine,
                                                         const dnnl::primitive_attr& attributes,
                                                         algorithm kind, const memory::desc& tensor,
                                                         float alpha, float beta) {
  return {engine, dnnl::prop_kind::forward_inference, kind, tensor, tensor, alpha, beta, attributes};
}

dnnl::softmax_forward::primitive_desc describeSoftmax(const dnnl::engine& engine,
                                                      const dnnl::primitive_attr& attributes,
                                                      const memory::desc& tensor) {
  return {engine,    dnnl::prop_kind::forward_inference, algorithm::softmax_accurate, tensor, tensor, 1,
          attributes};
}

dnnl::concat::primitive_desc describeConcat(const dnnl::engine& engine,
                                            const dnnl::primitive_attr& attributes,
                                            const memory::desc& destination,
                                            const std::vector<memory::desc>& sources) {
  return {engine, destination, 1, sources, attributes};
}

void appendActivation(dnnl::post_ops& operations, algorithm kind, float alpha, float beta) {
  operations.append_eltwise(kind, alpha, beta);
}

dnnl::reorder::primitive_desc describeReorder(const dnnl::engine& engine,
                                              const dnnl::primitive_attr& attributes,
                                              const memory::desc& source, const memory::desc& destination) {
  return {engine, source, engine, destination, attributes};
}

constexpr bool kScalesAreArguments = true;
constexpr int kScaleArgument = DNNL_ARG_ATTR_SCALES;

/// Says which scales will be given; `perChannel` scales belong to the weights.
void setScales(dnnl::primitive_attr& attributes, const EightBits& scales) {
  if (!scales.perChannel.empty()) attributes.set_scales_mask(DNNL_ARG_WEIGHTS, scales.grouped ? 3 : 1);
  if (scales.source != 1) attributes.set_scales_mask(DNNL_ARG_SRC, 0);
  if (scales.destination != 1) attributes.set_scales_mask(DNNL_ARG_DST, 0);
}
#else
template <typename Primitive, typename... Arguments>
typename Primitive::primitive_desc describe(const dnnl::engine& engine,
                                            const dnnl::primitive_attr& attributes,
                                            const Arguments&... arguments) {
  return {typename Primitive::desc(arguments...), attributes, engine};
}

dnnl::pooling_forward::primitive_desc describePooling(
    const dnnl::engine& engine, const dnnl::primitive_attr& attributes, algorithm kind,
    const memory::desc& source, const memory::desc& destination, const memory::dims& strides,
    const memory::dims& kernel, const memory::dims& padsBegin, const memory::dims& padsEnd) {
  return describe<dnnl::pooling_forward>(engine, attributes, dnnl::prop_kind::forward_inference, kind, source,
                                         destination, strides, kernel, padsBegin, padsEnd);
}

dnnl::eltwise_forward::primitive_desc describeActivation(const dnnl::engine& engine,
                                                         const dnnl::primitive_attr& attributes,
                                                         algorithm kind, const memory::desc& tensor,
                                                         float alpha, float beta) {
  return describe<dnnl::eltwise_forward>(engine, attributes, dnnl::prop_kind::forward_inference, kind, tensor,
                                         alpha, beta);
}

dnnl::softmax_forward::primitive_desc describeSoftmax(const dnnl::engine& engine,
                                                      const dnnl::primitive_attr& attributes,
                                                      const memory::desc& tensor) {
  return describe<dnnl::softmax_forward>(engine, attributes, dnnl::prop_kind::forward_inference, tensor, 1);
}

dnnl::concat::primitive_desc describeConcat(const dnnl::engine& engine,
                                            const dnnl::primitive_attr& attributes,
                                            const memory::desc& destination,
                                            const std::vector<memory::desc>& sources) {
  return {destination, 1, sources, engine, attributes};
}

void appendActivation(dnnl::post_ops& operations, algorithm kind, float alpha, float beta) {
  operations.append_eltwise(1.0f, kind, alpha, beta);
}

dnnl::reorder::primitive_desc describeReorder(const dnnl::engine& engine,
                                              const dnnl::primitive_attr& attributes,
                                              const memory::desc& source, const memory::desc& destination) {
  return {engine, source, engine, destination, attributes};
}

constexpr bool kScalesAreArguments = false;
constexpr int kScaleArgument = 0;  // there is none

void setScales(dnnl::primitive_attr& attributes, const EightBits& scales) {
  const float factor = scales.source / scales.destination;
  std::vector<float> factors(scales.perChannel.empty() ? std::vector<float>{1} : scales.perChannel);
  for (float& value : factors) value *= factor;
  if (factors.size() > 1)
    attributes.set_output_scales(1 << 1, factors);
  else if (factors[0] != 1)
    attributes.set_output_scales(0, factors);
}
#endif

algorithm algorithmOf(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::relu:
      return algorithm::eltwise_relu;
    case ActivationKind::elu:
      return algorithm::eltwise_elu;
    case ActivationKind::clip:
      return algorithm::eltwise_clip;
    case ActivationKind::sigmoid:
      return algorithm::eltwise_logistic;
    case ActivationKind::tanh:
      return algorithm::eltwise_tanh;
  }
  throw Error("unknown activation");
}

algorithm algorithmOf(BinaryKind kind) {
  switch (kind) {
    case BinaryKind::add:
      return algorithm::binary_add;
    case BinaryKind::subtract:
      return algorithm::binary_sub;
    case BinaryKind::multiply:
      return algorithm::binary_mul;
    case BinaryKind::divide:
      return algorithm::binary_div;
  }
  throw Error("unknown binary operation");
}

memory::data_type typeOf(Number number) {
  switch (number) {
    case Number::float32:
      return memory::data_type::f32;
    case Number::bfloat16:
      return memory::data_type::bf16;
    case Number::signed8:
      return memory::data_type::s8;
    case Number::unsigned8:
      return memory::data_type::u8;
  }
  throw Error("unknown number");
}

memory::desc dense(const graph::Shape& shape, Number number = Number::float32) {
  return {shape, typeOf(number), shape.size() == 4 ? memory::format_tag::nhwc : memory::format_tag::nc};
}

memory::desc dense(const Tensor& tensor) { return dense(tensor.shape, tensor.number); }

memory::dims toDims(const std::array<int64_t, 2>& pair) { return {pair[0], pair[1]}; }

/// Dimensions of the weights as oneDNN counts them.
memory::dims weightDims(const Operation& operation, const Program& program) {
  const Tensor& source = program.tensors[static_cast<size_t>(operation.sources[0])];
  const Tensor& destination = program.tensors[static_cast<size_t>(operation.destination)];
  if (operation.kind == OperationKind::innerProduct) return {destination.channels(), source.elementCount()};
  const int64_t groups = operation.groups;
  const auto& kernel = operation.window.kernel;
  if (groups == 1) return {destination.channels(), source.channels(), kernel[0], kernel[1]};
  return {groups, destination.channels() / groups, source.channels() / groups, kernel[0], kernel[1]};
}

EightBits scalesOf(const Operation& operation, const Program& program) {
  const auto scaleOf = [&](int index) { return program.tensors[static_cast<size_t>(index)].scale; };
  EightBits scales;
  const bool computes = !operation.weightScales.empty();
  if (!computes && operation.kind != OperationKind::convert) return scales;
  scales.source = scaleOf(operation.sources[0]);
  scales.destination = scaleOf(operation.destination);
  if (operation.addend >= 0) scales.addend = scaleOf(operation.addend);
  scales.perChannel = operation.weightScales;
  scales.grouped = operation.groups > 1;
  return scales;
}

dnnl::primitive_attr attributesOf(const Operation& operation, const Program& program) {
  const EightBits scales = scalesOf(operation, program);
  // What a number of the result stands for while post-operations work on it.
  const float unit = kScalesAreArguments ? 1 : scales.destination;
  dnnl::post_ops after;
  if (operation.addend >= 0) {
    const Number addend = program.tensors[static_cast<size_t>(operation.addend)].number,
                 result = program.tensors[static_cast<size_t>(operation.destination)].number;
    after.append_sum(scales.addend / unit, 0, addend == result ? memory::data_type::undef : typeOf(addend));
  }
  if (operation.activation && operation.kind != OperationKind::activation) {
    const Activation& activation = *operation.activation;
    const bool bounds = activation.kind == ActivationKind::clip;
    appendActivation(after, algorithmOf(activation.kind), bounds ? activation.alpha / unit : activation.alpha,
                     bounds ? activation.beta / unit : activation.beta);
  }
  dnnl::primitive_attr attributes;
  setScales(attributes, scales);
  attributes.set_post_ops(after);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// What the weights are stored as: the kind of number that the source is, and 8-bit weights are signed.
Number weightNumber(const Operation& operation, const Program& program) {
  if (!operation.weightScales.empty()) return Number::signed8;
  const Number source = program.tensors[static_cast<size_t>(operation.sources[0])].number;
  return source == Number::bfloat16 ? source : Number::float32;
}

class Compiler {
public:
  Compiler(const Operation& operation, const Program& program, const dnnl::engine& engine,
           const CompiledPrimitive* like)
      : operation_(operation),
        program_(program),
        engine_(engine),
        like_(like),
        attributes_(attributesOf(operation, program)) {}

  CompiledPrimitive run() {
    switch (operation_.kind) {
      case OperationKind::convolution:
        convolution();
        break;
      case OperationKind::innerProduct:
        innerProduct();
        break;
      case OperationKind::maxPool:
      case OperationKind::averagePool:
        pool();
        break;
      case OperationKind::binary:
        binary();
        break;
      case OperationKind::activation:
        activation();
        break;
      case OperationKind::softmax:
        softmax();
        break;
      case OperationKind::concat:
        concat();
        break;
      case OperationKind::convert:
        convert();
        break;
      case OperationKind::toChannelsLast:
      case OperationKind::toChannelsFirst:
      case OperationKind::excerpt:
      case OperationKind::copy:
        throw Error("this operation only moves bytes");
    }
    return std::move(result_);
  }

private:
  const Tensor& tensor(int index) const { return program_.tensors[static_cast<size_t>(index)]; }
  memory::desc source() const { return dense(tensor(operation_.sources[0])); }
  memory::desc destination() const { return dense(tensor(operation_.destination)); }

  memory::desc wantedWeights() const {
    if (like_ != nullptr) return like_->find(Role::weights)->desc;
    return {weightDims(operation_, program_), typeOf(weightNumber(operation_, program_)),
            memory::format_tag::any};
  }

  void add(int name, Role role, const memory::desc& desc, int index = -1) {
    result_.arguments.push_back({name, role, index, desc});
  }

  void addSourceAndDestination(const memory::desc& source, const memory::desc& destination) {
    add(DNNL_ARG_SRC, Role::tensor, source, operation_.sources[0]);
    add(DNNL_ARG_DST, Role::tensor, destination, operation_.destination);
  }

  /// Scales that oneDNN reads when it runs; `name` is the tensor they belong to.
  void addScales(int name, const std::vector<float>& values) {
    const memory::desc desc({static_cast<int64_t>(values.size())}, memory::data_type::f32,
                            memory::format_tag::a);
    result_.arguments.push_back({kScaleArgument | name, Role::scale, -1, desc, values});
  }

  void addScales() {
    if (!kScalesAreArguments) return;
    const EightBits scales = scalesOf(operation_, program_);
    if (!scales.perChannel.empty()) addScales(DNNL_ARG_WEIGHTS, scales.perChannel);
    if (scales.source != 1) addScales(DNNL_ARG_SRC, {scales.source});
    if (scales.destination != 1) addScales(DNNL_ARG_DST, {scales.destination});
  }

  template <typename Primitive, typename Description>
  void finish(Description& description) {
    while (like_ != nullptr && like_->implementation != description.impl_info_str())
      if (!description.next_impl()) {
        result_ = {};
        return;
      }
    finishOnly<Primitive>(description);
  }

  /// For primitives that have one kernel to offer.
  template <typename Primitive, typename Description>
  void finishOnly(const Description& description) {
    result_.implementation = description.impl_info_str();
    result_.primitive = Primitive(description);
    const memory::desc scratch = description.scratchpad_desc();
    result_.scratchBytes = scratch.get_size();
    add(DNNL_ARG_SCRATCHPAD, Role::scratch, scratch);
  }

  template <typename Primitive, typename Description>
  void finishWeighted(Description& description) {
    finish<Primitive>(description);
    addScales();
    add(DNNL_ARG_WEIGHTS, Role::weights, description.weights_desc());
    add(DNNL_ARG_BIAS, Role::bias, plainBias(operation_));
  }

  void convolution() {
    const graph::Window& window = operation_.window;
    const memory::dims dilations{window.dilations[0] - 1, window.dilations[1] - 1};
    auto description = describe<dnnl::convolution_forward>(
        engine_, attributes_, dnnl::prop_kind::forward_inference, algorithm::convolution_direct, source(),
        wantedWeights(), plainBias(operation_), destination(), toDims(window.strides), dilations,
        toDims(window.padsBegin), toDims(window.padsEnd));
    addSourceAndDestination(source(), destination());
    finishWeighted<dnnl::convolution_forward>(description);
  }

  void innerProduct() {
    const memory::desc row({1, tensor(operation_.sources[0]).elementCount()}, memory::data_type::f32,
                           memory::format_tag::nc);
    auto description =
        describe<dnnl::inner_product_forward>(engine_, attributes_, dnnl::prop_kind::forward_inference, row,
                                              wantedWeights(), plainBias(operation_), destination());
    addSourceAndDestination(row, destination());
    finishWeighted<dnnl::inner_product_forward>(description);
  }

  void pool() {
    const graph::Window& window = operation_.window;
    const algorithm kind = operation_.kind == OperationKind::maxPool ? algorithm::pooling_max
                           : operation_.countPads                    ? algorithm::pooling_avg_include_padding
                                                                     : algorithm::pooling_avg_exclude_padding;
    auto description =
        describePooling(engine_, attributes_, kind, source(), destination(), toDims(window.strides),
                        toDims(window.kernel), toDims(window.padsBegin), toDims(window.padsEnd));
    addSourceAndDestination(source(), destination());
    finish<dnnl::pooling_forward>(description);
  }

  void binary() {
    const memory::desc operand = dense(operation_.operandShape);
    auto description = describe<dnnl::binary>(engine_, attributes_, algorithmOf(operation_.binary), source(),
                                              operand, destination());
    add(DNNL_ARG_SRC_0, Role::tensor, source(), operation_.sources[0]);
    add(DNNL_ARG_DST, Role::tensor, destination(), operation_.destination);
    if (operation_.sources.size() > 1)
      add(DNNL_ARG_SRC_1, Role::tensor, operand, operation_.sources[1]);
    else
      add(DNNL_ARG_SRC_1, Role::operand, operand);
    finish<dnnl::binary>(description);
  }

  void activation() {
    auto description =
        describeActivation(engine_, attributes_, algorithmOf(operation_.activation->kind), source(),
                           operation_.activation->alpha, operation_.activation->beta);
    addSourceAndDestination(source(), destination());
    finish<dnnl::eltwise_forward>(description);
  }

  void softmax() {
    auto description = describeSoftmax(engine_, attributes_, source());
    addSourceAndDestination(source(), destination());
    finish<dnnl::softmax_forward>(description);
  }

  void concat() {
    std::vector<memory::desc> sources;
    for (size_t i = 0; i < operation_.sources.size(); ++i) {
      sources.push_back(dense(tensor(operation_.sources[i]).shape));
      add(DNNL_ARG_MULTIPLE_SRC + static_cast<int>(i), Role::tensor, sources.back(), operation_.sources[i]);
    }
    add(DNNL_ARG_DST, Role::tensor, destination(), operation_.destination);
    auto description = describeConcat(engine_, attributes_, destination(), sources);
    finishOnly<dnnl::concat>(description);
  }

  void convert() {
    auto description = describeReorder(engine_, attributes_, source(), destination());
    add(DNNL_ARG_FROM, Role::tensor, source(), operation_.sources[0]);
    add(DNNL_ARG_TO, Role::tensor, destination(), operation_.destination);
    addScales();
    finishOnly<dnnl::reorder>(description);
  }

  const Operation& operation_;
  const Program& program_;
  const dnnl::engine& engine_;
  const CompiledPrimitive* like_;
  dnnl::primitive_attr attributes_;
  CompiledPrimitive result_;
};

/// Instruction sets are sets of bits.
bool hasInstructions(dnnl::cpu_isa wanted) {
  const auto bits = static_cast<unsigned>(wanted);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & bits) == bits;
}

}  // namespace

const PrimitiveArgument* CompiledPrimitive::find(Role role) const {
  for (const PrimitiveArgument& argument : arguments)
    if (argument.role == role) return &argument;
  return nullptr;
}

memory::desc plainWeights(const Operation& operation, const Program& program) {
  const memory::dims dims = weightDims(operation, program);
  const memory::format_tag tag = dims.size() == 2   ? memory::format_tag::ab
                                 : dims.size() == 4 ? memory::format_tag::abcd
                                                    : memory::format_tag::abcde;
  return {dims, typeOf(operation.weightScales.empty() ? Number::float32 : Number::signed8), tag};
}

memory::desc plainBias(const Operation& operation) {
  return {{static_cast<int64_t>(operation.bias.size())}, memory::data_type::f32, memory::format_tag::a};
}

std::vector<float> biasToAdd(const Operation& operation, const Program& program) {
  std::vector<float> bias = operation.bias;
  if (kScalesAreArguments || operation.weightScales.empty()) return bias;
  const float source = program.tensors[static_cast<size_t>(operation.sources[0])].scale;
  for (size_t i = 0; i < bias.size(); ++i) bias[i] /= source * operation.weightScales[i];
  return bias;
}

bool processorHas(graph::Precision precision) {
  switch (precision) {
    case graph::Precision::float32:
      return true;
    case graph::Precision::bf16:
      return hasInstructions(dnnl::cpu_isa::avx512_core_bf16);
    case graph::Precision::int8:
      return hasInstructions(dnnl::cpu_isa::avx512_core_vnni) || hasInstructions(dnnl::cpu_isa::avx2_vnni);
  }
  return false;
}

bool processorIsFastWith(graph::Precision precision) {
  if (!processorHas(precision)) return false;
  // Intel's vdpbf16ps multiplies half as many numbers a second as its float32 FMA; only AMX is fast there.
  return precision != graph::Precision::bf16 || hasInstructions(dnnl::cpu_isa::avx512_core_amx) ||
         !__builtin_cpu_is("intel");
}

bool isPrimitive(OperationKind kind) {
  return kind != OperationKind::copy && kind != OperationKind::toChannelsLast &&
         kind != OperationKind::toChannelsFirst && kind != OperationKind::excerpt;
}

CompiledPrimitive compilePrimitive(const Operation& operation, const Program& program,
                                   const dnnl::engine& engine, const CompiledPrimitive* like) {
  try {
    return Compiler(operation, program, engine, like).run();
  } catch (const dnnl::error& error) {
    if (like != nullptr) return {};
    throw Error(text("oneDNN cannot compile node '", operation.name, "': ", error.what()));
  }
}

}  // namespace rdi::engine
