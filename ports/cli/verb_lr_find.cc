// lr-find: at which learning rates the loss falls.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "ports/cli/chart.h"
#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/recipe_options.h"
#include "ports/cli/report_text.h"
#include "ports/files/files.h"
#include "ports/host/base/failure.h"
#include "ports/host/os/file_io.h"
#include "ports/host/recipe/lab.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/run_files.h"
#include "runtime/exact_math.h"

namespace temper::host {
namespace {

using recipe::LrFindOptions;
using recipe::LrFindResult;
using recipe::LrJudgement;
using recipe::LrPoint;
using recipe::LrVerdict;

constexpr double kMostGrowth = 0.6;  // of the rate in a step: its logarithm

struct Arguments {
  JobOptions options;
  recipe::LrFindOptions finder;
  std::string out;  // folder of the curve
};

// The curve as a table, for the page of a run in this folder.
std::string WriteCurve(const std::string& folder, const LrFindResult& found) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    Fail(ErrorKind::kCannotCreate, "--out", Printable(folder), error.message(),
         "Name a folder that can be made");
  }
  std::string text = "lr,loss,smoothed\n";
  for (const LrPoint& p : found.points) {
    text += fmt::format("{:.6g},{},{}\n", p.rate, p.loss, p.smoothed);
  }
  const std::string path =
      folder + (folder.ends_with('/') ? "" : "/") + "lr_find.csv";
  AtomicFile file{FilePlace(path)};
  SaveOrFail(file, [&](const ByteSink& sink) {
    return sink.write(sink.context, text.data(), text.size());
  });
  return path;
}

std::string Rate(double rate) { return fmt::format("{:.2g}", rate); }

void AddChart(const LrFindResult& found, Report* report) {
  const LrJudgement& j = found.curve;
  Chart chart;
  for (const LrPoint& p : found.points) {
    chart.points.push_back({p.rate, double{p.smoothed}});
  }
  // What explodes must not press the rest flat.
  const double fall = std::max(j.first_loss - j.best_loss, 0.05);
  chart.top = j.first_loss + 0.25 * fall;
  chart.bottom = std::max(0.0, j.best_loss - 0.05 * fall);
  if (j.verdict == LrVerdict::kFound) {
    chart.low = j.low, chart.high = j.high, chart.mark = j.suggestion;
  }
  bool above = false;
  for (std::string& line : DrawLogX(chart)) {
    above |= line.find('^') != line.npos;
    report->Line(std::move(line));
  }
  report->Line(fmt::format("Smoothed loss over the learning rate{}{}.",
                           above ? "; ^ is above the chart" : "",
                           j.verdict == LrVerdict::kFound
                               ? "; = is where it falls, # the suggestion"
                               : ""));
}

std::string Verdict(const LrFindResult& found) {
  const LrJudgement& j = found.curve;
  switch (j.verdict) {
    case LrVerdict::kFound:
      return fmt::format(
          "The loss falls between {} and {}{}.", Rate(j.low), Rate(j.high),
          j.limit > 0
              ? fmt::format(" and is worse again from {}", Rate(j.limit))
              : std::string());
    case LrVerdict::kTooShort:
      return "The loss explodes at the first of these rates.";
    case LrVerdict::kNoFall:
      return "The loss falls at none of these rates.";
    case LrVerdict::kNoEnd:
      return "The loss still falls at the highest of these rates.";
  }
  return "";
}

void AddCurve(const LrFindResult& found, Report* report) {
  Value points = Value::array();
  for (const LrPoint& p : found.points) {
    points.push_back(
        {{"rate", p.rate}, {"loss", p.loss}, {"smoothed", p.smoothed}});
  }
  report->Data("points", points);
}

// Nothing was found: the range or the number of steps that may show more.
void AskForMore(Cli& cli, const Arguments& a, const LrJudgement& j, Verb& verb,
                Report* report) {
  const LrFindOptions& f = a.finder;
  // Steps that leap over the rates between them see nothing there.
  const bool coarse = exact::Log(f.max / f.min) > kMostGrowth * f.steps;
  const double low = coarse ? f.min : j.next_min;
  const double high = coarse ? f.max : j.next_max;
  const uint32_t steps = coarse ? 100 : f.steps;
  std::vector<std::string> again =
      RecipeCommand(cli, "lr-find", a.options, {}, &verb);
  again.insert(again.end(), {"--min", Rate(low), "--max", Rate(high), "--steps",
                             fmt::to_string(steps)});
  report->Next(again);
  report->Error(
      kExitCheckFailed,
      fmt::format(
          "no clear minimum between {} and {}\n  Try {}", Rate(f.min),
          Rate(f.max),
          coarse ? fmt::format("more steps: --steps {}", steps)
                 : fmt::format("the range {} to {}", Rate(low), Rate(high))));
}

