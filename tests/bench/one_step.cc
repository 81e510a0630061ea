// One training step of one model, for tests/bench/instructions_test.py, which
// counts the instructions of Trainer::Step:  one_step MODEL H W C CLASSES BATCH
// Runs on one thread with AVX2, the best target that valgrind knows. Weights
// are no draws, which would take longer than the step.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "models/graphs/models.h"
#include "simd/target.h"
#include "temper/temper.h"

int main(int argc, char** argv) {
  using namespace temper;
  if (argc != 7) return 64;
  const auto number = [&](int i) {
    return static_cast<uint32_t>(std::atoi(argv[i]));
  };
  if (!simd::ForceTarget("avx2")) {
    std::fprintf(stderr, "this CPU has no AVX2\n");
    return 69;
  }
  const Shape shape{number(2), number(3), number(4)};
  const uint32_t classes = number(5), rows = number(6);
  Graph graph;
  std::string error;
  if (!models::BuildModel(argv[1], shape, {TargetKind::kClasses, classes},
                          &graph, &error)
           .ok()) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 64;
  }
  PlanOptions options;
  options.batch = rows;
  SgdParams sgd;
  sgd.decay_all = 1;
  options.optimizer = sgd;
  Plan plan;
  Status status = MakePlan(graph, options, &plan);
  const size_t bytes = plan.arena_bytes;
  const std::unique_ptr<void, void (*)(void*)> memory(
      std::aligned_alloc(64, bytes + 64), std::free);
  Trainer trainer;
  if (status.ok())
    status = trainer.Create(std::move(plan), memory.get(), bytes);
  if (status.ok()) {
    // A stride through [-0.05, 0.05]; small enough for every depth.
    uint32_t state = 1;
    const auto next = [&] {
      state = state * 1664525u + 1013904223u;
      return static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31f;
    };
    for (const TensorView& view : trainer.Tensors()) {
      const WeightRole role = view.spec->role;
      if (role != WeightRole::kKernel && role != WeightRole::kGamma) continue;
      for (uint64_t i = 0; i < view.count; ++i) {
        view.data[i] = role == WeightRole::kGamma ? 1.0f : 0.05f * next();
      }
    }
    std::vector<float> input(rows * shape.Count());
    for (float& x : input) x = next();
    std::vector<int32_t> labels(rows, 1);
    Batch batch;
    batch.input = input.data();
    batch.labels = labels.data();
    batch.rows = rows;
    // What a trainer does once, before it first runs (are all weights set?), is
    // no part of a step.
    status = trainer.Evaluate(batch).status;
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.message);
    const StepResult result = trainer.Step(batch, 0.001f);
    status = result.status;
    std::printf("loss %.7g\n", static_cast<double>(result.loss));
  }
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message);
  return status.ok() ? 0 : 1;
}
