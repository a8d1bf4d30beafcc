// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>

#include "trainer/data.hpp"

namespace rdi::test {

/// The test set of "mnist", "fashion-mnist" or "cifar10", as a model's recipe calls its data. Throws
/// rdi::Error saying what is missing where it is not on this machine.
train::ImageSet testPictures(const std::string& data);

}  // namespace rdi::test
