// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluation_record.hpp"

#include <filesystem>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "trainer/evaluation_json.hpp"
#include "trainer/evaluation_summary.hpp"
#include "trainer/evaluation_table.hpp"
#include "trainer/number_format.hpp"
#include "trainer/rule_description.hpp"

namespace rdi::train {
namespace {

const std::string kBegin = "<!-- rdi-evaluate begin -->", kEnd = "<!-- rdi-evaluate end -->";

// Names are shown as they are, whatever Markdown makes of their characters.
std::string escapedForMarkdown(const std::string& content) {
  std::string result;
  for (const char c : onOneLine(content)) {
    if (std::string("\\`*_[]<>|").find(c) != std::string::npos) result += '\\';
    result += c;
  }
  return result;
}

std::string joined(const std::vector<double>& shares) {
  std::string result;
  for (const double share : shares) result += (result.empty() ? "" : " / ") + percent(share);
  return result;
}

std::string namesOf(const std::vector<graph::ExitCost>& costs) {
  std::string result;
  for (const graph::ExitCost& cost : costs)
    result += (result.empty() ? "" : " / ") + escapedForMarkdown(cost.exit);
  return result;
}

// Where a marker begins; npos when it is not there.
size_t find(const std::string& path, const std::string& card, const std::string& marker) {
  const size_t at = card.find(marker);
  if (at != std::string::npos && card.find(marker, at + 1) != std::string::npos)
    throw Error(text(path, ": holds ", marker, " twice; remove one of the sections"));
  return at;
}

}  // namespace

void writeResults(onnx::ModelProto& model, const Evaluation& evaluation) {
  graph::Metadata metadata;
  metadata.results = toCompactJson(evaluation);
  graph::writeMetadata(model, metadata);
}

std::string cardOf(const std::string& modelFile) {
  return std::filesystem::path(modelFile).replace_extension(".md").string();
}

std::string cardSection(const Evaluation& evaluation) {
  const EvaluationSummary summary = summarize(evaluation);
  const bool hasExits = evaluation.costs.size() > 1;
  const EvaluationRow& clean = evaluation.rows[0];
  std::string section = text(kBegin, "\n## Results on ", evaluation.imageCount, " ", evaluation.set,
                             " images of ", escapedForMarkdown(evaluation.data),
                             "\n\nWritten by `rdi-evaluate --write`. Rule: ", describe(evaluation.rule),
                             ".\n\n| | % |\n|---|---|\n");
  const auto add = [&](const std::string& name, const std::string& value) {
    section += text("| ", name, " | ", value, " |\n");
  };
  const auto accuracy = [&](double share) {
    return text("**", percent(share), "** ± ", percent(standardError(share, evaluation.imageCount)));
  };
  const auto nameOfRow = [&](size_t row) { return escapedForMarkdown(nameWithNotes(evaluation.rows[row])); };
  add("right, clean", accuracy(clean.outcome.accuracy));
  if (evaluation.rows.size() > 1) {
    std::string where;
    for (const Radius& radius : radiiOf(evaluation))
      where += (where.empty() ? " within " : ", ") + nameOf(radius);
    add(text("union: right in all of ", summary.unionRows, " rows", where), accuracy(summary.unionAccuracy));
  }
  if (summary.adaptiveWorst)
    add("worst adaptive attack: " + nameOfRow(*summary.adaptiveWorst),
        accuracy(evaluation.rows[*summary.adaptiveWorst].outcome.accuracy));
  if (summary.paperWorst)
    add(text("paper worst case, of ", summary.paperForms,
             summary.paperForms == 1 ? " form: " : " forms: ", nameOfRow(*summary.paperWorst)),
        accuracy(evaluation.rows[*summary.paperWorst].outcome.accuracy));
  if (hasExits) {
    const AverageCost cost = averageCost(evaluation.costs, clean.outcome.shares);
    add("computation saved, clean, every head paid", "**" + percent(1 - cost.paidFraction, 1) + "**");
    add("computation saved, clean, as the publication counts", percent(1 - cost.paperFraction, 1));
    add("main exit forced, clean", percent(summary.mainForced));
  }
  if (summary.slowdown) {
    const std::vector<double>& shares = evaluation.rows[*summary.slowdown].outcome.shares;
    add("computation saved under " + nameOfRow(*summary.slowdown),
        text("**", percent(1 - graph::paidFraction(evaluation.costs, shares), 1), "** (efficacy ",
             fixed(efficacy(evaluation.costs, shares), 3), ", clean ",
             fixed(efficacy(evaluation.costs, clean.outcome.shares), 3), ")"));
  }

  const std::string exits = namesOf(evaluation.costs);
  section += "\nEvery row; accuracies in %, costs in % of the static net.\n\n| images | right |";
  if (hasExits) section += text(" leaving at ", exits, " | right if forced: ", exits, " |");
  section += text(" paid cost | paper cost |\n|---|---|", hasExits ? "---|---|" : "", "---|---|\n");
  for (const size_t i : rowsByFamily(evaluation)) {
    const RuleOutcome& outcome = evaluation.rows[i].outcome;
    const AverageCost cost = averageCost(evaluation.costs, outcome.shares);
    section += text("| ", nameOfRow(i), " | ", percent(outcome.accuracy), " |");
    if (hasExits) section += text(" ", joined(outcome.shares), " | ", joined(outcome.accuracyForced), " |");
    section += text(" ", percent(cost.paidFraction), " | ", percent(cost.paperFraction), " |\n");
  }
  for (const std::string& note : notesOn(evaluation)) section += "\n" + escapedForMarkdown(note) + ".\n";
  return section + kEnd + "\n";
}

void updateCard(const std::string& path, const Evaluation& evaluation) {
  const std::string section = cardSection(evaluation);
  if (!std::filesystem::exists(path)) {
    const std::string name = std::filesystem::path(path).stem().string();
    graph::writeFileAtomically(path, text("# ", name, "\n\n", section));
    return;
  }
  std::string card = graph::readFile(path);
  const size_t begin = find(path, card, kBegin), end = find(path, card, kEnd);
  if ((begin == std::string::npos) != (end == std::string::npos) ||
      (begin != std::string::npos && end < begin))
    throw Error(text(path, ": holds ", begin == std::string::npos || end < begin ? kEnd : kBegin, " without ",
                     begin == std::string::npos || end < begin ? kBegin + " before it" : kEnd + " after it",
                     "; add it, or remove both"));
  if (begin == std::string::npos) {
    if (!card.empty() && card.back() != '\n') card += '\n';
    card += (card.empty() ? "" : "\n") + section;
  } else {
    // The section ends with a line end of its own.
    size_t after = end + kEnd.size();
    if (after < card.size() && card[after] == '\n') ++after;
    card.replace(begin, after - begin, section);
  }
  graph::writeFileAtomically(path, card);
}

}  // namespace rdi::train
