// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/html_report.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

#include "graph/error.hpp"
#include "trainer/base64.hpp"
#include "trainer/comparison.hpp"
#include "trainer/evaluation_summary.hpp"
#include "trainer/evaluation_table.hpp"
#include "trainer/html.hpp"
#include "trainer/number_format.hpp"
#include "trainer/plot.hpp"
#include "trainer/png.hpp"
#include "trainer/rule_description.hpp"

namespace rdi::train {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
// In this order, so that each has its colour in every report.
constexpr std::array<Family, 6> kFamilies = {Family::clean,    Family::paper,    Family::simple,
                                             Family::adaptive, Family::blackBox, Family::slowdown};

/// One report while it is made.
class Report {
public:
  Report(const Evaluation& evaluation, const ReportOptions& options)
      : e_(evaluation),
        options_(options),
        summary_(summarize(evaluation)),
        order_(rowsByFamily(evaluation)) {}

  HtmlReport make();

private:
  bool hasExits() const { return e_.costs.size() > 1; }
  bool isAttacked() const { return e_.rows.size() > 1; }
  const EvaluationRow& clean() const { return e_.rows[0]; }
  double paid(const EvaluationRow& row) const { return graph::paidFraction(e_.costs, row.outcome.shares); }
  std::string where() const;
  std::string withError(double share) const {
    return text("± ", percent(standardError(share, e_.imageCount), 1), " points, one standard error");
  }

  std::string headlines() const;
  std::string exitTable() const;
  std::string sharesPlot() const;
  std::string costPlot() const;
  std::string attacksPlot() const;
  std::string slowdownPlot() const;
  std::string pictures() const;
  std::string mainTable() const;
  std::string exitsTable() const;
  std::string settingsTable() const;
  std::string explanations() const;

