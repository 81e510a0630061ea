// Step 1: the data by themselves, the loss and the signal before any step.
// See checkup.h.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/data_option.h"
#include "ports/host/data/duplicates.h"
#include "ports/host/data/stats.h"
#include "ports/host/recipe/checkup.h"
#include "ports/host/recipe/lab.h"
#include "ports/host/recipe/subset.h"
#include "runtime/recipe/gradient_check.h"
#include "temper/graph_edit.h"
#include "temper/models.h"

namespace temper::host {
namespace {

using recipe::Cause;
using recipe::LayerStatistics;

constexpr uint64_t kPartSeed = 11;  // of parts of the training data

bool IsConstant(const Dataset& data, size_t i) {
  const uint8_t* const sample = data.Sample(i);
  const size_t unit = data.shape.type == ElementType::kU8 ? 1 : 4;
  return data.SampleBytes() > unit &&
         std::memcmp(sample, sample + unit, data.SampleBytes() - unit) == 0;
}

std::string Percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

// Mean and deviation of two splits, in deviations of the first: how far apart.
struct Apart {
  double mean = 0, ratio = 1;
};
Apart Compare(const SampleStats& a, const SampleStats& b) {
  Apart apart;
  for (size_t c = 0; c < a.mean.size(); ++c) {
    const double deviation = std::max(1e-12, double{a.std[c]});
    apart.mean = std::max(apart.mean,
                          std::abs(double{a.mean[c]} - b.mean[c]) / deviation);
    const double ratio = std::max(1e-12, double{b.std[c]}) / deviation;
    apart.ratio = std::max({apart.ratio, ratio, 1 / ratio});
  }
  return apart;
}

uint64_t TrainedParameters(const Plan& plan) {
  uint64_t count = 0;
  for (const NodePlan& node : plan.nodes) {
    for (uint32_t w = 0; w < node.weight_count; ++w) {
      if (Trains(node.mode, node.specs[w].role)) count += node.specs[w].Count();
    }
  }
  return count;
}

// The model with half of what a field of its spec says; "" if it has none.
std::string Halved(const std::string& model, const char* name) {
  const Catalogue all = models::ModelCatalogue();
  SpecText text;
  SplitSpec(model, &text);
  const uint32_t kind = all.Find(text.name);
  if (kind >= all.count) return "";
  const Entry entry = all.entry(kind);
  const Field* const field = entry.fields.Find(name);
  if (field == nullptr) return "";
  const std::string* const given = text.Find(name);
  const std::string value =
      given != nullptr ? *given : DefaultText(entry, *field);
  std::string half;
  for (size_t at = 0; at <= value.size();) {
    const size_t comma = std::min(value.find(',', at), value.size());
    const std::optional<double> number =
        ParseDecimal(value.substr(at, comma - at));
    if (!number) return "";
    const bool whole = *number == std::floor(*number) && *number >= 2;
    half += fmt::format("{}{}", half.empty() ? "" : ",",
                        whole ? std::floor(*number / 2) : *number / 2);
    at = comma + 1;
  }
  const std::string smaller = WithField(model, name, half);
  Choice choice;
  return ReadSpec(smaller, all, &choice).empty() ? smaller : "";
}

}  // namespace

void Checkup::CheckData(CheckResult* to) {
  const Dataset& train = data_.train;
  const auto fail = [&](Cause cause, const std::string& evidence,
                        const std::string& action,
                        const OptionChanges& changes = {}) {
    to->ok = false;
    to->evidence.push_back(evidence);
    Find(cause, 1, evidence, action, changes);
  };
  // Labels.
  const std::vector<uint64_t> counts = train.ClassCounts();
  if (classes_ && !counts.empty()) {
    const size_t there = counts.size() - static_cast<size_t>(std::count(
                                             counts.begin(), counts.end(), 0));
    const auto [least, most] =
        std::minmax_element(counts.begin(), counts.end());
    to->evidence.push_back(
        fmt::format("{} samples, {} classes of {} to {} samples", train.size(),
                    counts.size(), *least, *most));
    if (there <= 1) {
      fail(Cause::kOneClass,
           "all samples are of one class: any constant answer is right",
           "Check how the labels were read, and classes= in --data");
    } else if (counts[0] == 0 && there + 1 == counts.size()) {
      fail(Cause::kLabelRange,
           fmt::format("class 0 has no sample, all others up to {} have some: "
                       "labels seem to count from 1",
                       counts.size() - 1),
           "Subtract 1 from every label: they count from 0");
    } else if (there < counts.size()) {
      notes_.push_back(fmt::format("{} of {} classes have no sample",
                                   counts.size() - there, counts.size()));
    }
  } else {
    to->evidence.push_back(fmt::format("{} samples", train.size()));
  }
  // Inputs.
  uint64_t constant = 0;
  for (size_t i = 0; i < train.size(); ++i) constant += IsConstant(train, i);
  const double share = static_cast<double>(constant) /
                       static_cast<double>(std::max<size_t>(1, train.size()));
  if (share > 0.1) {
    fail(
        Cause::kConstantInput,
        fmt::format("{} of the samples are constant: all their values are the "
                    "same",
                    Percent(share)),
        "Look at the samples (`temper data check`): they were read wrongly, or "
        "are empty");
  }
  // Splits against each other.
  const SampleStats own = ChannelStats(train);
  to->evidence.push_back(fmt::format(
      "inputs: mean {:.3g}, deviation {:.3g} (first channel{})", own.mean[0],
      own.std[0], train.shape.type == ElementType::kU8 ? ", of 0 to 1" : ""));
  const auto compare = [&](const Dataset& other) {
    if (other.size() < 20) return;
    const SampleStats stats = ChannelStats(other);
    const Apart apart = Compare(own, stats);
    // Means of samples vary themselves: more is allowed of fewer.
    const double noise = 2 / std::sqrt(static_cast<double>(other.size()));
    if (apart.mean < 0.3 + noise && apart.ratio < 1.3 + noise) return;
    // And of values that are seldom large, as single columns of a table have
    // them: twice as far as parts of the training data are from the whole.
    Apart own_parts;
    for (uint64_t k = 0; k < 5; ++k) {
      const Apart part = Compare(
          own, ChannelStats(TakeSamples(
                   train, Stratified(train, other.size(), kPartSeed + k))));
      own_parts.mean = std::max(own_parts.mean, part.mean);
      own_parts.ratio = std::max(own_parts.ratio, part.ratio);
    }
    if (apart.mean < 0.3 + noise + 2 * own_parts.mean &&
        apart.ratio < 1.3 + noise + 2 * (own_parts.ratio - 1)) {
      return;
    }
    fail(Cause::kSplitMismatch,
         fmt::format("{} data: mean {:.3g}, deviation {:.3g}; training data "
                     "{:.3g}, {:.3g}: they were not prepared alike",
                     other.split == "val" ? "validation" : other.split,
                     stats.mean[0], stats.std[0], own.mean[0], own.std[0]),
         "Prepare all splits with the statistics of the training data");
  };
  if (!held_out_) compare(*data_.val);
  if (test_) compare(*test_);
  // What is there twice, across splits.
  std::vector<const Dataset*> sets = {&train, &*data_.val};
  if (test_) sets.push_back(&*test_);
  uint64_t exact = 0, near = 0, otherwise = 0;
  for (const Duplicate& d : FindDuplicates(sets, true)) {
    if (d.first.set == d.copy.set && d.exact) continue;
    const bool across = d.first.set != d.copy.set;
    // Labels of the test split (set 2) are not looked at.
    const Dataset& a = *sets[d.first.set];
    const Dataset& b = *sets[d.copy.set];
    otherwise += classes_ && d.exact && d.copy.set < 2 &&
                 a.ClassOf(d.first.index) != b.ClassOf(d.copy.index);
    if (held_out_ && d.first.set + d.copy.set == 1 && d.exact) continue;
    exact += d.exact;
    near += !d.exact && across;
  }
  if (otherwise > 0) {
    notes_.push_back(fmt::format(
        "{} {} twice with two labels: `temper data check` lists them",
        otherwise, otherwise == 1 ? "sample is there" : "samples are there"));
  }
  const double other = static_cast<double>((held_out_ ? 0 : data_.val->size()) +
                                           (test_ ? test_->size() : 0));
  // One or two decide over no score.
  constexpr uint64_t kFewest = 3;
  if (exact >= kFewest && static_cast<double>(exact) > 0.01 * other) {
    fail(Cause::kLeak,
         fmt::format("{} samples of validation or test are in the training "
                     "data, too: they will be remembered, not recognised",
                     exact),
         "Remove them from the training data (`temper data check` lists them)");
  } else if (near >= kFewest &&
             static_cast<double>(near) >
                 0.02 * (other + static_cast<double>(
                                     held_out_ ? data_.val->size() : 0))) {
    fail(Cause::kNearDuplicates,
         fmt::format("{} samples of one split are nearly the same as one of "
                     "another: split before you vary pictures, not after",
                     near),
         "Put all versions of a sample into the same split");
  } else if (exact + near > 0) {
    to->evidence.push_back(
        fmt::format("{} samples are in two splits, {} nearly", exact, near));
  }
  if (train.size() < 2 || Found(Cause::kOneClass)) return;
  CheckInitialLoss(to);
}

// The first loss beside its expectation, and the signal through the layers.
void Checkup::CheckInitialLoss(CheckResult* to) {
  MeasureSignal(Small(given_, std::min<uint64_t>(data_.train.size(), 256), 8));
  CompareSize(to);
  const auto fail = [&](Cause cause, const std::string& evidence,
                        const std::string& action,
                        const OptionChanges& changes = {}) {
    to->ok = false;
    to->evidence.push_back(evidence);
    Find(cause, 1, evidence, action, changes);
  };
  const bool scale = input_rms_ > 0 && (input_rms_ > 20 || input_rms_ < 0.02);
  if (scale) {
    fail(Cause::kInputScale,
         fmt::format("the model reads inputs of rms {:.3g}; about 1 is right",
                     input_rms_),
         "Use --normalize channel", {{"--normalize", "channel"}});
  }
  if (expected_loss_ > 0) {
    const bool off = first_loss_ > expected_loss_ + 0.2 || signal_not_finite_;
    const bool random = std::abs(first_loss_ - random_loss_) <
                        0.2 + 0.1 * std::abs(random_loss_);
    const std::string what = classes_ ? "equal probabilities" : "zeros";
    if (first_loss_ < expected_loss_ - 0.2) {
      to->evidence.push_back(fmt::format(
          "first loss {:.3g}, below that of {} {:.3g}: the model knows these "
          "data already",
          first_loss_, what, expected_loss_));
    } else if (!off) {
      to->evidence.push_back(fmt::format(
          "first loss {:.3g}, of {} {:.3g}: inputs and head have the right "
          "scale (wrong labels do not show here)",
          first_loss_, what, expected_loss_));
    } else {
      to->evidence.push_back(fmt::format(
          "first loss {:.4g}, expected {:.3g}{}", first_loss_, expected_loss_,
          classes_ && random
              ? fmt::format(", and random labels would give {:.4g}, too: the "
                            "scale of inputs or head is wrong, not the labels",
                            random_loss_)
              : std::string()));
    }
  }
  if (scale) return;
  const size_t before = findings_.size();
  JudgeSignal(to);
  CompareFirstWeights(to);
  // Statistics that are stored may be at fault: with the batch's own ones it
  // looks otherwise.
  const bool stored = given_.bn == "frozen" || !given_.freeze.empty();
  if (findings_.size() == before || !stored || !has_norm_) return;
  JobOptions live = given_;
  live.bn = "train";
  live.freeze.clear();
  MeasureSignal(Small(live, std::min<uint64_t>(data_.train.size(), 256), 8));
  const std::vector<Finding> kept = findings_;
  CheckResult again;
  findings_.resize(before);
  JudgeSignal(&again);
  const bool cured = findings_.size() == before;
  findings_ = kept;
  if (!cured) return;
  findings_.resize(before);
  to->evidence.pop_back();
  fail(Cause::kNormStatistics,
       kept.back().evidence +
           "; with the statistics of the batch it does not: those that are "
           "stored in the batch norms do not fit these data",
       "Use --bn train", {{"--bn", "train"}, {"--freeze", ""}});
}

// How many numbers are learnt from how many samples. No verdict: what is too many
// shows in step 5.
void Checkup::CompareSize(CheckResult* to) {
  constexpr double kMany = 30;  // for a sample
  const double samples = static_cast<double>(data_.train.size());
  const auto ratio = [&](uint64_t parameters) {
    return static_cast<double>(parameters) / samples;
  };
  const auto count_text = [](double n) {
    return n < 10 ? fmt::format("{:.2g}", n) : fmt::format("{:.0f}", n);
  };
  const double own = ratio(trained_parameters_);
  to->evidence.push_back(
      fmt::format("{} trainable parameters, {} per training sample",
                  trained_parameters_, count_text(own)));
  if (own < kMany) return;
  // Choices that learn fewer, as far as the job has them.
  std::vector<std::pair<std::string, JobOptions>> choices;
  if (from_file_ && given_.freeze.empty()) {
    JobOptions o = given_;
    o.freeze = {"body"};
    choices.emplace_back("--freeze body", std::move(o));
  }
  for (const char* const field : {"width", "hidden"}) {
    const std::string smaller = from_file_ ? "" : Halved(given_.model, field);
    if (smaller.empty()) continue;
    JobOptions o = given_;
    o.model = smaller;
    choices.emplace_back("--model '" + smaller + "'", std::move(o));
  }
  std::string text;
  for (auto& [name, options] : choices) {
    const Job job = PrepareJob(
        Small(options, std::min<uint64_t>(data_.train.size(), 256), 8));
    const uint64_t count = TrainedParameters(job.plan);
    if (count >= trained_parameters_) continue;
    text += fmt::format("{}{} has {}", text.empty() ? "" : ", ", name,
                        count_text(ratio(count)));
  }
  notes_.push_back(fmt::format(
      "{} trainable parameters per training sample: easily memorised. {}",
      count_text(own),
      text.empty() ? "Smaller models have fewer (`temper list models`)"
                   : text));
}

// Where the first weights are at fault: what the usual ones would have given.
void Checkup::CompareFirstWeights(CheckResult* to) {
  const JobOptions defaults;
  if (given_.init == defaults.init || from_file_) return;
  const auto found =
      std::find_if(findings_.begin(), findings_.end(), [](const Finding& f) {
        return f.cause == Cause::kInitSmall || f.cause == Cause::kInitLarge;
      });
  if (found == findings_.end()) return;
  const uint64_t samples = std::min<uint64_t>(data_.train.size(), 256);
  JobOptions usual = given_;
  usual.init = defaults.init;
  MeasureSignal(Small(usual, samples, 8));
  const Signal* const last = LastSignal();
  const std::string more =
      last == nullptr || !std::isfinite(last->of.rms)
          ? ""
          : fmt::format("; with {} it is {:.2g} at layer {}", defaults.init,
                        last->of.rms, last->layer);
  MeasureSignal(Small(given_, samples, 8));
  found->evidence += more;
  to->evidence.back() += more;
}

// Of what reaches the head: after activations, where there are some.
const Checkup::Signal* Checkup::LastSignal() const {
  const bool activations =
      std::any_of(signal_.begin(), signal_.end(),
                  [](const Signal& s) { return s.activation; });
  const Signal* last = nullptr;
  for (const Signal& s : signal_) {
    if (!activations || s.activation) last = &s;
  }
  return last;
}

void Checkup::MeasureSignal(const JobOptions& given) {
  JobOptions options = given;
  if (dropout_ > 0) options.dropout = 0;  // its noise is no scale
  const Job job = PrepareJob(options);
  const Graph& graph = job.info.graph;
  const uint32_t rows = static_cast<uint32_t>(std::min<size_t>(
      job.data.train.size(), std::max<uint32_t>(64, job.plan.minimum_rows)));
  JobOptions probe = options;
  probe.batch = rows;
  Job probed = PrepareJob(probe);
  const PlanOptions o = recipe::ProbeOptions(probed.plan.options, rows);
  const Status planned = MakePlan(graph, o, &probed.plan);
  if (!planned.ok()) FailStatus(planned, graph, "plan");
  probed.arena_bytes = probed.plan.arena_bytes;
  const uint64_t more = recipe::GradientCheckBytes(probed.plan);
  Lab lab(std::move(probed), more);
  arena_bytes_ = std::max(arena_bytes_, lab.arena_bytes());
  outside_bytes_ = std::max(outside_bytes_, lab.outside_bytes());
  const Plan& plan = lab.job().plan;
  lab.loader().StartEpoch(0);
  Batch batch = *lab.loader().Next();
  batch.random = RandomKey{options.seed, 0};
  std::vector<LayerStatistics> layers(graph.nodes.size());
  std::vector<double> scratch(recipe::ProbeScratch(plan));
  const StepResult r =
      recipe::LayerProbe::Measure(lab.trainer(), batch, layers, scratch);
  signal_not_finite_ = r.status.code == StatusCode::kNotFinite;
  if (!r.status.ok() && !signal_not_finite_) {
    FailStatus(r.status, graph, "step 0");
  }
  first_loss_ = double{r.loss};
  const LossTraits& traits = *LossOf(graph.nodes.back().kind);
  const bool expects =
      traits.expected != nullptr && (classes_ || batch.targets != nullptr);
  expected_loss_ =
      expects ? traits.expected(batch.rows, plan.shapes.back(), batch.targets)
              : 0;
  // Models without targets: they say their own input again.
  if (!classes_ && baseline_ <= 0) baseline_ = first_loss_;
  signal_.clear();
  has_norm_ = false;
  input_rms_ = 0;
  hidden_kernels_ = alike_kernels_ = 0;
  trained_parameters_ = TrainedParameters(plan);
  const uint32_t head = models::HeadNode(graph);
  for (uint32_t i = 0; i < graph.nodes.size(); ++i) {
    const LayerRole role = RoleOf(graph.nodes[i].kind);
    has_norm_ |= role == LayerRole::kNormalization;
    if (role == LayerRole::kPreprocessing && layers[i].measured) {
      input_rms_ = layers[i].rms;
    }
    const bool activation = role == LayerRole::kActivation;
    if ((activation || role == LayerRole::kKernel) && i != head &&
        layers[i].measured) {
      signal_.push_back({graph.nodes[i].name, layers[i], activation});
    }
  }
  if (input_rms_ == 0 && lab.job().data.train.shape.type == ElementType::kF32) {
    const SampleStats stats = ChannelStats(lab.job().data.train, 1.0f);
    const double mean = double{stats.mean[0]}, std = double{stats.std[0]};
    input_rms_ = std::sqrt(mean * mean + std * std);
  }
  for (const TensorView& view : lab.trainer().Tensors()) {
    if (view.spec->role != WeightRole::kKernel || view.node == head) continue;
    ++hidden_kernels_;
    alike_kernels_ += std::all_of(view.data, view.data + view.count,
                                  [&](float w) { return w == view.data[0]; });
  }
  if (signal_not_finite_) return;
  // Every label for every row: exactly the mean over random labels.
  const uint32_t classes = plan.shapes.back().c;
  if (classes_ && batch.labels != nullptr && classes <= 100) {
    std::vector<int32_t> labels(batch.rows);
    Batch same = batch;
    same.labels = labels.data();
    double sum = 0;
    for (uint32_t c = 0; c < classes; ++c) {
      std::fill(labels.begin(), labels.end(), static_cast<int32_t>(c));
      sum += double{lab.trainer().Forward(same).loss};
    }
    random_loss_ = sum / classes;
  } else {
    random_loss_ = first_loss_;
  }
  const recipe::GradientCheck gradient = recipe::CheckGradient(
      lab.trainer(), batch, lab.more(), static_cast<size_t>(lab.more_bytes()));
  gradient_ratio_ = gradient.status.ok() ? gradient.ratio : 0;
}

// Initialization and dead units, from the signal at step 0.
void Checkup::JudgeSignal(CheckResult* to) {
  const auto fail = [&](Cause cause, const std::string& evidence,
                        const std::string& action,
                        const OptionChanges& changes = {}) {
    to->ok = false;
    to->evidence.push_back(evidence);
    Find(cause, 1, evidence, action, changes);
  };
  if (signal_.empty()) return;
  const OptionChanges new_init = {{"--init", ""}};
  if (hidden_kernels_ > 0 && 2 * alike_kernels_ > hidden_kernels_) {
    fail(Cause::kInitZero,
         fmt::format("in {} of {} hidden layers all weights are equal: units "
                     "that start alike stay alike",
                     alike_kernels_, hidden_kernels_),
         "Leave out --init", new_init);
    return;
  }
  // A layer of dead units ends the signal by itself, whatever comes before it.
  const double input = input_rms_ > 0 ? input_rms_ : 1.0;
  const auto sound = [&](double rms) {
    return std::isfinite(rms) && rms > 0.01 * input && rms < 100 * input;
  };
  double before = input;
  for (const Signal& s : signal_) {
    if (!s.activation) continue;
    if (sound(before) && s.of.units >= 4 && 2 * s.of.dead > s.of.units) {
      fail(Cause::kDeadUnits,
           fmt::format("{} of {} units of layer {} give the same value for "
                       "every sample before the first step",
                       s.of.dead, s.of.units, s.layer),
           from_file_ ? "Begin with other weights: these units cannot learn "
                        "any more"
                      : "Use a lower rate from the start, then leaky_relu, "
                        "then elu");
      return;
    }
    before = s.of.rms;
  }
  // What reaches the next layers: after activations, where there are some.
  const bool activations =
      std::any_of(signal_.begin(), signal_.end(),
                  [](const Signal& s) { return s.activation; });
  const Signal* const last = LastSignal();
  const Signal* largest = nullptr;
  for (const Signal& s : signal_) {
    if (activations && !s.activation) continue;
    if (largest == nullptr || !(s.of.rms <= largest->of.rms)) largest = &s;
  }
  if (signal_not_finite_ || !std::isfinite(largest->of.rms) ||
      largest->of.rms > 100 * input) {
    fail(Cause::kInitLarge,
         fmt::format("the signal grows from rms {:.3g} at the input to {:.3g} "
                     "at layer {}: the first weights are too large",
                     input, largest->of.rms, largest->layer),
         "Leave out --init (He for ReLU), or add batch norm", new_init);
    return;
  }
  if (last->of.rms < 0.01 * input) {
    fail(Cause::kInitSmall,
         fmt::format("the signal is down from rms {:.3g} at the input to "
                     "{:.2g} at layer {}: nothing reaches the last layers",
                     input, last->of.rms, last->layer),
         "ReLU goes with He: leave out --init", new_init);
    return;
  }
  to->evidence.push_back(
      fmt::format("signal: rms {:.2g} at the input, {:.2g} at the last hidden "
                  "layer",
                  input, last->of.rms));
}

}  // namespace temper::host
