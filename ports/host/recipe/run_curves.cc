// See run_curves.h.
#include "ports/host/recipe/run_curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/data/text_file.h"
#include "ports/host/run/number_table.h"
#include "ports/host/run/steps_log.h"
#include "ports/host/train/curve_watch.h"
#include "ports/host/train/model_source.h"
#include "ports/host/train/run_files.h"
#include "ports/host/train/runs.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

constexpr uint64_t kMostBytes = 1u << 26;  // of events.jsonl

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(
      values.begin(),
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
      values.end());
  return values[values.size() / 2];
}

void ReadSteps(const std::string& path, RunCurves* to) {
  std::vector<double> ratios, norms;
  recipe::CurveFacts& f = to->facts;
  const NumberTable table = ReadNumbers(path);
  to->steps = table.rows;
  for (size_t i = 0; i < table.rows; ++i) {
    const double step = table.At("step", i).value_or(0);
    const double loss = table.At("loss", i).value_or(0);
    if (step > static_cast<double>(kFirstSteps)) continue;
    if (step == 1) f.first_loss = loss;
    f.peak_loss = std::max(f.peak_loss, loss);
    if (const auto ratio = table.At("update_ratio", i))
      ratios.push_back(*ratio);
    if (const auto norm = table.At("gradient_norm", i)) norms.push_back(*norm);
  }
  f.update_ratio = Median(std::move(ratios));
  f.gradient_norm = Median(std::move(norms));
}

// Of an event's line; none if it has no such key, or nothing above 0 to `most`.
std::optional<double> NumberIn(const std::string& line, const char* key,
                               double most) {
  constexpr size_t kMostTokens = 100;
  try {
    const Value event = ParseValue(line, kMostTokens);
    if (event.kind() != Value::Kind::kObject || !event.contains(key)) return {};
    const double value = event.at(key).AsDouble();
    if (value > 0 && value <= most) return value;
  } catch (const std::exception&) {  // a damaged line
  }
  return {};
}

std::string Percent(double share) {
  return fmt::format("{:.0f} %", 100 * share);
}

}  // namespace

RunCurves ReadRunCurves(const std::string& run) {
  RunCurves curves;
  std::error_code ignored;
  if (std::filesystem::is_directory(run, ignored) &&
      !std::filesystem::exists(run + "/" + kConfigFile, ignored)) {
    FailNoRun(run);
  }
  curves.options = ReadRunOptions(run);
  const std::string folder = run + (run.ends_with('/') ? "" : "/");
  curves.facts.epochs = curves.options.epochs;
  const NumberTable metrics = ReadNumbers(folder + "metrics.csv");
  for (size_t i = 0; i < metrics.rows; ++i) {
    const auto field = [&](const char* name) {
      const double value = metrics.At(name, i).value_or(-1.0);
      return std::isfinite(value) ? value : -1.0;
    };
    recipe::CurvePoint p;
    p.epoch = static_cast<uint32_t>(std::max(0.0, field("epoch")));
    p.rate = field("lr");
    p.train_loss = field("train_loss");
    p.train_accuracy = field("train_accuracy");
    p.val_loss = field("val_loss");
    p.val_accuracy = field("val_accuracy");
    curves.points.push_back(p);
    if (field("best") == 1) curves.facts.best_epoch = p.epoch;
  }
  if (metrics.rows > 0) {
    curves.facts.steps = static_cast<uint64_t>(
        std::max(0.0, metrics.At("step", metrics.rows - 1).value_or(0)));
  }
  ReadSteps(folder + "steps.csv", &curves);
  const std::string events = folder + "events.jsonl";
  std::optional<double> chance;
  if (std::filesystem::exists(events)) {
    const std::vector<std::string> lines =
        Lines(ReadTextFile(events, kMostBytes));
    if (!lines.empty()) {
      chance = NumberIn(lines[0], "chance", 1);
      curves.facts.val_samples =
          NumberIn(lines[0], "val_samples", 1e15).value_or(0);
    }
    curves.facts.diverged =
        std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
          return line.find("\"event\":\"diverged\"") != std::string::npos;
        });
  }
  const ModelSource model(FilePlace(LastCheckpoint(run)));
  const Graph& graph = model.header().graph;
  std::vector<Shape> shapes;
  const LossTraits& traits = *LossOf(graph.nodes.back().kind);
  if (graph.Check(&shapes).ok() && models::IsClassifier(graph)) {
    const Shape& out = shapes.back();
    // Of weighted classes it depends on which of them the first batch had.
    if (traits.expected != nullptr && curves.options.class_weights.empty()) {
      curves.facts.expected_loss = traits.expected(1, out, nullptr);
    }
    // Older runs do not say it.
    curves.facts.chance = chance.value_or(1.0 / static_cast<double>(out.c));
  }
  return curves;
}

