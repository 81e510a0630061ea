// diagnose: what the curves of a run say, and what to change.
#include <fmt/format.h>

#include <memory>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/recipe/run_curves.h"

namespace temper::host {
namespace {

// The run's own command with other options. What it was given beside them is in
// its config.json: the command names what decides the result.
std::vector<std::string> Again(const JobOptions& o, const Advice& advice) {
  std::vector<std::string> words = {"train",
                                    "--model",
                                    o.model,
                                    "--data",
                                    o.data,
                                    "--epochs",
                                    fmt::to_string(o.epochs),
                                    "--batch",
                                    fmt::to_string(o.batch)};
  if (o.finetune)
    words = {"finetune", o.model,    "--data",
             o.data,     "--epochs", fmt::to_string(o.epochs)};
  const JobOptions defaults;
  const auto add = [&](const char* name, const std::string& value,
                       const std::string& usual) {
    for (const auto& [changed, to] : advice.changes) {
      if (changed == name) return;
    }
    if (value != usual) words.insert(words.end(), {name, value});
  };
  add("--val", o.val, "");
  add("--lr", fmt::format("{}", o.lr), "0");
  add("--schedule", o.schedule, defaults.schedule);
  add("--optimizer", o.optimizer, defaults.optimizer);
  add("--init", o.init, defaults.init);
  add("--augment", o.augment, "");
  add("--normalize", o.normalize, defaults.normalize);
  if (o.dropout) add("--dropout", fmt::format("{}", *o.dropout), "");
  for (const auto& [name, value] : advice.changes) {
    if (!value.empty()) words.insert(words.end(), {name, value});
  }
  return words;
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
    if (i == 0) report.Next(Again(curves.options, advice));
  }
  report.Data("causes", causes);
  report.Data("cleared",
              count == 0 ? Value::array() : ClearedValue(found[0].cause));
  if (count > 0) report.Line(ClearedText(found[0].cause));
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
