// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>

#include "trainer/data.hpp"

namespace rdi::train {

/// Appends the records of one file of CIFAR-10's binary version to `set`: one byte of label, then 32 x 32
/// bytes each of red, green and blue. Throws rdi::Error naming the file when it does not hold exactly
/// `records` of them or a label is above 9.
void appendCifar10(ImageSet& set, const std::string& path, int64_t records);

/// data_batch_1.bin to data_batch_5.bin (train) or test_batch.bin (test) of a folder, or of
/// cifar-10-batches-bin in it. Throws rdi::Error naming the file that is missing, and says so when another
/// version of the data lies there.
ImageSet readCifar10Folder(const std::string& folder, Split split);

}  // namespace rdi::train
