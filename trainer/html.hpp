// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <functional>
#include <string>
#include <vector>

namespace rdi::train {

/// Text for HTML and XML, on one line, inside quotes too.
std::string escaped(const std::string& text);

/// A whole page that needs no other file and no script; light or dark as the reader has it, white on paper.
std::string htmlPage(const std::string& title, const std::string& body);

/// A number to lead with; all but `number` and `name` is HTML.
struct Headline {
  std::string name, number, explanation;
};
std::string htmlHeadlines(const std::vector<Headline>& headlines);

/// Cells are text; a row of one cell is a heading across all columns. The first column is flush left.
struct HtmlTable {
  std::vector<std::pair<std::string, size_t>>
      groups;  // titles over so many columns; none at all = no such line
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};
std::string toHtml(const HtmlTable& table);

/// Plots, each drawn as it is asked for; where one cannot be drawn, the page says why and the rest of it
/// stands.
class HtmlFigures {
public:
  std::string figure(const std::function<std::string()>& draw, const std::string& caption);
  /// Why plots are missing; empty when none is.
  const std::string& missing() const { return missing_; }

private:
  std::string missing_;
};

}  // namespace rdi::train
