// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/trainer/page.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <set>
#include <vector>

namespace rdi::test {

size_t count(const std::string& content, const std::string& part) {
  size_t result = 0;
  for (size_t at = 0; (at = content.find(part, at)) != std::string::npos; at += part.size()) ++result;
  return result;
}

void expectCompletePage(const std::string& page) {
  EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0U);
  const std::set<std::string> empty = {"meta", "img", "br", "!DOCTYPE"};
  std::vector<std::string> open;
  std::set<std::string> ids;
  for (size_t at = 0; (at = page.find('<', at)) != std::string::npos;) {
    const size_t end = page.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = page.substr(at + 1, end - at - 1);
    size_t length = tag[0] == '/' ? 1 : 0;
    while (length < tag.size() && std::isspace(static_cast<unsigned char>(tag[length])) == 0) ++length;
    const std::string name = tag.substr(tag[0] == '/' ? 1 : 0, length - (tag[0] == '/' ? 1 : 0));
    if (tag[0] == '/') {
      ASSERT_FALSE(open.empty()) << tag;
      ASSERT_EQ(open.back(), name) << page.substr(at < 200 ? 0 : at - 200, 220);
      open.pop_back();
    } else if (empty.count(name) == 0 && tag.back() != '/') {
      open.push_back(name);
    }
    EXPECT_TRUE(name != "script" && name != "link" && name != "iframe" && name != "object") << tag;
    for (const std::string attribute : {" src=\"", " href=\"", " xlink:href='"}) {
      const size_t value = tag.find(attribute);
      if (value == std::string::npos) continue;
      const std::string target = tag.substr(value + attribute.size(), 5);
      EXPECT_TRUE(target == "data:" || target[0] == '#') << tag.substr(0, 100);
    }
    for (const std::string attribute : {" id=\"", " id='"}) {
      const size_t value = tag.find(attribute);
      if (value == std::string::npos) continue;
      const size_t start = value + attribute.size();
      EXPECT_TRUE(ids.insert(tag.substr(start, tag.find(attribute.back(), start) - start)).second) << tag;
    }
    at = end;
  }
  EXPECT_TRUE(open.empty()) << open.back();
  EXPECT_EQ(page.find("url("), std::string::npos);
  EXPECT_EQ(page.find("@import"), std::string::npos);
}

PathIs::PathIs(const std::string& path) : old_(std::getenv("PATH")) { setenv("PATH", path.c_str(), 1); }
PathIs::~PathIs() { setenv("PATH", old_.c_str(), 1); }

}  // namespace rdi::test
