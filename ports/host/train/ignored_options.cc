// See ignored_options.h.
#include "ports/host/train/ignored_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "ports/host/train/specs.h"
#include "runtime/optimizer.h"
#include "runtime/schedule.h"

namespace temper::host {
namespace {

void Note(Job& job, std::string text) {
  if (std::find(job.notes.begin(), job.notes.end(), text) == job.notes.end()) {
    job.notes.push_back(std::move(text));
  }
}

bool ClipsByNorm(const JobOptions& o) {
  const std::vector<UpdateHook> hooks = ReadClipping(o.clip);
  return std::any_of(hooks.begin(), hooks.end(), [](const UpdateHook& hook) {
    return hook.kind == UpdateHookKind::kClipNorm;
  });
}

// Why this optimizer has no momentum to move, or null.
const char* NoMomentum(const Optimizer& optimizer) {
  const OptimizerOp& op = OpOf(optimizer.kind);
  if (op.momentum == nullptr) return "has no momentum";
  const Field& field = *op.fields.Find(op.momentum);
  return ReadField(field, optimizer.params) == 0.0 ? "runs without momentum"
                                                   : nullptr;
}

// Of the run or of a phase.
void NoteOptimizer(Job& job, const std::string& optimizer_spec,
                   const std::string& schedule_spec) {
  const Optimizer optimizer = ReadOptimizer(optimizer_spec);
  if (const char* why = UnusedParameter(optimizer)) {
    Note(job, fmt::format("--optimizer {}: {}", optimizer_spec, why));
  }
  const char* const name = OpOf(optimizer.kind).name;
  if (OpOf(optimizer.kind).scale != nullptr && ClipsByNorm(job.options)) {
    Note(job, fmt::format("--clip norm has no effect: {} divides by the norm "
                          "of all gradients itself",
                          name));
  }
  const Schedule schedule = ReadSchedule(schedule_spec, 0);
  const char* const none = NoMomentum(optimizer);
  if (OpOf(schedule.kind).momentum != nullptr && none != nullptr) {
    Note(job, fmt::format("--schedule {} moves the rate alone: {} {}",
                          OpOf(schedule.kind).name, name, none));
  } else if (OpOf(schedule.kind).momentum != nullptr) {
    const Field& field =
        *OpOf(optimizer.kind).fields.Find(OpOf(optimizer.kind).momentum);
    const double given = ReadField(field, optimizer.params);
    if (given != ReadField(field, ReadOptimizer(name).params)) {
      Note(job, fmt::format("{} {:.4g} is not used: --schedule {} moves it "
                            "(`temper list schedules`)",
                            field.name, given, OpOf(schedule.kind).name));
    }
  }
}

// Where dropout does little, or harm.
void NoteDropout(Job& job) {
  const std::vector<Node>& nodes = job.info.graph.nodes;
  std::vector<Shape> shapes;
  if (!job.info.graph.Check(&shapes).ok()) return;
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    const bool drops = RoleOf(nodes[i].kind) == LayerRole::kDropout &&
                       FieldOf(nodes[i], "rate").value_or(0.0) > 0.0;
    if (!drops) continue;
    // Nodes that its output reaches; the first batch norm among them.
    std::vector<bool> after(nodes.size(), false);
    after[i] = true;
    uint32_t norm = kNoNode;
    for (uint32_t k = i + 1; k < nodes.size(); ++k) {
      for (uint32_t n = 0; n < nodes[k].input_count; ++n) {
        if (after[nodes[k].inputs[n]]) after[k] = true;
      }
      if (after[k] && norm == kNoNode && HasBatchStatistics(nodes[k].kind)) {
        norm = k;
      }
    }
    if (norm != kNoNode) {
      Note(job, fmt::format(
                    "dropout \"{}\" stands before batch norm \"{}\", whose "
                    "statistics of training then are not those of prediction: "
                    "better after the last one",
                    Printable(nodes[i].name), Printable(nodes[norm].name)));
    } else if (shapes[i].h * shapes[i].w > 1 && shapes[i].c > 1) {
      Note(job,
           fmt::format("dropout \"{}\" drops single pixels of {}x{}, whose "
                       "neighbours say the same: it does little there",
                       Printable(nodes[i].name), shapes[i].h, shapes[i].w));
    }
  }
}

}  // namespace