  const Evaluation& e_;
  const ReportOptions& options_;
  EvaluationSummary summary_;
  std::vector<size_t> order_;
  HtmlFigures figures_;
};

std::string paragraph(const std::string& content) { return "<p>" + escaped(content) + "</p>\n"; }
std::string heading(const std::string& content) { return "<h2>" + escaped(content) + "</h2>\n"; }

// " within linf 8/255"
std::string Report::where() const {
  std::string list;
  for (const Radius& radius : radiiOf(e_)) list += (list.empty() ? " within " : ", ") + nameOf(radius);
  return list;
}

std::string Report::headlines() const {
  std::vector<Headline> found;
  const double saving = 1 - paid(clean());
  found.push_back(
      {"Right, clean", percent(clean().outcome.accuracy, 1) + " %",
       escaped(text("of ", e_.imageCount, " images as they are; ", withError(clean().outcome.accuracy)))});
  if (isAttacked())
    found.push_back(
        {"Right whatever is tried (union)", percent(summary_.unionAccuracy, 1) + " %",
         escaped(text("of the images are right in every one of ", summary_.unionRows, " rows", where(),
                      ": the number to compare models by; ", withError(summary_.unionAccuracy)))});
  if (summary_.adaptiveWorst) {
    const EvaluationRow& row = e_.rows[*summary_.adaptiveWorst];
    found.push_back({"Worst adaptive attack", percent(row.outcome.accuracy, 1) + " %",
                     escaped(text("right under ", nameWithNotes(row), ", ",
                                  hasExits() ? "by an attacker who knows the exit rule"
                                             : "stronger than the publication's"))});
  }
  if (summary_.paperWorst) {
    const EvaluationRow& row = e_.rows[*summary_.paperWorst];
    found.push_back({"Paper worst case", percent(row.outcome.accuracy, 1) + " %",
                     escaped(text("right under ", row.name, ", the least of ", summary_.paperForms,
                                  summary_.paperForms == 1 ? " form" : " forms", " of PGD",
                                  hasExits() ? " that do not know the rule" : "",
                                  "; for comparison with the publication"))});
  }
  if (hasExits())
    found.push_back({"Computation saved, clean", percent(saving, 1) + " %",
                     escaped(text("against the static net, every head that ran being paid; ",
                                  percent(1 - graph::paperFraction(e_.costs, clean().outcome.shares), 1),
                                  " % as the publication counts, rejected heads free"))});
  if (summary_.slowdown) {
    const EvaluationRow& row = e_.rows[*summary_.slowdown];
    found.push_back({"Saved under slowdown", percent(1 - paid(row), 1) + " %",
                     escaped(text("when ", row.name,
                                  " drives up the cost; below zero it costs more than the static net. "
                                  "Efficacy ",
                                  fixed(efficacy(e_.costs, row.outcome.shares), 3), ", clean ",
                                  fixed(efficacy(e_.costs, clean().outcome.shares), 3)))});
  }
  return htmlHeadlines(found);
}

std::string Report::exitTable() const {
  HtmlTable table;
  table.groups = {{"", 2}, {"cost of leaving here", 4}, {"clean images", 3}};
  table.columns = {"exit",     "leaves below", "paid MMAC",         "paid, %",           "own MMAC",
                   "paper Mi", "leaving, %",   "right of those, %", "right if forced, %"};
  const auto full = static_cast<double>(e_.costs.back().own.total());
  for (size_t k = 0; k < e_.costs.size(); ++k) {
    const graph::ExitCost& cost = e_.costs[k];
    const RuleOutcome& outcome = clean().outcome;
    table.rows.push_back({cost.exit,
                          k < e_.rule.thresholds.size() ? text(e_.rule.thresholds[k]) : "takes the rest",
                          fixed(static_cast<double>(cost.paid.total()) / 1e6, 3),
                          percent(static_cast<double>(cost.paid.total()) / full, 1),
                          fixed(static_cast<double>(cost.own.total()) / 1e6, 3), fixed(cost.paperMi(), 3),
                          percent(outcome.shares[k], 1), percent(outcome.accuracyLeaving[k], 1),
                          percent(outcome.accuracyForced[k], 1)});
  }
  return toHtml(table);
}

std::string Report::sharesPlot() const {
  BarPlot plot;
  plot.title = "Share of the images leaving at each exit, %";
  plot.valueAxis = "images, %";
  plot.layout = BarPlot::Layout::stacked;
  plot.ordered = true;
  plot.range = {0, 100};
  for (const graph::ExitCost& cost : e_.costs) plot.series.push_back({cost.exit, {}});
  for (const size_t i : order_) {
    plot.labels.push_back(nameWithNotes(e_.rows[i]));
    for (size_t k = 0; k < e_.costs.size(); ++k)
      plot.series[k].values.push_back(100 * e_.rows[i].outcome.shares[k]);
  }
  return draw(plot);
}

std::string Report::costPlot() const {
  LinePlot plot;
  plot.title = "Accuracy against cost";
  plot.xAxis = "paid cost, % of the static net";
  plot.yAxis = "right, %";
  const auto isNamed = [&](size_t row) {
    return row == 0 || row == summary_.paperWorst || row == summary_.adaptiveWorst ||
           row == summary_.slowdown;
  };
  for (const Family family : kFamilies) {
    LinePlot::Series series;
    series.name = nameOf(family);
    series.line = false;
    for (size_t i = 0; i < e_.rows.size(); ++i) {
      const EvaluationRow& row = e_.rows[i];
      if (row.family != family || row.onlySurvivors) continue;
      series.x.push_back(100 * paid(row));
      series.y.push_back(100 * row.outcome.accuracy);
      series.labels.push_back(isNamed(i) ? row.name : "");
    }
    if (series.x.empty()) series.name.clear();  // not in the key
    plot.series.push_back(series);
  }
  const auto add = [&](const std::string& name, double cost, double accuracy, const std::string& label) {
    if (plot.series.back().name != name) plot.series.push_back({name, {}, {}, false, true, {}});
    LinePlot::Series& series = plot.series.back();
    series.x.push_back(100 * cost);
    series.y.push_back(100 * accuracy);
    series.labels.push_back(label);
  };
  if (hasExits()) {
    add("main exit forced", 1, summary_.mainForced, "main forced, clean");
    if (summary_.mainForcedWorst) add("main exit forced", 1, *summary_.mainForcedWorst, "main forced, worst");
  }
  if (options_.baseline) {
    const Evaluation& other = *options_.baseline;
    const double cost = cleanCost(other).paidMmac / (static_cast<double>(e_.costs.back().own.total()) / 1e6);
    add("baseline", cost, other.rows[0].outcome.accuracy, "baseline, clean");
    if (other.rows.size() > 1) add("baseline", cost, other.unionAccuracy(), "baseline, union");
  }
  if (isAttacked())
    plot.yMarks.push_back({100 * summary_.unionAccuracy, text("union ", percent(summary_.unionAccuracy, 1))});
  plot.xMarks.push_back({100, "static net"});
  return draw(plot);
}

std::string Report::attacksPlot() const {
  BarPlot plot;
  plot.title = "Right under each attack, %";
  plot.valueAxis = "right, %";
  plot.layout = BarPlot::Layout::single;
  plot.range = {0, 100};
  for (const Family family : kFamilies) {
    const bool isThere = std::any_of(e_.rows.begin(), e_.rows.end(),
                                     [&](const EvaluationRow& row) { return row.family == family; });
    plot.series.push_back({isThere ? nameOf(family) : "", {}});
    for (const size_t i : order_)
      plot.series.back().values.push_back(e_.rows[i].family == family ? 100 * e_.rows[i].outcome.accuracy
                                                                      : kNan);
  }
  for (const size_t i : order_) plot.labels.push_back(nameWithNotes(e_.rows[i]));
  if (isAttacked())
    plot.marks.push_back({100 * summary_.unionAccuracy, text("union ", percent(summary_.unionAccuracy, 1))});
  return draw(plot);
}

std::string Report::slowdownPlot() const {
  LinePlot plot;
  plot.title = "How early images leave";
  plot.xAxis = "share of the full pass's paid cost, %";
  plot.yAxis = "images that have left, %";
  plot.x = {0, 101};
  plot.y = {0, 101};
  const auto full = static_cast<double>(e_.costs.back().paid.total());
  for (const EvaluationRow& row : e_.rows) {
    if (row.family != Family::clean && row.family != Family::slowdown) continue;
    LinePlot::Series series;
    series.name = text(row.name, ", efficacy ", fixed(efficacy(e_.costs, row.outcome.shares), 3));
    series.x = {0};
    series.y = {0};
    double left = 0;
    for (size_t k = 0; k < e_.costs.size(); ++k) {
      left += row.outcome.shares[k];
      series.x.push_back(100 * static_cast<double>(e_.costs[k].paid.total()) / full);
      series.y.push_back(100 * left);
    }
    plot.series.push_back(series);
  }
  return draw(plot);
}

std::string Report::pictures() const {
  const auto className = [&](int index) {
    return static_cast<size_t>(index) < e_.classNames.size() ? e_.classNames[static_cast<size_t>(index)]
                                                             : text("class ", index);
  };
  const std::vector<size_t> shown = rowsToLookAt(e_);
  std::string html =
      text("<div class=\"pictures\" style=\"grid-template-columns:repeat(", shown.size() + 1, ",auto)\">\n");
  html += "<b>right answer</b>";
  for (const size_t row : shown) html += text("<b>", escaped(e_.rows[row].name), "</b>");
  html += "\n";
  for (const PictureSample& picture : e_.pictures) {
    if (picture.channels != 1 && picture.channels != 3)
      return paragraph("Only grey and colour pictures are shown.");
    html += text("<div class=\"picture\"><b>", escaped(className(picture.label)),
                 "</b><br><span class=\"dim\">image ", picture.image, "</span></div>");
    for (const size_t row : shown) {
      const auto view =
          std::find_if(picture.views.begin(), picture.views.end(),
                       [&](const PictureSample::View& v) { return v.row == e_.rows[row].name; });
      if (view == picture.views.end()) {
        html += "<div class=\"picture dim\">not tried</div>";
        continue;
      }
      const bool isRight = view->answer == picture.label;
      const std::string exit = hasExits() ? e_.costs[static_cast<size_t>(view->exit)].exit + ": " : "";
      const std::string alt = text("image ", picture.image, ", ", view->row, ": ", className(view->answer));
      html += text("<div class=\"picture ", isRight ? "right" : "wrong", "\"><img alt=\"", escaped(alt),
                   "\" src=\"data:image/png;base64,",
                   toBase64(toPng(view->pixels, picture.channels, picture.height, picture.width)), "\">",
                   escaped(exit + className(view->answer)), isRight ? "" : " <b class=\"bad\">wrong</b>",
                   "</div>");
    }
    html += "\n";
  }
  return html + "</div>\n";
}

std::string Report::mainTable() const {
  HtmlTable table;
  table.groups = {{"", 2}};
  table.columns = {"images", "right, %"};
  if (hasExits()) {
    table.groups.push_back({"leaving by, %", e_.costs.size()});
    for (const graph::ExitCost& cost : e_.costs) table.columns.push_back(cost.exit);
  }
  table.groups.push_back({"paid cost", 3});
  table.groups.push_back({"as in the paper", 2});
  for (const char* name : {"%", "MMAC", "Mi", "%", "Mi"}) table.columns.push_back(name);
  if (hasExits()) {
    table.groups.push_back({"", 1});
    table.columns.push_back("efficacy");
  }
  table.groups.push_back({"", 2});
  for (const char* name : {"tried on", "seconds"}) table.columns.push_back(name);
  Family family = Family::clean;
  for (const size_t i : order_) {
    const EvaluationRow& row = e_.rows[i];
    if (row.family != family) table.rows.push_back({explain(row.family)});
    family = row.family;
    const AverageCost cost = averageCost(e_.costs, row.outcome.shares);
    std::vector<std::string> cells = {nameWithNotes(row), percent(row.outcome.accuracy)};
    if (hasExits())
      for (const double share : row.outcome.shares) cells.push_back(percent(share, 1));
    for (const std::string& cell :
         {percent(cost.paidFraction, 1), fixed(cost.paidMmac, 2), fixed(cost.paidMi, 2),
          percent(cost.paperFraction, 1), fixed(cost.paperMi, 2)})
      cells.push_back(cell);
    if (hasExits()) cells.push_back(fixed(efficacy(e_.costs, row.outcome.shares), 3));
    cells.push_back(text(row.attacked));
    cells.push_back(fixed(row.seconds, 1));
    table.rows.push_back(cells);
  }
  return toHtml(table);
}

std::string Report::exitsTable() const {
  HtmlTable table;
  table.groups = {{"", 1},
                  {"right if everybody left there, %", e_.costs.size()},
                  {"right of those leaving there, %", e_.costs.size()}};
  table.columns = {"images"};
  for (int group = 0; group < 2; ++group)
    for (const graph::ExitCost& cost : e_.costs) table.columns.push_back(cost.exit);
  for (const size_t i : order_) {
    std::vector<std::string> cells = {nameWithNotes(e_.rows[i])};
    for (const auto* shares : {&e_.rows[i].outcome.accuracyForced, &e_.rows[i].outcome.accuracyLeaving})
      for (const double share : *shares) cells.push_back(percent(share, 1));
    table.rows.push_back(cells);
  }
  return toHtml(table);
}

std::string Report::settingsTable() const {
  HtmlTable table;
  table.columns = {"attack"};
  std::vector<std::string> keys;
  for (const EvaluationRow& row : e_.rows)
    if (row.settings.is_object())
      for (const auto& [key, value] : row.settings.items())
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  for (const std::string& key : keys) {
    table.columns.push_back(key);
    std::replace(table.columns.back().begin(), table.columns.back().end(), '_', ' ');
  }
  for (const size_t i : order_) {
    const nlohmann::json& settings = e_.rows[i].settings;
    if (!settings.is_object() || settings.empty()) continue;
    std::vector<std::string> cells = {nameWithNotes(e_.rows[i])};
    for (const std::string& key : keys) {
      const auto value = settings.find(key);
      const bool isLength = key == "epsilon" || key == "step_size";
      cells.push_back(value == settings.end()          ? ""
                      : isLength && value->is_number() ? inPixelSteps(value->get<double>())
                      : value->is_string()             ? value->get<std::string>()
                      : value->is_number_float()       ? text(value->get<double>())
                                                       : value->dump());
    }
    table.rows.push_back(cells);
  }
  return toHtml(table);
}

std::string Report::explanations() const {
  std::string html = "<dl>\n";
  const auto add = [&](const std::string& term, const std::string& meaning) {
    html += text("<dt>", escaped(term), "</dt><dd>", escaped(meaning), "</dd>\n");
  };
  add("right", "the class answered by the exit that the image takes under the rule is the right one.");
  if (isAttacked()) {
    add("union",
        "an image counts as right only when it is right in every row that stays in the ball, the clean one "
        "too. An attacker chooses the best attack for each image; so no single row tells what is left.");
    add("paper worst case",
        "the least accurate row of PGD against each single exit, their average and max-average. "
        "These attacks do not know which exit an image is about to take.");
    if (hasExits()) add("adaptive", "the attacker knows the net, the thresholds and the whole exit rule.");
  }
  add("paid cost",
      "multiply-accumulates of everything that ran on the way to the exit taken, rejected heads too; "
      "100 % is the static net, the trunk and the main exit alone.");
  add("paper cost", "convolutions only, rejected heads free, as in the publication.");
  if (hasExits()) {
    add("right if forced",
        "accuracy when every image is sent to that exit; for the main exit: what the static net "
        "would answer.");
    add("efficacy",
        "area under the share of images that have left, over the share of the full pass's paid cost: 1 = "
        "all leave at once for nothing; an attack that pushes it to 0 leaves no saving.");
  }
  return html + "</dl>\n";
}

HtmlReport Report::make() {
  const std::string name = std::filesystem::path(e_.model).filename().string();
  std::string body =
      text("<h1>", escaped(name), ": accuracy, exits and cost</h1>\n",
           paragraph(text(e_.imageCount, " ", e_.set, " images of ", e_.data, "; ", describe(e_.rule),
                          isAttacked() ? text("; ", e_.rows.size() - 1, " attacks", where()) : "", ".")),
           headlines());
  const auto plot = [&](const std::function<std::string()>& draw, const std::string& caption) {
    body += figures_.figure(draw, caption);
  };
  if (hasExits()) {
    body += heading("Where images leave") + exitTable();
    plot([&] { return sharesPlot(); }, "The clean images on top, then each attack.");
  }
  if (isAttacked()) {
    body += heading("Accuracy under attack");
    plot([&] { return attacksPlot(); },
         "The dashed line is the union: what is left when every image meets the attack that breaks it.");
  }
  if (hasExits() || options_.baseline) {
    body += heading("Accuracy against cost");
    plot([&] { return costPlot(); },
         text("Each point is a row of the table, but for those marked +: their cost is that of few images.",
              hasExits() ? " \"Main exit forced\" is this net without early exits: it costs 100 %; its worst "
                           "is the least of "
                           "all attacks in the ball, none of which needs to have aimed at it."
                         : "",
              options_.baseline
                  ? text(" The baseline is ", options_.baseline->model, ", its cost in % of this static net.")
                  : ""));
  }
  if (summary_.slowdown) {
    body += heading("Under slowdown attacks");
    plot([&] { return slowdownPlot(); },
         "The area under a curve is its efficacy: the earlier images leave, the larger.");
  }
  if (!e_.pictures.empty())
    body +=
        heading("Pictures") +
        paragraph(
            hasExits()
                ? "Each with the exit that it took and the answer there; wrong answers have a dashed frame."
                : "Each with the answer; wrong answers have a dashed frame.") +
        pictures();
  body += heading("All rows") + mainTable();
  for (const std::string& note : notesOn(e_)) body += paragraph(note);
  if (hasExits()) body += heading("Exit by exit") + exitsTable();
  if (isAttacked()) body += heading("Settings of the attacks") + settingsTable();
  body += heading("What the words mean") + explanations();
  body += heading("How to get these numbers again") +
          (e_.command.empty() ? "" : "<pre>" + escaped(e_.command) + "</pre>\n") +
          paragraph(text("Random numbers start from seed ", e_.seed,
                         "; on the same CPU the results are the same."));
  return {htmlPage(name + ": accuracy, exits and cost", body), figures_.missing()};
}

}  // namespace

HtmlReport htmlReport(const Evaluation& evaluation, const ReportOptions& options) {
  if (options.baseline) {
    const std::string why = whyNotComparable(evaluation, *options.baseline);
    if (!why.empty())
      throw Error(text("the baseline ", options.baseline->model, " is not comparable: ", why,
                       "; evaluate it in the same way"));
  }
  return Report(evaluation, options).make();
}

}  // namespace rdi::train
