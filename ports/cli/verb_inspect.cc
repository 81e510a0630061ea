// inspect: what is in a model file: layers with shapes, parameters and
// multiply-adds, classes, preprocessing, training state; or its graph as JSON.
#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>

#include "models/files/graph_json.h"
#include "models/files/safetensors.h"
#include "models/files/text.h"
#include "models/work.h"
#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/messages.h"
#include "ports/host/os/file_io.h"
#include "ports/host/train/job.h"
#include "ports/host/train/model_source.h"

namespace temper::host {
namespace {

struct Arguments {
  std::string file;
  bool graph = false;
};

std::string ShapeText(const Shape& s) {
  return fmt::format("{}x{}x{}", s.h, s.w, s.c);
}

// A file of another writer: its tensors are all there is to tell.
int ListTensors(const Cli& cli, const SafetensorsView& view) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const SafetensorsTensor& t : view.tensors) {
    if (cli.json) {
      list.push_back(
          {{"name", std::string(t.name)},
           {"dtype", SafetensorsTypeName(t.type)},
           {"shape", std::vector<uint64_t>(t.shape().begin(), t.shape().end())},
           {"bytes", t.bytes}});
    } else {
      Result("{} {:<6} ({})\n", LeftCell(t.name, 48),
             SafetensorsTypeName(t.type), fmt::join(t.shape(), ", "));
    }
  }
  if (cli.json) {
    const nlohmann::ordered_json json = {{"temper", false}, {"tensors", list}};
    PrintJson(json);
  } else {
    Result("{} tensors; not a temper model: no graph\n", view.tensors.size());
  }
  return kExitOk;
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

int Run(const Cli& cli, const Arguments& a) {
  {
    const SafetensorsView view = ReadView(a.file);
    if (!IsModelFile(view) && !a.graph) return ListTensors(cli, view);
  }
  ModelSource source(a.file);
  const ModelHeader& model = source.header();
  std::string graph;
  FileError error = WriteGraphJson(model.graph, &graph);
  if (!error.ok()) FailFile(error, a.file);
  if (a.graph) {
    PrintJson(nlohmann::ordered_json::parse(graph));
    return kExitOk;
  }
  PlanOptions options;
  options.batch = 1;
  options.training = false;
  Plan plan;
  const Status status = MakePlan(model.graph, options, &plan);
  if (!status.ok()) FailStatus(status, model.graph, a.file);
  const std::string sha256 = source.WeightsSha256();
  uint64_t trained = 0, buffers = 0, work = 0;
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  if (!cli.json) {
    Result("{:<24} {:<22} {:>12} {:>10} {:>12}\n", "layer", "kind", "output",
           "parameters", "mult-adds");
  }
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    uint64_t parameters = 0;
    for (uint32_t w = 0; w < plan.nodes[i].weight_count; ++w) {
      const WeightSpec& spec = plan.nodes[i].specs[w];
      (IsTrained(spec.role) ? trained : buffers) += spec.Count();
      if (IsTrained(spec.role)) parameters += spec.Count();
    }
    const uint64_t adds = models::MultiplyAdds(plan, i);
    work += adds;
    const Node& node = model.graph.nodes[i];
    if (cli.json) {
      layers.push_back(
          {{"name", node.name},
           {"layer", LayerName(node.kind)},
           {"output", {plan.shapes[i].h, plan.shapes[i].w, plan.shapes[i].c}},
           {"parameters", parameters},
           {"multiply_adds", adds}});
    } else {
      Result("{} {:<22} {:>12} {:>10} {:>12}\n", LeftCell(node.name, 24),
             LayerName(node.kind), ShapeText(plan.shapes[i]), parameters, adds);
    }
  }
  if (cli.json) {
    nlohmann::ordered_json json = {
        {"temper", true},
        {"layers", layers},
        {"parameters", trained},
        {"buffers", buffers},
        {"multiply_adds", work},
        {"classes", model.classes},
        {"preprocessing", nlohmann::ordered_json::parse(
                              WritePreprocessing(model.preprocessing))},
        {"training", model.training},
        {"optimizer_state", !model.optimizer_state.empty()},
        {"weights_sha256", sha256}};
    PrintJson(json);
    return kExitOk;
  }
  Result("\nparameters     {} trained, {} stored beside them\n", trained,
         buffers);
  Result("mult-adds      {} per sample, forward\n", work);
  Result("classes        {}:", model.classes.size());
  for (const std::string& name : model.classes) Result(" {}", Printable(name));
  Result("\npreprocessing  {}\n", WritePreprocessing(model.preprocessing));
  for (const auto& [key, value] : model.training) {
    // Floating-point counters are stored as the digits of their bits.
    const bool bits =
        key == "loss_sum" || key == "best_accuracy" || key == "best_loss";
    uint64_t digits = 0;
    if (bits &&
        std::from_chars(value.data(), value.data() + value.size(), digits, 16)
                .ptr == value.data() + value.size()) {
      Result("{:<14} {}\n", key, std::bit_cast<double>(digits));
      continue;
    }
    Result("{} {}\n", LeftCell(key, 14, 40), Printable(value));
  }
  Result("optimizer      {}\n", model.optimizer_state.empty()
                                    ? "no state: a finished model"
                                    : "state of a run that can be resumed");
  Result("sha256         {}\n", sha256);
  return kExitOk;
}

}  // namespace

void AddInspectVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb& verb = cli.Add("inspect", "Show what is in a model file",
                       [&cli, a] { return Run(cli, *a); });
  verb.Add("file", &a->file, "FILE", "A .safetensors file")
      .Required()
      .Group("What");
  verb.Flag("--graph", &a->graph,
            "The graph as JSON, for `train --model graph.json`")
      .Group("What");
}

}  // namespace temper::host
