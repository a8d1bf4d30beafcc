// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/norm_chains.hpp"

namespace rdi::train {
namespace {

class Readers {
public:
  Readers(const onnx::GraphProto& graph, const std::vector<bool>& needed, const std::set<std::string>& kept)
      : graph_(graph), kept_(kept) {
    for (int index = 0; index < graph.node_size(); ++index)
      if (needed[static_cast<size_t>(index)])
        for (const std::string& name : graph.node(index).input()) readers_[name].push_back(index);
  }

  // Index of the one node that reads the first output of `index`, and reads it once; -1 where there is none.
  int onlyReaderOf(int index) const {
    const std::string& name = graph_.node(index).output(0);
    const auto found = readers_.find(name);
    return found == readers_.end() || found->second.size() != 1 || kept_.count(name) != 0 ? -1
                                                                                          : found->second[0];
  }

private:
  const onnx::GraphProto& graph_;
  const std::set<std::string>& kept_;
  std::map<std::string, std::vector<int>> readers_;
};

bool isPlainAdd(const onnx::NodeProto& node) {
  return node.op_type() == "Add" && node.input_size() == 2 && node.attribute_size() == 0;
}

// Relu, or Clip of its first input.
bool isClipping(const onnx::NodeProto& node, const std::string& src) {
  return (node.op_type() == "Relu" || node.op_type() == "Clip") && node.input_size() > 0 &&
         node.input(0) == src;
}

}  // namespace

NormChains findNormChains(const onnx::GraphProto& graph, const std::vector<bool>& needed,
                          const std::set<std::string>& kept) {
  const Readers readers(graph, needed, kept);
  NormChains chains;
  const auto nodeAt = [&](int index) -> const onnx::NodeProto& { return graph.node(index); };
  for (int index = 0; index < graph.node_size(); ++index) {
    if (!needed[static_cast<size_t>(index)] || nodeAt(index).op_type() != "BatchNormalization") continue;
    NormChain chain;
    chain.norm = &nodeAt(index);
    int end = index, next = readers.onlyReaderOf(end);
    // Of two norms that meet in an addition the first one takes it.
    if (next >= 0 && isPlainAdd(nodeAt(next)) && chains.endingAt.count(next) == 0 &&
        chains.inside.count(next) == 0) {
      const std::string& own = nodeAt(end).output(0);
      chain.shortcut = nodeAt(next).input(nodeAt(next).input(0) == own ? 1 : 0);
      chains.inside.insert(end);
      end = next;
      next = readers.onlyReaderOf(end);
    }
    if (next >= 0 && isClipping(nodeAt(next), nodeAt(end).output(0))) {
      chain.activation = &nodeAt(next);
      chains.inside.insert(end);
      end = next;
    }
    chains.endingAt[end] = chain;
  }
  return chains;
}

}  // namespace rdi::train