int Run(Cli& cli, const Arguments& a, Verb& verb) {
  if (!(a.finder.min < a.finder.max)) {
    Fail(ErrorKind::kUsage, "--min", Rate(a.finder.min),
         fmt::format("must be below --max {}", Rate(a.finder.max)), "");
  }
  ChooseTarget(a.options.target);
  Job prepared = PrepareJob(a.options);
  const uint64_t more = recipe::LrFindBytes(prepared.plan, a.finder.steps);
  Lab lab(std::move(prepared), more);
  const Job& job = lab.job();
  LrFindOptions finder = a.finder;
  const LrFindResult found = FindRateInTwo(lab, &finder);
  const LrJudgement& j = found.curve;
  const bool good = j.verdict == LrVerdict::kFound;

  Report report(cli.verb);
  AddChart(found, &report);
  report.Line("");
  if (good) report.Line("With a wrong rate nothing else helps.");
  report.Line(Verdict(found));
  const auto known = [](bool is, double value) {
    return is ? Value(value) : Value();
  };
  report.Fact("suggestion", good ? "suggestion" : "", known(good, j.suggestion),
              fmt::format("--lr {}", Rate(j.suggestion)));
  report.Data("low", known(good, j.low));
  report.Data("high", known(good, j.high));
  report.Data("limit", known(j.limit > 0, j.limit));
  report.Data("first_loss", known(!found.points.empty(), j.first_loss));
  report.Data("best_loss", known(!found.points.empty(), j.best_loss));
  report.Data("steps", found.points.size());
  report.Fact("arena_bytes", "arena", lab.arena_bytes(),
              fmt::format("{}: {} of the plan, {} for a copy of the state and "
                          "the curve",
                          BytesText(lab.arena_bytes()),
                          BytesText(job.plan.arena_bytes), BytesText(more)));
  report.Data("recipe_bytes", more);
  AddMachine(job.plan.options.threads, &report, &job.plan);
  AddCurve(found, &report);
  if (!a.out.empty()) {
    report.Fact("curve", "curve", WriteCurve(a.out, found), kVerbatim);
  }
  report.Notes(job.data.train.notes);
  report.Notes(job.notes);
  report.Notes(NotTried(a.options));
  if (verb.At("--lr").given()) {
    report.Note("--lr is what it looks for: the one given is not used");
  }
  if (found.epochs > 1) {
    constexpr uint64_t kFew = 20;
    report.Note(fmt::format(
        "{} batches are less than {} steps: {} times through the data{}",
        job.batches_per_epoch, a.finder.steps, found.epochs,
        job.batches_per_epoch < kFew
            ? ". Of so few the curve is mostly noise (try another --seed): "
              "`temper check` compares rates by short trainings"
            : ""));
  }
  if (finder.min != a.finder.min) {
    report.Note(fmt::format(
        "from {} to {} the loss rose without a clear fall: shown are {} to {}, "
        "in as many steps",
        Rate(a.finder.min), Rate(a.finder.max), Rate(finder.min),
        Rate(finder.max)));
  }
  if (good) {
    Changes changes = {{"--lr", Rate(j.suggestion)}};
    // A run there takes its place beside the curve.
    if (!a.out.empty() && !std::filesystem::exists(a.out + "/" + kConfigFile)) {
      changes.emplace_back("--out", a.out);
    }
    report.Next(TrainCommand(cli, verb, a.options, changes));
  } else if (finder.min != a.finder.min) {
    report.Next(RecipeCommand(cli, "check", a.options, {}));
    report.Error(
        kExitCheckFailed,
        fmt::format("no clear minimum between {} and {}, nor from {} to {}\n"
                    "  Look for another cause: temper check",
                    Rate(a.finder.min), Rate(a.finder.max), Rate(finder.min),
                    Rate(finder.max)));
  } else {
    AskForMore(cli, a, j, verb, &report);
  }
  return cli.output.Print(report);
}

}  // namespace

void AddLrFindVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb* self = nullptr;
  auto place = std::make_shared<Verb*>(self);
  Verb& verb =
      cli.Add("lr-find", "Find the learning rates at which the loss falls",
              [&cli, a, place] { return Run(cli, *a, **place); });
  *place = &verb;
  verb.example = "temper lr-find resnet8 'idx:DIR?val=0.1'";
  AddRecipeOptions(cli, verb, &a->options);
  verb.Add("--steps", &a->finder.steps, "N", "Steps, each at a higher rate")
      .Whole(10, recipe::kMostLrSteps)
      .NotInFiles()
      .Group("Finder");
  verb.Add("--min", &a->finder.min, "RATE", "The first rate")
      .Range(1e-30, 1e6)
      .NotInFiles()
      .Group("Finder");
  verb.Add("--max", &a->finder.max, "RATE", "The last rate")
      .Range(1e-30, 1e6)
      .NotInFiles()
      .Group("Finder");
  verb.Add("--out", &a->out, "DIR",
           "Write the curve, lr_find.csv, into this folder: the page of a run "
           "there shows it (`temper report`)")
      .NotInFiles()
      .Group("Output");
}

}  // namespace temper::host