Advice AdviceOf(const recipe::Diagnosis& d, const recipe::CurveFacts& facts,
                const JobOptions& o) {
  using recipe::Cause;
  Advice a;
  const auto rate = [](double x) { return fmt::format("{:.2g}", x); };
  switch (d.cause) {
    case Cause::kOverfitting: {
      if (d.epoch == 0) {
        a.evidence = fmt::format(
            "training {}, validation {}, which no longer gets better: the "
            "model has begun to memorise",
            Percent(d.from), Percent(d.to));
      } else {
        a.evidence = fmt::format(
            "the validation loss has risen since epoch {} ({:.3g} to {:.3g}) "
            "while the training loss falls: the model has begun to memorise{}",
            d.epoch, d.from, d.to,
            facts.best_epoch != 0
                ? fmt::format(". Epoch {} is kept", facts.best_epoch)
                : std::string());
      }
      if (const auto remedy = OverfittingRemedy(o)) {
        a.changes = {*remedy};
      } else {
        a.action = "Take a smaller model, freeze the body, or find more data";
      }
      break;
    }
    case Cause::kPlateau:
      a.evidence = fmt::format(
          "flat at {:.3g} since epoch {}, after falling: time to lower the "
          "rate",
          d.to, d.epoch);
      a.changes = {{"--schedule", fmt::format("step?step_size={}", d.epoch)}};
      break;
    case Cause::kScheduleEarly:
      a.evidence = fmt::format(
          "still flat after the rate dropped, at {:.3g}: it came too early, "
          "while the loss was falling",
          d.to);
      a.changes = {{"--schedule", fmt::format("step?step_size={}", d.epoch)}};
      break;
    case Cause::kRateHigh:
      a.evidence =
          facts.diverged && facts.expected_loss <= 0
              ? fmt::format(
                    "training exploded, from a first loss of {:.3g}: the rate "
                    "is too large",
                    facts.first_loss)
          : facts.diverged
              ? fmt::format(
                    "training exploded; its first loss was {:.3g}, as "
                    "expected: the rate is too large, not the first "
                    "weights",
                    facts.first_loss)
          : d.from < d.to
              ? fmt::format(
                    "the training loss has risen again, from {:.3g} in epoch "
                    "{} to {:.3g}: the rate is too large",
                    d.from, d.epoch, d.to)
          : d.epoch == 0
              ? fmt::format(
                    "the loss rose to {:.3g} on the way and is {:.3g} at the "
                    "end, far from done: the rate was too large",
                    d.from, d.to)
              : fmt::format(
                    "the loss rose to {:.3g} and is no better than that of "
                    "guessing since: the rate was too large",
                    d.from);
      // Where something is learnt all the same, a little is enough.
      a.changes = {
          {"--lr", rate(o.lr / (d.from < d.to || d.epoch == 0 ? 3 : 10))}};
      if (facts.diverged) a.changes = {{"--lr", rate(o.lr / 10)}};
      break;
    case Cause::kRateLow: {
      if (d.from == 0) {
        a.evidence = fmt::format(
            "the training loss falls evenly, but by {:.2g} % in all: the rate "
            "is too small for targets as large as these",
            100 * d.to);
        a.changes = {{"--lr", rate(o.lr * 10)}};
        break;
      }
      // To steps of the usual size.
      const double factor =
          std::clamp(recipe::kUsualUpdate / facts.update_ratio, 3.0, 1000.0);
      a.evidence = fmt::format(
          "{}; a step changes the weights by {:.1g} of "
          "themselves, a thousandth is usual: the rate is too small",
          d.epoch == 0 ? fmt::format("the training loss is still {:.3g}", d.to)
                       : std::string("flat from the start"),
          facts.update_ratio);
      a.changes = {{"--lr", fmt::format("{:.1g}", o.lr * factor)}};
      break;
    }
    case Cause::kInitLarge:
      a.evidence = fmt::format(
          "the first loss was {:.3g}, expected {:.3g}: the scale of inputs or "
          "first weights is wrong",
          facts.first_loss, facts.expected_loss);
      a.changes = {{"--init", ""}, {"--normalize", "channel"}};
      break;
    case Cause::kInitSmall:
      a.evidence = d.to > 0
                       ? fmt::format(
                             "flat from the start; the first loss {:.6g} is "
                             "that of equal probabilities to five digits: "
                             "nothing reaches the last layer, the first "
                             "weights are too small",
                             d.from)
                       : fmt::format(
                             "flat from the start; gradients are {:.1g}: "
                             "nothing reaches the layers, the first "
                             "weights are too small",
                             facts.gradient_norm);
      a.changes = {{"--init", ""}};
      break;
    case Cause::kLabels:
      a.evidence =
          d.epoch == 0 ? fmt::format(
                             "training {}, but never more than {} of the "
                             "validation data: it is "
                             "learnt by heart alone. The labels do not belong "
                             "to the samples, or "
                             "the validation data were prepared otherwise",
                             Percent(d.from), Percent(d.to))
          : d.to > 0 ? fmt::format(
                           "flat from the start with a right first loss and "
                           "steps of a usual "
                           "size; accuracy {} is chance ({})",
                           Percent(std::max(0.0, d.from)), Percent(d.to))
                     : std::string(
                           "flat from the start with steps of a usual size: "
                           "the targets do not follow from the samples");
      a.action = d.to > 0 || d.epoch == 0
                     ? "Look at the labels: `temper check` tells more"
                     : "Look at the targets: `temper check` tells more";
      break;
    case Cause::kCapacity:
      a.evidence = fmt::format(
          "training {}, validation {}: both low. The model is too weak, not "
          "overfitted",
          Percent(d.from), Percent(d.to));
      a.action = "Try a larger model or more epochs";
      break;
    case Cause::kSlow:
      a.evidence =
          d.epoch == 0
              ? fmt::format(
                    "the training loss fell by {:.0f} % an epoch when the "
                    "schedule lowered the rate, and ends at {:.3g}",
                    100 * d.from, d.to)
              : fmt::format(
                    "still falling at an even slope ({:.3g} to {:.3g} in the "
                    "second half)",
                    d.from, d.to);
      // Steps of a usual size were too few; small ones may be larger.
      if (facts.update_ratio < recipe::kUsualUpdate / 2) {
        a.changes = {{"--lr", rate(o.lr * 3)}};
      } else if (o.phases.empty()) {
        a.evidence +=
            fmt::format(", with steps of a usual size: {} of them are too few",
                        facts.steps);
        a.changes = {{"--epochs", fmt::format("{}", 3 * o.epochs)}};
      } else {
        a.action = "Give its phases more epochs";
      }
      break;
    case Cause::kNoisy:
      a.evidence = fmt::format(
          "the loss goes up and down by a fifth and more in {:.0f} of {:.0f} "
          "epochs",
          d.from, d.to);
      a.changes = {{"--lr", rate(o.lr / 3)}};
      break;
    default:
      a.evidence = recipe::CauseName(d.cause);
      break;
  }
  if (a.action.empty() && !a.changes.empty()) {
    a.action =
        a.changes[0].second.empty()
            ? fmt::format("Leave out {}", a.changes[0].first)
            : fmt::format("Try {} {}", a.changes[0].first, a.changes[0].second);
  }
  return a;
}

