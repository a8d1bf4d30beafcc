// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/metadata.hpp"

namespace rdi::convert {

/// Pictures without labels, as a file holds them.
struct Pictures {
  int64_t channels = 0, height = 0, width = 0;
  std::vector<std::vector<float>> pixels;  // one a picture, {C, H, W}, 0 .. 255, colours red, green, blue
};

/// Up to `count` pictures of a file, spread evenly over it: an idx file of images (gzip or not), a file of
/// CIFAR-10's binary version (*.bin), or an array of NumPy (*.npy), N x C x H x W, float32, 0 .. 1. A folder
/// stands for the training pictures in it (train-images-idx3-ubyte[.gz], data_batch_1.bin), and NAME:FOLDER
/// for FOLDER. Throws rdi::Error naming file, found and expected.
Pictures readPictures(const std::string& specification, size_t count);

/// What a model is fed with: (pixel - mean) * scale, blue first where the model wants it. Throws rdi::Error
/// when the pictures are not of the model's size.
std::vector<std::vector<float>> modelInputs(const Pictures& pictures,
                                            const graph::Preprocessing& preprocessing);

}  // namespace rdi::convert
