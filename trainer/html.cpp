// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/html.hpp"

#include "graph/error.hpp"

namespace rdi::train {
namespace {

constexpr char kStyle[] = R"(
:root { color-scheme: light dark; --back: #ffffff; --text: #1b1b1b; --dim: #5c5c5c; --line: #d5d5d5; --card: #f4f5f7;
  --bad: #c0392b; --good: #1e8449; }
@media (prefers-color-scheme: dark) { :root { --back: #15171a; --text: #e8e8e8; --dim: #a4a4a4; --line: #3c4046;
  --card: #202328; --bad: #ff7b6b; --good: #5fd08d; } }
body { background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; max-width: 1100px;
  margin: 0 auto; padding: 16px; }
h1 { font-size: 1.6em; margin: 0.4em 0; }
h2 { font-size: 1.2em; margin: 1.8em 0 0.5em; border-bottom: 1px solid var(--line); }
p, dd { max-width: 80ch; }
dt { font-weight: 600; margin-top: 0.5em; }
dd { margin-left: 1.2em; }
.dim { color: var(--dim); }
.bad { color: var(--bad); }
.good { color: var(--good); }
.headlines { display: flex; flex-wrap: wrap; gap: 12px; }
.headline { background: var(--card); border-radius: 8px; padding: 10px 14px; flex: 1 1 210px; }
.headline b { display: block; font-size: 1.7em; line-height: 1.3; }
.headline p { margin: 0.2em 0 0; font-size: 0.88em; color: var(--dim); }
figure { margin: 1em 0; }
figcaption { color: var(--dim); font-size: 0.9em; max-width: 90ch; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85em; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 2px 7px; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom-width: 2px; }
thead tr.groups th { border-bottom-width: 0; text-align: left; border-left: 2px solid var(--line); }
thead tr.groups th:first-child { border-left: 0; }
td[colspan] { color: var(--dim); padding-top: 8px; }
pre { background: var(--card); padding: 10px; border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; }
.pictures { display: grid; gap: 6px 14px; justify-content: start; align-items: start; overflow-x: auto; }
.picture { margin: 0; font-size: 0.8em; line-height: 1.25; min-width: 100px; }
.picture img { display: block; width: 96px; height: 96px; object-fit: contain; image-rendering: pixelated;
  border: 3px solid var(--good); }
.picture.wrong img { border: 3px dashed var(--bad); }
@media print {
  :root { color-scheme: light; --back: #ffffff; --text: #000000; --dim: #444444; --line: #bbbbbb; --card: #f4f5f7;
    --bad: #c0392b; --good: #1e8449; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { max-width: none; font-size: 10pt; padding: 0; }
  .scroll, .pictures { overflow: visible; }
  table { font-size: 6.5pt; }
  th, td { padding: 1px 3px; }
  h2 { break-after: avoid; }
  figure, .headline, .picture, tr { break-inside: avoid; }
}
)";

}  // namespace

std::string escaped(const std::string& content) {
  std::string result;
  for (const char c : onOneLine(content))
    result += c == '<'   ? "&lt;"
              : c == '>' ? "&gt;"
              : c == '&' ? "&amp;"
              : c == '"' ? "&quot;"
                         : std::string(1, c);
  return result;
}

std::string htmlPage(const std::string& title, const std::string& body) {
  return text("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
              escaped(title), "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n", body,
              "</body>\n</html>\n");
}

std::string htmlHeadlines(const std::vector<Headline>& headlines) {
  std::string html = "<div class=\"headlines\">\n";
  for (const Headline& headline : headlines)
    html += text("<div class=\"headline\">", escaped(headline.name), "<b>", escaped(headline.number),
                 "</b><p>", headline.explanation, "</p></div>\n");
  return html + "</div>\n";
}

std::string toHtml(const HtmlTable& table) {
  std::string html = "<div class=\"scroll\"><table>\n<thead>\n";
  if (!table.groups.empty()) {
    html += "<tr class=\"groups\">";
    for (const auto& [title, count] : table.groups)
      html += text("<th colspan=\"", count, "\">", escaped(title), "</th>");
    html += "</tr>\n";
  }
  html += "<tr>";
  for (const std::string& column : table.columns) html += text("<th>", escaped(column), "</th>");
  html += "</tr>\n</thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    if (row.size() == 1)
      html += text("<td colspan=\"", table.columns.size(), "\">", escaped(row[0]), "</td>");
    for (size_t c = 0; row.size() > 1 && c < row.size(); ++c) html += text("<td>", escaped(row[c]), "</td>");
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table></div>\n";
}

std::string HtmlFigures::figure(const std::function<std::string()>& draw, const std::string& caption) {
  std::string drawing;
  try {
    drawing = draw();
  } catch (const Error& error) {
    missing_ = error.what();
    drawing = text("<p class=\"bad\">This plot is missing: ", escaped(missing_), "</p>\n");
  }
  return text("<figure>\n", drawing, "<figcaption>", escaped(caption), "</figcaption>\n</figure>\n");
}

}  // namespace rdi::train
