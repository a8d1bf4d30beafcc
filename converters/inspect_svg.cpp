// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/inspect_svg.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "graph/error.hpp"
#include "graph/partition.hpp"

namespace rdi::convert {
namespace {

using nlohmann::json;

// ---- Layout, in pixels ----
constexpr int kMargin = 24;
constexpr int kBoxWidth = 148, kBoxHeight = 58, kGap = 26;
constexpr int kInputWidth = 92;
constexpr int kTrunkTop = 78, kBranchTop = 176, kExitTop = 274;
constexpr int kScaleTop = 382, kScaleHeight = 16;
constexpr int kLeastWidth = 560;
constexpr size_t kLongestName = 20;  // letters that fit a box

constexpr char kTrunkFill[] = "#dbe7f6", kBranchFill[] = "#f7e3cf", kExitFill[] = "#d9efd8",
               kLine[] = "#4a5568";
constexpr char kInk[] = "#1a202c", kFaint[] = "#5a6474";

struct Text {
  std::string content;
  int size = 12;
  bool bold = false;
  const char* ink = kInk;
};

std::string escaped(const std::string& words) {
  std::string result;
  for (const char c : onOneLine(words)) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else
      result += c;
  }
  return result;
}

/// Cut after so many bytes, never within a UTF-8 letter.
std::string shortened(const std::string& name) {
  if (name.size() <= kLongestName) return name;
  size_t end = kLongestName - 1;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
  return name.substr(0, end) + "\u2026";
}

std::string fixed(double value, int digits) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}

/// "7.152 MMAC", with as many digits as small networks need.
std::string mega(double macs) { return fixed(macs / 1e6, macs < 1e5 ? 4 : 3) + " MMAC"; }
std::string percent(double share) { return fixed(100 * share, 1) + " %"; }

class Drawing {
public:
  void box(int x, int y, int width, int height, const char* fill, int radius, const std::vector<Text>& lines,
           const std::string& tip = "") {
    body_ += text("  <g><title>", escaped(tip.empty() ? lines[0].content : tip), "</title><rect x=\"", x,
                  "\" y=\"", y, "\" width=\"", width, "\" height=\"", height, "\" rx=\"", radius,
                  "\" fill=\"", fill, "\" stroke=\"", kLine, "\"/>");
    int height_ = 0;
    for (const Text& line : lines) height_ += line.size + 4;
    int baseline = y + (height - height_) / 2;
    for (const Text& line : lines) {
      baseline += line.size + 3;
      put(x + width / 2, baseline - 2, "middle", line);
    }
    body_ += "</g>\n";
  }
  void arrow(int x1, int y1, int x2, int y2) {
    body_ += text("  <line x1=\"", x1, "\" y1=\"", y1, "\" x2=\"", x2, "\" y2=\"", y2, "\" stroke=\"", kLine,
                  "\" stroke-width=\"1.4\" marker-end=\"url(#tip)\"/>\n");
  }
  void bar(double x, int y, double width, int height, const char* fill) {
    body_ += text("  <rect x=\"", fixed(x, 1), "\" y=\"", y, "\" width=\"", fixed(width, 1), "\" height=\"",
                  height, "\" fill=\"", fill, "\"/>\n");
  }
  void rule(double x, int y1, int y2, const char* ink, bool dashed) {
    body_ += text("  <line x1=\"", fixed(x, 1), "\" y1=\"", y1, "\" x2=\"", fixed(x, 1), "\" y2=\"", y2,
                  "\" stroke=\"", ink, "\"", dashed ? " stroke-dasharray=\"4 3\"" : "", "/>\n");
  }
  void label(double x, int y, const char* anchor, const Text& line) {
    body_ += "  ";
    put(x, y, anchor, line);
    body_ += "\n";
  }

  std::string finish(int width, int height) const {
    return text("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", width, "\" height=\"", height,
                "\" viewBox=\"0 0 ", width, " ", height, "\" font-family=\"Helvetica, Arial, sans-serif\">\n",
                "  <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" "
                "markerHeight=\"7\" "
                "orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" fill=\"",
                kLine, "\"/></marker></defs>\n", "  <rect width=\"", width, "\" height=\"", height,
                "\" fill=\"#ffffff\"/>\n", body_, "</svg>\n");
  }

private:
  void put(double x, int y, const char* anchor, const Text& line) {
    body_ += text("<text x=\"", fixed(x, 1), "\" y=\"", y, "\" text-anchor=\"", anchor, "\" font-size=\"",
                  line.size, "\"", line.bold ? " font-weight=\"bold\"" : "", " fill=\"", line.ink, "\">",
                  escaped(line.content), "</text>");
  }

