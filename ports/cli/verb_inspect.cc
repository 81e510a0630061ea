// inspect: what is in a model file: layers with shapes, parameters and
// multiply-adds, classes, preprocessing, training state; or its graph as JSON.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "models/files/graph_json.h"
#include "models/files/safetensors.h"
#include "models/graphs/models.h"
#include "models/work.h"
#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/data/data_option.h"
#include "ports/host/data/data_spec.h"
#include "ports/host/os/file_io.h"
#include "ports/host/train/checkpoint.h"
#include "ports/host/train/job.h"
#include "ports/host/train/model_source.h"
#include "ports/host/train/runs.h"

namespace temper::host {
namespace {

struct Arguments {
  std::string file;
  bool graph = false;
};

// A file of another writer: its tensors are all there is to tell.
int ListTensors(Cli& cli, const std::string& path,
                const SafetensorsView& view) {
  Report report(cli.verb);
  report.Line(fmt::format("{}: {} tensors; not a temper model: no graph", path,
                          view.tensors.size()));
  report.Data("weights", path);
  report.Data("source", "tensors");
  Table& tensors = report.AddTable("tensors", {{"name", "name", Column::kName},
                                               {"dtype", "type", Column::kText},
                                               {"shape", "shape"},
                                               {"bytes", "size", {}, kBytes}});
  for (const SafetensorsTensor& t : view.tensors) {
    tensors.Add({t.name, SafetensorsTypeName(t.type),
                 std::vector<uint64_t>(t.shape().begin(), t.shape().end()),
                 t.bytes});
  }
  return cli.output.Print(report);
}

// The header of any safetensors file.
SafetensorsView ReadView(const std::string& path) {
  ReadableFile file;
  SafetensorsView view;
  FileError error = file.Open(path);
  if (error.ok()) error = ReadSafetensors(file.Reader(), file.size(), &view);
  if (!file.error().ok()) error = file.error();
  if (!error.ok()) FailFile(error, path);
  return view;
}

std::string PreprocessingText(const Preprocessing& p) {
  std::string text =
      fmt::format("samples of {}x{}x{} {}", p.h, p.w, p.c,
                  p.element_type == ElementType::kU8 ? "u8" : "f32");
  if (p.scale != 1.0f) {
    const double parts = std::round(1 / double{p.scale});
    text += p.scale == static_cast<float>(1 / parts)
                ? fmt::format(", divided by {}", parts)
                : fmt::format(", times {}", p.scale);
  }
  if (p.channels != Preprocessing::Channels::kAsData) {
    text += p.channels == Preprocessing::Channels::kBgr
                ? ", blue first, gray in all channels"
                : ", red first, gray in all channels";
  }
  switch (p.kind) {
    case Preprocessing::Kind::kNone:
      return text + "; no mean, no deviation";
    case Preprocessing::Kind::kMeanStd:
      return text + ", less the mean, over the deviation of each channel";
    case Preprocessing::Kind::kMeanImage:
      return text + ", less the mean, over the deviation of each pixel";
    case Preprocessing::Kind::kMeanImageOnly:
      return text + ", less the mean of each pixel";
    case Preprocessing::Kind::kChannelMean:
      return text + ", less the mean of each channel";
    case Preprocessing::Kind::kUnit:
      return text + ", to [0, 1]";
    case Preprocessing::Kind::kSigned:
      return text + ", to [-1, 1]";
  }
  return text;
}

Value PreprocessingValue(const Preprocessing& p) {
  Value shape = Value::array();
  for (const uint32_t size : {p.h, p.w, p.c}) shape.push_back(size);
  return {{"shape", shape},
          {"type", p.element_type == ElementType::kU8 ? "u8" : "f32"},
          {"scale", p.scale},
          {"kind", PreprocessingKindName(p.kind)},
          {"channels", ChannelsName(p.channels)}};
}

// How far it has been trained, and how well it did.
void AddTraining(const ModelDescription& model, Report* report) {
  const std::optional<Counters> c = StoredCounters(model);
  if (!c) {
    report->Data("training", Value());
    return;
  }
  std::string text = Counted(c->Epochs(), "epoch");
  if (c->batch != 0)
    text += " and " + fmt::format("{} of the next's batches", c->batch);
  text += ", " + Counted(c->Steps(), "step");
  report->Data("training.epochs", c->Epochs());
  report->Data("training.batches", c->batch);
  report->Data("training.steps", c->Steps());
  const bool best = c->best_epoch != 0, classes = !model.classes.empty();
  // Of a run without validation data the best epoch is the last one.
  const bool judged = best && c->best_accuracy >= 0.0;
  report->Data("training.best_epoch", best ? Value(c->best_epoch) : Value());
  report->Data("training.best_accuracy",
               judged && classes ? Value(c->best_accuracy) : Value());
  report->Data("training.best_loss", judged ? Value(c->best_loss) : Value());
  if (judged) {
    text += fmt::format("; best epoch {}: ", c->best_epoch);
    text += classes ? "accuracy " + FormatValue(c->best_accuracy, kShare)
                    : fmt::format("loss {:.6f}", c->best_loss);
  }
  report->Text("trained", text);
  const auto seed = model.training.find("seed");
  report->Data("training.seed",
               seed == model.training.end()
                   ? Value()
                   : Value(ParseCount(seed->second, UINT64_MAX)));
}

void AddLayers(const Graph& graph, const Plan& plan, Report* report) {
  uint64_t trained = 0, buffers = 0, work = 0;
  Table layers;
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    uint64_t parameters = 0;
    for (uint32_t w = 0; w < plan.nodes[i].weight_count; ++w) {
      const WeightSpec& spec = plan.nodes[i].specs[w];
      (IsTrained(spec.role) ? trained : buffers) += spec.Count();
      if (IsTrained(spec.role)) parameters += spec.Count();
    }
    const uint64_t adds = models::MultiplyAdds(plan, i);
    work += adds;
    const Shape& s = plan.shapes[i];
    Value shape = Value::array();
    for (const uint32_t size : {s.h, s.w, s.c}) shape.push_back(size);
    layers.Add({graph.nodes[i].name, LayerName(graph.nodes[i].kind), shape,
                fmt::format("{}x{}x{}", s.h, s.w, s.c), parameters, adds});
  }
  report->Fact(
      "parameters", "parameters", trained,
      fmt::format("{} trained, {} stored beside them", trained, buffers));
  report->Data("buffers", buffers);
  report->Fact("multiply_adds", "multiply-adds", work,
               fmt::format("{} per sample, forward", work));
  report->Line("");
  Table& table =
      report->AddTable("layers", {{"layer", "layer", Column::kName},
                                  {"kind", "kind", Column::kName},
                                  {"output", ""},
                                  {"", "output"},
                                  {"parameters", "parameters"},
                                  {"multiply_adds", "multiply-adds"}});
  table.rows = std::move(layers.rows);
  table.in_text = std::move(layers.in_text);
}

// What the normalize layer subtracts and divides by, value by value of a sample;
// empty if there is none.
struct Statistics {
  std::vector<float> mean, std;
};

Statistics StatisticsOf(const ModelDescription& model, ModelSource& source) {
  Statistics found;
  source.Read([&](const StoredTensor& tensor, bool state, uint64_t,
                  std::span<const float> values) {
    if (state || tensor.node >= model.graph.nodes.size() ||
        !model.graph.nodes[tensor.node].Is<NormalizeParams>()) {
      return;
    }
    std::vector<float>& to =
        tensor.name.ends_with(".mean") ? found.mean : found.std;
    to.insert(to.end(), values.begin(), values.end());
  });
  return found;
}

// The columns of the table that it was trained on.
void AddColumns(const ModelDescription& model, ModelSource& source,
                Report* report) {
  if (model.columns.empty()) return;
  const Statistics stats = StatisticsOf(model, source);
  const auto at = [](const std::vector<float>& of, size_t i) {
    return i < of.size() ? Value(of[i]) : Value();
  };
  report->Line("");
  Table& table =
      report->AddTable("columns", {{"column", "column", Column::kName},
                                   {"kind", "kind", Column::kText},
                                   {"mean", "mean"},
                                   {"std", "deviation"},
                                   {"fill", "if missing"},
                                   {"categories", ""},
                                   {"", "texts", Column::kName}});
  size_t input = 0;
  for (const TableColumn& column : model.columns) {
    const bool texts = !column.values.empty();
    table.Add({column.name, texts ? "texts" : "numbers",
               texts ? Value() : at(stats.mean, input),
               texts ? Value() : at(stats.std, input), Value(column.fill),
               column.values,
               texts ? fmt::format("{}", fmt::join(column.values, ", ")) : ""});
    input += column.Inputs();
  }
}

int Show(Cli& cli, const std::string& name, const ModelDescription& model,
         ModelSource* source, bool graph_alone) {
  Report report(cli.verb);
  report.Data("weights", source != nullptr ? Value(source->path()) : Value());
  report.Data("source", source != nullptr ? "model file" : "ready model");
  if (graph_alone) {
    std::string graph;
    const FileError error = WriteGraphJson(model.graph, &graph);
    if (!error.ok()) FailFile(error, name);
    const Value value = ParseValue(graph, UINT64_MAX);
    // The text is a file for --model, and nothing else.
    if (!cli.output.json) {
      PrintResult(JsonText(value) + "\n");
      return kExitOk;
    }
    report.Data("graph", value);
    return cli.output.Print(report);
  }
  PlanOptions options;
  options.batch = 1;
  options.training = false;
  options.pack_weights = true;  // as predict does
  Plan plan;
  const Status status = MakePlan(model.graph, options, &plan);
  if (!status.ok()) FailStatus(status, model.graph, name);
  if (source != nullptr) {
    report.Text("model", source->path(), kVerbatim);
    report.Fact("model_classes",
                fmt::format("{} classes", model.classes.size()), model.classes);
    report.Fact("preprocessing", "preprocessing",
                PreprocessingValue(model.preprocessing),
                PreprocessingText(model.preprocessing));
    AddTraining(model, &report);
    const bool state = !source->header().optimizer_state.empty();
    report.Fact("optimizer_state", "optimizer", state,
                state ? "state of a run that can be resumed"
                      : "no state: a finished model");
    report.Fact("weights_sha256", "sha256", source->WeightsSha256(), kVerbatim);
  } else {
    const Shape& in = plan.shapes[0];
    report.Text("model", fmt::format("{}, built for samples of {}x{}x{} u8",
                                     name, in.h, in.w, in.c));
    report.Data("model_classes", Value());
    report.Data("preprocessing", Value());
    report.Data("training", Value());
    report.Data("optimizer_state", false);
    report.Data("weights_sha256", Value());
    report.Next({"train", "--model", name, "--data", "idx:DIR"});
  }
  if (source != nullptr) AddColumns(model, *source, &report);
  AddLayers(model.graph, plan, &report);
  return cli.output.Print(report);
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

int Run(Cli& cli, const Arguments& a) {
  const std::string path = WeightsFile(a.file);
  const std::string name = path.substr(0, path.find('?'));
  const auto known = models::Models();
  const bool ready = std::any_of(known.begin(), known.end(),
                                 [&](auto* m) { return name == m->name; });
  if (ready && !Exists(path)) {
    ModelDescription model;
    uint32_t classes = 0;
    // Pictures are what the command reads most.
    model.graph = ReadyModel(path, ElementType::kU8, &classes);
    return Show(cli, path, model, nullptr, a.graph);
  }
  if (path.find('/') == path.npos && !path.ends_with(".safetensors") &&
      !Exists(path)) {
    std::vector<std::string_view> names;
    for (const models::ModelInfo* model : known) names.push_back(model->name);
    Fail(ErrorKind::kNotFound, "no such model file, run or ready model",
         Printable(path), "", Suggest(name, names));
  }
  {
    const SafetensorsView view = ReadView(path);
    if (!IsModelFile(view) && !a.graph) return ListTensors(cli, path, view);
  }
  ModelSource source(path);
  return Show(cli, path, source.header(), &source, a.graph);
}

}  // namespace

void AddInspectVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb& verb = cli.Add("inspect", "Show what a model is made of",
                       [&cli, a] { return Run(cli, *a); });
  verb.example = "temper inspect runs/train";
  verb.Add("model", &a->file, "MODEL",
           "A .safetensors file, a run folder, or a ready model's name")
      .Required()
      .Group("What");
  verb.Flag("--graph", &a->graph,
            "The graph as JSON, for `train --model graph.json`")
      .Group("What");
}

}  // namespace temper::host
