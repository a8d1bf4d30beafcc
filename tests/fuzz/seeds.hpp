// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <functional>
#include <string>
#include <vector>

namespace rdi::test {

/// A small multi-exit model with everything in its metadata.
onnx::ModelProto seedModel();

/// A way in and files that pass it undamaged.
struct FuzzTarget {
  std::string name;
  std::function<bool(const std::string& bytes)> feed;
  std::vector<std::string> seeds;
  bool isModel;  // the files are ONNX models, whose structure can be damaged too
};

/// All of feed.hpp but the plugin.
std::vector<FuzzTarget> converterTargets();

/// Early-exit files for the plugin's way in.
std::vector<std::string> pluginSeeds();

}  // namespace rdi::test
