// See layer_statistics.h.
#include "runtime/recipe/layer_statistics.h"

#include <algorithm>
#include <cmath>

#include "runtime/layer.h"
#include "runtime/step_state.h"
#include "simd/loss.h"
#include "simd/prologue.h"
#include "simd/rows.h"

namespace temper::recipe {
namespace {

// Of the scratch: least and greatest value, squares of dy and dx, by channel;
// then a row of floats.
constexpr size_t kSums = 4;

uint32_t MostChannels(const Plan& plan) {
  uint32_t most = 1;
  for (const Shape& s : plan.shapes) most = std::max(most, s.c);
  return most;
}

// Squares of rows x channels values, by channel.
void AddSquares(uint64_t rows, uint32_t channels, const float* x, double* to) {
  std::fill_n(to, channels, 0.0);
  for (uint64_t r = 0; r < rows; ++r, x += channels) {
    for (uint32_t c = 0; c < channels; ++c) to[c] += double{x[c]} * x[c];
  }
}
double Rms(const double* squares, uint32_t channels, uint64_t rows) {
  double sum = 0;
  for (uint32_t c = 0; c < channels; ++c) sum += squares[c];
  return std::sqrt(sum / (static_cast<double>(rows) * channels));
}

}  // namespace

PlanOptions ProbeOptions(const PlanOptions& job, uint32_t rows) {
  PlanOptions options = job;
  options.batch = rows;
  options.cache_bytes = uint64_t{1} << 62;
  options.gradients = GradientMode::kWhole;
  options.backend = Backend::kHighway;
  options.hooks.clear();
  return options;
}

size_t ProbeScratch(const Plan& plan) {
  const size_t channels = MostChannels(plan);
  return kSums * channels + channels / 2 + 1 + simd::kTailBytes / 8;
}

void LayerProbe::MeasureGradients(Trainer& trainer, bool on) {
  if (trainer.memory_.data == nullptr) return;
  StepState& state = *StepStateOf(trainer.plan_, trainer.memory_.data);
  state.gradient_squares = 0;
  state.measuring = on ? 1 : 0;
}

double LayerProbe::GradientNorm(const Trainer& trainer) {
  if (trainer.memory_.data == nullptr) return 0;
  const double squares =
      StepStateOf(trainer.plan_, trainer.memory_.data)->gradient_squares;
  const double scale = std::fabs(trainer.hook_scale_);
  return scale > 0 ? std::sqrt(squares) / scale : std::sqrt(squares);
}

void LayerProbe::MeasureOutput(Trainer& trainer, uint32_t index, uint32_t rows,
                               std::span<double> scratch, LayerStatistics* to) {
  const Plan& plan = trainer.plan();
  const NodePlan& n = plan.nodes[index];
  const float* x = trainer.At(n.output);
  if (x == nullptr) return;
  const Shape& shape = plan.shapes[index];
  const uint64_t places = uint64_t{rows} * shape.h * shape.w;
  const uint32_t channels = shape.c;
  const size_t most = MostChannels(plan);
  double* const low = scratch.data();
  double* const high = low + most;
  double* const squares = high + most;
  float* const row = reinterpret_cast<float*>(low + kSums * most);
  simd::Prologue prologue;
  if (n.derived_by != kNoNode) {
    const NodePlan& by = plan.nodes[n.derived_by];
    prologue =
        DerivedCoefficients(trainer.At<void>(by.saved), channels, by.mode);
  }
  std::fill_n(squares, channels, 0.0);
  for (uint64_t r = 0; r < places; ++r, x += channels) {
    const float* values = x;
    if (!prologue.IsIdentity()) {
      simd::ApplyPrologue(1, channels, x, prologue, row);
      values = row;
    }
    for (uint32_t c = 0; c < channels; ++c) {
      const double v = values[c];
      squares[c] += v * v;
      low[c] = r == 0 ? v : std::min(low[c], v);
      high[c] = r == 0 ? v : std::max(high[c], v);
    }
  }
  to->measured = true;
  to->rms = Rms(squares, channels, places);
  to->units = channels;
  to->dead = 0;
  for (uint32_t c = 0; c < channels; ++c) to->dead += low[c] == high[c];
}

StepResult LayerProbe::Measure(Trainer& trainer, const Batch& batch,
                               std::span<LayerStatistics> layers,
                               std::span<double> scratch) {
  StepResult result;
  result.status = trainer.CheckBatch(batch, true);
  if (result.status.ok()) result.status = trainer.CheckWeights();
  const Plan& plan = trainer.plan();
  if (result.status.ok() && (layers.size() != plan.nodes.size() ||
                             scratch.size() < ProbeScratch(plan))) {
    result.status = Error(StatusCode::kInvalidArgument,
                          "a probe needs a place for every node, and scratch");
  }
  if (result.status.ok()) {
    result.status = trainer.CheckGradients(GradientMode::kWhole);
  }
  if (!result.status.ok()) return result;
  std::fill(layers.begin(), layers.end(), LayerStatistics{});
  const RandomKey key = batch.random.value_or(RandomKey{trainer.seed_, 0});
  const StepContext context = {.input = batch.input,
                               .labels = batch.labels,
                               .targets = batch.targets,
                               .sample_ids = batch.sample_ids
                                                 ? batch.sample_ids
                                                 : trainer.default_ids_.data(),
                               .rows = batch.rows,
                               .seed = key.seed,
                               .epoch = key.epoch,
                               .training = true,
                               .keep_statistics = true};
  result.rows = batch.rows;
  trainer.gathered_ = 0;
  const uint32_t last = static_cast<uint32_t>(plan.nodes.size()) - 1;
  const size_t most = MostChannels(plan);
  double* const dy = scratch.data();
  double* const dx = dy + most;
  for (uint32_t s = 0; s < trainer.backward_steps_; ++s) {
    const ProgramStep& step = plan.steps[s];
    const NodePlan& n = plan.nodes[step.node];
    const Shape& shape = plan.shapes[step.node];
    const uint64_t places = uint64_t{batch.rows} * shape.h * shape.w;
    LayerStatistics& to = layers[step.node];
    if (step.slab != 0) {
      result.status =
          Error(StatusCode::kInvalidArgument, "a probe's plan has no slabs");
      return result;
    }
    if (step.kind == StepKind::kLoss) {
      result.loss = simd::Sum(batch.rows, trainer.At(plan.nodes[last].saved)) /
                    static_cast<float>(batch.rows);
      if (!std::isfinite(result.loss)) {
        result.status = Error(StatusCode::kNotFinite, "the loss is not finite");
        return result;
      }
      continue;
    }
    if (!IsBackward(step.kind)) {
      trainer.CallLayer(step, context, 0, batch.rows);
      if (step.kind == StepKind::kForward) {
        MeasureOutput(trainer, step.node, batch.rows, scratch, &to);
      }
      continue;
    }
    const float* const gradient = trainer.At(n.gradient);
    const bool first = gradient != nullptr && !to.has_gradient;
    if (first) {
      AddSquares(places, shape.c, gradient, dy);
      to.has_gradient = true;
      to.gradient_rms = Rms(dy, shape.c, places);
    }
    trainer.ClearGradients(step);
    trainer.CallLayer(step, context, 0, batch.rows);
    const Node& node = plan.graph.nodes[step.node];
    if (!first || RoleOf(node.kind) != LayerRole::kActivation ||
        n.accumulate[0] || !n.mode.need_dx[0]) {
      continue;
    }
    AddSquares(places, shape.c, trainer.At(plan.nodes[node.inputs[0]].gradient),
               dx);
    to.has_slope = true;
    // Rms below a tenth: squares below a hundredth.
    for (uint32_t c = 0; c < shape.c; ++c) {
      to.saturated += dy[c] > 0 && dx[c] < 0.01 * dy[c];
    }
  }
  // What a node has absorbed is measured with it.
  for (uint32_t i = 1; i < layers.size(); ++i) {
    if (plan.nodes[i].mode.absorbed) {
      layers[i] = layers[plan.graph.nodes[i].inputs[0]];
    }
  }
  return result;
}

}  // namespace temper::recipe
