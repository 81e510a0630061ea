// The order of the steps, and what they share. See checkup.h.
#include "ports/host/recipe/checkup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "ports/host/recipe/lab.h"
#include "ports/host/recipe/subset.h"
#include "ports/host/train/specs.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kSeed = 2;  // of subsets

}  // namespace

std::string WithField(const std::string& spec, const std::string& field,
                      const std::string& value) {
  SpecText text;
  SplitSpec(spec, &text);
  for (SpecText::Option& option : text.options) {
    if (option.name != field) continue;
    option.value = value;
    option.alone = false;
    return text.Text();
  }
  text.options.push_back({field, value});
  return text.Text();
}

Checkup::Checkup(const JobOptions& job, const CheckupOptions& options)
    : given_([&] {
        JobOptions o = job;
        if (o.lr == 0.0) o.lr = DefaultRate(o);
        return o;
      }()),
      options_(options),
      began_(Clock::now()) {
  Job whole = PrepareJob(given_);
  notes_ = whole.data.train.notes;
  notes_.insert(notes_.end(), whole.notes.begin(), whole.notes.end());
  data_ = std::move(whole.data);
  steps_per_epoch_ = whole.steps_per_epoch;
  classes_ = models::IsClassifier(whole.info.graph);
  from_file_ = whole.source != nullptr;
  smooths_labels_ = whole.options.label_smoothing.has_value();
  for (const Node& node : whole.info.graph.nodes) {
    if (!node.Is<DropoutParams>()) continue;
    dropout_ = std::max(dropout_, double{node.As<DropoutParams>().rate});
  }
  if (!classes_) {
    SetBaseline(whole.plan.shapes.back(),
                *LossOf(whole.info.graph.nodes.back().kind));
  }
  const DataSpec spec = ParseDataSpec(given_.data);
  if (HasSplit(spec, "test")) {
    DataSpec test = spec;
    test.split = "test";
    test.val = 0;
    test.limit.reset();
    test.per_class.clear();
    test_ = LoadDataset(
        test, {},
        {data_.train.shape, data_.train.pictures.value_or(PictureFit{}),
         data_.train.columns});
  }
  if (!data_.val) {
    data_.val = HoldOutFifth(&data_.train, kSeed);
    held_out_ = true;
    notes_.push_back(fmt::format(
        "no validation data (val=, --val): a fifth of the training data, {} "
        "samples, is held out here",
        data_.val->size()));
  }
}

// A model that has learnt nothing but their mean has this loss.
void Checkup::SetBaseline(const Shape& outputs, const LossTraits& loss) {
  constexpr size_t kMost = 4096;  // samples
  const std::vector<float>& values = data_.train.values;
  const size_t width = data_.train.targets.Floats();
  if (values.empty() || width != outputs.Count() || loss.expected == nullptr) {
    return;
  }
  const size_t rows = std::min(kMost, values.size() / width);
  std::vector<float> centred(values.data(), values.data() + rows * width);
  for (size_t k = 0; k < width; ++k) {
    double mean = 0;
    for (size_t r = 0; r < rows; ++r) {
      mean += double{centred[r * width + k]} / static_cast<double>(rows);
    }
    for (size_t r = 0; r < rows; ++r) {
      centred[r * width + k] -= static_cast<float>(mean);
    }
  }
  baseline_ =
      loss.expected(static_cast<uint32_t>(rows), outputs, centred.data());
}

uint64_t Checkup::outside_bytes() const {
  const uint64_t all = data_.train.MemoryBytes() + data_.val->MemoryBytes() +
                       (test_ ? test_->MemoryBytes() : 0);
  const uint64_t samples =
      data_.train.size() + data_.val->size() + (test_ ? test_->size() : 0);
  // Of a trial: which samples are in it, in what order, and their labels; of the
  // search for copies: a hash and where it is.
  constexpr uint64_t kBytesOfSample = 40;
  return all + outside_bytes_ + kBytesOfSample * samples;
}

