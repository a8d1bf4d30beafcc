// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// What does low precision save, and what could it save at most? Full passes in each precision that this
// processor is faster with, and how many multiply-adds a second its instructions for float32, bf16 and int8
// can do. Random weights: accuracy is the data benchmark's business.

#include <iostream>
#include <rdi/rdi.hpp>

#include "benchmarks/harness.hpp"
#include "benchmarks/networks.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::bench {
namespace {

using graph::Precision;

constexpr int kRounds = 100000;

// Twelve sums that do not wait for each other, as a kernel keeps them in registers; of zeros, for denormals
// are slow.
#define RDI_TWELVE(instruction)                                                                              \
  __asm__ volatile("vpxorq %%zmm30, %%zmm30, %%zmm30\n vpxorq %%zmm31, %%zmm31, %%zmm31\n" ::: "xmm0");      \
  for (int i = 0; i < kRounds; ++i)                                                                          \
  __asm__ volatile(instruction "0\n" instruction "1\n" instruction "2\n" instruction "3\n" instruction       \
                               "4\n" instruction "5\n" instruction "6\n" instruction "7\n" instruction       \
                               "8\n" instruction "9\n" instruction "10\n" instruction "11\n" ::              \
                                   : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
                                     "xmm9", "xmm10", "xmm11")

void multiplyFloat32() { RDI_TWELVE("vfmadd231ps %%zmm30, %%zmm31, %%zmm"); }
void multiplyBf16() { RDI_TWELVE("vdpbf16ps %%zmm30, %%zmm31, %%zmm"); }
void multiplyInt8() { RDI_TWELVE("vpdpbusd %%zmm30, %%zmm31, %%zmm"); }

#undef RDI_TWELVE

/// "ms" of these rows are those of as many multiply-adds as RDI-ResNet38 has: the floor of its time.
void registerInstructions(double macs) {
  const auto add = [&](const char* name, void (*body)(), double macsEach) {
    const double perPass = 12.0 * kRounds * macsEach;
    measure(text("floor/", name), perPass / macs, body, {{"cost", 1}});
  };
  if (!__builtin_cpu_supports("avx512f")) return;
  add("float32", multiplyFloat32, 16);
  if (__builtin_cpu_supports("avx512bf16")) add("bf16", multiplyBf16, 32);
  if (__builtin_cpu_supports("avx512vnni")) add("int8", multiplyInt8, 64);
}

void registerNet(const std::string& architecture) {
  const onnx::ModelProto model = randomModel(architecture);
  const cv::Mat blob = randomBlob(model);
  measureNet(architecture + "/static/opencv", staticNet(model, graph::exitNames(model).back()), {blob},
             {{"cost", 1}});
  for (const Precision precision : {Precision::float32, Precision::bf16, Precision::int8}) {
    const std::string name = graph::nameOf(precision);
    const cv::dnn::Net alone = staticNetInOurEngine(model, precision);
    cv::dnn::Net exits = earlyExitNet(model, precision);
    const std::string inUse = rdi::stages(alone).at(0).precisionInUse;
    if (inUse != name) {
      std::cerr << architecture << ": " << name << " is left out: this processor is not faster with it\n";
      continue;
    }
    measureNet(architecture + "/static/" + name, alone, {blob}, {{"cost", 1}});
    forceExit(exits, rdi::exits(exits).size() - 1);
    measureNet(architecture + "/all_exits/" + name, exits, {blob},
               {{"cost", paidFraction(exits, rdi::exits(exits).size() - 1)}});
  }
}

void registerAll(const Settings&) {
  for (const char* architecture : {"rdi-resnet38", "rdi-resnet38-lean", "rdi-smallcnn", "rdi-mobilenetv2"})
    registerNet(architecture);
  registerInstructions(rdi::exits(earlyExitNet(randomModel("rdi-resnet38"))).back().ownMacs);
}

}  // namespace
}  // namespace rdi::bench

int main(int argc, char** argv) {
  return rdi::bench::benchmarkMain(argc, argv, "rdi_precision_benchmark", {}, rdi::bench::registerAll);
}
