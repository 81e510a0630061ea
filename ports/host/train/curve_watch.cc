// See curve_watch.h.
#include "ports/host/train/curve_watch.h"

#include <fmt/format.h>

#include <algorithm>

namespace temper::host {
namespace {

double Median(std::array<double, kFirstSteps> values, size_t count) {
  if (count == 0) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(count / 2);
  std::nth_element(values.begin(), middle,
                   values.begin() + static_cast<std::ptrdiff_t>(count));
  return *middle;
}

// What it says; {0} the epoch, {1} and {2} the numbers, {3} the epoch that is
// kept, {4} a remedy against overfitting, {5} and {6} the numbers in percent.
const char* TextOf(const recipe::Diagnosis& of) {
  using recipe::Cause;
  switch (of.cause) {
    case Cause::kOverfitting:
      if (of.epoch == 0) {
        return "training {5:.0f} %, validation {6:.0f} %, which no longer gets "
               "better: the model has begun to memorise. {4}";
      }
      return "the validation loss has risen since epoch {0} ({1:.3g} to "
             "{2:.3g}) while the training loss falls: the model has begun to "
             "memorise; epoch {3} is kept. {4}";
    case Cause::kPlateau:
      return "flat at {2:.3g} since epoch {0}, after falling: time to lower "
             "the rate";
    case Cause::kScheduleEarly:
      return "still flat at {2:.3g} after the rate dropped: it came too early";
    case Cause::kRateHigh:
      if (of.from < of.to) {
        return "the training loss has risen again, from {1:.3g} in epoch {0} "
               "to {2:.3g}: the rate is too large";
      }
      if (of.epoch == 0) {
        return "the loss rose to {1:.3g} on the way and is {2:.3g} now: the "
               "rate was too large";
      }
      return "flat since a peak of {1:.3g}: the rate was too large";
    case Cause::kRateLow:
      if (of.epoch == 0) {
        return "steps of {1:.1g} of the weights, a thousandth is usual: the "
               "rate is too small";
      }
      if (of.from == 0) {
        return "the training loss falls evenly, but by {6:.2g} % in all: the "
               "rate is too small for targets as large as these";
      }
      return "flat from the start, steps of {1:.1g} of the weights: the rate "
             "is too small";
    case Cause::kInitLarge:
      return "flat, and the first loss was {1:.3g}, expected {2:.3g}: the "
             "scale "
             "of inputs or first weights is wrong";
    case Cause::kInitSmall:
      if (of.to > 0) {
        return "flat from the start, and the first loss {1:.6g} is that of "
               "equal probabilities to five digits: the first weights are too "
               "small";
      }
      return "flat from the start, gradients of {1:.1g}: the first weights are "
             "too small";
    case Cause::kLabels:
      if (of.epoch == 0) {
        return "training {5:.0f} %, but validation never above {6:.0f} %, "
               "which is chance: do the labels belong to the samples?";
      }
      if (of.to <= 0) {
        return "flat from the start with steps of a usual size: do the targets "
               "belong to the samples?";
      }
      return "no better than chance with a right first loss and steps of a "
             "usual size: do the labels belong to the samples?";
    case Cause::kCapacity:
      return "training {5:.0f} %, validation {6:.0f} %: both low, the model is "
             "too weak";
    default:
      return "";
  }
}

}  // namespace

std::optional<std::pair<std::string, std::string>> OverfittingRemedy(
    const JobOptions& o) {
  using Remedy = std::pair<std::string, std::string>;
  if (o.early_stop == 0) return Remedy{"--early-stop", "5"};
  // Rows of a table have no sides to flip.
  if (o.augment.empty() && !o.data.starts_with("csv:")) {
    return Remedy{"--augment", "hflip,crop=2"};
  }
  if (!o.dropout) return Remedy{"--dropout", "0.3"};
  return {};
}

CurveWatch::CurveWatch(const JobOptions& options, double expected_loss,
                       double chance, uint64_t val_samples) {
  const uint32_t epochs = options.epochs;
  const auto remedy = OverfittingRemedy(options);
  remedy_ = remedy ? fmt::format("Try {} {}", remedy->first, remedy->second)
                   : "Try a smaller model or more data";
  warmed_up_ = options.schedule.find("warmup") != std::string::npos;
  facts_.epochs = epochs;
  facts_.expected_loss = expected_loss;
  facts_.chance = chance;
  facts_.val_samples = static_cast<double>(val_samples);
  points_.reserve(std::min<size_t>(epochs, kMostEpochs));
}

void CurveWatch::Step(const StepsRow& row) {
  if (row.step == 1) facts_.first_loss = double{row.loss};
  if (steps_ == kFirstSteps || row.step > kFirstSteps) return;
  facts_.peak_loss = std::max(facts_.peak_loss, double{row.loss});
  ratios_[steps_] = row.update_ratio;
  norms_[steps_++] = row.gradient_norm;
  facts_.update_ratio = Median(ratios_, steps_);
  facts_.gradient_norm = Median(norms_, steps_);
}

std::string_view CurveWatch::Epoch(const MetricsRow& row, uint32_t best_epoch) {
  // What an earlier process saw of the run is not known: its curve begins here.
  if (points_.size() == points_.capacity()) return "";
  const auto known = [](const std::optional<float>& value) {
    return value ? double{*value} : -1.0;
  };
  facts_.best_epoch = best_epoch;
  points_.push_back({row.epoch, double{row.lr}, double{row.train_loss},
                     known(row.train_accuracy), known(row.val_loss),
                     known(row.val_accuracy)});
  recipe::Diagnosis found[recipe::kMostDiagnoses];
  const uint32_t count = recipe::Diagnose(points_, facts_, found);
  for (uint32_t i = 0; i < count; ++i) {
    bool& told = told_[static_cast<size_t>(found[i].cause)];
    const char* const format = TextOf(found[i]);
    if (told || format[0] == 0) continue;
    told = true;
    last_ = found[i];
    char body[300];
    const auto end = fmt::format_to_n(body, sizeof(body), fmt::runtime(format),
                                      found[i].epoch, found[i].from,
                                      found[i].to, facts_.best_epoch, remedy_,
                                      100 * found[i].from, 100 * found[i].to);
    const auto all = fmt::format_to_n(
        text_, sizeof(text_), "epoch {}: {}", row.epoch,
        std::string_view(body, std::min(sizeof(body), end.size)));
    return {text_, std::min(sizeof(text_), all.size)};
  }
  return "";
}

std::string_view CurveWatch::Exploded(uint64_t step, double rate) {
  if (facts_.first_loss <= 0 || facts_.expected_loss <= 0) return "";
  facts_.diverged = true;
  recipe::Diagnosis found[recipe::kMostDiagnoses];
  if (recipe::Diagnose(points_, facts_, found) == 0) return "";
  last_ = found[0];
  const auto end =
      last_.cause == recipe::Cause::kRateHigh
          ? fmt::format_to_n(
                text_, sizeof(text_),
                "exploded at step {}; the first loss {:.3g} was right "
                "(expected "
                "{:.3g}): the rate is too large, not the first weights. Try "
                "--lr {:.1g}{}",
                step + 1, facts_.first_loss, facts_.expected_loss, rate / 10,
                warmed_up_ ? "" : " or --warmup 100")
          : fmt::format_to_n(
                text_, sizeof(text_),
                "exploded at step {}; the first loss {:.3g} was wrong already "
                "(expected {:.3g}): scale of inputs or first weights",
                step + 1, facts_.first_loss, facts_.expected_loss);
  return {text_, std::min(sizeof(text_), end.size)};
}

}  // namespace temper::host
