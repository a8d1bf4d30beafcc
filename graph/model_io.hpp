// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

namespace rdi::graph {

/// Reads and checks an ONNX file and brings it into the normal form (graph/normal_form.hpp). Throws
/// rdi::Error naming the file when it is missing, truncated, not ONNX, refused by the ONNX checker or by
/// checkModel.
onnx::ModelProto loadModel(const std::string& path);

/// The same from memory; `name` stands for the file in messages.
onnx::ModelProto parseModel(const void* data, size_t size, const std::string& name);

/// Only the protobuf, unchecked: for bytes this project wrote itself (embedded stages) and for inspection.
onnx::ModelProto parseUnchecked(const void* data, size_t size, const std::string& name);

/// An embedded stage: checked like a model, but it may have any inputs and outputs, and must record the shape
/// of every tensor, truly. Cheap enough to do whenever a file is loaded.
onnx::ModelProto parseStage(const void* data, size_t size, const std::string& name);

/// Deterministic bytes of the model.
std::string serialize(const onnx::ModelProto& model);

/// Writes atomically (temporary file beside it, sync, rename); throws rdi::Error when `path` is not writable.
void saveModel(const onnx::ModelProto& model, const std::string& path);

/// Writes any bytes the same way.
void writeFileAtomically(const std::string& path, const std::string& bytes);

/// Whole file as bytes; throws rdi::Error when it cannot be read.
std::string readFile(const std::string& path);

/// The ONNX checker, then our rules for a classifier with one or more exits: one float input N x C x H x W
/// (initializers are not inputs), no external data, no sub-graphs, every output N x classes with the same
/// number of classes. Models that hold Rdi* layers are checked for structure only.
void checkModel(const onnx::ModelProto& model, const std::string& name);

/// True when the file is an early-exit ONNX (holds RdiStage ... layers that only the plugin can run).
bool isEarlyExit(const onnx::ModelProto& model);

/// Names of the graph outputs in their declared order: exit1 .. exitK, main.
std::vector<std::string> exitNames(const onnx::ModelProto& model);

/// Name of the one graph input that is not an initializer.
std::string inputName(const onnx::ModelProto& model);

}  // namespace rdi::graph
