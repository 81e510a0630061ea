// See run_files.h.
#include "ports/host/train/run_files.h"

#include <fmt/format.h>

#include <cstdint>
#include <vector>

#include "models/files/graph_json.h"
#include "models/files/json.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/text_file.h"
#include "ports/host/os/file_io.h"
#include "ports/host/train/backend.h"

namespace temper::host {

std::string BestWeights(const std::string& folder) {
  return folder + "/weights/" + kBestWeights;
}

std::string LastCheckpoint(const std::string& folder) {
  return folder + "/weights/" + kLastCheckpoint;
}

namespace {

constexpr uint64_t kMostConfig = 1u << 20;

JobOptions OptionsOfRun(const std::vector<uint8_t>& bytes,
                        const std::string& folder) {
  const std::string path = folder + "/" + kConfigFile;
  const std::string text(bytes.begin(), bytes.end());
  JobOptions options = OptionsFromJson(DecodeText(text, path), path);
  options.out = folder;
  return options;
}

}  // namespace

JobOptions ReadRunOptions(const std::string& folder) {
  return OptionsOfRun(ReadFileOrFail(folder + "/" + kConfigFile, kMostConfig),
                      folder);
}

JobOptions ReadRunOptions(const RunFolder& folder) {
  return OptionsOfRun(folder.ReadFile(kConfigFile, kMostConfig), folder.path());
}

namespace {

std::string BackendJson(const Plan& plan) {
  std::string json = ",\n \"why_not_exact\": ";
  AppendJsonString(&json, WhyNotExact(plan));
  json += ",\n \"backend\": ";
  AppendJsonString(&json, ArithmeticOfBackend(plan));
  json += fmt::format(",\n \"backend_bytes\": {},\n \"segments\": [",
                      plan.backend_bytes);
  for (const Segment& segment : plan.segments) {
    json +=
        &segment == plan.segments.data() ? "{\"first\": " : ", {\"first\": ";
    AppendJsonString(&json, plan.graph.nodes[segment.first].name);
    json += ", \"last\": ";
    AppendJsonString(&json, plan.graph.nodes[segment.last].name);
    json += "}";
  }
  return json + "]";
}

}  // namespace

std::string PlanJson(const Plan& plan) {
  // Text by hand: a tree of a plan of thousands of layers takes tens of MiB.
  std::string graph;
  const FileError error = WriteGraphJson(plan.graph, &graph);
  if (!error.ok()) throw Failure(ErrorKind::kBug, error.message);
  std::string json = fmt::format(
      "{{\n \"version\": 1,\n \"arithmetic\": {},\n \"arena_bytes\": {},\n"
      " \"lower_bound\": {},\n \"transient_bytes\": {},\n \"batch\": {},\n"
      " \"threads\": {},\n \"minimum_rows\": {},\n"
      " \"program_hash\": \"{:016x}\",\n \"layout_hash\": \"{:016x}\",\n"
      " \"exact\": {},\n \"graph\": ",
      kArithmeticVersion, plan.arena_bytes, plan.lower_bound,
      plan.transient_bytes, plan.options.batch, plan.options.threads,
      plan.minimum_rows, plan.program_hash, plan.layout_hash,
      WhyNotExact(plan).empty());
  json += graph;
  if (!plan.segments.empty()) json += BackendJson(plan);
  json += ",\n \"tensors\": [";
  for (const PlannedTensor& t : plan.tensors) {
    json += &t == plan.tensors.data() ? "\n" : ",\n";
    json += "  {\"kind\": ";
    AppendJsonString(&json, TensorKindName(t.kind));
    json += ", \"layer\": ";
    AppendJsonString(&json,
                     t.node == kNoNode ? "" : plan.graph.nodes[t.node].name);
    json += fmt::format(
        ", \"slot\": {}, \"bytes\": {}, \"offset\": {}, \"first_step\": {}, "
        "\"last_step\": {}}}",
        t.slot, t.bytes, t.offset, t.first, t.last);
  }
  json += "\n ]\n}\n";
  return json;
}

}  // namespace temper::host