  std::string body_;
};

/// What one exit adds to those before it, from what it costs alone (own) and with them (paid).
struct Step {
  std::string exit;
  double own = 0, paid = 0;
  double trunk = 0;   // from the exit before to here; for the last exit with its classifier
  double branch = 0;  // of this exit alone; 0 for the last one
  json threshold;
};

std::vector<Step> stepsOf(const json& exits) {
  std::vector<Step> steps;
  for (const auto& exit : exits)
    steps.push_back({exit.at("name").get<std::string>(), exit.at("own_macs").get<double>(),
                     exit.at("paid_macs").get<double>(), 0, 0, exit.at("threshold")});
  double trunkBefore = 0;
  for (size_t k = 0; k < steps.size(); ++k) {
    // paid - own are the branches before an exit, so the next exit tells this one's.
    if (k + 1 < steps.size())
      steps[k].branch = (steps[k + 1].paid - steps[k + 1].own) - (steps[k].paid - steps[k].own);
    steps[k].trunk = std::max(0.0, steps[k].own - steps[k].branch - trunkBefore);
    trunkBefore += steps[k].trunk;
  }
  return steps;
}

/// Share of clean inputs that left by each exit, where rdi-evaluate recorded it.
std::vector<double> cleanShares(const json& results, size_t exits) {
  if (!results.is_object() || !results.contains("rows") || !results.at("rows").is_array()) return {};
  for (const auto& row : results.at("rows")) {
    if (!row.is_object() || row.value("name", json()) != "clean" || !row.contains("exit_shares")) continue;
    const auto& shares = row.at("exit_shares");
    if (!shares.is_array() || shares.size() != exits) return {};
    std::vector<double> values;
    for (const auto& share : shares) {
      if (!share.is_number()) return {};
      values.push_back(share.get<double>());
    }
    return values;
  }
  return {};
}

/// The stage that an early-exit file holds under this name, or null.
const json* stageNamed(const json& inspected, const std::string& name) {
  if (!inspected.contains("stages")) return nullptr;
  for (const auto& stage : inspected.at("stages"))
    if (stage.at("name") == name) return &stage;
  return nullptr;
}

/// "onednn, 1x32x26x26": what runs a stage and what it gives on.
std::string detail(const json* stage) {
  if (stage == nullptr) return "";
  std::string shapes;
  for (const auto& output : stage->at("outputs"))
    shapes += (shapes.empty() ? ", " : " + ") + output.at("shape").get<std::string>();
  return stage->at("engine").get<std::string>() + shapes;
}

std::string plain(const json& value) {
  return value.is_string()   ? value.get<std::string>()
         : value.is_number() ? fixed(value.get<double>(), 4)
                             : value.dump();
}

class Picture {
public:
  explicit Picture(const json& inspected)
      : inspected_(inspected),
        steps_(stepsOf(inspected.at("exits"))),
        shares_(cleanShares(inspected.at("results"), steps_.size())),
        staticMacs_(steps_.back().own) {}

  std::string draw() {
    const int last = left(steps_.size() - 1) + kBoxWidth;
    const int width = std::max(last + kMargin, kLeastWidth);
    drawTitle();
    drawInput();
    for (size_t k = 0; k < steps_.size(); ++k) drawStep(k);
    const int bottom = drawScale(width);
    return drawing_.finish(width, bottom + kMargin);
  }

private:
  static int left(size_t k) {
    return kMargin + kInputWidth + kGap + static_cast<int>(k) * (kBoxWidth + kGap);
  }
  double share(double macs) const { return staticMacs_ > 0 ? macs / staticMacs_ : 0; }

  void drawTitle() {
    const std::string file = inspected_.at("file").get<std::string>();
    const std::string architecture = inspected_.at("architecture").get<std::string>();
    drawing_.label(kMargin, 34, "start", {file.substr(file.find_last_of('/') + 1), 17, true, kInk});
    drawing_.label(
        kMargin, 54, "start",
        {text(inspected_.at("kind").get<std::string>(), " network",
              architecture.empty() ? "" : ", " + architecture, ", ", inspected_.at("classes").get<int64_t>(),
              " classes, static ", mega(staticMacs_), ", full pass ", mega(steps_.back().paid)),
         12, false, kFaint});
  }

  void drawInput() {
    const auto& input = inspected_.at("input");
    drawing_.box(kMargin, kTrunkTop, kInputWidth, kBoxHeight, "#ffffff", kBoxHeight / 2,
                 {{shortened(input.at("name").get<std::string>()), 12, true, kInk},
                  {text(input.at("channels").get<int64_t>(), "x", input.at("height").get<int64_t>(), "x",
                        input.at("width").get<int64_t>()),
                   11, false, kFaint}},
                 input.at("name").get<std::string>());
  }