std::string Checkup::ScoreText(double score) const {
  if (classes_) return fmt::format("{:.1f} %", 100 * score);
  if (score <= 0) {
    return fmt::format("a loss no better than that of the mean ({:.3g})",
                       baseline_);
  }
  return fmt::format("loss {:.3g}", (1 - score) * baseline_);
}

void Checkup::Run() {
  using Step = void (Checkup::*)(CheckResult*);
  constexpr Step kSteps[] = {&Checkup::CheckData, &Checkup::CheckTiny,
                             &Checkup::CheckRate, &Checkup::CheckRuns,
                             &Checkup::CheckLonger};
  for (uint32_t i = 0; i < std::size(kSteps); ++i) {
    if (options_.only != 0 && options_.only != i + 1) continue;
    CheckResult result;
    result.number = i + 1;
    const Step step = kSteps[i];
    step_ = i + 1;
    training_ = 0;
    (this->*step)(&result);
    results_.push_back(result);
    if (told) told(results_.back());
    // With broken data the later steps would only repeat it; copies of samples
    // hide nothing.
    const bool trains =
        std::all_of(findings_.begin(), findings_.end(), [](const Finding& f) {
          return f.cause == recipe::Cause::kLeak ||
                 f.cause == recipe::Cause::kNearDuplicates;
        });
    if (i == 0 && !result.ok && options_.only == 0 && !trains) break;
  }
  std::stable_sort(
      findings_.begin(), findings_.end(),
      [](const Finding& a, const Finding& b) { return a.cause < b.cause; });
}

void Checkup::Find(recipe::Cause cause, uint32_t check, std::string evidence,
                   std::string action, OptionChanges changes) {
  if (Found(cause)) return;
  findings_.push_back({cause, check, std::move(evidence), std::move(action),
                       std::move(changes)});
}

bool Checkup::Found(recipe::Cause cause) const {
  return std::any_of(findings_.begin(), findings_.end(),
                     [&](const Finding& f) { return f.cause == cause; });
}

double Checkup::Left() const {
  return options_.minutes * 60 -
         std::chrono::duration<double>(Clock::now() - began_).count();
}

JobOptions Checkup::Small(JobOptions options, uint64_t train_samples,
                          uint64_t val_samples) const {
  options.arena.clear();
  options.samples = [this, train_samples, val_samples] {
    TrainingData part;
    part.train =
        TakeSamples(data_.train, Stratified(data_.train, train_samples, kSeed));
    part.val =
        TakeSamples(*data_.val, Stratified(*data_.val, val_samples, kSeed));
    return part;
  };
  return options;
}

JobOptions Checkup::Tiny(JobOptions options) const {
  constexpr uint32_t kPerClass = 8, kMost = 128;
  const std::vector<uint32_t> few =
      FewOfEachClass(data_.train, kPerClass, kMost, kSeed);
  options.arena.clear();
  options.samples = [this, few] {
    TrainingData part;
    part.train = TakeSamples(data_.train, few);
    return part;
  };
  options.batch = static_cast<uint32_t>(few.size());
  options.drop_last = false;
  // All regularization off; input scaling and batch norm stay.
  options.dropout = 0;
  // Other losses know none.
  if (smooths_labels_) options.label_smoothing = 0;
  options.mixup = 0;
  options.sampler.clear();
  options.augment.clear();
  options.average.clear();
  options.l1 = options.max_norm = 0;
  options.accumulate = 1;
  options.early_stop = 0;
  options.monitor.clear();
  options.schedule = "constant";
  SpecText text;
  SplitSpec(options.optimizer, &text);
  const Catalogue all = OptimizerCatalogue();
  const uint32_t kind = all.Find(text.name);
  if (kind < all.count && all.entry(kind).fields.Find("weight_decay")) {
    options.optimizer = WithField(options.optimizer, "weight_decay", "0");
  }
  return options;
}

