// Saving and restoring. See checkpoint.h.
#include "ports/host/train/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <optional>

#include "ports/host/base/failure.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/weights.h"
#include "simd/target.h"

namespace temper::host {
namespace {

// Names and widths of the counters, in the order of Format. One that is added
// is read with the value that it has in runs which did not count it
// (ReadField). `of`: the runs that have it.
enum class Of : uint8_t { kAll, kPhases, kMinDelta };
constexpr struct {
  const char* name;
  uint32_t width;
  Of of = Of::kAll;
} kFields[] = {
    {"epoch", 10},
    {"batch", 20},
    {"step", 20},
    {"loss_sum", 16},
    {"correct", 20},
    {"samples", 20},
    {"best_epoch", 10},
    {"best_accuracy", 16},
    {"best_loss", 16},
    {"waited", 10},
    {"clipped", 20},
    {"rate_factor", 16},
    {"rate_best", 16},
    {"rate_seen", 10},
    {"rate_bad", 10},
    {"rate_cooling", 10},
    {"phase", 10, Of::kPhases},
    {"first_epoch", 10, Of::kPhases},
    {"first_step", 20, Of::kPhases},
    {"mark", 16, Of::kMinDelta},
};
constexpr size_t kFieldCount = std::size(kFields);
bool Has(const Job& job, Of of) {
  return of == Of::kAll ||
         (of == Of::kPhases ? !job.phases.empty() : job.options.min_delta > 0);
}

// Without allocating: into fixed buffers. Only what this job has.
struct Texts {
  char text[kFieldCount][24];
  std::string_view views[kFieldCount];
  size_t count = 0;
};
void Format(const Counters& c, const Job& job, Texts* out) {
  const uint64_t values[kFieldCount] = {
      c.epoch,
      c.batch,
      c.step,
      std::bit_cast<uint64_t>(c.loss_sum),
      c.correct,
      c.samples,
      c.best_epoch,
      std::bit_cast<uint64_t>(c.best_accuracy),
      std::bit_cast<uint64_t>(c.best_loss),
      c.waited,
      c.clipped,
      std::bit_cast<uint64_t>(c.schedule.factor),
      std::bit_cast<uint64_t>(c.schedule.best),
      c.schedule.seen,
      c.schedule.bad,
      c.schedule.cooling,
      c.phase,
      c.first_epoch,
      c.first_step,
      std::bit_cast<uint64_t>(c.mark)};
  for (size_t i = 0; i < kFieldCount; ++i) {
    if (!Has(job, kFields[i].of)) continue;
    const auto end =
        kFields[i].width == 16
            ? fmt::format_to_n(out->text[i], 24, "{:016x}", values[i])
            : fmt::format_to_n(out->text[i], 24, "{}", values[i]);
    out->views[out->count++] = {out->text[i], end.size};
  }
}

// `absent`: of checkpoints that lack it.
uint64_t ReadField(const ModelDescription& file, const char* name,
                   bool hexadecimal, std::optional<uint64_t> absent = {}) {
  const auto at = file.training.find(name);
  if (at == file.training.end() && absent) return *absent;
  if (at == file.training.end() || at->second.empty()) {
    Fail(ErrorKind::kBadData, "the checkpoint lacks a counter", name, "",
         "It is a model without training state: fine-tune it instead");
  }
  uint64_t value = 0;
  const char* begin = at->second.data();
  const char* end = begin + at->second.size();
  for (const char* p = begin; p != end; ++p) {
    const int digit = *p >= '0' && *p <= '9'                  ? *p - '0'
                      : hexadecimal && *p >= 'a' && *p <= 'f' ? *p - 'a' + 10
                                                              : -1;
    uint64_t next;
    if (digit < 0 ||
        __builtin_mul_overflow(value, uint64_t{hexadecimal ? 16u : 10u},
                               &next) ||
        __builtin_add_overflow(next, static_cast<uint64_t>(digit), &value)) {
      Fail(ErrorKind::kBadData, "a counter of the checkpoint is no number",
           name, Printable(at->second), "");
    }
  }
  return value;
}

std::string Hex(uint64_t value) { return fmt::format("{:016x}", value); }

// Training and validation data.
std::string DataFingerprint(const Job& job) {
  std::string text = Hex(Fingerprint(job.data.train));
  if (job.data.val) text += Hex(Fingerprint(*job.data.val));
  return text;
}

// Targets with fused multiply-add agree on every bit; others agree with none.
std::string ArithmeticOf() {
  const simd::Target target = simd::CurrentTarget();
  return target.exact ? "exact" : target.name;
}

const std::string& TextField(const ModelDescription& file, const char* name) {
  static const std::string none;
  const auto at = file.training.find(name);
  return at == file.training.end() ? none : at->second;
}

Counters CountersOf(const ModelDescription& file) {
  Counters c;
  const auto count = [&](const char* name) {
    return static_cast<uint32_t>(
        std::min<uint64_t>(ReadField(file, name, false), UINT32_MAX));
  };
  c.epoch = count("epoch");
  c.batch = ReadField(file, "batch", false);
  c.step = ReadField(file, "step", false);
  c.loss_sum = std::bit_cast<double>(ReadField(file, "loss_sum", true));
  c.correct = ReadField(file, "correct", false);
  c.samples = ReadField(file, "samples", false);
  c.best_epoch = count("best_epoch");
  c.best_accuracy =
      std::bit_cast<double>(ReadField(file, "best_accuracy", true));
  c.best_loss = std::bit_cast<double>(ReadField(file, "best_loss", true));
  // Earlier versions counted none of these.
  const auto later = [&](const char* name) {
    return static_cast<uint32_t>(
        std::min<uint64_t>(ReadField(file, name, false, 0), UINT32_MAX));
  };
  c.waited = later("waited");
  c.mark = std::bit_cast<double>(ReadField(file, "mark", true, 0));
  c.clipped = ReadField(file, "clipped", false, 0);
  c.schedule.factor = std::bit_cast<double>(
      ReadField(file, "rate_factor", true, std::bit_cast<uint64_t>(1.0)));
  c.schedule.best =
      std::bit_cast<double>(ReadField(file, "rate_best", true, 0));
  c.schedule.seen = later("rate_seen");
  c.schedule.bad = later("rate_bad");
  c.schedule.cooling = later("rate_cooling");
  c.phase = later("phase");
  c.first_epoch = later("first_epoch");
  c.first_step = ReadField(file, "first_step", false, 0);
  return c;
}

// Of the job's program on the backend that the checkpoint was computed on:
// whoever resumes may choose another.
uint64_t ProgramHashOf(const ModelDescription& file, const Job& job,
                       const Plan& now) {
  const std::string& of = TextField(file, "backend");
  PlanOptions options = now.options;
  options.backend = of.empty() ? Backend::kHighway : Backend::kXnnpack;
  if (options.backend == now.options.backend) return now.program_hash;
  Plan plan;
  const Status status = MakePlan(job.info.graph, options, &plan);
  if (!status.ok()) FailStatus(status, job.info.graph, "plan");
  return plan.program_hash;
}

}  // namespace

std::string BackendChange(const ModelDescription& file, const Job& job) {
  const auto name = [](const std::string& of) {
    return of.empty() ? std::string("highway") : Printable(of);
  };
  const std::string& of = TextField(file, "backend");
  const std::string now = ArithmeticOfBackend(job.plan);
  if (of == now) return "";
  return fmt::format(
      "not bit for bit: the run was computed on {}, and goes on on {}",
      name(of), name(now));
}

Checkpoint::Checkpoint(const Job& job, uint32_t phase, const Trainer& trainer,
                       const FilePlace& place, bool with_state)
    : job_(job), path_(place.shown), file_(place) {
  ModelDescription info = job.info;
  info.training["arithmetic"] = std::to_string(kArithmeticVersion);
  info.training["seed"] = std::to_string(job.options.seed);
  if (with_state) {
    info.training["program_hash"] = Hex(job.Phase(phase).plan.program_hash);
    info.training["program_version"] = std::to_string(kProgramVersion);
    info.training["data"] = DataFingerprint(job);
    info.training["options"] = OptionsFingerprint(job.options);
    info.training["arithmetic_of"] = ArithmeticOf();
    if (const std::string of = ArithmeticOfBackend(job.plan); !of.empty()) {
      info.training["backend"] = of;
    }
  }
  std::vector<TensorSource> state;
  if (with_state) state = StateSources(trainer);
  std::vector<CounterField> counters;
  for (const auto& field : kFields) {
    if (Has(job, field.of)) counters.push_back({field.name, field.width});
  }
  const FileError error =
      writer_.Prepare(info, WeightSources(trainer), state, counters);
  if (!error.ok()) {
    // Names of classes or layers that a file cannot hold.
    throw Failure(ErrorKind::kBadData,
                  fmt::format("{}: {}", path_, error.message));
  }
}

void Checkpoint::Save(const Counters& counters) {
  Texts texts;
  Format(counters, job_, &texts);
  SaveOrFail(file_, [&](const ByteSink& sink) {
    const Status status = writer_.Write({texts.views, texts.count}, sink);
    if (status.code == StatusCode::kNotFinite) {
      FailStatus(status, job_.info.graph, "not saved");
    }
    if (!status.ok() && status.code != StatusCode::kIoError) {
      FailStatus(status, job_.info.graph, path_);
    }
    return status.ok();
  });
}

Counters ReadCounters(const ModelDescription& file, const Job& job) {
  const uint64_t arithmetic = ReadField(file, "arithmetic", false);
  if (arithmetic != kArithmeticVersion) {
    Fail(ErrorKind::kMismatch, "the checkpoint was computed by another version",
         "",
         fmt::format("arithmetic {}, this temper has {}", arithmetic,
                     kArithmeticVersion),
         "Finish the run with the version that began it, or fine-tune from it");
  }
  const uint64_t number = ReadField(file, "phase", false, 0);
  if (number >= job.PhaseCount()) {
    Fail(ErrorKind::kMismatch, "the checkpoint belongs to another job",
         "config.json",
         fmt::format("it is in phase {}, the job has {}", number + 1,
                     job.PhaseCount()),
         "Do not edit config.json of a run; start a new run");
  }
  const JobPhase& phase = job.Phase(static_cast<uint32_t>(number));
  // The graph is the checkpoint's own, shapes follow from it, and options are
  // compared below: they decide where the hash is made in another way.
  if (ReadField(file, "program_version", false, 1) == kProgramVersion &&
      ReadField(file, "program_hash", true) !=
          ProgramHashOf(file, job, phase.plan)) {
    Fail(ErrorKind::kMismatch, "the checkpoint belongs to another job", "",
         "graph, batch or options differ from those it was made with",
         "Do not edit config.json of a run; start a new run");
  }
  if (TextField(file, "options") != OptionsFingerprint(job.options)) {
    Fail(ErrorKind::kMismatch, "the options are not those the run began with",
         "config.json", "something that decides the result was changed",
         "Put it back, or start a new run from the model");
  }
  if (TextField(file, "arithmetic_of") != ArithmeticOf()) {
    Fail(ErrorKind::kMismatch, "the run was computed on another kind of target",
         TextField(file, "arithmetic_of"),
         fmt::format("now it is {}: the bits would differ", ArithmeticOf()),
         "Resume with the same --target");
  }
  if (TextField(file, "data") != DataFingerprint(job)) {
    Fail(ErrorKind::kMismatch, "the data are not those of the run",
         Printable(job.options.data), "samples, labels or their order differ",
         "Restore the data, name them with --data if they are elsewhere, or "
         "start a new run from the model");
  }
  const Counters c = CountersOf(file);
  const uint64_t steps_of_epoch =
      (c.batch + phase.accumulate - 1) / phase.accumulate;
  if (c.epoch > phase.epochs || c.batch > phase.batches_per_epoch ||
      c.step != c.epoch * phase.steps_per_epoch + steps_of_epoch ||
      c.first_epoch > job.options.epochs ||
      (c.phase == 0 && (c.first_epoch != 0 || c.first_step != 0)) ||
      c.clipped > steps_of_epoch || !std::isfinite(c.schedule.best) ||
      !(c.schedule.factor >= 0.0 && c.schedule.factor <= 1.0) ||
      c.samples < c.batch || c.samples > c.batch * job.options.batch ||
      c.correct > c.samples || !std::isfinite(c.loss_sum) ||
      c.best_epoch > c.Epochs() || !std::isfinite(c.best_loss) ||
      !std::isfinite(c.mark) ||
      !(c.best_accuracy >= -1.0 && c.best_accuracy <= 1.0)) {
    Fail(ErrorKind::kBadData, "the checkpoint's counters contradict each other",
         "",
         fmt::format("epoch {}, batch {}, step {}, {} samples", c.epoch,
                     c.batch, c.step, c.samples),
         "Start a new run from the model");
  }
  return c;
}

bool PhaseHasFinished(const Counters& c, const JobOptions& o) {
  const uint32_t epochs = o.phases.empty() || c.phase >= o.phases.size()
                              ? o.epochs
                              : o.phases[c.phase].epochs;
  return c.epoch >= epochs || (o.early_stop != 0 && c.waited >= o.early_stop);
}

bool HasFinished(const Counters& c, const JobOptions& o) {
  return c.phase + size_t{1} >= o.phases.size() && PhaseHasFinished(c, o);
}

std::string StoredOptions(const ModelDescription& file) {
  return TextField(file, "options");
}

std::optional<Counters> StoredCounters(const ModelDescription& file) {
  if (file.training.find("epoch") == file.training.end()) return {};
  try {
    return CountersOf(file);
  } catch (const Failure&) {
    return {};
  }
}

void RestoreState(ModelSource& file, Trainer& trainer) {
  const std::vector<StoredTensor>& stored = file.header().optimizer_state;
  const std::vector<StateView>& states = trainer.States();
  if (stored.size() != states.size()) {
    Fail(ErrorKind::kMismatch, "the checkpoint has other optimizer state",
         Printable(file.path()),
         fmt::format("{} tensors, the plan has {}", stored.size(),
                     states.size()),
         "Resume with the options that the run began with");
  }
  for (size_t i = 0; i < states.size(); ++i) {
    const std::string name = StateName(trainer.plan(), trainer, states[i]);
    if (stored[i].name != name || stored[i].count != states[i].count) {
      Fail(ErrorKind::kMismatch, "optimizer state does not fit",
           Printable(stored[i].name),
           fmt::format("expected \"{}\" with {} values", name, states[i].count),
           "Resume with the options that the run began with");
    }
  }
  const WeightPlaces weights(trainer, file.header().graph);
  file.Read([&](const StoredTensor& tensor, bool state, uint64_t first,
                std::span<const float> values) {
    if (!state) return weights.Copy(tensor, first, values);
    float* const to = states[static_cast<size_t>(&tensor - stored.data())].data;
    std::copy(values.begin(), values.end(), to + first);
  });
}

}  // namespace temper::host
