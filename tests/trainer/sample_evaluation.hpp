// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include "trainer/evaluation.hpp"

namespace rdi::test {

/// Made up, for looking at and for tests: six early exits and the main one, 1,000 images of CIFAR-10, every
/// family of attack, pictures. Costs are RDI-ResNet38's; clean accuracy 84.8 %, `paper` worst 42.7 % (pgd
/// average), worst adaptive 26.0 % (apgd-ce soft-routed), union 23.7 %, dearest slowdown 57.2 % at the main
/// exit.
train::Evaluation multiExitSample();

/// The same network with its main exit alone; clean 83.6 %, union 23.6 %.
train::Evaluation singleExitSample();

}  // namespace rdi::test
