// A program against the installed libraries: loads a model that the command has
// trained, counts how many samples of an IDX data set it gets right, trains its
// head for some more steps, counts again, and saves it.
//
//   models MODEL.safetensors IMAGES LABELS OUT.safetensors
//
// Prints both counts. Also builds a ready model and writes it to memory.
#include "temper/models.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "temper/files.h"
#include "temper/graph_edit.h"
#include "temper/temper.h"

namespace {

alignas(64) uint8_t memory[1 << 20];
constexpr uint32_t kBatch = 16;

std::vector<uint8_t> Read(const char* path, size_t header) {
  std::ifstream in(path, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(std::min(
                                                 header, bytes.size())));
  return bytes;
}

bool BuildsAReadyModel() {
  temper::Graph graph;
  std::string why;
  if (!temper::models::BuildModel(
           "lenet5", {28, 28, 1, temper::ElementType::kU8},
           {temper::TargetKind::kClasses, 10}, &graph, &why)
           .ok()) {
    return false;
  }
  temper::Plan plan;
  temper::Trainer trainer;
  static std::vector<uint8_t> arena;
  if (!temper::MakePlan(graph, {}, &plan).ok()) return false;
  arena.resize(plan.arena_bytes + 64);
  void* at = arena.data();
  size_t room = arena.size();
  std::align(64, plan.arena_bytes, at, room);
  if (!trainer.Create(plan, at, plan.arena_bytes).ok()) return false;
  trainer.Initialize(1);
  temper::ModelDescription model;
  model.preprocessing = temper::PreprocessingOf(graph);
  std::vector<uint8_t> file;
  return temper::WriteModel(model, trainer, &file).ok() && file.size() > 4096;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5 || !BuildsAReadyModel()) return 1;
  temper::ModelReader file;
  temper::FileError error = temper::OpenModel(argv[1], &file);
  if (!error.ok()) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    return 2;
  }
  temper::ModelDescription model = file.description();
  temper::Plan plan;
  temper::PlanOptions options;
  options.batch = kBatch;
  options.frozen.assign(model.graph.nodes.size(), 1);
  options.frozen[temper::models::HeadNode(model.graph)] = 0;
  if (!temper::MakePlan(model.graph, options, &plan).ok()) return 3;
  temper::Trainer trainer;
  if (!trainer.Create(plan, memory, sizeof(memory)).ok()) return 4;
  error = file.ReadWeights(trainer);
  if (!error.ok()) return 5;

  const std::vector<uint8_t> images = Read(argv[2], 16);
  const std::vector<uint8_t> bytes = Read(argv[3], 8);
  const std::vector<int32_t> labels(bytes.begin(), bytes.end());
  const size_t size = plan.shapes[0].Count();
  if (labels.empty() || images.size() != labels.size() * size) return 6;
  const auto batch = [&](size_t first) {
    temper::Batch b;
    b.input = images.data() + first * size;
    b.labels = labels.data() + first;
    b.rows =
        static_cast<uint32_t>(std::min<size_t>(kBatch, labels.size() - first));
    return b;
  };
  const auto right = [&] {
    uint32_t correct = 0;
    for (size_t i = 0; i < labels.size(); i += kBatch) {
      correct += trainer.Evaluate(batch(i)).correct;
    }
    return correct;
  };
  std::printf("before %u\n", right());
  for (size_t i = 0; i < labels.size(); i += kBatch) {
    if (!trainer.Step(batch(i), 0.01f).status.ok()) return 7;
  }
  std::printf("after %u\n", right());
  model.training.clear();
  error = temper::SaveModel(argv[4], model, trainer);
  if (!error.ok()) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    return 8;
  }
  return 0;
}
