// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/model_io.hpp"

#include <fcntl.h>
#include <onnx/checker.h>
#include <onnx/defs/schema.h>
#include <unistd.h>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/normal_form.hpp"
#include "graph/operand_check.hpp"
#include "graph/shapes.hpp"

namespace rdi::graph {

namespace {

constexpr int kOldestOpset = 7;  // before it, BatchNormalization and Dropout read otherwise

size_t elementSize(const onnx::TensorProto& tensor) {
  switch (tensor.data_type()) {
    case onnx::TensorProto::FLOAT:
    case onnx::TensorProto::INT32:
    case onnx::TensorProto::UINT32:
      return 4;
    case onnx::TensorProto::DOUBLE:
    case onnx::TensorProto::INT64:
    case onnx::TensorProto::UINT64:
      return 8;
    case onnx::TensorProto::FLOAT16:
    case onnx::TensorProto::BFLOAT16:
    case onnx::TensorProto::INT16:
    case onnx::TensorProto::UINT16:
      return 2;
    case onnx::TensorProto::INT8:
    case onnx::TensorProto::UINT8:
    case onnx::TensorProto::BOOL:
      return 1;
    default:
      return 0;
  }
}

void checkTensor(const onnx::TensorProto& tensor) {
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.external_data_size() > 0)
    throw Error(text("tensor '", tensor.name(),
                     "' keeps its data in another file; save the model with its weights inside"));
  const size_t size = elementSize(tensor);
  if (size == 0)
    throw Error(text("tensor '", tensor.name(), "' has the unsupported ONNX type ", tensor.data_type()));
  uint64_t count = 1;
  for (int64_t dim : tensor.dims()) {
    if (dim < 0 || (dim > 0 && count > (uint64_t{1} << 31) / static_cast<uint64_t>(dim)))
      throw Error(text("tensor '", tensor.name(), "' has impossible dimensions"));
    count *= static_cast<uint64_t>(dim);
  }
  const size_t typed = static_cast<size_t>(tensor.float_data_size()) + tensor.int32_data_size() +
                       tensor.int64_data_size() + tensor.double_data_size() + tensor.uint64_data_size();
  const bool fits = tensor.has_raw_data() ? tensor.raw_data().size() == count * size : typed == count;
  if (!fits)
    throw Error(text("tensor '", tensor.name(), "' holds ",
                     tensor.has_raw_data() ? tensor.raw_data().size() : typed * size,
                     " bytes, its dimensions need ", count * size, "; the file is damaged"));
}

void checkNode(const onnx::NodeProto& node) {
  for (const auto& attribute : node.attribute()) {
    if (attribute.has_g() || attribute.graphs_size() > 0)
      throw Error(
          text("node '", node.name(), "' (", node.op_type(),
               ") holds a sub-graph; only flat graphs are supported: give the multi-exit model instead"));
    if (attribute.has_t()) checkTensor(attribute.t());
  }
  checkWindowAttributes(node);
}

void checkParts(const onnx::ModelProto& model) {
  for (const auto& tensor : model.graph().initializer()) checkTensor(tensor);
  for (const auto& node : model.graph().node()) checkNode(node);
  if (model.functions_size() > 0) throw Error("holds model-local functions; inline them first");
}

void checkAllOperands(const onnx::ModelProto& model, const ShapeMap& shapes) {
  for (const auto& node : model.graph().node()) checkOperands(node, shapes);
}

void checkOpset(const onnx::ModelProto& model) {
  const auto& known = onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map();
  const int newest = known.at("").second;
  for (const auto& opset : model.opset_import())
    if (opset.domain().empty() && (opset.version() < kOldestOpset || opset.version() > newest))
      throw Error(text("uses ONNX opset ", opset.version(), "; this build reads opset ", kOldestOpset, " to ",
                       newest));
}

void checkOnnx(const onnx::ModelProto& model) {
  try {
    onnx::checker::check_model(model);
  } catch (const std::exception& error) {
    throw Error(text("the ONNX checker refuses it: ", onOneLine(error.what())));
  }
  checkOpset(model);
}

// Runs `body` and puts the file's name before what it throws.
template <typename Body>
void namingTheFile(const std::string& name, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    throw Error(text(name, ": ", error.what()));
  }
}

void checkClassifier(const onnx::ModelProto& model) {
  for (int64_t dim : inputShape(model))
    if (dim <= 0) throw Error("channels, height and width of the input must be fixed numbers");
  checkSize(inputName(model), inputShape(model));
  const ShapeMap shapes = inferShapes(model);
  checkAllOperands(model, shapes);
  int64_t classes = 0;
  std::set<std::string> seen;
  for (const auto& output : model.graph().output()) {
    if (!seen.insert(output.name()).second)
      throw Error(text("output '", output.name(), "' is declared twice"));
    const auto found = shapes.find(output.name());
    if (found == shapes.end()) throw Error(text("nothing computes the output '", output.name(), "'"));
    const Shape& shape = found->second;
    if (shape.size() != 2 || shape[0] != 1 || shape[1] < 1)
      throw Error(text("output '", output.name(), "' is ", toString(shape), ", expected 1 x classes"));
    if (classes == 0) classes = shape[1];
    if (shape[1] != classes)
      throw Error(text("output '", output.name(), "' has ", shape[1], " classes, the outputs before it have ",
                       classes));
  }
}

}  // namespace

