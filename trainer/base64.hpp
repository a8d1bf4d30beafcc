// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rdi::train {

/// Bytes as text (RFC 4648, with padding), for JSON and data: addresses.
std::string toBase64(const std::vector<uint8_t>& bytes);

/// Throws rdi::Error on anything that toBase64 does not write.
std::vector<uint8_t> fromBase64(const std::string& text);

}  // namespace rdi::train
