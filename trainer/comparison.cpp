// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/comparison.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <set>

#include "graph/error.hpp"
#include "trainer/evaluation_summary.hpp"
#include "trainer/evaluation_table.hpp"
#include "trainer/html.hpp"
#include "trainer/number_format.hpp"
#include "trainer/plot.hpp"
#include "trainer/rule_description.hpp"

namespace rdi::train {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// One model's figures; NaN for those that it lacks.
struct Line {
  std::string name, mark;  // the mark stands behind the name of a file that is not comparable
  size_t exits = 0;
  double clean = kNan, paperWorst = kNan, adaptiveWorst = kNan, unionAccuracy = kNan;
  double paidFraction = kNan, paidMmac = kNan, slowFraction = kNan;
  double efficacyClean = kNan, efficacySlow = kNan;
};

std::string fileName(const std::string& path) { return std::filesystem::path(path).filename().string(); }

// The model's file, or where several models have that name, the evaluation's.
std::string nameOf(const std::vector<Compared>& models, size_t index) {
  const auto isSame = [&](const Compared& other) {
    return fileName(other.evaluation.model) == fileName(models[index].evaluation.model);
  };
  return std::count_if(models.begin(), models.end(), isSame) > 1 ? models[index].file
                                                                 : fileName(models[index].evaluation.model);
}

std::vector<Line> linesOf(const std::vector<Compared>& models) {
  std::vector<Line> lines;
  for (size_t m = 0; m < models.size(); ++m) {
    const Evaluation& e = models[m].evaluation;
    const EvaluationSummary summary = summarize(e);
    const AverageCost cost = cleanCost(e);
    Line line;
    line.name = nameOf(models, m);
    line.mark = whyNotComparable(models[0].evaluation, e).empty() ? "" : " !";
    line.exits = e.costs.size();
    line.clean = e.rows[0].outcome.accuracy;
    if (summary.paperWorst) line.paperWorst = e.rows[*summary.paperWorst].outcome.accuracy;
    if (summary.adaptiveWorst) line.adaptiveWorst = e.rows[*summary.adaptiveWorst].outcome.accuracy;
    if (e.rows.size() > 1) line.unionAccuracy = summary.unionAccuracy;
    line.paidFraction = cost.paidFraction;
    line.paidMmac = cost.paidMmac;
    if (e.costs.size() > 1) line.efficacyClean = efficacy(e.costs, e.rows[0].outcome.shares);
    if (summary.slowdown) {
      const std::vector<double>& shares = e.rows[*summary.slowdown].outcome.shares;
      line.slowFraction = graph::paidFraction(e.costs, shares);
      line.efficacySlow = efficacy(e.costs, shares);
    }
    lines.push_back(line);
  }
  return lines;
}

const std::vector<std::string> kColumns = {"model",       "exits",    "clean",      "paper worst",
                                           "adaptive",    "union",    "paid, %",    "paid MMAC",
                                           "slowdown, %", "efficacy", "in slowdown"};

std::vector<std::vector<std::string>> cellsOf(const std::vector<Line>& lines) {
  std::vector<std::vector<std::string>> rows;
  for (const Line& line : lines)
    rows.push_back({line.name + line.mark, text(line.exits), percent(line.clean), percent(line.paperWorst),
                    percent(line.adaptiveWorst), percent(line.unionAccuracy), percent(line.paidFraction, 1),
                    fixed(line.paidMmac, 3), percent(line.slowFraction, 1), fixed(line.efficacyClean, 3),
                    fixed(line.efficacySlow, 3)});
  return rows;
}

std::string whatWasMeasured(const Evaluation& e) {
  std::string where;
  for (const Radius& radius : radiiOf(e))
    where += (where.empty() ? "; attacks within " : ", ") + nameOf(radius);
  return text(e.imageCount, " ", e.set, " images of ", e.data, where);
}

// What to mind when reading the table.
std::vector<std::string> remarks(const std::vector<Compared>& models) {
  std::vector<std::string> result;
  for (size_t m = 1; m < models.size(); ++m) {
    const std::string why = whyNotComparable(models[0].evaluation, models[m].evaluation);
    if (!why.empty()) result.push_back(text("! ", nameOf(models, m), ": not comparable: ", why));
  }
  std::set<std::string> all;
  const auto inBall = [](const Evaluation& e) {
    std::set<std::string> names;
    for (const EvaluationRow& row : e.rows)
      if (row.inBall) names.insert(row.name);
    return names;
  };
  for (const Compared& model : models) all.merge(inBall(model.evaluation));
  std::string counts;
  bool differ = false;
  for (size_t m = 0; m < models.size(); ++m) {
    const size_t count = inBall(models[m].evaluation).size();
    differ = differ || count != all.size();
    counts += text(m == 0 ? "" : ", ", nameOf(models, m), " ", count);
  }
  if (differ)
    result.push_back("The unions are not over the same rows: " + counts + " of " + text(all.size()) + ".");
  return result;
}

std::string accuracyPlot(const std::vector<Line>& lines) {
  LinePlot plot;
  plot.title = "Accuracy against cost on clean images";
  plot.xAxis = "paid cost, millions of multiply-accumulates an image";
  plot.yAxis = "right, %";
  const std::pair<const char*, double Line::*> figures[] = {
      {"clean", &Line::clean}, {"paper worst case", &Line::paperWorst}, {"union", &Line::unionAccuracy}};
  for (const auto& [name, member] : figures) {
    LinePlot::Series series;
    series.name = name;
    series.line = false;
    for (const Line& line : lines) {
      series.x.push_back(line.paidMmac);
      series.y.push_back(100 * line.*member);
      series.labels.push_back(member == &Line::paperWorst ? "" : line.name + line.mark);
    }
    plot.series.push_back(series);
  }
  return draw(plot);
}

std::string figuresPlot(const std::vector<Line>& lines) {
  BarPlot plot;
  plot.title = "Right, %";
  plot.valueAxis = "right, %";
  plot.range = {0, 100};
  plot.labels = {"clean", "paper worst case", "worst adaptive", "union"};
  for (const Line& line : lines)
    plot.series.push_back(
        {line.name + line.mark,
         {100 * line.clean, 100 * line.paperWorst, 100 * line.adaptiveWorst, 100 * line.unionAccuracy}});
  return draw(plot);
}

std::string costPlot(const std::vector<Line>& lines) {
  BarPlot plot;
  plot.title = "Paid cost, % of the model's own static net";
  plot.valueAxis = "paid cost, %";
  plot.labels = {"clean", "under slowdown"};
  for (const Line& line : lines)
    plot.series.push_back({line.name + line.mark, {100 * line.paidFraction, 100 * line.slowFraction}});
  return draw(plot);
}

HtmlTable rowsTable(const std::vector<Compared>& models) {
  HtmlTable table;
  table.columns = {"right, %"};
  std::vector<std::pair<std::string, Family>> names;
  for (size_t m = 0; m < models.size(); ++m) {
    table.columns.push_back(nameOf(models, m));
    for (const EvaluationRow& row : models[m].evaluation.rows)
      if (std::none_of(names.begin(), names.end(),
                       [&](const auto& known) { return known.first == row.name; }))
        names.emplace_back(row.name, row.family);
  }
  std::stable_sort(names.begin(), names.end(),
                   [](const auto& a, const auto& b) { return a.second < b.second; });
  for (const auto& [name, family] : names) {
    std::vector<std::string> cells = {name};
    for (const Compared& model : models) {
      const auto& rows = model.evaluation.rows;
      const auto row = std::find_if(rows.begin(), rows.end(),
                                    [&, &wanted = name](const EvaluationRow& r) { return r.name == wanted; });
      cells.push_back(row == rows.end() ? ""
                                        : percent(row->outcome.accuracy) + (row->onlySurvivors ? " +" : ""));
    }
    table.rows.push_back(cells);
  }
  return table;
}

}  // namespace

