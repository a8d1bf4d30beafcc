// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>
#include <vector>

namespace rdi::train {

/// What `rdi-evaluate --output FOLDER --save-inputs` leaves of an evaluation, for `rdi-evaluate deployed`:
///
///     FOLDER/inputs/labels.npy        N, uint8
///     FOLDER/inputs/NAME.npy          N x channels x height x width, float32, 0..1: the images under an
///     attack FOLDER/inputs/NAME.scores.npy   N x exits x classes, float32: the logits that libtorch gave for
///     them
///
/// NAME is the evaluation row's name in a form fit for files. All files have the same N, in the order of the
/// set; an image that an attack left out is saved as it is.
struct SavedInputs {
  std::string name;            // NAME
  std::string images, scores;  // paths
};

/// "pgd single:1" -> "pgd_single-1".
std::string savedName(const std::string& rowName);

SavedInputs savedInputs(const std::string& folder, const std::string& rowName);
std::string savedLabels(const std::string& folder);

/// All of a folder: clean first, then by name. Throws rdi::Error naming what is missing.
std::vector<SavedInputs> listSavedInputs(const std::string& folder);

}  // namespace rdi::train
