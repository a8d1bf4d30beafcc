// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluation_json.hpp"

#include <limits>
#include <set>
#include <sstream>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "trainer/base64.hpp"
#include "trainer/evaluation_summary.hpp"

namespace rdi::train {
namespace {

using nlohmann::json;

constexpr char kFormat[] = "rdi-evaluation";
constexpr int64_t kLargestSide = 1 << 14;  // of a picture: its byte count stays far from overflow

json numbersToJson(const std::vector<double>& values) {
  json result = json::array();
  for (const double value : values) result.push_back(graph::numberToJson(value));
  return result;
}

std::vector<double> numbersFromJson(const json& values) {
  std::vector<double> result;
  for (const json& value : values) result.push_back(graph::numberFromJson(value));
  return result;
}

// One value an image would fill a line each in a file for people: they go into one text instead.
std::string bitsToText(const std::vector<bool>& bits) {
  std::string result;
  for (const bool bit : bits) result += bit ? '1' : '0';
  return result;
}

std::string integersToText(const std::vector<int>& values) {
  std::string result;
  for (const int value : values) result += (result.empty() ? "" : " ") + std::to_string(value);
  return result;
}

std::vector<bool> bitsFromText(const std::string& content, int64_t count) {
  if (static_cast<int64_t>(content.size()) != count || content.find_first_not_of("01") != std::string::npos)
    throw Error(
        text("per_image.right: found ", content.size(), " characters, expected ", count, " of 0 and 1"));
  std::vector<bool> result;
  for (const char c : content) result.push_back(c == '1');
  return result;
}

std::vector<int> integersFromText(const std::string& content, const char* name, int64_t count,
                                  int64_t below) {
  std::vector<int> result;
  std::istringstream stream(content);
  for (int value; stream >> value;) {
    if (value < 0 || value >= below)
      throw Error(text("per_image.", name, ": found ", value, ", expected 0 to ", below - 1));
    result.push_back(value);
  }
  if (!stream.eof() || static_cast<int64_t>(result.size()) != count)
    throw Error(text("per_image.", name, ": found ", result.size(), " numbers, expected ", count));
  return result;
}

// What both forms say about a row.
json figures(const std::vector<graph::ExitCost>& costs, const EvaluationRow& row) {
  const AverageCost cost = averageCost(costs, row.outcome.shares);
  return {{"name", row.name},
          {"family", nameOf(row.family)},
          {"accuracy", graph::numberToJson(row.outcome.accuracy)},
          {"exit_shares", numbersToJson(row.outcome.shares)},
          {"accuracy_forced", numbersToJson(row.outcome.accuracyForced)},
          {"paid_fraction", graph::numberToJson(cost.paidFraction)},
          {"paper_fraction", graph::numberToJson(cost.paperFraction)}};
}

json rowToJson(const std::vector<graph::ExitCost>& costs, const EvaluationRow& row) {
  const AverageCost cost = averageCost(costs, row.outcome.shares);
  json result = figures(costs, row);
  result.update({{"settings", row.settings.is_null() ? json::object() : row.settings},
                 {"in_ball", row.inBall},
                 {"only_survivors", row.onlySurvivors},
                 {"attacked", row.attacked},
                 {"seconds", graph::numberToJson(row.seconds)},
                 {"accuracy_leaving", numbersToJson(row.outcome.accuracyLeaving)},
                 {"paid_mmac", graph::numberToJson(cost.paidMmac)},
                 {"paid_mi", graph::numberToJson(cost.paidMi)},
                 {"paper_mi", graph::numberToJson(cost.paperMi)},
                 {"efficacy", graph::numberToJson(efficacy(costs, row.outcome.shares))},
                 {"per_image",
                  {{"right", bitsToText(row.outcome.right)},
                   {"taken", integersToText(row.outcome.taken)},
                   {"answers", integersToText(row.outcome.answers)}}}});
  return result;
}

json summaryToJson(const Evaluation& evaluation) {
  const EvaluationSummary summary = summarize(evaluation);
  const auto accuracyOf = [&](size_t row) -> json {
    return {{"row", evaluation.rows[row].name},
            {"accuracy", graph::numberToJson(evaluation.rows[row].outcome.accuracy)}};
  };
  json result = {{"clean", accuracyOf(0)},
                 {"union", {{"accuracy", summary.unionAccuracy}, {"rows", summary.unionRows}}},
                 {"main_forced", {{"clean", graph::numberToJson(summary.mainForced)}}}};
  if (summary.mainForcedWorst) result["main_forced"]["worst"] = *summary.mainForcedWorst;
  if (summary.paperWorst) {
    result["paper_worst"] = accuracyOf(*summary.paperWorst);
    result["paper_worst"]["forms"] = summary.paperForms;
  }
  if (summary.adaptiveWorst) result["adaptive_worst"] = accuracyOf(*summary.adaptiveWorst);
  if (summary.slowdown) {
    const auto& costs = evaluation.costs;
    const EvaluationRow &clean = evaluation.rows[0], &slow = evaluation.rows[*summary.slowdown];
    result["slowdown"] = {
        {"row", slow.name},
        {"paid_fraction", graph::numberToJson(graph::paidFraction(costs, slow.outcome.shares))},
        {"efficacy_clean", graph::numberToJson(efficacy(costs, clean.outcome.shares))},
        {"efficacy", graph::numberToJson(efficacy(costs, slow.outcome.shares))}};
  }
  return result;
}

json header(const Evaluation& evaluation) {
  json balls = json::array();
  for (const Radius& radius : radiiOf(evaluation))
    balls.push_back({{"norm", radius.norm}, {"epsilon", radius.epsilon}});
  return {{"format", kFormat},
          {"version", kEvaluationVersion},
          {"data", evaluation.data},
          {"set", evaluation.set},
          {"image_count", evaluation.imageCount},
          {"seed", evaluation.seed},
          {"rule", graph::ruleToJson(evaluation.rule)},
          {"balls", balls},
          {"summary", summaryToJson(evaluation)}};
}

json pictureToJson(const PictureSample& picture) {
  json views = json::array();
  for (const PictureSample::View& view : picture.views)
    views.push_back(
        {{"row", view.row}, {"exit", view.exit}, {"answer", view.answer}, {"pixels", toBase64(view.pixels)}});
  return {{"image", picture.image},   {"label", picture.label}, {"channels", picture.channels},
          {"height", picture.height}, {"width", picture.width}, {"views", views}};
}

void checkShare(const char* name, double value) {
  if (!(value >= 0 && value <= 1)) throw Error(text(name, ": found ", value, ", expected 0 to 1"));
}

std::vector<double> oneAnExit(const json& row, const char* name, size_t exits) {
  const std::vector<double> values = numbersFromJson(row.at(name));
  if (values.size() != exits)
    throw Error(text(name, ": found ", values.size(), " values for ", exits, " exits"));
  return values;
}

EvaluationRow rowFromJson(const json& source, const Evaluation& evaluation) {
  const size_t exits = evaluation.costs.size();
  EvaluationRow row;
  row.name = source.at("name").get<std::string>();
  row.family = familyFromName(source.at("family").get<std::string>());
  row.settings = source.at("settings");
  if (!row.settings.is_object()) throw Error("settings: expected an object");
  row.inBall = source.at("in_ball").get<bool>();
  row.onlySurvivors = source.at("only_survivors").get<bool>();
  row.attacked = source.at("attacked").get<int64_t>();
  row.seconds = graph::numberFromJson(source.at("seconds"));
  RuleOutcome& outcome = row.outcome;
  outcome.accuracy = graph::numberFromJson(source.at("accuracy"));
  checkShare("accuracy", outcome.accuracy);
  outcome.shares = oneAnExit(source, "exit_shares", exits);
  for (const double share : outcome.shares) checkShare("exit_shares", share);
  outcome.accuracyLeaving = oneAnExit(source, "accuracy_leaving", exits);
  outcome.accuracyForced = oneAnExit(source, "accuracy_forced", exits);
  if (!source.contains("per_image"))
    throw Error(
        "per_image is missing: these are the compact results of a model's metadata; give the file that "
        "--json wrote");
  const json& images = source.at("per_image");
  const int64_t count = evaluation.imageCount;
  const int64_t classes = evaluation.classNames.empty() ? std::numeric_limits<int>::max()
                                                        : static_cast<int64_t>(evaluation.classNames.size());
  outcome.right = bitsFromText(images.at("right").get<std::string>(), count);
  outcome.taken =
      integersFromText(images.at("taken").get<std::string>(), "taken", count, static_cast<int64_t>(exits));
  outcome.answers = integersFromText(images.at("answers").get<std::string>(), "answers", count, classes);
  return row;
}

PictureSample pictureFromJson(const json& source, const Evaluation& evaluation) {
  PictureSample picture;
  picture.image = source.at("image").get<int64_t>();
  picture.label = source.at("label").get<int>();
  picture.channels = source.at("channels").get<int64_t>();
  picture.height = source.at("height").get<int64_t>();
  picture.width = source.at("width").get<int64_t>();
  for (const int64_t side : {picture.channels, picture.height, picture.width})
    if (side < 1 || side > kLargestSide)
      throw Error(text("picture: found a side of ", side, ", expected 1 to ", kLargestSide));
  const auto bytes = static_cast<size_t>(picture.channels * picture.height * picture.width);
  for (const json& entry : source.at("views")) {
    PictureSample::View view;
    view.row = entry.at("row").get<std::string>();
    view.exit = entry.at("exit").get<int>();
    view.answer = entry.at("answer").get<int>();
    view.pixels = fromBase64(entry.at("pixels").get<std::string>());
    if (view.exit < 0 || view.exit >= static_cast<int>(evaluation.costs.size()))
      throw Error(text("picture: found exit ", view.exit, " of ", evaluation.costs.size(), " exits"));
    if (view.pixels.size() != bytes)
      throw Error(text("picture: found ", view.pixels.size(), " bytes of pixels, expected ", bytes));
    picture.views.push_back(view);
  }
  if (picture.views.empty()) throw Error("picture: has no views");
  return picture;
}

Evaluation read(const json& source) {
  if (!source.is_object() || source.value("format", "") != kFormat)
    throw Error(text("is not an evaluation: \"format\": \"", kFormat,
                     "\" is missing; give a file that rdi-evaluate --json wrote (files of before this form: "
                     "evaluate again)"));
  const int version = source.at("version").get<int>();
  if (version != kEvaluationVersion)
    throw Error(text("found version ", version, " of the form, expected ", kEvaluationVersion,
                     "; use the rdi-evaluate that wrote the file, or evaluate again"));
  Evaluation evaluation;
  evaluation.model = source.at("model").get<std::string>();
  evaluation.command = source.at("command").get<std::string>();
  evaluation.data = source.at("data").get<std::string>();
  evaluation.set = source.at("set").get<std::string>();
  evaluation.classNames = source.at("class_names").get<std::vector<std::string>>();
  evaluation.imageCount = source.at("image_count").get<int64_t>();
  evaluation.seed = source.at("seed").get<uint64_t>();
  if (evaluation.imageCount < 1) throw Error(text("image_count: found ", evaluation.imageCount));
  evaluation.costs = graph::costFromJson(source.at("exits"));
  if (evaluation.costs.empty() || evaluation.costs.back().own.total() < 1)
    throw Error("exits: expected one or more, the main one last, with what they cost");
  evaluation.rule = graph::ruleFromJson(source.at("rule"));
  graph::checkRule(evaluation.rule, evaluation.costs.size());
  std::set<std::string> names;
  for (const json& entry : source.at("rows")) {
    const auto name = entry.at("name").get<std::string>();
    try {
      evaluation.rows.push_back(rowFromJson(entry, evaluation));
    } catch (const std::exception& error) {
      throw Error(text("row \"", name, "\": ", error.what()));
    }
    if (!names.insert(name).second) throw Error(text("there are two rows \"", name, "\""));
  }
  if (evaluation.rows.empty() || evaluation.rows[0].family != Family::clean)
    throw Error("rows: expected the clean images first");
  for (const json& entry : source.at("pictures"))
    evaluation.pictures.push_back(pictureFromJson(entry, evaluation));
  return evaluation;
}

}  // namespace

json toJson(const Evaluation& evaluation) {
  json result = header(evaluation);
  result["model"] = evaluation.model;
  result["command"] = evaluation.command;
  result["class_names"] = evaluation.classNames;
  result["exits"] = graph::costToJson(evaluation.costs);
  json& rows = result["rows"] = json::array();
  for (const EvaluationRow& row : evaluation.rows) rows.push_back(rowToJson(evaluation.costs, row));
  json& pictures = result["pictures"] = json::array();
  for (const PictureSample& picture : evaluation.pictures) pictures.push_back(pictureToJson(picture));
  return result;
}

json toCompactJson(const Evaluation& evaluation) {
  json result = header(evaluation);
  json& rows = result["rows"] = json::array();
  for (const EvaluationRow& row : evaluation.rows) rows.push_back(figures(evaluation.costs, row));
  return result;
}

Evaluation fromJson(const json& source) {
  try {
    return read(source);
  } catch (const nlohmann::json::exception& error) {
    throw Error(text("is not an evaluation as docs/evaluation.md describes it: ", error.what()));
  }
}

void saveEvaluation(const Evaluation& evaluation, const std::string& path) {
  // Names that are not UTF-8 are written with replacement characters, as JSON cannot hold them.
  graph::writeFileAtomically(path,
                             toJson(evaluation).dump(1, ' ', false, json::error_handler_t::replace) + "\n");
}

Evaluation loadEvaluation(const std::string& path) {
  const std::string bytes = graph::readFile(path);
  const json parsed = json::parse(bytes, nullptr, false);
  if (parsed.is_discarded())
    throw Error(text(path, ": is not JSON; give a file that rdi-evaluate --json wrote"));
  try {
    return fromJson(parsed);
  } catch (const Error& error) {
    throw Error(text(path, ": ", error.what()));
  }
}

}  // namespace rdi::train
