// See list_runs.h.
#include "ports/cli/list_runs.h"

#include <fmt/format.h>

#include <filesystem>

#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/search/search_file.h"
#include "ports/host/train/runs.h"

namespace temper::host {
namespace {

void AddSearches(const std::vector<std::string>& folders, Report& report) {
  if (folders.empty()) return;
  Table& table =
      report.AddTable("searches", {{"search", "search", Column::kPath},
                                   {"trials", "trainings"},
                                   {"best_accuracy", ""},
                                   {"best_loss", ""},
                                   {"", "best"}});
  for (const std::string& folder : folders) {
    Value trials;
    std::optional<double> accuracy, loss;
    std::string best = "damaged";
    try {
      const SearchFile search = ReadSearch(folder);
      trials = static_cast<uint64_t>(search.results.size());
      best = "-";
      const TrialResult* const first = BestOf(search.results);
      if (first != nullptr && first->val_accuracy > 0) {
        accuracy = first->val_accuracy;
        best = FormatValue(*accuracy, kShare);
      } else if (first != nullptr) {
        loss = first->val_loss;
        best = "loss " + FormatValue(*loss, kLoss);
      }
    } catch (const Failure&) {
      // It stays in the list, so that it is not looked for.
    }
    table.Add({folder, trials, accuracy, loss, best});
  }
}

}  // namespace

int PrintRuns(Cli& cli, const std::string& given) {
  const std::string folder = given.empty() ? "runs" : given;
  RunList list;
  std::error_code ignored;
  if (!given.empty() || std::filesystem::exists(folder, ignored)) {
    list = ListRuns(folder);
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
  for (const RunSummary& run : list.runs) {
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
  AddSearches(list.searches, report);
  if (list.runs.empty() && list.searches.empty()) {
    report.Line("no runs in " + folder);
  }
  for (const RunSummary& run : list.runs) {
    if (run.state == "stopped") report.Next({"resume", run.path});
  }
  return cli.output.Print(report);
}

}  // namespace temper::host