std::string whyNotComparable(const Evaluation& a, const Evaluation& b) {
  const auto differ = [](const char* what, const auto& found, const auto& expected) {
    return text("found ", what, " ", found, ", expected ", expected);
  };
  if (a.data != b.data) return differ("data", b.data, a.data);
  if (a.set != b.set) return differ("set", b.set, a.set);
  if (a.imageCount != b.imageCount) return differ("images:", b.imageCount, a.imageCount);
  if (a.classNames != b.classNames) return "found other classes";
  const std::vector<Radius> ours = radiiOf(a), theirs = radiiOf(b);
  const auto list = [](const std::vector<Radius>& radii) {
    std::string names;
    for (const Radius& radius : radii) names += (names.empty() ? "" : ", ") + nameOf(radius);
    return names;
  };
  // Names, because radii that differ by rounding alone are the same. Clean images alone go with any.
  if (!ours.empty() && !theirs.empty() && list(ours) != list(theirs))
    return differ("attacks within", list(theirs), list(ours));
  return "";
}

void checkComparable(const std::vector<Compared>& models) {
  for (size_t m = 1; m < models.size(); ++m) {
    const std::string why = whyNotComparable(models[0].evaluation, models[m].evaluation);
    if (!why.empty())
      throw Error(text(models[m].file, ": is not comparable with ", models[0].file, ": ", why,
                       "; evaluate both in the same way"));
  }
}

