// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/loss_surface.hpp"

#include <algorithm>
#include <cmath>

#include "graph/error.hpp"
#include "trainer/device.hpp"
#include "trainer/device_images.hpp"
#include "trainer/evaluation_module.hpp"
#include "trainer/exit_loss.hpp"
#include "trainer/torch_compat.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;
using Kind = AttackForm::Kind;

constexpr double kRise = 2, kLeastRise = 0.1;  // of missedRise

void check(const SurfaceOptions& options) {
  if (options.side < 3 || options.side % 2 == 0)
    throw Error(text("--grid: found ", options.side, ", expected an odd number from 3"));
  if (!(options.epsilon > 0))
    throw Error(text("--epsilon: found ", options.epsilon, ", expected more than 0"));
  if (options.limit < 0) throw Error(text("--limit: found ", options.limit, ", expected 1 or more images"));
  if (options.batchSize < 1)
    throw Error(text("--batch-size: found ", options.batchSize, ", expected 1 or more"));
}

// -1 .. 1
double placeOf(size_t index, size_t side) {
  return 2 * static_cast<double>(index) / static_cast<double>(side - 1) - 1;
}

class Surveyor {
public:
  Surveyor(GraphModule& module, const Goal& goal, double epsilon)
      : module_(module), goal_(goal), epsilon_(epsilon) {}

  // The sign of the loss's gradient at the images.
  Tensor direction(const Batch& batch) const {
    const Tensor images = batch.images.detach().clone().requires_grad_(true);
    const Tensor loss = goal_.loss(module_.forward(images), aimAt(batch)).sum();
    return torch::autograd::grad({loss}, {images})[0].sign();
  }

  // Losses, and 1 where the answer is wrong: 2 x N, float64 on the CPU.
  Tensor look(const Batch& batch, const Tensor& along, const Tensor& across, double a, double b) const {
    const torch::NoGradGuard guard;
    const Tensor moved = torch::clamp(batch.images + epsilon_ * (a * along + b * across), 0, 1);
    const auto scores = module_.forward(moved);
    const Aim aim = aimAt(batch);
    return torch::stack(
               {goal_.loss(scores, aim).to(torch::kFloat64), goal_.reached(scores, aim).to(torch::kFloat64)})
        .to(torch::kCPU);
  }

private:
  static Aim aimAt(const Batch& batch) {
    Aim aim;
    aim.labels = batch.labels;
    return aim;
  }

  GraphModule& module_;
  const Goal& goal_;
  double epsilon_;
};

// Of each image: whether a place within the radius - where the two steps together are no longer than one -
// has a loss that its gradient did not tell of.
Tensor missesARise(const Tensor& losses, size_t side) {
  const auto middle = static_cast<int64_t>(side / 2), last = static_cast<int64_t>(side) - 1;
  const Tensor grid = losses.view({last + 1, last + 1, -1});  // b, a, image
  const Tensor start = grid[middle][middle], told = torch::clamp_min(grid[middle][last] - start, 0);
  const Tensor places = torch::abs(torch::linspace(-1, 1, last + 1));
  const Tensor within = (places.view({-1, 1}) + places.view({1, -1})) <= 1 + 1e-6;
  const Tensor most = grid.masked_fill(within.logical_not().unsqueeze(-1), -1).flatten(0, 1).amax(0) - start;
  return torch::logical_and(most > kRise * told, most > told + kLeastRise);
}

std::vector<double> toDoubles(const Tensor& values) {
  const Tensor plain = values.contiguous();
  return {plain.data_ptr<double>(), plain.data_ptr<double>() + plain.numel()};
}

double countOf(const Tensor& flags) { return flags.to(torch::kFloat64).sum().item<double>(); }

}  // namespace

std::optional<std::vector<LossSurface>> lossSurfaces(const onnx::ModelProto& model, const ImageSet& set,
                                                     const graph::ExitRule& rule,
                                                     const SurfaceOptions& options,
                                                     const std::function<void(size_t, size_t)>& told,
                                                     const std::function<bool()>& stop) {
  check(options);
  const torch::Device device = useDevice(options.device, options.threads);
  const auto module = evaluationModule(model, options.modelName, device);
  const FrozenParameters frozen(*module);
  const DeviceImages images(set, device);
  const int64_t count = options.limit > 0 ? std::min(options.limit, images.count()) : images.count();
  AttackOptions attack;
  attack.temperature = options.temperature;
  torch::Generator unused = makeGenerator(device, options.seed);

  std::vector<AttackForm> forms = {{Kind::routed, 0}, {Kind::softRouted, 0}};
  if (module->exitCount() == 1) forms = {{Kind::single, 0}};
  const size_t side = options.side, places = side * side;
  const auto batches = static_cast<size_t>((count + options.batchSize - 1) / options.batchSize);
  size_t done = 0;
  std::vector<LossSurface> surfaces;
  for (const AttackForm& form : forms) {
    const Goal goal = goalOf(form, attack, rule, module->exitCount(), unused);
    const Surveyor surveyor(*module, goal, options.epsilon);
    LossSurface surface;
    surface.loss = form.kind == Kind::single ? "single" : form.name(module->exitCount());
    surface.side = side;
    surface.images = count;
    Tensor sums = torch::zeros({2, static_cast<int64_t>(places)}, torch::kFloat64);
    for (int64_t first = 0; first < count; first += options.batchSize) {
      const Batch batch = images.range(first, std::min(options.batchSize, count - first));
      torch::Generator generator = makeGenerator(device, options.seed + static_cast<uint64_t>(first));
      const Tensor across = 2 * RowGenerator(generator).bernoulli(batch.images, 0.5) - 1;
      const Tensor along = surveyor.direction(batch);
      std::vector<Tensor> found;
      for (size_t b = 0; b < side; ++b)
        for (size_t a = 0; a < side; ++a) {
          found.push_back(surveyor.look(batch, along, across, placeOf(a, side), placeOf(b, side)));
          ++done;
          if (told) told(done, places * batches * forms.size());
          if (stop && stop()) return {};
        }
      const Tensor all = torch::stack(found, 1);  // 2 x places x N
      sums += all.sum(2);
      const Tensor losses = all[0];
      const auto middle = static_cast<int64_t>(side / 2), width = static_cast<int64_t>(side);
      const Tensor atGradient = losses[middle * width + width - 1],
                   atRandom = losses[(width - 1) * width + middle];
      surface.randomWins += countOf(atRandom > atGradient);
      surface.noGradient += countOf(along.flatten(1).abs().amax(1) == 0);
      surface.missedRise += countOf(missesARise(losses, side));
      for (int64_t i = 0; i < losses.size(1) && surface.singles.size() < options.singles; ++i)
        surface.singles.push_back(toDoubles(losses.select(1, i)));
    }
    const auto all = static_cast<double>(count);
    surface.mean = toDoubles(sums[0] / all);
    surface.wrong = toDoubles(sums[1] / all);
    surface.randomWins /= all;
    surface.noGradient /= all;
    surface.missedRise /= all;
    surfaces.push_back(std::move(surface));
  }
  return surfaces;
}

}  // namespace rdi::train