  std::vector<Text> boxText(const std::string& name, double macs, const std::string& more) const {
    std::vector<Text> lines{{shortened(name), 12, true, kInk},
                            {mega(macs) + ", " + percent(share(macs)), 11, false, kInk}};
    if (!more.empty()) lines.push_back({more, 10, false, kFaint});
    return lines;
  }

  void drawStep(size_t k) {
    const Step& step = steps_[k];
    const bool last = k + 1 == steps_.size();
    const int x = left(k), middle = x + kBoxWidth / 2;
    const std::string branch = graph::branchName(step.exit), stage = last ? branch : graph::stageName(k);
    drawing_.arrow(x - kGap, kTrunkTop + kBoxHeight / 2, x - 2, kTrunkTop + kBoxHeight / 2);
    drawing_.box(x, kTrunkTop, kBoxWidth, kBoxHeight, kTrunkFill, 4,
                 boxText(stage, step.trunk, detail(stageNamed(inspected_, stage))), stage);
    if (last) {
      drawing_.arrow(middle, kTrunkTop + kBoxHeight, middle, kExitTop - 2);
    } else {
      drawing_.arrow(middle, kTrunkTop + kBoxHeight, middle, kBranchTop - 2);
      drawing_.box(x, kBranchTop, kBoxWidth, kBoxHeight, kBranchFill, 4,
                   boxText(branch, step.branch, detail(stageNamed(inspected_, branch))), branch);
      drawing_.arrow(middle, kBranchTop + kBoxHeight, middle, kExitTop - 2);
    }
    std::vector<Text> lines{{shortened(step.exit), 12, true, kInk}, {condition(step, last), 11, false, kInk}};
    lines.push_back({"paid " + percent(share(step.paid)), 11, false, kInk});
    if (!shares_.empty()) lines.push_back({percent(shares_[k]) + " of clean inputs", 10, false, kFaint});
    drawing_.box(x, kExitTop, kBoxWidth, kBoxHeight + 14, kExitFill, 18, lines, step.exit);
  }

  std::string condition(const Step& step, bool last) const {
    if (last) return "takes the rest";
    if (step.threshold.is_null()) return "no threshold yet";
    const std::string criterion = inspected_.contains("rule")
                                      ? inspected_.at("rule").at("criterion").get<std::string>()
                                      : "uncertainty";
    return (criterion == "max_probability" ? "1 - max" : criterion) + " < " + plain(step.threshold);
  }

  /// One bar an exit: the trunk and branch that its inputs use, and what was rejected before. Returns the
  /// lowest line.
  int drawScale(int width) {
    const int nameWidth = 118, valueWidth = 150;
    const double from = kMargin + nameWidth, room = width - 2 * kMargin - nameWidth - valueWidth;
    const double most = std::max(steps_.back().paid, staticMacs_);
    const auto length = [&](double macs) { return most > 0 ? room * macs / most : 0; };
    int y = kScaleTop;
    drawing_.label(kMargin, y, "start", {"What an input pays that leaves by each exit", 12, true, kInk});
    y += 12;
    const int top = y;
    for (const Step& step : steps_) {
      drawing_.label(kMargin, y + kScaleHeight - 4, "start", {shortened(step.exit), 11, false, kInk});
      drawing_.bar(from, y, length(step.own), kScaleHeight - 3, "#7fa8d8");
      drawing_.bar(from + length(step.own), y, length(step.paid - step.own), kScaleHeight - 3, "#e2a76f");
      drawing_.label(from + room + 10, y + kScaleHeight - 4, "start",
                     {mega(step.paid) + ", " + percent(share(step.paid)), 11, false, kInk});
      y += kScaleHeight + 3;
    }
    drawing_.rule(from + length(staticMacs_), top - 2, y, kLine, true);
    y += 12;
    drawing_.bar(from, y - 9, 10, 10, "#7fa8d8");
    drawing_.label(from + 15, y, "start", {"trunk and own branch", 10, false, kFaint});
    drawing_.bar(from + 135, y - 9, 10, 10, "#e2a76f");
    drawing_.label(from + 150, y, "start", {"branches rejected before", 10, false, kFaint});
    drawing_.label(from + 285, y, "start", {"dashed: the static network", 10, false, kFaint});
    return y;
  }

  const json& inspected_;
  std::vector<Step> steps_;
  std::vector<double> shares_;
  double staticMacs_;
  Drawing drawing_;
};

}  // namespace

std::string toSvg(const json& inspected) { return Picture(inspected).draw(); }

}  // namespace rdi::convert
