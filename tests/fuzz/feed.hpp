// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>

/// What a stranger's file meets in this project, one function a way in. Each returns whether the bytes were
/// read, and lets only what is no refusal through: another exception than rdi::Error or cv::Exception is a
/// finding.
namespace rdi::test {

/// rdi-convert FILE --arch: whichever reader the content asks for, then each of them; every small tensor as
/// float32.
bool feedWeights(const std::string& bytes);
bool feedTorchZip(const std::string& bytes);
bool feedTorchLegacy(const std::string& bytes);
bool feedSafetensors(const std::string& bytes);
bool feedOnnxWeights(const std::string& bytes);

/// rdi-convert and rdi-inspect FILE: reading, inspection as text and JSON, conversion with the file's rule
/// and with a given one, one exit alone; what is made of it is read again.
bool feedModel(const std::string& bytes);

/// cv::dnn::readNet and forward behind OpenCV's own importer: every Rdi* layer of the file is made, given its
/// shapes, and run.
bool feedPlugin(const std::string& bytes);

}  // namespace rdi::test