std::string comparisonTable(const std::vector<Compared>& models) {
  std::vector<std::vector<std::string>> rows = cellsOf(linesOf(models));
  rows.insert(rows.begin(), kColumns);
  std::string table = text(whatWasMeasured(models.at(0).evaluation), "; accuracies in %\n\n",
                           alignedTable(rows, FirstColumn::left));
  for (const std::string& remark : remarks(models)) table += remark + "\n";
  return table;
}

HtmlReport comparisonPage(const std::vector<Compared>& models) {
  const std::vector<Line> lines = linesOf(models);
  HtmlFigures figures;
  std::string body = text("<h1>", models.size(), " models compared</h1>\n<p>",
                          escaped(whatWasMeasured(models.at(0).evaluation)), ".</p>\n");
  HtmlTable table;
  table.groups = {{"", 2}, {"right, %", 4}, {"cost", 3}, {"efficacy", 2}};
  table.columns = kColumns;
  table.columns[kColumns.size() - 2] = "clean";
  table.rows = cellsOf(lines);
  body += toHtml(table);
  for (const std::string& remark : remarks(models)) body += "<p>" + escaped(remark) + "</p>\n";
  body += figures.figure(
      [&] { return accuracyPlot(lines); },
      "For each model the clean images, the paper worst case and the union, all above the cost that is "
      "paid on clean images: further up is better, further left is cheaper.");
  body += figures.figure(
      [&] { return figuresPlot(lines); },
      "The union is the share of images that are right in every row: the number to compare by.");
  body += figures.figure(
      [&] { return costPlot(lines); },
      "100 % is each model's own static net. Under slowdown: the dearest of the attacks on the cost.");
  body += "<h2>Row by row</h2>\n" + toHtml(rowsTable(models)) +
          "<p class=\"dim\">+ tried only on images that every row before left right; all others count as "
          "wrong.</p>\n";
  body += "<h2>Exit rules</h2>\n<dl>\n";
  for (size_t m = 0; m < models.size(); ++m)
    body += text("<dt>", escaped(nameOf(models, m)), "</dt><dd>",
                 escaped(describe(models[m].evaluation.rule)), "</dd>\n");
  body += "</dl>\n";
  return {htmlPage(text(models.size(), " models compared"), body), figures.missing()};
}

}  // namespace rdi::train
