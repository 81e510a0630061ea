// See compare_models.h.
#include "ports/cli/compare_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "ports/host/base/failure.h"
#include "ports/host/data/class_match.h"
#include "ports/host/data/loader.h"
#include "ports/host/data/target_match.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/predictor.h"

namespace temper::host {
namespace {

struct Judged {
  std::string weights, split;
  uint64_t samples = 0;
  std::optional<double> accuracy, loss, mae;
  std::vector<std::string> classes;  // in the model's order
};

// `plan`: what they are computed with; of several, one that is not exact.
Judged Judge(const Comparison& c, const std::string& path, bool first,
             std::vector<std::string>* notes, Plan* plan) {
  Predictor predictor(path, c.batch, c.threads, c.arena, c.backend);
  if (first || !WhyNotExact(predictor.plan()).empty()) {
    *plan = predictor.plan();
  }
  if (!c.views.empty()) predictor.SetViews(ReadViews(c.views));
  std::vector<std::string> own;
  const Dataset data = LoadDataset(
      SpecWithSplit(c.data, SplitUse::kEvaluate, &own),
      [&](const Shape& shape) { predictor.CheckShape(shape, c.data); },
      predictor.DataInput());
  own.insert(own.end(), data.notes.begin(), data.notes.end());
  CheckTargetKind(predictor.model().graph, data.targets, path);
  std::vector<int32_t> to_model;
  if (predictor.classifier()) {
    if (data.targets.kind != TargetKind::kClasses) {
      Fail(ErrorKind::kUnsupported, "cannot compare models", Printable(c.data),
           "the data have several or soft labels", "Evaluate one at a time");
    }
    const std::vector<std::string> known = predictor.Classes();
    const ClassMatch match = MatchClassNames(data, known);
    if (match.none) RefuseClasses(data, known);
    if (match.by_label) own.push_back(match.note);
    to_model = match.to_model;
  } else if (predictor.regressor()) {
    CheckTargets(predictor.model().graph, data.targets, path);
  }
  if (first) *notes = own;
  Judged judged{predictor.path(),   data.split, 0, {}, {}, {},
                predictor.Classes()};
  Loader loader(data, LoaderOptions{predictor.batch(), 0, false, false});
  loader.StartEpoch(0);
  std::vector<int32_t> labels(predictor.batch());
  double loss = 0, error = 0;
  uint64_t correct = 0;
  bool known = true;
  while (const Batch* const next = loader.Next()) {
    Batch batch = *next;
    for (uint32_t r = 0; r < batch.rows && predictor.classifier(); ++r) {
      labels[r] = to_model[static_cast<size_t>(batch.labels[r])];
      known &= labels[r] >= 0;
    }
    if (predictor.classifier()) batch.labels = labels.data();
    const StepResult r = predictor.Run(batch);
    judged.samples += batch.rows;
    loss += double{r.loss} * batch.rows;
    error += double{r.absolute_error} * batch.rows;
    correct += r.correct;
  }
  const double n = static_cast<double>(judged.samples);
  if (predictor.classifier()) {
    judged.accuracy = static_cast<double>(correct) / n;
  }
  if (predictor.regressor() && std::isfinite(error)) judged.mae = error / n;
  if (known && std::isfinite(loss)) judged.loss = loss / n;
  return judged;
}

}  // namespace

int CompareModels(Cli& cli, const Comparison& c) {
  std::vector<std::string> notes;
  std::vector<Judged> all;
  Plan plan;
  for (const std::string& path : c.models) {
    all.push_back(Judge(c, path, all.empty(), &notes, &plan));
  }
  Report report(cli.verb);
  report.Line(fmt::format("{} models on {} samples of the {} split", all.size(),
                          all[0].samples, all[0].split));
  report.Data("split", all[0].split);
  report.Data("samples", all[0].samples);
  const bool classes = all[0].accuracy.has_value();
  std::vector<Column> columns = {{"weights", "model", Column::kName}};
  if (classes) columns.push_back({"accuracy", "accuracy", {}, kShare});
  columns.push_back({"loss", "loss", {}, classes ? kLoss : Format{}});
  if (!classes) columns.push_back({"mae", "mae"});
  Table& table = report.AddTable("compared", std::move(columns));
  for (const Judged& one : all) {
    std::vector<Value> row = {one.weights};
    if (classes) row.push_back(one.accuracy);
    row.push_back(one.loss);
    if (!classes) row.push_back(one.mae);
    table.Add(std::move(row));
  }
  AddMachine(plan.options.threads, &report, &plan);
  report.Notes(notes);
  // Outputs of others classes, or in another order, have no average.
  if (std::all_of(all.begin(), all.end(), [&](const Judged& one) {
        return one.classes == all[0].classes;
      })) {
    std::vector<std::string> next = {"eval"};
    next.insert(next.end(), c.models.begin(), c.models.end());
    next.insert(next.end(), {"--data", c.data, "--average"});
    report.Next(next);
  }
  return cli.output.Print(report);
}

}  // namespace temper::host
