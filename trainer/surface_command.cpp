// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/surface_command.hpp"

#include <chrono>
#include <cstdio>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "trainer/command_line.hpp"
#include "trainer/evaluation_summary.hpp"
#include "trainer/evaluation_table.hpp"
#include "trainer/gnuplot.hpp"
#include "trainer/heat_map.hpp"
#include "trainer/loss_surface.hpp"
#include "trainer/model_fit.hpp"
#include "trainer/number_format.hpp"
#include "trainer/progress_line.hpp"

namespace rdi::train {
namespace {

constexpr int kSurfaceVersion = 1;

graph::ExitRule ruleOf(const SurfaceArguments& a, const Subject& subject) {
  const graph::ExitRule rule = pointOf(subject, a.operatingPoint);
  if (rule.thresholds.empty()) return graph::mainExitOnly(subject.exitCount());
  namingTheModel(subject.file, [&] { graph::checkRule(rule, subject.exitCount()); });
  return rule;
}

nlohmann::json toJson(const LossSurface& surface) {
  return {{"loss", surface.loss},
          {"mean", surface.mean},
          {"singles", surface.singles},
          {"wrong", surface.wrong},
          {"no_gradient", surface.noGradient},
          {"random_wins", surface.randomWins},
          {"missed_rise", surface.missedRise}};
}

std::string toTable(const std::vector<LossSurface>& surfaces) {
  std::vector<std::vector<std::string>> rows = {{"loss", "at the images", "at the gradient", "at random",
                                                 "no gradient, %", "random wins, %", "missed rise, %"}};
  for (const LossSurface& s : surfaces) {
    const size_t middle = s.side / 2;
    const auto mean = [&](size_t row, size_t column) { return fixed(s.mean[row * s.side + column], 4); };
    rows.push_back({s.loss, mean(middle, middle), mean(middle, s.side - 1), mean(s.side - 1, middle),
                    percent(s.noGradient), percent(s.randomWins), percent(s.missedRise)});
  }
  return alignedTable(rows, FirstColumn::left);
}

HeatMaps figureOf(const std::vector<LossSurface>& surfaces, double epsilon) {
  HeatMaps figure;
  figure.title = text("Loss around images, steps in units of ", inPixelSteps(epsilon));
  figure.xAxis = "along the gradient's sign";
  figure.yAxis = "along random signs";
  for (const LossSurface& surface : surfaces) {
    figure.columns = surface.singles.size() + 1;
    figure.maps.push_back({text(surface.loss, ", mean of ", surface.images), surface.side, surface.mean});
    for (size_t i = 0; i < surface.singles.size(); ++i)
      figure.maps.push_back({text("image ", i), surface.side, surface.singles[i]});
  }
  return figure;
}

}  // namespace

void declareSurface(CLI::App& app, SurfaceArguments& arguments) {
  arguments.evaluator.limit = SurfaceOptions().limit;
  declareRequest(app, arguments);
  for (const char* ofAttacks : {"--suite", "--attack", "--attack-loss", "--step-size", "--steps", "--queries",
                                "--restarts", "--norm", "--surrogate", "--random-start"})
    app.remove_option(app.get_option(ofAttacks));
  app.add_option("--operating-point", arguments.operatingPoint,
                 "The rule of this name in the file, instead of the one that it answers by");
  app.add_option("--grid", arguments.grid, "Points a side; odd")->capture_default_str();
  app.add_option("--singles", arguments.singles, "Images that are drawn for themselves, too")
      ->check(CLI::Range(0, 5))
      ->capture_default_str();
  app.add_option("-o,--output", arguments.output, "SVG file to draw (needs gnuplot)");
}

void checkSurface(SurfaceArguments& arguments) {
  checkRequest(arguments);
  if (arguments.output.empty() && arguments.json.empty())
    throw CLI::ValidationError("--output", "is missing; give --output FILE.svg, --json FILE, or both");
}

int surface(const SurfaceArguments& a) {
  Subject subject = loadSubject(a.model, a.data);
  const graph::ExitRule rule = ruleOf(a, subject);
  checkWritable(a.output);
  checkWritable(a.json);
  if (!a.output.empty()) runGnuplot("");  // says what is missing before the work
  const ImageSet images = loadImages(subject, Split::test);
  SurfaceOptions options;
  options.device = a.evaluator.device;
  options.threads = a.evaluator.threads;
  options.batchSize = a.evaluator.batchSize;
  options.limit = a.evaluator.limit;
  options.seed = a.evaluator.seed;
  options.modelName = a.model;
  const AttackOptions usual = usualAttack(subject.source.name, a.attacks).options;
  options.epsilon = usual.epsilon;
  options.temperature = usual.temperature;
  options.side = a.grid;
  options.singles = a.singles;

  catchStopSignals();
  ProgressLine line;
  const auto start = std::chrono::steady_clock::now();
  const auto found = lossSurfaces(
      subject.model, images, rule, options,
      [&](size_t done, size_t all) {
        const double seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        line.show(text(done, "/", all, " points, ",
                       clockTime(seconds / static_cast<double>(done) * static_cast<double>(all - done)),
                       " left"));
      },
      stopRequested);
  line.finish();
  if (!found) return kStoppedExitCode;

  std::printf("%s", toTable(*found).c_str());
  if (!a.json.empty()) {
    nlohmann::json json = {{"format", "rdi-surface"},
                           {"version", kSurfaceVersion},
                           {"model", a.model},
                           {"command", a.command},
                           {"data", subject.source.name},
                           {"set", "test"},
                           {"image_count", found->front().images},
                           {"seed", options.seed},
                           {"rule", graph::ruleToJson(rule)},
                           {"epsilon", options.epsilon},
                           {"side", options.side},
                           {"surfaces", nlohmann::json::array()}};
    for (const LossSurface& one : *found) json["surfaces"].push_back(toJson(one));
    graph::writeFileAtomically(a.json, json.dump() + "\n");
  }
  if (!a.output.empty()) graph::writeFileAtomically(a.output, draw(figureOf(*found, options.epsilon)) + "\n");
  return 0;
}

}  // namespace rdi::train
