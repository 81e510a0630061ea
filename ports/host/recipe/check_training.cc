// Steps 2 and 3: a tiny sample by heart, and the learning rate. See checkup.h.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "ports/host/recipe/checkup.h"
#include "ports/host/recipe/lab.h"
#include "ports/host/train/specs.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

using recipe::Cause;
using recipe::LrVerdict;

constexpr uint32_t kMostSteps = 300;  // on a tiny sample
constexpr double kEnough = 0.02;      // of a first squared error

std::string Rate(double rate) { return fmt::format("{:.2g}", rate); }

bool WasCut(const Memorised& m) {
  return !m.done && !m.diverged && m.steps < kMostSteps;
}
// Cut for want of time, with so much of the loss gone that it goes on falling.
bool IsOnTheWay(const Memorised& m, double left) {
  return WasCut(m) && m.loss < left * m.first_loss;
}
constexpr double kFalls = 0.75;  // no failure
constexpr double kWorks = 0.5;   // of what is tried in its place

// The value of a field of a spec as it will be used; none if it has no such one.
std::optional<double> FieldIn(const std::string& spec,
                              const Catalogue& catalogue,
                              std::string_view name) {
  Choice choice;
  Schedule common;
  if (!ReadSpec(spec, catalogue, 0, &choice, &common).empty()) return {};
  const Field* const field = catalogue.entry(choice.kind).fields.Find(name);
  if (field == nullptr) return {};
  return ReadField(*field, choice.params);
}

}  // namespace

void Checkup::CheckTiny(CheckResult* to) {
  const JobOptions own = Tiny(given_);
  const double seconds = 0.1 * options_.minutes * 60;
  const Memorised first = Memorise(own, kMostSteps, kEnough, seconds);
  const std::string sample = fmt::format("{} samples", own.batch);
  const auto passed = [&](const Memorised& m) {
    return classes_ ? fmt::format(
                          "{} learnt to 100 % in {} steps with regularization "
                          "off ({:.0f} % in evaluation mode)",
                          sample, m.steps, 100 * m.evaluated_accuracy)
                    : fmt::format(
                          "{} learnt to a loss of {:.3g} in {} steps "
                          "with regularization off",
                          sample, m.loss, m.steps);
  };
  if (first.done) {
    memorised_ = true;
    to->evidence.push_back(passed(first) +
                           ": rate, initialization, activation and optimizer "
                           "work. Labels are not proven by this");
    return;
  }
  // Much of the loss is gone, or more are right than guesses would be.
  const double chance = Chance();
  const bool learns = classes_ && WasCut(first) &&
                      first.loss < first.first_loss &&
                      first.accuracy > chance + Margin(chance, own.batch);
  if (IsOnTheWay(first, kFalls) || learns) {
    to->open = true;
    to->evidence.push_back(fmt::format(
        "{}: the loss fell from {:.3g} to {:.3g} in the {} steps that there "
        "was time for{}: they are on the way",
        sample, first.first_loss, first.loss, first.steps,
        classes_ ? fmt::format(", {:.0f} % are right", 100 * first.accuracy)
                 : std::string()));
    return;
  }
  const std::string failed =
      first.diverged
          ? fmt::format("{}: the training explodes at step {}", sample,
                        first.steps + 1)
          : fmt::format(
                "{} are not learnt in {} steps: {}", sample, first.steps,
                classes_
                    ? fmt::format("{:.0f} % are right", 100 * first.accuracy)
                    : fmt::format("the loss is {:.3g}, of {:.3g}", first.loss,
                                  first.first_loss));
  to->evidence.push_back(failed);
  to->ok = false;
  // One thing after the other is put right, until it works.
  const JobOptions defaults;
  const std::optional<double> momentum =
      FieldIn(given_.optimizer, OptimizerCatalogue(), "momentum");
  const std::optional<double> usual_momentum =
      FieldIn(given_.optimizer.substr(0, given_.optimizer.find('?')),
              OptimizerCatalogue(), "momentum");
  const auto works = [&](const JobOptions& o) {
    const Memorised m = Memorise(o, kMostSteps, kEnough, seconds);
    memorised_ = m.done;
    return m.done || IsOnTheWay(m, kWorks);
  };
  if (given_.init != defaults.init) {
    JobOptions o = own;
    o.init = defaults.init;
    if (works(o)) {
      Find(signal_not_finite_ ? Cause::kInitLarge : Cause::kInitSmall, 2,
           failed +
               fmt::format("; without --init {} they are learnt", given_.init),
           "Leave out --init", {{"--init", ""}});
      return;
    }
  }
  if (given_.bn != defaults.bn) {
    JobOptions o = own;
    o.bn = defaults.bn;
    if (works(o)) {
      Find(Cause::kNormStatistics, 2,
           failed + "; with --bn train they are learnt", "Use --bn train",
           {{"--bn", "train"}});
      return;
    }
  }
  if (momentum && usual_momentum && *momentum > *usual_momentum) {
    JobOptions o = own;
    o.optimizer = WithField(own.optimizer, "momentum",
                            fmt::format("{}", *usual_momentum));
    if (works(o)) {
      Find(Cause::kMomentumHigh, 2,
           failed +
               fmt::format("; with momentum {} instead of {} they are learnt",
                           *usual_momentum, *momentum),
           "Use the usual momentum",
           {{"--optimizer", WithField(given_.optimizer, "momentum",
                                      fmt::format("{}", *usual_momentum))}});
      return;
    }
  }
  // Where the loss has hardly moved, higher ones first; else lower ones: a rate
  // that is too large also kills units. 0 stands for the usual rate.
  const double usual = DefaultRate(Reference());
  const bool still =
      !first.diverged && std::abs(first.loss - first.first_loss) <
                             0.05 * std::abs(first.first_loss);
  std::vector<double> factors =
      still ? std::vector<double>{0, 10, 100, 0.1, 0.01}
            : std::vector<double>{0.1, 0.01, 0, 10, 100};
  // Values are learnt unscaled: large ones want a rate of their own.
  if (!classes_) factors.insert(factors.end(), {1e-3, 1e-4, 1e-5});
  for (const double factor : factors) {
    JobOptions o = own;
    o.lr = factor == 0 ? usual : own.lr * factor;
    if (o.lr == own.lr || !works(o)) continue;
    const bool high = o.lr < own.lr;
    Find(high ? Cause::kRateHigh : Cause::kRateLow, 2,
         failed + fmt::format("; at rate {} instead of {} they are learnt",
                              Rate(o.lr), Rate(own.lr)),
         fmt::format("Use --lr {}", Rate(o.lr)), {{"--lr", Rate(o.lr)}});
    return;
  }
  JobOptions adam = Tiny(Reference());
  adam.optimizer = "adam";
  adam.lr = DefaultRate(adam);
  if (works(adam)) {
    Find(Cause::kRateLow, 2,
         failed + "; with adam at its usual rate they are learnt",
         "Use --optimizer adam", {{"--optimizer", "adam"}, {"--lr", ""}});
    return;
  }
  if (WasCut(first)) {
    // Nothing helped in so few steps; the short runs tell more.
    to->ok = true;
    to->open = true;
    to->evidence.back() += ", all that there was time for: more --minutes";
    return;
  }
  to->evidence.push_back(fmt::format(
      "data, initialization, rate and optimizer are cleared: what is left is "
      "the architecture. The slope of the loss along its gradient is {:.4f} of "
      "what backward says",
      gradient_ratio_));
  constexpr uint32_t kDeep = 10;
  if (hidden_kernels_ >= kDeep && !has_norm_) {
    Find(Cause::kDepth, 2,
         failed +
             fmt::format("; {} layers without normalization", hidden_kernels_),
         "Add batch norm, or take fewer layers");
  } else {
    Find(Cause::kCapacity, 2, failed + "; nor with other rates or adam",
         "Use a larger model");
  }
}

