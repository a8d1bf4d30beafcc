// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <optional>
#include <string>

#include "trainer/data.hpp"

namespace rdi::test {

/// The test set of "mnist", "fashion-mnist" or "cifar10", as a model's recipe calls its data. Nothing, and a
/// line that says so, where it is not on this machine; throws where it is there and cannot be read.
std::optional<train::ImageSet> testPictures(const std::string& data);

}  // namespace rdi::test