bool LabelsAreShown(const RunCurves& curves) {
  const recipe::CurveFacts& f = curves.facts;
  return std::any_of(curves.points.begin(), curves.points.end(),
                     [&](const recipe::CurvePoint& p) {
                       return f.chance > 0
                                  ? p.val_accuracy >= f.chance + 0.1
                                  : p.val_loss >= 0 &&
                                        p.val_loss < 0.5 * f.first_loss;
                     });
}

std::string ClearedText(recipe::Cause cause, bool data) {
  const uint32_t group = static_cast<uint32_t>(recipe::GroupOf(cause));
  std::string text;
  if (group > 0 && !data) {
    text =
        "Data: not cleared, for validation is hardly better than guessing: "
        "`temper check` looks at them. ";
  }
  for (uint32_t i = data ? 0 : 1; i < group; ++i) {
    std::string name = recipe::kCauseGroupNames[i];
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
    text += name + ": cleared. ";
  }
  const char* const left = recipe::kCauseGroupNames[group];
  text += group == 0 ? std::string("The data come first.")
                     : fmt::format("What is left is the {}.", left);
  return text + " Running it again will not help.";
}

Value ClearedValue(recipe::Cause cause, bool data) {
  Value names = Value::array();
  const uint32_t group = static_cast<uint32_t>(recipe::GroupOf(cause));
  for (uint32_t i = data ? 0 : 1; i < group; ++i) {
    names.push_back(recipe::kCauseGroupNames[i]);
  }
  return names;
}

}  // namespace temper::host