JobOptions Checkup::Reference() const {
  JobOptions o = given_;
  const JobOptions defaults;
  SpecText text;
  SplitSpec(given_.optimizer, &text);
  o.optimizer = text.name;
  o.schedule = defaults.schedule;
  o.init = defaults.init;
  o.clip.clear();
  o.average.clear();
  o.l1 = o.max_norm = 0;
  o.dropout.reset();
  if (dropout_ > 0) o.dropout = 0;  // the model's own, too
  o.label_smoothing.reset();
  o.mixup = 0;
  o.augment.clear();
  o.bn = defaults.bn;
  o.early_stop = 0;
  o.monitor.clear();
  o.lr = DefaultRate(o);
  if (swept_ && sweep_.curve.verdict == recipe::LrVerdict::kFound) {
    o.lr = sweep_.curve.suggestion;
  }
  return o;
}

// The schedule of the whole job in as many steps as the trial has: times in it
// become the same share of them.
std::string Checkup::PressedSchedule(uint64_t steps) const {
  const Catalogue all = ScheduleCatalogue();
  Choice choice;
  Schedule common;
  if (!ReadSpec(given_.schedule, all, steps_per_epoch_, &choice, &common)
           .empty()) {
    return given_.schedule;
  }
  const double ratio =
      static_cast<double>(steps) /
      static_cast<double>(steps_per_epoch_ * uint64_t{given_.epochs});
  std::string spec = given_.schedule;
  const auto press = [&](FieldList fields, const void* params) {
    for (const Field& field : fields) {
      if (!field.IsTime()) continue;
      const double time = ReadField(field, params);
      if (time == 0) continue;
      spec = WithField(
          spec, field.name,
          fmt::format("{}s", std::max<uint64_t>(1, static_cast<uint64_t>(
                                                       time * ratio + 0.5))));
    }
  };
  press(all.entry(choice.kind).fields, choice.params);
  press(all.common, &common);
  return spec;
}

Trial Checkup::Try(const JobOptions& options) {
  if (running) running(step_, ++training_);
  Trial trial = RunTrial(options);
  arena_bytes_ = std::max(arena_bytes_, trial.arena_bytes);
  outside_bytes_ = std::max(outside_bytes_, trial.outside_bytes);
  if (trial.seconds > 0 && trial.samples > 0) {
    samples_per_second_ = static_cast<double>(trial.samples) / trial.seconds;
  }
  return trial;
}

double Checkup::Margin(double score, uint64_t samples) const {
  const double p = std::clamp(score, 0.05, 0.95);
  return 0.02 + 3 * std::sqrt(p * (1 - p) / static_cast<double>(samples));
}

double Checkup::Chance() const {
  if (!classes_) return 0;
  const std::vector<uint64_t> counts = data_.val->ClassCounts();
  if (counts.empty()) return 0;
  return static_cast<double>(*std::max_element(counts.begin(), counts.end())) /
         static_cast<double>(data_.val->size());
}

// Of an epoch of so many samples.
uint64_t Checkup::StepsOf(uint64_t samples) const {
  const uint64_t step = uint64_t{given_.batch} * given_.accumulate;
  return std::max<uint64_t>(1, (samples + step - 1) / step);
}

// As many samples as `trials` trainings of so many epochs have time for.
void Checkup::SizeTrials(double share, uint32_t trials, uint32_t epochs,
                         uint64_t* samples) const {
  const double seconds = std::max(2.0, share * Left());
  // Validation and evaluation of the training samples take a part.
  const double all = 0.8 * seconds * std::max(1.0, samples_per_second_);
  const uint64_t fits =
      static_cast<uint64_t>(all / (static_cast<double>(trials) * epochs));
  // Too few steps say nothing of an option, whatever the time.
  const uint64_t least =
      (kLeastSteps * given_.batch * given_.accumulate + epochs - 1) / epochs;
  *samples = std::clamp<uint64_t>(
      fits, std::min<uint64_t>(data_.train.size(), least), data_.train.size());
}

}  // namespace temper::host
