// eval: of a classifier loss and accuracy on a data set, per class, and the
// confusion matrix; of a model that learns values its errors, per output.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "models/files/text.h"
#include "ports/cli/cli.h"
#include "ports/cli/compare_models.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/non_finite.h"
#include "ports/host/data/class_match.h"
#include "ports/host/data/loader.h"
#include "ports/host/data/target_match.h"
#include "ports/host/train/metrics.h"
#include "ports/host/train/predictor.h"
#include "ports/host/train/run_files.h"
#include "ports/host/train/runs.h"

namespace temper::host {
namespace {

struct Arguments {
  std::vector<std::string> models;
  std::string data, target, arena, views, backend = "highway";
  bool average = false;
  uint32_t batch = 64, threads = 0;
};

struct Evaluation {
  // Mean over the samples; none if it is not known of each of them.
  std::optional<double> loss;
  uint64_t samples = 0, correct = 0;
  NonFinite non_finite;
  std::vector<uint64_t> class_samples, class_correct;  // by class of the data
  std::vector<bool>
      told;  // a row for it: it has samples, or the model knows it
  // [true class of the data][class of the model]: what is not 0, for all of them
  // would be millions for a thousand classes.
  std::vector<std::map<uint32_t, uint64_t>> confusion;
  // Classes of the model, and after them those of the data that it lacks.
  ClassCounts counts;
  std::vector<uint32_t> class_of;  // of each class of the data
  std::optional<double> auc;       // of two classes
  // Of data with several labels a sample, by label of the model.
  std::optional<ClassCounts> labels;
  // Of values: mean absolute error and root of the mean squared one, of all and
  // by output; none where not all outputs are finite.
  struct Errors {
    double mae = 0, rmse = 0;
  };
  std::optional<Errors> errors;
  std::vector<Errors> output_errors;
  // Of data with anomalies: how well the loss of a sample tells them from the
  // others, and the mean losses of both.
  struct Anomalies {
    uint64_t samples = 0;
    std::optional<double> auc, normal_loss, loss;
  };
  std::optional<Anomalies> anomalies;
};

std::string SampleName(const Dataset& data, uint64_t id) {
  const auto at = std::lower_bound(data.ids.begin(), data.ids.end(), id);
  return data.SampleName(static_cast<size_t>(at - data.ids.begin()));
}

// A batch of the data with targets as the model means them.
class ModelTargets {
 public:
  ModelTargets(const Dataset& data, const std::vector<int32_t>& to_model,
               const Predictor& predictor)
      : data_(data), to_model_(to_model), outputs_(predictor.outputs()) {
    if (data.targets.kind == TargetKind::kSoft) {
      probabilities_.resize(size_t{predictor.batch()} * outputs_);
    } else {
      labels_.resize(predictor.batch());
    }
  }

  // The batch that begins with sample `first` of the data. False if one of its
  // classes is not the model's.
  bool Take(const Batch& batch, uint64_t first) {
    batch_ = batch;
    bool known = true;
    for (uint32_t r = 0; r < batch.rows && !labels_.empty(); ++r) {
      labels_[r] = to_model_[static_cast<size_t>(batch.labels[r])];
      known &= labels_[r] >= 0;
    }
    if (!labels_.empty()) {
      batch_.labels = labels_.data();
      return known;
    }
    std::fill(probabilities_.begin(), probabilities_.end(), 0.0f);
    for (uint32_t r = 0; r < batch.rows; ++r) {
      const float* const p = data_.Values(static_cast<size_t>(first) + r);
      for (size_t c = 0; c < to_model_.size(); ++c) {
        if (to_model_[c] >= 0) {
          probabilities_[size_t{r} * outputs_ +
                         static_cast<size_t>(to_model_[c])] = p[c];
        } else {
          known &= p[c] == 0.0f;
        }
      }
    }
    batch_.targets = probabilities_.data();
    return known;
  }
  const Batch& batch() const { return batch_; }

