// check: the six steps of a training recipe on a job, each with a verdict,
// evidence, and what to do next.
#include <fmt/format.h>

#include <memory>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/progress.h"
#include "ports/cli/recipe_options.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/recipe/checkup.h"
#include "ports/host/recipe/run_curves.h"

namespace temper::host {
namespace {

struct Arguments {
  JobOptions options;
  CheckupOptions check;
};

constexpr const char* kTitles[] = {"data and initial loss",
                                   "a tiny sample by heart", "learning rate",
                                   "short runs", "a longer run"};

void AddCauses(const std::vector<Finding>& findings, Report* report) {
  Value causes = Value::array();
  for (const Finding& f : findings) {
    causes.push_back({{"cause", recipe::CauseName(f.cause)},
                      {"check", f.check},
                      {"evidence", f.evidence},
                      {"action", f.action}});
  }
  report->Data("causes", causes);
}

// What a refusal at load says about the cause; nothing if it says none.
std::optional<recipe::Cause> CauseOf(const Failure& failure) {
  const auto says = [&](const char* words) {
    return failure.message.find(words) != std::string::npos;
  };
  if ((failure.kind == ErrorKind::kMismatch ||
       failure.kind == ErrorKind::kUnsupported) &&
      (says("targets") || says("loss"))) {
    return recipe::Cause::kLossMismatch;
  }
  if (says("at least 2 classes")) return recipe::Cause::kOneClass;
  if (failure.kind == ErrorKind::kBadData &&
      (says("label") || says("has no sample"))) {
    return recipe::Cause::kLabelRange;
  }
  if (failure.kind == ErrorKind::kBadData && says("finite")) {
    return recipe::Cause::kNotFinite;
  }
  return {};
}

int Refused(Cli& cli, const Failure& failure, recipe::Cause cause) {
  Report report(cli.verb);
  const ReportError error =
      MakeError(ExitCodeOf(failure.kind), failure.message);
  AddCauses({{cause, 1, error.message, error.hint, {}}}, &report);
  report.Data("checks", Value::array());
  report.Data("cleared", Value::array());
  report.Error(ExitCodeOf(failure.kind), failure.message);
  return cli.output.Print(report);
}

const char* VerdictOf(const CheckResult& result) {
  return !result.ok ? "FAILED" : result.open ? "cannot tell" : "ok";
}

void AddResult(const CheckResult& result, Report* report) {
  report->Line(fmt::format("{}. {}: {}", result.number,
                           kTitles[result.number - 1], VerdictOf(result)));
  for (const std::string& sentence : result.evidence) {
    report->Line("   " + sentence + ".");
  }
}

// Where no cause was found: what that is worth.
std::string Summary(const Checkup& checkup, uint32_t only) {
  std::string open;
  for (const CheckResult& result : checkup.results()) {
    if (!result.open) continue;
    open += fmt::format("{}{}", open.empty() ? "" : ", ", result.number);
  }
  if (!open.empty()) {
    return fmt::format(
        "Nothing wrong was found, but not everything could be judged: see step "
        "{}.",
        open);
  }
  return only == 0 ? "Nothing is wrong with this set-up."
                   : fmt::format("Step {} finds nothing wrong.", only);
}

int Run(Cli& cli, const Arguments& a, Verb& verb) {
  ChooseTarget(a.options.target);
  std::unique_ptr<Checkup> checkup;
  try {
    checkup = std::make_unique<Checkup>(a.options, a.check);
  } catch (const Failure& failure) {
    const std::optional<recipe::Cause> cause = CauseOf(failure);
    if (!cause) throw;
    return Refused(cli, failure, *cause);
  }
  Report report(cli.verb);
  // Minutes may lie between the first step and the last.
  checkup->told = [&](const CheckResult& result) {
    ShowWork("");
    AddResult(result, &report);
    cli.output.Show(report);
  };
  if (!cli.output.json) {
    checkup->running = [](uint32_t step, uint32_t training) {
      ShowWork(fmt::format("step {} of 5, {}: training {}", step,
                           kTitles[step - 1], training));
    };
  }
  checkup->Run();
  ShowWork("");
  Value checks = Value::array();
  for (const CheckResult& result : checkup->results()) {
    Value evidence = Value::array();
    for (const std::string& sentence : result.evidence) {
      evidence.push_back(sentence);
    }
    checks.push_back({{"number", result.number},
                      {"ok", result.ok},
                      {"decided", !result.ok || !result.open},
                      {"evidence", evidence}});
  }
  report.Data("checks", checks);
  AddCauses(checkup->findings(), &report);
  report.Data("cleared", checkup->findings().empty() || a.check.only != 0
                             ? Value::array()
                             : ClearedValue(checkup->findings().front().cause));
  report.Data("minutes", a.check.minutes);
  report.Data("arena_bytes", checkup->arena_bytes());
  report.Data("outside_bytes", checkup->outside_bytes());
  AddMachine(a.options, &report);
  report.Notes(checkup->notes());
  report.Notes(NotTried(a.options));
  if (IsTriedWhole(a.options)) {
    report.Note(
        "checked as one training of all layers (--preset full); `finetune` "
        "alone trains a new head first");
  }
  const JobOptions job =
      checkup->held_out() ? WithFifthHeldOut(a.options) : a.options;
  const std::vector<Finding>& findings = checkup->findings();
  if (findings.empty()) {
    report.Line("");
    report.Line(Summary(*checkup, a.check.only));
    report.Next(TrainCommand(cli, verb, job, checkup->best()));
    return cli.output.Print(report);
  }
  report.Line("");
  for (const Finding& f : findings) {
    report.Line(fmt::format("{}: {}. {}.", recipe::CauseName(f.cause),
                            f.evidence, f.action));
  }
  // Of one step alone nobody knows what the others would say.
  if (a.check.only == 0) report.Line(ClearedText(findings.front().cause));
  if (!findings.front().changes.empty()) {
    report.Next(TrainCommand(cli, verb, job, findings.front().changes));
  }
  report.Error(kExitCheckFailed,
               fmt::format("check {} failed: {}\n  {}", findings.front().check,
                           recipe::CauseName(findings.front().cause),
                           findings.front().action));
  return cli.output.Print(report);
}

}  // namespace

void AddCheckVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  auto place = std::make_shared<Verb*>(nullptr);
  Verb& verb = cli.Add(
      "check", "Check data, first weights, rate and model of a job, in minutes",
      [&cli, a, place] { return Run(cli, *a, **place); });
  *place = &verb;
  verb.example = "temper check resnet8 'idx:DIR?val=0.1' --minutes 3";
  AddRecipeOptions(cli, verb, &a->options);
  verb.Add("--minutes", &a->check.minutes, "M",
           "Time for all steps; an epoch is one of the samples that fit")
      .Range(0.01, 1e4)
      .NotInFiles()
      .Group("Check");
  verb.Add("--only", &a->check.only, "N", "One step alone, 1 to 5")
      .Whole(1, 5)
      .Default("all")
      .NotInFiles()
      .Group("Check");
}

}  // namespace temper::host
