// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <algorithm>
#include <cmath>

#include "graph/error.hpp"
#include "layers/early_exit_layer.hpp"
#include "layers/select_layer.hpp"
#include "layers/stage_layer.hpp"
#include "rdi/rdi.hpp"

namespace rdi {
namespace {

struct Gate {
  std::string layerName;
  cv::Ptr<EarlyExitLayer> layer;
};

/// The gates of a net in the order in which rows reach them; the main exit is the last one.
std::vector<Gate> gatesOf(const cv::dnn::Net& net) {
  std::vector<Gate> gates;
  for (const cv::String& name : net.getLayerNames()) {
    const auto layer = net.getLayer(net.getLayerId(name)).dynamicCast<EarlyExitLayer>();
    if (layer) gates.push_back({name, layer});
  }
  std::sort(gates.begin(), gates.end(),
            [](const Gate& a, const Gate& b) { return a.layer->index() < b.layer->index(); });
  bool complete = !gates.empty() && gates.back().layer->isMain();
  for (size_t i = 0; i < gates.size(); ++i)
    complete = complete && gates[i].layer->index() == static_cast<int>(i) &&
               gates[i].layer->isMain() == (i + 1 == gates.size());
  if (!complete)
    CV_Error(cv::Error::StsBadArg,
             gates.empty()
                 ? "rdi: this net has no RdiEarlyExit layer; load an early-exit ONNX made by rdi-convert"
                 : "rdi: the net's exits are not complete; convert the model again with rdi-convert");
  return gates;
}

}  // namespace

std::vector<ExitInfo> exits(const cv::dnn::Net& net) {
  std::vector<ExitInfo> infos;
  for (const Gate& gate : gatesOf(net)) {
    ExitInfo info;
    info.name = gate.layer->exitName();
    info.layer = gate.layerName;
    info.threshold = gate.layer->isMain() ? 0.0f : gate.layer->threshold();
    info.paidMacs = gate.layer->paidMacs();
    info.ownMacs = gate.layer->ownMacs();
    info.paperMi = gate.layer->ownConvMacs() / (1024.0 * 1024.0);
    infos.push_back(info);
  }
  return infos;
}

std::vector<float> thresholds(const cv::dnn::Net& net) {
  std::vector<float> values;
  for (const Gate& gate : gatesOf(net))
    if (!gate.layer->isMain()) values.push_back(gate.layer->threshold());
  return values;
}

void setThresholds(cv::dnn::Net& net, const std::vector<float>& thresholds) {
  const std::vector<Gate> gates = gatesOf(net);
  if (thresholds.size() + 1 != gates.size())
    CV_Error(cv::Error::StsBadArg, text("rdi: ", thresholds.size(), " thresholds given, the net has ",
                                        gates.size() - 1, " exits before the main one"));
  for (size_t i = 0; i < thresholds.size(); ++i)
    if (std::isnan(thresholds[i]))
      CV_Error(cv::Error::StsBadArg, text("rdi: threshold ", i + 1, " is NaN; give a number or an infinity"));
  for (size_t i = 0; i < thresholds.size(); ++i)
    net.setParam(net.getLayerId(gates[i].layerName), 0, cv::Mat(1, 1, CV_32F, cv::Scalar(thresholds[i])));
}

std::vector<std::string> operatingPoints(const cv::dnn::Net& net) {
  std::vector<std::string> names;
  for (const graph::OperatingPoint& point : gatesOf(net).back().layer->operatingPoints())
    names.push_back(point.name);
  return names;
}

void setOperatingPoint(cv::dnn::Net& net, const std::string& name) {
  const std::vector<Gate> gates = gatesOf(net);
  graph::ExitRule rule;
  try {
    rule = graph::pointNamed(gates.back().layer->operatingPoints(), name).rule;
  } catch (const Error& error) {
    CV_Error(cv::Error::StsBadArg, text("rdi: the net ", error.what()));
  }
  setThresholds(net, rule.thresholds);
  for (const Gate& gate : gates) gate.layer->setRule(rule);
  for (const cv::String& layer : net.getLayerNames()) {
    const auto select = net.getLayer(net.getLayerId(layer)).dynamicCast<SelectLayer>();
    if (select) select->setFusion(rule.fusion);
  }
}

std::vector<StageInfo> stages(const cv::dnn::Net& net) {
  std::vector<StageInfo> infos;
  for (const cv::String& name : net.getLayerNames()) {
    const auto stage = net.getLayer(net.getLayerId(name)).dynamicCast<StageLayer>();
    if (stage)
      infos.push_back({name, stage->engineKind() == engine::EngineKind::oneDnn ? "onednn" : "opencv",
                       graph::nameOf(stage->precision()), graph::nameOf(stage->precisionInUse())});
  }
  return infos;
}

std::vector<int> lastExits(const cv::dnn::Net& net) { return gatesOf(net).back().layer->lastStates(); }

}  // namespace rdi
