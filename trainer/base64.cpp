// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/base64.hpp"

#include <algorithm>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

const std::string kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string toBase64(const std::vector<uint8_t>& bytes) {
  std::string result;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t b = 0; b < 3; ++b) bits = bits << 8 | (b < count ? bytes[i + b] : 0U);
    for (size_t d = 0; d < 4; ++d) result += d <= count ? kDigits[bits >> (18 - 6 * d) & 63] : '=';
  }
  return result;
}

std::vector<uint8_t> fromBase64(const std::string& content) {
  const size_t end = std::min(content.size(), content.find('='));
  if (content.size() % 4 != 0 || content.size() - end > 2 ||
      content.find_first_not_of('=', end) != std::string::npos)
    throw Error(text("base64: found ", content.size(), " characters that are not groups of four"));
  std::vector<uint8_t> result;
  uint32_t bits = 0;
  for (size_t i = 0; i < end; ++i) {
    const size_t digit = kDigits.find(content[i]);
    if (digit == std::string::npos) throw Error(text("base64: character ", i, " is none of its 64"));
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (i % 4 != 0) result.push_back(static_cast<uint8_t>(bits >> (6 - i % 4 * 2)));
  }
  return result;
}

}  // namespace rdi::train
