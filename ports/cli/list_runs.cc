// See list_runs.h.
#include "ports/cli/list_runs.h"

#include <fmt/format.h>

#include <filesystem>

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
  Table& table =
      report.AddTable("runs", {{"run", "run", Column::kName},
                               {"state", "state", Column::kText},
                               {"", "epochs"},
                               {"epochs", ""},
                               {"epochs_total", ""},
                               {"best_accuracy", "best accuracy", {}, kShare},
                               {"best_loss", "best loss", {}, kLoss},
                               {"arena_bytes", "arena", {}, kBytes},
                               {"model", "model", Column::kName}});
  const auto number = [](const std::optional<uint32_t>& value) {
    return value ? fmt::to_string(*value) : std::string("-");
  };
  for (const RunSummary& run : runs) {
    table.Add({run.path, run.state,
               number(run.epochs) + "/" + number(run.epochs_total), run.epochs,
               run.epochs_total, run.best_accuracy, run.best_loss,
               run.arena_bytes,
               run.model.empty() ? Value() : Value(run.model)});
  }
  if (runs.empty()) report.Line("no runs in " + folder);
  for (const RunSummary& run : runs) {
    if (run.state == "stopped") report.Next({"resume", run.path});
  }
  return cli.output.Print(report);
}

}  // namespace temper::host
