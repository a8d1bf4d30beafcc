// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>

#include "trainer/data.hpp"

namespace rdi::train {

/// Reads one pair of idx files, raw or gzip. Throws rdi::Error naming file, found and expected.
ImageSet readIdx(const std::string& imagesPath, const std::string& labelsPath, int64_t classCount);

/// The pair `train-*` or `t10k-*`, with or without `.gz`, of a folder as MNIST and Fashion-MNIST come in;
/// `dataName` is for messages.
ImageSet readIdxFolder(const std::string& folder, const std::string& dataName, Split split,
                       int64_t classCount);

}  // namespace rdi::train
