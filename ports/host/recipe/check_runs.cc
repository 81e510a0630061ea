// Steps 4 and 5: short runs beside each other, and a longer one. See checkup.h.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "ports/host/recipe/checkup.h"
#include "ports/host/train/specs.h"

namespace temper::host {
namespace {

using recipe::Cause;

constexpr uint32_t kEpochs = 3;  // of a short run, at least

// A difference that can only be seen if it is larger than this says nothing.
constexpr double kMostMargin = 0.1;

// Of the loss of the mean, that is won at least by a model that learns values.
constexpr double kLeastOfMean = 0.05;

std::string Rate(double rate) { return fmt::format("{:.2g}", rate); }
std::string Percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

// What a job's schedule is called in step 5.
std::string NameOf(const std::string& spec) {
  return spec.substr(0, spec.find('?'));
}

}  // namespace

// The option whose default makes the training better: it was at fault.
void Checkup::BlameOption(const JobOptions& given, const Trial& reference,
                          CheckResult* to) {
  const JobOptions usual = Reference();
  const JobOptions defaults;
  const uint64_t n = data_.val->size();
  const double good = reference.Score(baseline_);
  const double bad = as_given_->Score(baseline_);
  struct Suspect {
    Cause cause;
    bool other;  // than by default
    std::function<void(JobOptions*)> reset;
    std::string what, action;
    OptionChanges changes;
  };
  const std::string optimizer = usual.optimizer;
  const auto field = [](const std::string& spec, const char* name) {
    SpecText text;
    SplitSpec(spec, &text);
    const std::string* const value = text.Find(name);
    return value != nullptr ? *value : std::string();
  };
  const std::string momentum = field(given.optimizer, "momentum");
  const std::string decay = field(given.optimizer, "weight_decay");
  const auto usual_field = [&](JobOptions* o, const char* name) {
    const Catalogue all = OptimizerCatalogue();
    const Entry entry = all.entry(all.Find(optimizer));
    const Field* const known = entry.fields.Find(name);
    if (known == nullptr) return;
    o->optimizer = WithField(o->optimizer, name, DefaultText(entry, *known));
  };
  const auto usual_spec = [&](const char* name) {
    JobOptions o = given;
    usual_field(&o, name);
    return o.optimizer;
  };
  const bool higher = given.lr > usual.lr;
  const std::vector<Suspect> suspects = {
      {Cause::kInitSmall,
       given.init != defaults.init,
       [&](JobOptions* o) { o->init = defaults.init; },
       fmt::format("--init {}", given.init),
       "Leave out --init",
       {{"--init", ""}}},
      {Cause::kNormStatistics,
       given.bn != defaults.bn,
       [&](JobOptions* o) { o->bn = defaults.bn; },
       "--bn frozen",
       "Use --bn train",
       {{"--bn", ""}}},
      {higher ? Cause::kRateHigh : Cause::kRateLow,
       // Few steps favour high rates: a third of one is no fault, nor is the
       // optimizer's own.
       given.lr > 3 * usual.lr ||
           (given.lr < usual.lr / 10 && given.lr < DefaultRate(given_)),
       [&](JobOptions* o) { o->lr = usual.lr; },
       fmt::format("--lr {}", Rate(given.lr)),
       fmt::format("Use --lr {}", Rate(usual.lr)),
       {{"--lr", Rate(usual.lr)}}},
      {Cause::kScheduleEarly,
       given.schedule != defaults.schedule,
       [&](JobOptions* o) { o->schedule = "constant"; },
       fmt::format("--schedule {}", given.schedule),
       "Lower the rate later: --schedule cosine",
       {{"--schedule", "cosine"}}},
      {Cause::kMomentumHigh,
       !momentum.empty(),
       [&](JobOptions* o) { usual_field(o, "momentum"); },
       fmt::format("momentum {}", momentum),
       "Use the usual momentum",
       {{"--optimizer", usual_spec("momentum")}}},
      {Cause::kDecayHigh,
       !decay.empty(),
       [&](JobOptions* o) { usual_field(o, "weight_decay"); },
       fmt::format("weight decay {}", decay),
       "Use less weight decay",
       {{"--optimizer", usual_spec("weight_decay")}}},
      {Cause::kDropoutHigh,
       dropout_ > 0,
       [&](JobOptions* o) { o->dropout = 0; },
       fmt::format("dropout {:.2g}", dropout_),
       "Use 0.2 to 0.5, or none",
       {{"--dropout", "0.2"}}},
  };
  const Suspect* worst = nullptr;
  double best = bad;
  for (const Suspect& suspect : suspects) {
    if (!suspect.other) continue;
    JobOptions o = given;
    suspect.reset(&o);
    const double score = Try(o).Score(baseline_);
    if (score > best) best = score, worst = &suspect;
    if (score > good - Margin(good, n)) break;
  }
  if (worst == nullptr || best - bad < Margin(bad, n) / 2) {
    to->evidence.push_back(
        "no single option explains it: defaults for all of them do better");
    to->ok = true;
    return;
  }
  Find(worst->cause, 4,
       fmt::format("{} after {} epochs; without {} {}", ScoreText(bad),
                   run_epochs_, worst->what, ScoreText(best)),
       worst->action, worst->changes);
}

// Values are not learnt, as given and with default options.
void Checkup::BlameTargets(const JobOptions& usual, double best) {
  const std::string failed =
      fmt::format("{} after {} epochs, as given and at rate {}",
                  ScoreText(best), run_epochs_, Rate(usual.lr));
  for (const double factor : {0.1, 0.01, 1e-3, 1e-4}) {
    JobOptions o = usual;
    o.lr = usual.lr * factor;
    const double score = Try(o).Score(baseline_);
    if (score < 4 * kLeastOfMean) continue;
    Find(Cause::kRateHigh, 4,
         fmt::format("{}; at {} {}", failed, Rate(o.lr), ScoreText(score)),
         fmt::format("Use --lr {}", Rate(o.lr)), {{"--lr", Rate(o.lr)}});
    return;
  }
  Find(Cause::kLabels, 4,
       failed +
           ", nor at lower ones: the targets cannot be told from the "
           "samples",
       "Look whether the targets belong to the samples, and at their scale");
}

// Defaults do not help: data or model.
void Checkup::BlameModel(const Trial& reference) {
  if (!classes_) return;
  JobOptions simple = Plain();
  simple.epochs = run_epochs_;
  uint64_t samples;
  SizeTrials(0.3, 1, run_epochs_, &samples);
  const uint64_t n = std::min<uint64_t>(data_.val->size(), 2000);
  const double other =
      Try(Small(simple, std::min<uint64_t>(samples, 10000), n)).Score(0);
  const double own = reference.Score(baseline_);
  const double chance = Chance();
  if (other < chance + Margin(chance, n)) {
    const std::string memory =
        memorised_ ? "a tiny sample is memorised, but on " : "on ";
    Find(Cause::kLabels, 4,
         fmt::format("{}new samples {} are right after {} epochs, {} with a "
                     "plain mlp: no better than chance ({})",
                     memory, Percent(own), run_epochs_, Percent(other),
                     Percent(chance)),
         "The labels do not belong to the samples: look at some of them");
    return;
  }
  constexpr uint32_t kDeep = 10;
  const bool deep = hidden_kernels_ >= kDeep && !has_norm_;
  Find(deep ? Cause::kDepth : Cause::kCapacity, 4,
       fmt::format("{} after {} epochs, a plain mlp {}", Percent(own),
                   run_epochs_, Percent(other)),
       deep ? "Add batch norm, or take fewer layers" : "Use another model");
}

JobOptions Checkup::Short(JobOptions options) const {
  options.epochs = run_epochs_;
  return Small(std::move(options), run_samples_, ValidationFor(run_samples_));
}

JobOptions Checkup::ShortAsGiven() const {
  // As given, but that its schedule is pressed into these epochs.
  JobOptions given = Short(given_);
  given.schedule = PressedSchedule(run_epochs_ * StepsOf(run_samples_));
  return given;
}

void Checkup::RunShort() {
  if (reference_) return;
  SweepReference();
  SizeTrials(0.5, 6, kEpochs, &run_samples_);
  // Of few samples three epochs are few steps, which say nothing.
  const uint64_t steps = StepsOf(run_samples_);
  run_epochs_ = static_cast<uint32_t>(
      std::max<uint64_t>(kEpochs, (kLeastSteps + steps - 1) / steps));
  reference_ = Try(Short(Reference()));
  as_given_ = Try(ShortAsGiven());
}

bool Checkup::GivenTrainsBetter() {
  RunShort();
  const double found = reference_->Score(baseline_);
  const double given = as_given_->Score(baseline_);
  return given > found + Margin(found, ValidationFor(run_samples_));
}

void Checkup::CheckRuns(CheckResult* to) {
  RunShort();
  const uint64_t samples = run_samples_;
  const uint64_t n = ValidationFor(samples);
  to->evidence.push_back(
      fmt::format("an epoch here is {} of {} training samples, stratified",
                  samples, data_.train.size()));
  const JobOptions usual = Short(Reference());
  const JobOptions given = ShortAsGiven();
  const double bad = as_given_->Score(baseline_);
  double good = reference_->Score(baseline_);
  to->evidence.push_back(
      fmt::format("as given {}, with default options at rate {} {}{}",
                  ScoreText(bad), Rate(usual.lr), ScoreText(good),
                  as_given_->diverged ? " (it explodes as given)" : ""));
  const double chance = Chance();
  const double most = std::max(bad, good);
  // Of few validation samples nobody can tell little from nothing.
  const bool tells = Margin(chance, n) < kMostMargin;
  if (!classes_ && most < kLeastOfMean) {
    to->ok = false;
    if (findings_.empty()) BlameTargets(usual, most);
    return;
  }
  if (classes_ && most < chance + Margin(chance, n) && !tells) {
    to->open = true;
    to->evidence.push_back(
        fmt::format("{} validation samples are too few to tell {} from chance",
                    n, Percent(most)));
  } else if (classes_ && most < chance + Margin(chance, n)) {
    to->ok = false;
    BlameModel(*reference_);
    return;
  }
  if (good - bad > Margin(bad, n) + 0.02) {
    to->ok = false;
    if (findings_.empty()) BlameOption(given, *reference_, to);
  }
  // Rates around the one that was found, then schedules at the best of them.
  // The job's own unless the other is clearly better.
  best_rate_ = good > bad + Margin(bad, n) / 2 ? usual.lr : given_.lr;
  double best = best_rate_ == usual.lr ? good : bad;
  for (const double factor : {1.0 / 3, 3.0}) {
    if (Left() < 0) break;
    JobOptions o = usual;
    o.lr = usual.lr * factor;
    const double score = Try(o).Score(baseline_);
    // Little better is chance, above all of few validation samples.
    if (score <= best + Margin(best, n) / 2) continue;
    best = score, best_rate_ = o.lr;
  }
  std::string schedule = "cosine";
  for (const char* const other : {"constant", "step?step_size=2"}) {
    if (Left() < 0) break;
    JobOptions o = usual;
    o.lr = best_rate_;
    o.schedule = other;
    const double score = Try(o).Score(baseline_);
    if (score <= best + Margin(best, n) / 2) continue;
    best = score, schedule = other;
  }
  best_.clear();
  if (best_rate_ != given_.lr) best_ = {{"--lr", Rate(best_rate_)}};
  // From scratch the first weights are a second axis: one that suits every
  // activation beside what each activation wants.
  if (!from_file_ && Left() > 0) {
    JobOptions o = usual;
    o.lr = best_rate_;
    o.schedule = schedule;
    o.init = "orthogonal";
    const double score = Try(o).Score(baseline_);
    const double before = best;
    if (score > best + Margin(best, n) / 2) {
      best = score;
      best_init_ = o.init;
      best_.emplace_back("--init", best_init_);
    }
    to->evidence.push_back(fmt::format("first weights {}: {}, {}: {}",
                                       usual.init, ScoreText(before), o.init,
                                       ScoreText(score)));
  }
  to->evidence.push_back(fmt::format(
      "best: rate {}, schedule {}{}: {}{}", Rate(best_rate_), schedule,
      best_init_.empty() ? "" : ", --init " + best_init_, ScoreText(best),
      good > best ? ". What is better by less than chance explains is not "
                    "taken for better"
                  : ""));
}

void Checkup::CheckLonger(CheckResult* to) {
  if (Left() < 0) {
    to->open = true;
    to->evidence.push_back(
        "there is no time left for it: more --minutes, or --only 5");
    return;
  }
  SweepReference();
  constexpr uint32_t kFlat = 10;
  uint64_t samples;
  SizeTrials(0.9, 3, kFlat, &samples);
  const uint64_t n = ValidationFor(samples);
  const bool whole = samples >= data_.train.size();
  // A small data set can be gone through more often: it shows what it memorises.
  uint32_t epochs = kFlat;
  if (whole) {
    const double fits = 0.25 * Left() * std::max(1.0, samples_per_second_) /
                        static_cast<double>(data_.train.size());
    // As often as the job would, or 40 times.
    const double most = std::max(40.0, static_cast<double>(given_.epochs));
    epochs = static_cast<uint32_t>(std::clamp(fits, 10.0, most));
  }
  JobOptions flat = given_;
  flat.epochs = epochs;
  flat.schedule = "constant";
  if (best_rate_ > 0) {
    flat.lr = best_rate_;
  } else if (sweep_.curve.suggestion > 0) {
    flat.lr = sweep_.curve.suggestion;
  }
  if (!best_init_.empty()) flat.init = best_init_;
  JobOptions small = Small(flat, samples, n);
  Trial trial = Try(small);
  if (trial.diverged && flat.lr != given_.lr) {
    // It was not the user who chose this rate.
    to->evidence.push_back(
        fmt::format("at a flat rate of {} it explodes", Rate(flat.lr)));
    small.lr = flat.lr = std::min(given_.lr, flat.lr / 3);
    trial = Try(small);
  }
  if (trial.diverged || trial.epochs.empty()) {
    to->ok = false;
    to->evidence.push_back(fmt::format(
        "at a flat rate of {} it explodes: lower it", Rate(flat.lr)));
    if (!findings_.empty()) return;
    Find(Cause::kRateHigh, 5, to->evidence.back(),
         fmt::format("Use --lr {}", Rate(flat.lr / 3)),
         {{"--lr", Rate(flat.lr / 3)}});
    return;
  }
  const TrialEpoch& last = trial.epochs.back();
  size_t lowest = 0;
  for (size_t i = 0; i < trial.epochs.size(); ++i) {
    if (trial.epochs[i].val_loss < trial.epochs[lowest].val_loss) lowest = i;
  }
  to->evidence.push_back(
      classes_
          ? fmt::format("{} epochs at a flat rate of {}: training {}, "
                        "validation {} (both in evaluation mode)",
                        epochs, Rate(flat.lr), Percent(trial.train_accuracy),
                        Percent(last.val_accuracy))
          : fmt::format("{} epochs at a flat rate of {}: loss {:.4g}, "
                        "validation {:.4g}",
                        epochs, Rate(flat.lr), trial.train_loss,
                        last.val_loss));
  // Memorised: judged only where all training data were seen, for of a part of
  // them every model memorises more. Both sides in evaluation mode.
  const double gap = classes_ ? trial.train_accuracy - last.val_accuracy : 0;
  constexpr double kWideGap = 0.25;  // says it without all being learnt
  const bool rises = last.val_loss > 1.1 * trial.epochs[lowest].val_loss &&
                     lowest + 3 <= trial.epochs.size();
  const bool by_heart =
      classes_ ? gap > 0.08 && gap > Margin(last.val_accuracy, n) / 1.5 &&
                     ((trial.train_accuracy > 0.97 &&
                       (rises || last.val_loss > 3 * trial.train_loss)) ||
                      (trial.train_accuracy > 0.85 && gap > kWideGap))
               : rises && last.val_loss > 3 * trial.train_loss;
  if (whole && by_heart) {
    to->ok = false;
    struct Remedy {
      bool used;
      const char *option, *value;
    };
    const Remedy remedies[] = {
        {given_.early_stop != 0, "--early-stop", "5"},
        {!given_.augment.empty(), "--augment", "hflip,crop=2"},
        {given_.optimizer.find("weight_decay") != std::string::npos, "--wd",
         "0.005"},
        {given_.dropout.has_value(), "--dropout", "0.3"}};
    const Remedy* next = nullptr;
    for (const Remedy& r : remedies) {
      if (!r.used && next == nullptr) next = &r;
    }
    const std::string sides =
        classes_ ? fmt::format("training {}, validation {}",
                               Percent(trial.train_accuracy),
                               Percent(last.val_accuracy))
                 : fmt::format("training loss {:.3g}, validation {:.3g}",
                               trial.train_loss, last.val_loss);
    Find(Cause::kOverfitting, 5,
         fmt::format("{} after {} epochs; the "
                     "validation loss was lowest after epoch {} ({:.3g}, now "
                     "{:.3g}): the model has begun to memorise",
                     sides, epochs, lowest + 1, trial.epochs[lowest].val_loss,
                     last.val_loss),
         next != nullptr ? fmt::format("Use {} {}", next->option, next->value)
                         : "Use a smaller model, --freeze body, or more data",
         next != nullptr ? OptionChanges{{next->option, next->value}}
                         : OptionChanges{});
    return;
  }
  // The same with the rate going down at the end. The job's own schedule stays
  // unless another is clearly better.
  const std::string own = NameOf(given_.schedule);
  struct Tried {
    std::string name, spec;
    double score;
  };
  std::vector<Tried> all = {{"constant", "constant", trial.Score(baseline_)}};
  for (const char* const other : {"cosine", "step"}) {
    if (Left() < 0) {
      to->open = true;
      to->evidence.push_back("there was no time for other schedules");
      break;
    }
    JobOptions o = small;
    o.schedule = std::string(other) == "step"
                     ? fmt::format("step?step_size={}", (epochs * 2 + 2) / 3)
                     : other;
    all.push_back({other, o.schedule, Try(o).Score(baseline_)});
    to->evidence.push_back(
        fmt::format("with {}: {}", other, ScoreText(all.back().score)));
  }
  double best = 0;
  for (const Tried& t : all) best = std::max(best, t.score);
  const auto kept = std::find_if(all.begin(), all.end(),
                                 [&](const Tried& t) { return t.name == own; });
  const Tried* chosen = nullptr;  // the job's own
  double score = kept != all.end() ? kept->score : -1;
  for (const Tried& t : all) {
    if (score < 0 || t.score <= score + Margin(score, n) / 2) continue;
    chosen = &t;
    score = t.score;
  }
  best_.clear();
  if (flat.lr != given_.lr) best_ = {{"--lr", Rate(flat.lr)}};
  if (!best_init_.empty()) best_.emplace_back("--init", best_init_);
  if (chosen != nullptr) best_.emplace_back("--schedule", chosen->spec);
  // What was seen of it was seen after so many.
  if (chosen != nullptr && whole && epochs != given_.epochs) {
    best_.emplace_back("--epochs", fmt::format("{}", epochs));
  }
  BlameCapacity(trial, small, best, to);
}

// Both low, and no longer falling: the model is too weak, if a plain one does
// better with the same samples and epochs.
void Checkup::BlameCapacity(const Trial& flat, const JobOptions& options,
                            double best, CheckResult* to) {
  const std::vector<TrialEpoch>& e = flat.epochs;
  if (!classes_ || e.size() < 6 || !findings_.empty() || from_file_) return;
  if (flat.train_accuracy - e.back().val_accuracy > 0.03) return;
  const size_t third = e.size() - 1 - e.size() / 3;
  const double slope = (e[third].loss - e.back().loss) / e[third].loss /
                       static_cast<double>(e.size() - 1 - third);
  if (slope > 0.01) return;  // it needs more time, not more units
  JobOptions plain = Plain();
  plain.epochs = options.epochs;
  plain.samples = options.samples;
  const double other = Try(plain).Score(0);
  const double margin = Margin(best, ValidationFor(data_.train.size()));
  if (other - best < margin) return;
  if (dropout_ > 0 || !given_.augment.empty()) {
    // In so few epochs regularization costs more than it gains; the plain mlp
    // has none.
    JobOptions bare = Reference();
    bare.epochs = options.epochs;
    bare.samples = options.samples;
    if (other - Try(bare).Score(0) < margin) return;
  }
  to->ok = false;
  Find(Cause::kCapacity, 5,
       fmt::format("training {}, validation {}: both low and flat; a plain mlp "
                   "of 128 units reaches {}, this model {} at best",
                   Percent(flat.train_accuracy), Percent(e.back().val_accuracy),
                   Percent(other), Percent(best)),
       "Use a larger model");
}

// A model that hardly ever fails, for comparison.
JobOptions Checkup::Plain() const {
  JobOptions o = Reference();
  o.model = "mlp?hidden=128";
  o.finetune = false;
  o.freeze.clear();
  o.normalize = "channel";
  o.optimizer = "adam";
  o.lr = DefaultRate(o);
  return o;
}

// As many validation samples as say something, for a part of the time.
uint64_t Checkup::ValidationFor(uint64_t train_samples) const {
  return std::min<uint64_t>(data_.val->size(),
                            std::max<uint64_t>(2000, train_samples / 4));
}

}  // namespace temper::host