void Checkup::SweepReference() {
  if (swept_) return;
  JobOptions o = Reference();
  recipe::LrFindOptions finder;
  const double usual = DefaultRate(o);
  finder.min = usual * 1e-4;
  finder.max = usual * 1e3;
  Job job = PrepareJob(Small(o, data_.train.size(), 8));
  const uint64_t more = recipe::LrFindBytes(job.plan, finder.steps);
  Lab lab(std::move(job), more);
  arena_bytes_ = std::max(arena_bytes_, lab.arena_bytes());
  outside_bytes_ = std::max(outside_bytes_, lab.outside_bytes());
  const auto start = std::chrono::steady_clock::now();
  sweep_ = FindRate(lab, finder);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  sweep_points_.assign(sweep_.points.begin(), sweep_.points.end());
  sweep_.points = sweep_points_;
  samples_per_second_ = static_cast<double>(sweep_points_.size()) *
                        static_cast<double>(lab.job().options.batch) *
                        static_cast<double>(lab.job().accumulate) /
                        std::max(1e-3, seconds);
  swept_ = true;
}

void Checkup::CheckRate(CheckResult* to) {
  SweepReference();
  const recipe::LrJudgement& j = sweep_.curve;
  if (j.verdict != LrVerdict::kFound) {
    to->evidence.push_back(
        "no clear minimum of the loss over the rate: see the short runs");
    return;
  }
  to->evidence.push_back(fmt::format(
      "with a wrong rate nothing else helps: the loss falls between {} and {}{}"
      "; --lr {} is worth trying",
      Rate(j.low), Rate(j.high),
      j.limit > 0 ? fmt::format(" and is worse again from {}", Rate(j.limit))
                  : std::string(),
      Rate(j.suggestion)));
  best_ = {{"--lr", Rate(j.suggestion)}};
  if (j.limit > 0 && given_.lr > 2 * j.limit) {
    // One step at each rate is a hint; of deep networks, which fall slowly, it is
    // a weak one.
    if (GivenTrainsBetter()) {
      to->evidence.push_back(fmt::format(
          "the job's own rate, {}, is above that, but trains better: {} after "
          "{} epochs, {} at {}",
          Rate(given_.lr), ScoreText(as_given_->Score(baseline_)), run_epochs_,
          ScoreText(reference_->Score(baseline_)), Rate(j.suggestion)));
      best_.clear();
      return;
    }
    to->ok = false;
    Find(Cause::kRateHigh, 3,
         fmt::format("rate {} is above {}, from where on the loss grows",
                     Rate(given_.lr), Rate(j.limit)),
         fmt::format("Use --lr {}", Rate(j.suggestion)),
         {{"--lr", Rate(j.suggestion)}});
  }
}

}  // namespace temper::host