 private:
  const Dataset& data_;
  const std::vector<int32_t>& to_model_;
  const uint32_t outputs_;
  std::vector<int32_t> labels_;
  std::vector<float> probabilities_;
  Batch batch_;
};

// A model with classes. `to_model`: the output of each class of the data, -1 if
// there is none.
Evaluation EvaluateClasses(Predictor& predictor, const Dataset& data,
                           const std::vector<int32_t>& to_model) {
  const size_t classes = data.class_names.size();
  const uint32_t outputs = predictor.outputs();
  Evaluation e;
  e.class_samples.assign(classes, 0);
  e.class_correct.assign(classes, 0);
  e.confusion.resize(classes);
  Loader loader(data, LoaderOptions{predictor.batch(), 0, false, false});
  loader.StartEpoch(0);
  uint32_t all = outputs;
  for (size_t c = 0; c < classes; ++c) {
    e.class_of.push_back(to_model[c] >= 0 ? static_cast<uint32_t>(to_model[c])
                                          : all++);
  }
  e.counts = ClassCounts(all);
  std::vector<ScoredSample> scores;
  ModelTargets targets(data, to_model, predictor);
  std::vector<int32_t> labels(predictor.batch());
  double loss = 0;
  bool known = true;
  while (const Batch* batch = loader.Next()) {
    // The loss of a class that the model lacks is infinite and would say
    // nothing: with such classes in the data, no loss is reported.
    known &= targets.Take(*batch, e.samples);
    for (uint32_t r = 0; r < batch->rows; ++r) {
      labels[r] = to_model[static_cast<size_t>(data.ClassOf(e.samples + r))];
    }
    const StepResult r = predictor.Run(targets.batch());
    const size_t first = static_cast<size_t>(e.samples);
    e.samples += batch->rows;
    loss += double{r.loss} * batch->rows;
    const float* p = predictor.Output();
    for (uint32_t row = 0; row < batch->rows; ++row, p += outputs) {
      const size_t truth = static_cast<size_t>(data.ClassOf(first + row));
      ++e.class_samples[truth];
      if (!NonFinite::AllFinite(p, outputs)) {
        e.non_finite.Add(SampleName(data, batch->sample_ids[row]));
        continue;
      }
      const size_t guess =
          static_cast<size_t>(std::max_element(p, p + outputs) - p);
      ++e.confusion[truth][static_cast<uint32_t>(guess)];
      e.counts.Add(e.class_of[truth], static_cast<uint32_t>(guess));
      if (outputs == 2) {
        scores.push_back({OddsOf(p[0], p[1]), e.class_of[truth] == 1});
      }
      if (static_cast<int32_t>(guess) == labels[row]) {
        ++e.class_correct[truth];
        ++e.correct;
      }
    }
  }
  e.auc = AreaUnderRoc(scores);
  for (size_t i = 0; i < classes; ++i) {
    e.told.push_back(e.class_samples[i] > 0 || to_model[i] >= 0);
  }
  if (known && std::isfinite(loss)) {
    e.loss = loss / static_cast<double>(e.samples);
  }
  return e;
}

// A model of data with several labels a sample, in the model's order.
Evaluation EvaluateLabels(Predictor& predictor, const Dataset& data) {
  const uint32_t outputs = predictor.outputs();
  Evaluation e;
  e.labels = ClassCounts(outputs);
  Loader loader(data, LoaderOptions{predictor.batch(), 0, false, false});
  loader.StartEpoch(0);
  double loss = 0;
  while (const Batch* batch = loader.Next()) {
    const StepResult r = predictor.Run(*batch);
    loss += double{r.loss} * batch->rows;
    e.samples += batch->rows;
    e.correct += r.correct;
    const float* p = predictor.Output();
    const float* t = batch->targets;
    for (uint32_t row = 0; row < batch->rows; ++row) {
      if (!NonFinite::AllFinite(p, outputs)) {
        e.non_finite.Add(SampleName(data, batch->sample_ids[row]));
      }
      for (uint32_t k = 0; k < outputs; ++k, ++p, ++t) {
        e.labels->AddLabel(k, *t > 0.5f, *p > 0.5f);
      }
    }
  }
  if (std::isfinite(loss)) e.loss = loss / static_cast<double>(e.samples);
  return e;
}

// Of each sample its own loss: the reconstruction error of an auto-encoder.
Evaluation::Anomalies EvaluateAnomalies(Predictor& predictor,
                                        const Dataset& data) {
  Evaluation::Anomalies a;
  std::vector<ScoredSample> losses;
  double sums[2] = {0, 0};
  uint64_t counts[2] = {0, 0};
  for (size_t i = 0; i < data.size(); ++i) {
    const float loss = predictor.Run({.input = data.Sample(i), .rows = 1}).loss;
    losses.push_back({loss, data.anomalies[i]});
    sums[data.anomalies[i]] += double{loss};
    ++counts[data.anomalies[i]];
  }
  a.samples = counts[1];
  const auto mean = [&](size_t k) -> std::optional<double> {
    if (counts[k] == 0 || !std::isfinite(sums[k])) return std::nullopt;
    return sums[k] / static_cast<double>(counts[k]);
  };
  a.normal_loss = mean(0);
  a.loss = mean(1);
  a.auc = AreaUnderRoc(losses);
  return a;
}

// A model whose output is a loss.
Evaluation EvaluateLoss(Predictor& predictor, const Dataset& data) {
  Evaluation e;
  Loader loader(data, LoaderOptions{predictor.batch(), 0, false, false});
  loader.StartEpoch(0);
  double loss = 0;
  while (const Batch* batch = loader.Next()) {
    const float mean =
        predictor.Run({.input = batch->input, .rows = batch->rows}).loss;
    e.samples += batch->rows;
    loss += double{mean} * batch->rows;
    if (std::isfinite(mean)) continue;
    // Which ones? A sum of finite losses may overflow, too: then none is named.
    const auto* sample = static_cast<const uint8_t*>(batch->input);
    for (uint32_t row = 0; row < batch->rows; ++row) {
      const float own = predictor.Run({.input = sample, .rows = 1}).loss;
      if (!std::isfinite(own)) {
        e.non_finite.Add(SampleName(data, batch->sample_ids[row]));
      }
      sample += data.InputBytes();
    }
  }
  if (std::isfinite(loss)) e.loss = loss / static_cast<double>(e.samples);
  if (!data.anomalies.empty()) e.anomalies = EvaluateAnomalies(predictor, data);
  return e;
}

// A model that learns values; the data have as many as it has outputs.
Evaluation EvaluateValues(Predictor& predictor, const Dataset& data) {
  const uint32_t outputs = predictor.outputs();
  Evaluation e;
  Loader loader(data, LoaderOptions{predictor.batch(), 0, false, false});
  loader.StartEpoch(0);
  std::vector<double> absolute(outputs, 0.0), squares(outputs, 0.0);
  double loss = 0;
  while (const Batch* batch = loader.Next()) {
    loss += double{predictor.Run(*batch).loss} * batch->rows;
    e.samples += batch->rows;
    const float* y = predictor.Output();
    const float* t = batch->targets;
    for (uint32_t row = 0; row < batch->rows; ++row) {
      if (!NonFinite::AllFinite(y, outputs)) {
        e.non_finite.Add(SampleName(data, batch->sample_ids[row]));
      }
      for (uint32_t k = 0; k < outputs; ++k, ++y, ++t) {
        const double error = double{*y} - double{*t};
        absolute[k] += std::fabs(error);
        squares[k] += error * error;
      }
    }
  }
  if (std::isfinite(loss)) e.loss = loss / static_cast<double>(e.samples);
  if (e.non_finite.count() > 0) return e;
  const double n = static_cast<double>(e.samples);
  double all_absolute = 0, all_squares = 0;
  for (uint32_t k = 0; k < outputs; ++k) {
    all_absolute += absolute[k];
    all_squares += squares[k];
    e.output_errors.push_back({absolute[k] / n, std::sqrt(squares[k] / n)});
  }
  e.errors = {all_absolute / (n * outputs),
              std::sqrt(all_squares / (n * outputs))};
  return e;
}

std::optional<double> Ratio(uint64_t part, uint64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

// A row with its names and numbers as JSON, and what is printed of it.
constexpr uint64_t kReportBytesOfClass = 4608;
constexpr size_t kMostRows = 24;         // of a table in the text
constexpr uint32_t kMostOfMatrix = 128;  // classes
constexpr size_t kHeading = 5;           // columns of a class above its numbers

// Per class, with what it is taken for most often; then all of that.
void AddClasses(const Predictor& predictor,
                const std::vector<std::string>& names, const Evaluation& e,
                Report* report) {
  report->Line("");
  Table& classes =
      report->AddTable("classes", {{"class", "class", Column::kName},
                                   {"samples", "samples"},
                                   {"correct", "correct"},
                                   {"accuracy", "accuracy", {}, kShare},
                                   {"precision", ""},
                                   {"f1", ""},
                                   {"", "most often taken for", Column::kName},
                                   {"predicted", ""}});
  const auto most_often = [&](size_t i) -> std::string {
    uint32_t other = 0;
    uint64_t most = 0;
    for (const auto& [k, count] : e.confusion[i]) {
      if (predictor.ClassName(k) == names[i] || count <= most) continue;
      other = k, most = count;
    }
    if (most == 0) return "-";
    return fmt::format("{} ({})", predictor.ClassName(other), most);
  };
  const auto count_of = [&](size_t i, uint32_t k) -> uint64_t {
    const auto at = e.confusion[i].find(k);
    return at == e.confusion[i].end() ? 0 : at->second;
  };
  const uint32_t outputs = predictor.outputs();
  const bool whole = outputs <= kMostOfMatrix;
  // Of many classes an object of those that were predicted.
  const auto predicted = [&](size_t i) {
    Value all = whole ? Value::array() : Value::object();
    if (!whole) {
      for (const auto& [k, count] : e.confusion[i]) {
        all[predictor.ClassName(k)] = count;
      }
    }
    for (uint32_t k = 0; whole && k < outputs; ++k) {
      all.push_back(count_of(i, k));
    }
    return all;
  };
  std::vector<Column> columns = {{"", "class", Column::kName}};
  for (uint32_t k = 0; whole && k < outputs; ++k) {
    std::string heading = Shown(predictor.ClassName(k));
    if (Columns(heading) > kHeading) heading = LeftCell(heading, 0, kHeading);
    columns.push_back({"", heading});
  }
  std::vector<std::vector<Value>> confusion;
  for (size_t i = 0; i < names.size(); ++i) {
    if (!e.told[i]) continue;
    classes.Add({names[i], e.class_samples[i], e.class_correct[i],
                 Ratio(e.class_correct[i], e.class_samples[i]),
                 e.counts.Precision(e.class_of[i]), e.counts.F1(e.class_of[i]),
                 most_often(i), predicted(i)});
    if (!whole) continue;
    std::vector<Value>& row = confusion.emplace_back();
    row.push_back(names[i]);
    for (uint32_t k = 0; k < outputs; ++k) row.push_back(count_of(i, k));
  }
  if (!whole) return;
  report->Line("");
  report->Line("predicted as");
  Table& matrix = report->AddTable("", std::move(columns));
  for (auto& row : confusion) {
    matrix.Add(std::move(row), matrix.rows.size() < kMostRows);
  }
  matrix.more = "use --json";
}

void AddLabels(const Predictor& predictor, const Evaluation& e,
               Report* report) {
  Table& labels = report->AddTable("labels", {{"label", "label", Column::kName},
                                              {"samples", "samples"},
                                              {"correct", "correct"},
                                              {"told", "told"},
                                              {"recall", "recall", {}, kShare},
                                              {"f1", "f1", {}, kShare}});
  for (uint32_t k = 0; k < e.labels->classes(); ++k) {
    labels.Add(
        {predictor.ClassName(k), e.labels->Samples(k), e.labels->Right(k),
         e.labels->Told(k), e.labels->Recall(k), e.labels->F1(k)},
        k < kMostRows);
  }
  labels.more = "use --json";
}

// Balanced accuracy says something else than accuracy.
bool ClassesDiffer(const Evaluation& e) {
  uint64_t least = 0, most = 0;
  for (const uint64_t n : e.class_samples) {
    if (n == 0) continue;
    least = most == 0 ? n : std::min(least, n);
    most = std::max(most, n);
  }
  return least != most;
}

void AddOutputs(const Evaluation& e, Report* report) {
  Table& outputs = report->AddTable(
      "outputs", {{"output", "output"}, {"mae", "mae"}, {"rmse", "rmse"}});
  outputs.more = "use --json";
  const bool several = e.output_errors.size() > 1;  // one is all there is
  for (size_t k = 0; k < e.output_errors.size(); ++k) {
    outputs.Add({k, e.output_errors[k].mae, e.output_errors[k].rmse},
                several && k < kMostRows);
  }
}

// The answer in one line.
std::string Summary(const Predictor& predictor, const Dataset& data,
                    const Evaluation& e) {
  std::string line =
      fmt::format("{} samples of the {} split", e.samples, data.split);
  if (predictor.classifier()) {
    line += ", accuracy " + FormatValue(Ratio(e.correct, e.samples), kShare);
  }
  if (e.loss) {
    line +=
        fmt::format(", loss {:.{}f}", *e.loss, predictor.classifier() ? 4 : 6);
  }
  if (predictor.classifier() && ClassesDiffer(e)) {
    line += ", balanced accuracy " +
            FormatValue(e.counts.BalancedAccuracy(), kShare);
  }
  if (e.labels) line += ", F1 " + FormatValue(e.labels->MacroF1(), kShare);
  if (e.errors) {
    line +=
        fmt::format(", mae {:.6g}, rmse {:.6g}", e.errors->mae, e.errors->rmse);
  }
  return line;
}

// Without --data: what a run was validated on, or its data.
std::string DataOf(const Arguments& a) {
  if (!a.data.empty()) return a.data;
  const std::string& model = a.models[0];
  if (!std::filesystem::exists(model + "/" + kConfigFile)) {
    Fail(ErrorKind::kUsage, "--data", "", "is missing",
         "Give the data to judge the model on: --data idx:DIR");
  }
  const JobOptions o = ReadRunOptions(model);
  return o.val.empty() ? o.data : o.val;
}

int Run(Cli& cli, Arguments a) {
  ChooseTarget(a.target);
  const std::string& model = a.models[0];
  // What is no model is said before its data are looked for.
  WeightsFile(model);
  const bool own = a.data.empty();
  a.data = DataOf(a);
  if (a.models.size() > 1 && !a.average) {
    return CompareModels(cli, {a.models, a.data, a.arena, a.views, a.backend,
                               a.batch, a.threads});
  }
  Predictor predictor(model, a.batch, a.threads, a.arena, a.backend);
  for (size_t i = 1; i < a.models.size(); ++i) predictor.Average(a.models[i]);
  if (!a.views.empty()) predictor.SetViews(ReadViews(a.views));
  std::vector<std::string> notes;
  Dataset data = [&] {
    try {
      return LoadDataset(
          SpecWithSplit(a.data, SplitUse::kEvaluate, &notes),
          [&](const Shape& shape) { predictor.CheckShape(shape, a.data); },
          predictor.DataInput());
    } catch (const Failure& failure) {
      if (!own || failure.kind != ErrorKind::kNotFound) throw;
      throw Failure(failure.kind,
                    failure.message +
                        "\n  If the data of the run are elsewhere now, name "
                        "them: --data SPEC");
    }
  }();
  notes.insert(notes.end(), data.notes.begin(), data.notes.end());
  if (std::string note = DivergedNote(model); !note.empty()) {
    notes.push_back(std::move(note));
  }
  CheckTargetKind(predictor.model().graph, data.targets, model);
  // How the data's classes are called here, and those that the model lacks.
  std::vector<std::string> names = data.class_names, unknown;
  Evaluation e;
  if (predictor.classifier() && data.targets.kind == TargetKind::kMultiHot) {
    MatchClasses(data, predictor.Classes());
    CheckTargets(predictor.model().graph, data.targets, model);
    e = EvaluateLabels(predictor, data);
  } else if (predictor.classifier()) {
    const std::vector<std::string> known = predictor.Classes();
    const ClassMatch match = MatchClassNames(data, known);
    if (match.none) RefuseClasses(data, known);
    if (match.by_label) notes.push_back(match.note);
    const std::vector<uint64_t> counts = data.ClassCounts();
    for (size_t i = 0; i < names.size(); ++i) {
      if (match.to_model[i] < 0) {
        // A class without a sample is no fault of the model's.
        if (counts[i] > 0) unknown.push_back(names[i]);
      } else if (!data.named) {
        names[i] = known[static_cast<size_t>(match.to_model[i])];
      }
    }
    e = EvaluateClasses(predictor, data, match.to_model);
  } else if (predictor.regressor()) {
    CheckTargets(predictor.model().graph, data.targets, model);
    e = EvaluateValues(predictor, data);
  } else {
    e = EvaluateLoss(predictor, data);
  }
  Report report(cli.verb);
  report.Line(Summary(predictor, data, e));
  report.Fact("weights", "model", predictor.path(), kVerbatim);
  report.Data("split", data.split);
  report.Data("samples", e.samples);
  if (predictor.classifier()) {
    report.Data("correct", e.correct);
    report.Data("accuracy", Ratio(e.correct, e.samples));
    report.Data("balanced_accuracy", e.counts.BalancedAccuracy());
    report.Data("f1", e.labels ? e.labels->MacroF1() : e.counts.MacroF1());
    report.Data("auc", e.auc);
  }
  report.Data("loss", e.loss);
  if (predictor.regressor()) {
    report.Data("mae", e.errors ? Value(e.errors->mae) : Value());
    report.Data("rmse", e.errors ? Value(e.errors->rmse) : Value());
    AddOutputs(e, &report);
  }
  if (e.anomalies) {
    const Evaluation::Anomalies& found = *e.anomalies;
    const auto text = [](const std::optional<double>& value) {
      return value ? fmt::format("{:.6g}", *value) : std::string("-");
    };
    report.Fact("auc", "AUC", found.auc,
                fmt::format("{} (loss of {} anomalies above that of {} normal "
                            "samples)",
                            found.auc ? fmt::format("{:.4f}", *found.auc) : "-",
                            found.samples, e.samples - found.samples));
    report.Data("anomalies", found.samples);
    report.Fact("normal_loss", "normal", found.normal_loss,
                "mean loss " + text(found.normal_loss));
    report.Fact("anomaly_loss", "anomalies", found.loss,
                "mean loss " + text(found.loss));
    if (!found.auc) {
      notes.push_back(
          "AUC needs finite losses of both normal samples and anomalies");
    }
  }
  report.Data("non_finite", e.non_finite.count());
  report.Data("non_finite_samples", e.non_finite.first());
  if (e.labels) {
    AddLabels(predictor, e, &report);
  } else if (predictor.classifier()) {
    report.Fact("unknown_classes", unknown.empty() ? "" : "not known", unknown,
                fmt::format("{} of the classes, all counted as wrong: {}",
                            unknown.size(), FormatValue(unknown)));
    std::vector<std::string> known;
    for (uint32_t k = 0; k < predictor.outputs(); ++k) {
      known.push_back(predictor.ClassName(k));
    }
    report.Data("model_classes", known);
    AddClasses(predictor, names, e, &report);
  }
  report.Data("arena_bytes", predictor.ArenaBytes());
  report.Data("backend_bytes", predictor.BackendBytes());
  report.Data("outside_bytes",
              predictor.OutsideBytes() + data.MemoryBytes() +
                  kReportBytesOfClass * data.class_names.size() +
                  LoaderBytes(data, {.batch = predictor.batch()}));
  AddMachine(predictor.plan().options.threads, &report, &predictor.plan());
  report.Notes(notes);
  if (e.non_finite.count() > 0) {
    report.Error(kExitDiverged, e.non_finite.Message(e.samples));
  } else if (!e.loss && unknown.empty()) {
    report.Error(kExitDiverged,
                 predictor.classifier()
                     ? "the mean loss is not finite: a true class has "
                       "probability 0, or losses add up to more than a number "
                       "can hold"
                     : "the mean loss is not finite: outputs are so far from "
                       "the targets that a number cannot hold it. The training "
                       "has diverged: start a new run with a smaller --lr, or "
                       "scale the targets to about 1");
  } else {
    // The same samples: predict alone takes those that val= leaves.
    const DataSpec spec = ParseDataSpec(a.data);
    const bool held_out =
        data.split == "val" && spec.HoldsOutVal() && !spec.split_given;
    report.Next(
        {"predict", model, "--data", a.data + (held_out ? "&split=val" : "")});
  }
  return cli.output.Print(report);
}

}  // namespace

void AddEvalVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb& verb = cli.Add(
      "eval",
      "Measure a model on data: accuracy, class by class, or its errors",
      [&cli, a] { return Run(cli, *a); });
  verb.example = "temper eval runs/train --data idx:DIR";
  verb.Add("model", &a->models, "MODEL",
           "The .safetensors model, or a run folder: its best weights; several "
           "are compared")
      .Required()
      .Group("What");
  verb.Add("--data", &a->data, "SPEC",
           "Data, such as idx:DIR; without split= the test split, if there is "
           "one, or what val= holds out")
      .Default("those of the run")
      .Group("What");
  verb.Flag("--average", &a->average,
            "Judge the mean of the models' probabilities, or values")
      .Group("What");
  verb.Add("--views", &a->views, "LIST",
           "Judge the mean over views of each picture: flip, shift=PIXELS")
      .Group("What");
  verb.Add("--batch", &a->batch, "N", "Samples at a time")
      .Whole(1, kMaxBatch)
      .Group("Machine");
  verb.Add("--arena", &a->arena, "SIZE",
           "The most memory for the model, such as 16MiB")
      .Default("what it needs")
      .Group("Machine");
  AddBackendOption(verb, &a->backend);
  AddMachineOptions(verb, &a->threads, &a->target);
}

}  // namespace temper::host