std::string readFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(text(path, ": cannot be opened: ", std::strerror(errno)));
  try {
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  } catch (const std::ios_base::failure&) {  // a folder opens, but does not read
    throw Error(text(path, ": cannot be read: ", std::strerror(errno)));
  }
}

onnx::ModelProto parseUnchecked(const void* data, size_t size, const std::string& name) {
  onnx::ModelProto model;
  if (size == 0) throw Error(text(name, ": is empty, expected an ONNX model"));
  if (size > 0x7fffffff)
    throw Error(text(name, ": is larger than 2 GiB, which ONNX cannot hold in one file"));
  if (!model.ParsePartialFromArray(data, static_cast<int>(size)))
    throw Error(text(name, ": is not an ONNX model, or is truncated or damaged (", size, " bytes read)"));
  if (!model.has_graph() || model.graph().output_size() == 0)
    throw Error(text(name, ": holds no ONNX graph with outputs; is it truncated, or not an ONNX model?"));
  return model;
}

onnx::ModelProto parseModel(const void* data, size_t size, const std::string& name) {
  onnx::ModelProto model = parseUnchecked(data, size, name);
  if (!isEarlyExit(model))
    namingTheFile(name, [&] {
      checkParts(model);
      checkOnnx(model);
      toNormalForm(model);
    });
  checkModel(model, name);
  return model;
}

onnx::ModelProto parseStage(const void* data, size_t size, const std::string& name) {
  onnx::ModelProto model = parseUnchecked(data, size, name);
  namingTheFile(name, [&] {
    checkParts(model);
    checkOnnx(model);
    checkRecordedShapes(model);
    checkAllOperands(model, recordedShapes(model));
  });
  return model;
}

onnx::ModelProto loadModel(const std::string& path) {
  const std::string bytes = readFile(path);
  return parseModel(bytes.data(), bytes.size(), path);
}

std::string serialize(const onnx::ModelProto& model) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  model.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

void writeFileAtomically(const std::string& path, const std::string& bytes) {
  const std::string temporary = text(path, ".tmp.", getpid());
  const auto fail = [&](const char* what) {
    const int code = errno;
    std::remove(temporary.c_str());
    throw Error(text(path, ": cannot be ", what, ": ", std::strerror(code)));
  };
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) fail("created");
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written = ::write(file, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      ::close(file);
      fail("written");
    }
    done += static_cast<size_t>(written);
  }
  if (::fsync(file) != 0) {
    ::close(file);
    fail("written");
  }
  if (::close(file) != 0) fail("written");
  if (std::rename(temporary.c_str(), path.c_str()) != 0) fail("replaced");
  // The new name reaches the disk with its folder. A file system that cannot do that has its own ways.
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  ::fsync(directory);
  ::close(directory);
}

void saveModel(const onnx::ModelProto& model, const std::string& path) {
  writeFileAtomically(path, serialize(model));
}

void checkModel(const onnx::ModelProto& model, const std::string& name) {
  namingTheFile(name, [&] {
    checkParts(model);
    if (model.graph().output_size() == 0) throw Error("has no output; expected one for every exit");
    const std::string image = inputName(model);
    if (image.empty())
      throw Error("must have exactly one input that is not an initializer, N x C x H x W of float32");
    if (isEarlyExit(model)) return;
    checkOnnx(model);
    for (const auto& input : model.graph().input())
      if (input.name() == image && input.type().tensor_type().elem_type() != onnx::TensorProto::FLOAT)
        throw Error(text("input '", input.name(), "' must be float32"));
    checkClassifier(model);
  });
}

bool isEarlyExit(const onnx::ModelProto& model) {
  for (const auto& node : model.graph().node())
    if (node.op_type() == "RdiSelect" || node.op_type() == "RdiStage") return true;
  return false;
}

std::vector<std::string> exitNames(const onnx::ModelProto& model) {
  std::vector<std::string> names;
  for (const auto& output : model.graph().output()) names.push_back(output.name());
  return names;
}

std::string inputName(const onnx::ModelProto& model) {
  std::set<std::string> initializers;
  for (const auto& tensor : model.graph().initializer()) initializers.insert(tensor.name());
  std::string name;
  for (const auto& input : model.graph().input()) {
    if (initializers.count(input.name())) continue;
    if (!name.empty()) return {};
    name = input.name();
  }
  return name;
}

}  // namespace rdi::graph
