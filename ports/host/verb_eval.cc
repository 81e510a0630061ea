// eval: loss and accuracy on a data set, per class, and the confusion matrix.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "ports/host/cli.h"
#include "ports/host/failure.h"
#include "ports/host/loader.h"
#include "ports/host/predictor.h"

namespace temper::host {
namespace {

struct Arguments {
  std::string model, data, target;
  uint32_t batch = 64, threads = 0;
};

struct Evaluation {
  double loss = 0;  // mean over samples of classes the model knows
  uint64_t samples = 0, known = 0, correct = 0;
  std::vector<uint64_t> class_samples, class_correct;  // by class of the data
  // confusion[true class of the data][class of the model]
  std::vector<std::vector<uint64_t>> confusion;
};

Evaluation Evaluate(Predictor& predictor, const Dataset& data) {
  const size_t classes = data.class_names.size();
  Evaluation e;
  e.class_samples.assign(classes, 0);
  e.class_correct.assign(classes, 0);
  e.confusion.assign(classes, std::vector<uint64_t>(predictor.outputs(), 0));
  // Labels of the data -> outputs of the model, by name.
  std::vector<int32_t> to_model(classes, -1);
  for (size_t i = 0; i < classes; ++i) {
    to_model[i] = predictor.FindClass(data.class_names[i]);
  }
  Loader loader(data, LoaderOptions{predictor.batch(), 0, false, false});
  loader.StartEpoch(0);
  std::vector<int32_t> labels(predictor.batch());
  while (const HostBatch* batch = loader.Next()) {
    uint32_t unknown = 0;
    for (uint32_t r = 0; r < batch->rows; ++r) {
      labels[r] = to_model[static_cast<size_t>(batch->labels[r])];
      unknown += labels[r] < 0;
    }
    // The loss of a class that the model lacks is infinite and would say
    // nothing: with such classes in the data, no loss is reported.
    const StepResult r =
        predictor.Run(batch->input, labels.data(), batch->rows);
    e.samples += batch->rows;
    const float* p = predictor.Output();
    for (uint32_t row = 0; row < batch->rows; ++row, p += predictor.outputs()) {
      const size_t truth = static_cast<size_t>(batch->labels[row]);
      const size_t guess =
          static_cast<size_t>(std::max_element(p, p + predictor.outputs()) - p);
      ++e.class_samples[truth];
      ++e.confusion[truth][guess];
      if (static_cast<int32_t>(guess) == labels[row]) {
        ++e.class_correct[truth];
        ++e.correct;
      }
    }
    if (unknown == 0) {
      e.loss += double{r.loss} * batch->rows;
      e.known += batch->rows;
    }
  }
  if (e.known > 0) e.loss /= static_cast<double>(e.known);
  return e;
}

double Ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0.0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

void PrintTable(const Predictor& predictor, const Dataset& data,
                const Evaluation& e, const std::vector<std::string>& unknown) {
  fmt::print("{} samples, accuracy {:.4f}", e.samples,
             Ratio(e.correct, e.samples));
  if (e.known == e.samples) fmt::print(", loss {:.4f}", e.loss);
  fmt::print("\n");
  if (!unknown.empty()) {
    fmt::print(
        "the model does not know {} of the classes and gets them wrong: {}\n",
        unknown.size(), fmt::join(unknown, ", "));
  }
  size_t width = 5;
  for (const std::string& name : data.class_names) {
    width = std::max(width, std::min<size_t>(Printable(name).size(), 20));
  }
  fmt::print("\n{:>{}}  samples  accuracy   predicted as\n", "class", width);
  fmt::print("{:>{}}                      ", "", width);
  const uint32_t shown = std::min<uint32_t>(predictor.outputs(), 24);
  for (uint32_t k = 0; k < shown; ++k) {
    fmt::print("{:>6.6}", Printable(predictor.ClassName(k)));
  }
  fmt::print("\n");
  for (size_t i = 0; i < data.class_names.size(); ++i) {
    fmt::print("{:>{}.20}  {:>7}    {:.4f}   ", Printable(data.class_names[i]),
               width, e.class_samples[i],
               Ratio(e.class_correct[i], e.class_samples[i]));
    for (uint32_t k = 0; k < shown; ++k) fmt::print("{:>6}", e.confusion[i][k]);
    fmt::print("\n");
  }
  if (shown < predictor.outputs()) {
    fmt::print("({} more columns: use --json)\n", predictor.outputs() - shown);
  }
}

int Run(const Cli& cli, const Arguments& a) {
  ChooseTarget(a.target);
  Predictor predictor(a.model, a.batch, a.threads);
  const Dataset data = LoadDataset(a.data);
  predictor.CheckShape(data.shape, a.data);
  if (!predictor.classifier()) {
    Loader loader(data, LoaderOptions{predictor.batch(), 0, false, false});
    loader.StartEpoch(0);
    double loss = 0;
    while (const HostBatch* batch = loader.Next()) {
      loss += double{predictor.Run(batch->input, nullptr, batch->rows).loss} *
              batch->rows;
    }
    loss /= static_cast<double>(data.size());
    if (cli.json) {
      const nlohmann::ordered_json json = {{"samples", data.size()},
                                           {"loss", loss}};
      fmt::print("{}\n", json.dump(1));
    } else {
      fmt::print("{} samples, loss {:.6f}\n", data.size(), loss);
    }
    return kExitOk;
  }
  const Evaluation e = Evaluate(predictor, data);
  std::vector<std::string> unknown;
  for (size_t i = 0; i < data.class_names.size(); ++i) {
    if (predictor.FindClass(data.class_names[i]) < 0) {
      unknown.push_back(Printable(data.class_names[i]));
    }
  }
  if (!cli.json) {
    PrintTable(predictor, data, e, unknown);
    return kExitOk;
  }
  nlohmann::ordered_json classes = nlohmann::ordered_json::array();
  for (size_t i = 0; i < data.class_names.size(); ++i) {
    classes.push_back(
        {{"class", data.class_names[i]},
         {"samples", e.class_samples[i]},
         {"correct", e.class_correct[i]},
         {"accuracy", Ratio(e.class_correct[i], e.class_samples[i])},
         {"predicted", e.confusion[i]}});
  }
  nlohmann::ordered_json names = nlohmann::ordered_json::array();
  for (uint32_t k = 0; k < predictor.outputs(); ++k) {
    names.push_back(predictor.ClassName(k));
  }
  nlohmann::ordered_json json = {{"samples", e.samples},
                                 {"correct", e.correct},
                                 {"accuracy", Ratio(e.correct, e.samples)}};
  json["loss"] = e.known == e.samples ? nlohmann::ordered_json(e.loss)
                                      : nlohmann::ordered_json();
  json["unknown_classes"] = unknown;
  json["model_classes"] = names;
  json["classes"] = classes;
  fmt::print("{}\n",
             json.dump(1, ' ', true, nlohmann::json::error_handler_t::replace));
  return kExitOk;
}

}  // namespace

void AddEvalVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb =
      cli.Verb("eval", "Accuracy of a model on a data set, class by class",
               [&cli, a] { return Run(cli, *a); });
  verb->add_option("model", a->model, "The .safetensors model")->required();
  verb->add_option("--data", a->data, "Data, such as idx:DIR?split=test")
      ->required();
  verb->add_option("--batch", a->batch, "Samples at a time")
      ->check(Whole(1, kMaxBatch))
      ->capture_default_str();
  AddMachineOptions(verb, &a->threads, &a->target);
}

}  // namespace temper::host
