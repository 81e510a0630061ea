// See list_runs.h.
#include "ports/cli/list_runs.h"

#include <fmt/format.h>

#include <filesystem>

#include "ports/cli/report_text.h"
#include "ports/host/train/runs.h"

namespace temper::host {

int PrintRuns(Cli& cli, const std::string& given) {
  const std::string folder = given.empty() ? "runs" : given;
  std::vector<RunSummary> runs;
  std::error_code ignored;
  if (!given.empty() || std::filesystem::exists(folder, ignored)) {
    runs = ListRuns(folder);
  }
  Report report(cli.verb);
  Table& table = report.AddTable("runs", {{"run", "run", Column::kPath},
                                          {"state", "state", Column::kText},
                                          {"", "epochs"},
                                          {"epochs", ""},
                                          {"epochs_total", ""},
                                          {"", "best"},
                                          {"best_accuracy", ""},
                                          {"best_loss", ""},
                                          {"arena_bytes", ""},
                                          {"lr", "lr"},
                                          {"", "optimizer", Column::kName},
                                          {"", "schedule", Column::kName},
                                          {"optimizer", ""},
                                          {"schedule", ""},
                                          {"model", "model", Column::kPath}});
  const auto number = [](const std::optional<uint32_t>& value) {
    return value ? fmt::to_string(*value) : std::string("-");
  };
  const auto text = [](const std::string& spec) {
    return spec.empty() ? Value() : Value(spec);
  };
  // Fields are in the document.
  const auto name = [](const std::string& spec) {
    return spec.empty() ? std::string("-") : spec.substr(0, spec.find('?'));
  };
  for (const RunSummary& run : runs) {
    const std::string best =
        run.best_accuracy ? FormatValue(*run.best_accuracy, kShare)
        : run.best_loss   ? "loss " + FormatValue(*run.best_loss, kLoss)
                          : "-";
    table.Add({run.path, run.state,
               number(run.epochs) + "/" + number(run.epochs_total), run.epochs,
               run.epochs_total, best, run.best_accuracy, run.best_loss,
               run.arena_bytes, run.lr, name(run.optimizer), name(run.schedule),
               text(run.optimizer), text(run.schedule), text(run.model)});
  }
  if (runs.empty()) report.Line("no runs in " + folder);
  for (const RunSummary& run : runs) {
    if (run.state == "stopped") report.Next({"resume", run.path});
  }
  return cli.output.Print(report);
}

}  // namespace temper::host