void NoteIgnoredOptions(Job& job, bool resumed) {
  const JobOptions& o = job.options;
  const JobOptions defaults;
  const auto note = [&](bool ignored, const char* option, const char* why) {
    if (ignored) Note(job, fmt::format("{} has no effect: {}", option, why));
  };
  const bool from_file = o.model.ends_with(".safetensors");
  // A run's file has all fields, given or not.
  note(from_file && !resumed &&
           BriefSpec(o.init, InitializerCatalogue()) != defaults.init,
       "--init", "a model file brings its own weights");
  note(o.min_delta > 0 && o.early_stop == 0, "--min-delta",
       "it is how much --early-stop asks for");
  if (!resumed && !job.source && !o.freeze.empty()) {
    Note(job,
         "--freeze on a new model: what it names keeps its random first "
         "weights. To train a head on a trained body, use `temper finetune` "
         "with a model file");
  }
  if (o.phases.empty()) NoteOptimizer(job, o.optimizer, o.schedule);
  for (const PhaseOptions& p : o.phases) {
    NoteOptimizer(job, p.optimizer.empty() ? o.optimizer : p.optimizer,
                  p.schedule.empty() ? o.schedule : p.schedule);
  }
  if (!resumed) NoteDropout(job);
  const std::vector<Node>& nodes = job.info.graph.nodes;
  const bool has_norm = std::any_of(
      nodes.begin(), nodes.end(),
      [](const Node& node) { return HasBatchStatistics(node.kind); });
  note(!has_norm && o.bn == "frozen", "--bn", "the model has no batch norm");
  if (has_norm && !from_file && o.bn == "frozen") {
    Note(job,
         "--bn frozen on a new model: it has no statistics yet, so batch norms "
         "use mean 0 and variance 1");
  }
}

void NoteFlatSchedules(Job& job) {
  for (uint32_t k = 0; k < job.PhaseCount(); ++k) {
    const JobPhase& phase = job.Phase(k);
    const Schedule& s = phase.schedule;
    const ScheduleOp& op = OpOf(s.kind);
    // Of constant nobody expects more; plateau goes by the loss.
    if (op.fields.count == 0 || op.observe != nullptr) continue;
    bool flat = s.warmup + 1 < s.total_steps;
    for (uint64_t e = 1; flat && e <= phase.epochs; ++e) {
      const uint64_t last = e * phase.steps_per_epoch - 1;
      flat = last < s.warmup || LearningRate(s, last) == s.base_lr;
    }
    if (!flat) continue;
    Note(job, fmt::format("--schedule {}: the rate stays {} to the end, the "
                          "{} epochs are over before it would change",
                          op.name, s.base_lr, phase.epochs));
  }
}

void NoteLargeTargets(Job& job) {
  constexpr float kLarge = 10.0f;
  const Dataset& data = job.data.train;
  if (data.targets.kind != TargetKind::kValues) return;
  float most = 0;
  for (size_t i = 0; i < data.size(); ++i) {
    const float* const values = data.Values(i);
    for (uint32_t c = 0; c < data.targets.width; ++c) {
      most = std::max(most, std::fabs(values[c]));
    }
  }
  if (!(most > kLarge)) return;
  double scale = 10;
  while (scale < most) scale *= 10;
  Note(job, fmt::format("targets reach {:.4g}, and the rate is the usual one "
                        "for targets near 1: it may diverge. Scale the targets "
                        "(divide them by {:.0f}), or give a smaller --lr",
                        most, scale));
}

}  // namespace temper::host
