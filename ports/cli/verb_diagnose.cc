// diagnose: what the curves of a run say, and what to change.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/job_command.h"
#include "ports/cli/recipe_options.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/recipe/run_curves.h"

namespace temper::host {
namespace {

// What to do next: the run's own command with other options, nothing where its
// phases have their own; of wrong labels the verb that looks at the data.
std::vector<std::string> Again(Cli& cli, const JobOptions& o,
                               recipe::Cause cause, const Advice& advice) {
  const bool of_phases = std::any_of(
      advice.changes.begin(), advice.changes.end(), [](const auto& change) {
        return change.first == "--lr" || change.first == "--schedule" ||
               change.first == "--optimizer";
      });
  if (of_phases && !o.phases.empty()) return {};
  JobOptions options = o;
  // Of phases the sum, and a rate that each has: they say it themselves.
  if (!o.phases.empty()) {
    options.epochs = JobOptions().epochs;
    if (std::all_of(o.phases.begin(), o.phases.end(),
                    [](const PhaseOptions& p) { return p.lr > 0; })) {
      options.lr = JobOptions().lr;
    }
  }
  if (cause == recipe::Cause::kLabels) {
    return RecipeCommand(cli, "check", options, {});
  }
  // The same once more says nothing new.
  if (advice.changes.empty()) return {};
  return JobCommand(cli, options, advice.changes);
}

int Run(Cli& cli, const std::string& run) {
  const RunCurves curves = ReadRunCurves(run);
  recipe::Diagnosis found[recipe::kMostDiagnoses];
  const uint32_t count = recipe::Diagnose(curves.points, curves.facts, found);
  Report report(cli.verb);
  report.Data("run", run);
  report.Fact(
      "epochs", "epochs", curves.points.size(),
      fmt::format("{} of {}", curves.points.size(), curves.options.epochs));
  if (curves.facts.first_loss > 0 && curves.facts.expected_loss > 0) {
    report.Text("first loss",
                fmt::format("{:.3g}, expected {:.3g}", curves.facts.first_loss,
                            curves.facts.expected_loss));
  }
  if (!curves.points.empty()) {
    const recipe::CurvePoint& last = curves.points.back();
    report.Text(
        "last epoch",
        fmt::format("training loss {:.4g}{}", last.train_loss,
                    last.val_loss >= 0
                        ? fmt::format(", validation {:.4g}", last.val_loss)
                        : std::string()));
  }
  Value causes = Value::array();
  for (uint32_t i = 0; i < count; ++i) {
    const Advice advice = AdviceOf(found[i], curves.facts, curves.options);
    causes.push_back({{"cause", recipe::CauseName(found[i].cause)},
                      {"check", 6},
                      {"evidence", advice.evidence},
                      {"action", advice.action}});
    report.Line(fmt::format("{}: {}. {}.", recipe::CauseName(found[i].cause),
                            advice.evidence, advice.action));
    if (i > 0) continue;
    if (auto again = Again(cli, curves.options, found[i].cause, advice);
        !again.empty()) {
      report.Next(again);
    }
  }
  report.Data("causes", causes);
  const bool data = LabelsAreShown(curves);
  report.Data("cleared",
              count == 0 ? Value::array() : ClearedValue(found[0].cause, data));
  if (count > 0) report.Line(ClearedText(found[0].cause, data));
  const bool validated =
      !curves.points.empty() && curves.points.back().val_loss >= 0;
  if (!validated && !curves.points.empty()) {
    report.Note(
        "without validation data (val= in --data) overfitting cannot "
        "be seen");
  }
  if (count == 0) {
    report.Line(curves.points.size() < 3
                    ? "Too few epochs to say anything."
                    : "The curves show nothing that is wrong.");
    return cli.output.Print(report);
  }
  report.Error(
      kExitCheckFailed,
      fmt::format("{}\n  {}", recipe::CauseName(found[0].cause),
                  AdviceOf(found[0], curves.facts, curves.options).action));
  return cli.output.Print(report);
}

}  // namespace

void AddDiagnoseVerb(Cli& cli) {
  auto run = std::make_shared<std::string>();
  Verb& verb = cli.Add("diagnose",
                       "Say what the curves of a run show, and what to change",
                       [&cli, run] { return Run(cli, *run); });
  verb.example = "temper diagnose runs/train";
  verb.Add("run", run.get(), "RUN", "The run folder").Required().Group("Run");
}

}  // namespace temper::host
