// A small training program without the host's command line, as a firmware would
// have it: a model by name, its plan, some steps on two classes of drawn
// samples, and the result as a model file in memory, which is read back. Its
// stripped size is what runtime, simd and models cost (size_test.py).
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "models/files/model_file.h"
#include "models/graphs/models.h"
#include "temper/temper.h"

namespace temper {
namespace {

int Fail(const char* what, const char* why) {
  std::fprintf(stderr, "small_training: %s: %s\n", what, why);
  return 1;
}

int Main(const char* model) {
  const Shape input{12, 12, 1};
  Graph graph;
  std::string error;
  if (!models::BuildModel(model, input, {TargetKind::kClasses, 2}, &graph,
                          &error)
           .ok())
    return Fail(model, error.c_str());
  PlanOptions options;
  options.batch = 8;
  Plan plan;
  Status status = MakePlan(graph, options, &plan);
  if (!status.ok()) return Fail("plan", status.message);
  std::printf("%llu bytes\n",
              static_cast<unsigned long long>(plan.arena_bytes));
  void* const arena = std::aligned_alloc(64, plan.arena_bytes);
  Trainer trainer;
  status = trainer.Create(std::move(plan), arena, plan.arena_bytes);
  if (!status.ok()) return Fail("trainer", status.message);
  trainer.Initialize(/*seed=*/1);

  // Noise, brighter in the upper or in the lower half.
  const size_t count = input.Count();
  std::vector<float> samples(options.batch * count);
  std::vector<int32_t> labels(options.batch);
  StepResult result;
  for (uint32_t step = 0; step < 30; ++step) {
    for (uint32_t s = 0; s < options.batch; ++s) {
      labels[s] = s % 2;
      for (uint32_t i = 0; i < count; ++i) {
        const uint32_t word = RandomWord(1, i, step * options.batch + s, 0, 0);
        samples[s * count + i] = static_cast<float>(word) * 0x1p-32f +
                                 (i * 2 / count == s % 2 ? 1.0f : 0.0f);
      }
    }
    result = trainer.Step(
        {samples.data(), labels.data(), nullptr, nullptr, options.batch},
        0.05f);
    if (!result.status.ok()) return Fail("step", result.status.message);
  }

  ModelFile file;
  file.graph = graph;
  file.preprocessing = {input.h, input.w, input.c};
  file.classes = {"upper", "lower"};
  for (const TensorView& t : trainer.Tensors()) {
    ModelTensor tensor;
    tensor.name = graph.nodes[t.node].name;
    tensor.name.append(".").append(t.spec->name);
    for (uint32_t d = 0; d < t.spec->rank; ++d)
      tensor.dims.push_back(t.spec->dims[d]);
    tensor.values.assign(t.data, t.data + t.count);
    file.weights.push_back(std::move(tensor));
  }
  std::vector<uint8_t> bytes;
  ModelFile again;
  FileError bad = SaveModelFile(file, &bytes);
  if (bad.ok()) bad = LoadModelFile(bytes, &again);
  if (!bad.ok()) return Fail("model file", bad.message.c_str());
  std::printf("loss %.4f, weights %s\n", static_cast<double>(result.loss),
              WeightsSha256(again.weights).c_str());
  std::free(arena);
  return result.loss < 0.3f ? 0 : Fail("training", "the loss did not fall");
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  return temper::Main(argc > 1 ? argv[1] : "resnet8");
}
