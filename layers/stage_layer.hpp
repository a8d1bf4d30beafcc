// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <memory>
#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

#include "layers/engine/stage_engine.hpp"

namespace rdi {

/// RdiStage and RdiBranchClassifier: runs an embedded ONNX graph on the rows that have not left yet. They
/// differ in that a classifier's graph gives exactly one row of class scores.
///
/// Inputs: one blob for each graph input, and optionally the state of the previous RdiEarlyExit (N x 1): rows
/// whose state is not -1 are skipped and keep whatever their outputs held. Outputs: one blob for each graph
/// output, rank 4 as N x H x W x C.
class StageLayer : public cv::dnn::Layer {
public:
  explicit StageLayer(const cv::dnn::LayerParams& params);
  ~StageLayer() override;

  bool getMemoryShapes(const std::vector<cv::dnn::MatShape>& inputs, int requiredOutputs,
                       std::vector<cv::dnn::MatShape>& outputs,
                       std::vector<cv::dnn::MatShape>& internals) const override;
  void finalize(cv::InputArrayOfArrays inputs, cv::OutputArrayOfArrays outputs) override;
  void forward(cv::InputArrayOfArrays inputs, cv::OutputArrayOfArrays outputs,
               cv::OutputArrayOfArrays internals) override;
  /// Two operations a multiply-accumulate, for all rows.
  int64_t getFLOPS(const std::vector<cv::dnn::MatShape>& inputs,
                   const std::vector<cv::dnn::MatShape>& outputs) const override;

  /// What the file asks for, and what this processor gets.
  engine::EngineKind engineKind() const { return engineKind_; }
  graph::Precision precision() const { return precision_; }
  graph::Precision precisionInUse() const;

  /// Rows that the last forward computed.
  int computedRows() const { return computedRows_; }

private:
  struct Port {
    std::string name;
    cv::dnn::MatShape row;  // of one row as the blob declares it, without N
    std::string order;      // "NCHW", for messages
  };
  class Rows;

  void readPorts(const std::vector<engine::Layout>& layouts);
  void prepare(int rowCount);

  onnx::ModelProto stage_;  // until engine_ is made
  engine::EngineKind engineKind_ = engine::EngineKind::oneDnn;
  graph::Precision precision_ = graph::Precision::float32;  // that the file asks for
  std::vector<engine::Layout> layouts_;
  std::vector<Port> inputs_, outputs_;
  int64_t macs_ = 0;
  std::unique_ptr<engine::StageEngine> engine_;  // made by finalize
  int slotCount_ = 0, threadCount_ = 0;          // what engine_ is prepared for
  std::vector<int> undecided_;                   // rows of this forward
  int computedRows_ = 0;
};

}  // namespace rdi
