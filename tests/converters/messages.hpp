// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "graph/error.hpp"

namespace rdi::test {

/// Message of the rdi::Error that an action throws, or "no error".
template <typename Action>
std::string messageOf(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// The action throws rdi::Error with all these words in its message.
template <typename Action>
void expectRefused(const Action& action, const std::vector<std::string>& words) {
  const auto message = messageOf(action);
  EXPECT_NE(message, "no error");
  for (const auto& word : words)
    EXPECT_NE(message.find(word), std::string::npos) << word << "\nin: " << message;
}

}  // namespace rdi::test
