// Whole training steps: forward, loss, backward, SGD with momentum and weight
// decay, batch norm live, f32, one thread, on data in memory. One line of JSON
// per model and batch: milliseconds (median), images/s, and the fraction of the
// FMA peak that a loop on registers reaches in the same process, counting the
// multiply-adds of the layers' kernels (forward once, backward twice).
//   build/bench/bin/step_bench [--target avx2] [--seconds 2] [MODEL BATCH]...
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "bench/machine.h"
#include "models/models.h"
#include "simd/target.h"
#include "temper/temper.h"

namespace temper {
namespace {

struct Case {
  const char* model;
  Shape input;
  uint32_t classes;
};
constexpr Case kCases[] = {
    {"resnet8", {32, 32, 3}, 10},     {"ds_cnn", {49, 10, 1}, 12},
    {"mobilenet_v1", {96, 96, 3}, 2}, {"fc_autoencoder", {1, 1, 640}, 2},
    {"lenet5", {28, 28, 1}, 10},      {"mlp", {28, 28, 1}, 10},
    {"mobilenet_v2", {96, 96, 3}, 10}, {"resnet18", {96, 96, 3}, 10},
};

// Floating-point operations of one training step on one image.
double StepFlops(const Plan& plan) {
  double flops = 0;
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    const NodePlan& node = plan.nodes[i];
    for (uint32_t w = 0; w < node.weight_count; ++w) {
      if (node.specs[w].role != WeightRole::kKernel) continue;
      const double forward = 2.0 * static_cast<double>(node.specs[w].Count()) *
                             plan.shapes[i].h * plan.shapes[i].w;
      flops += forward * (node.mode.need_dx[0] ? 3 : 2);
    }
  }
  return flops;
}

int Run(const Case& c, uint32_t batch, double seconds, double peak) {
  Graph graph;
  std::string error;
  if (!models::BuildModel(c.model, c.input, c.classes, &graph, &error).ok()) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  PlanOptions options;
  options.batch = batch;
  Plan plan;
  const Status status = MakePlan(graph, options, &plan);
  if (!status.ok()) {
    std::printf("{\"model\":\"%s\",\"batch\":%u,\"skipped\":\"%s\"}\n", c.model,
                batch, status.message);
    return 0;
  }
  const double flops = StepFlops(plan) * batch;
  const uint64_t bytes = plan.arena_bytes;
  void* memory = std::aligned_alloc(64, bytes);
  Trainer trainer;
  if (!trainer.Create(std::move(plan), memory, bytes).ok()) return 1;
  trainer.Initialize(1);
  std::vector<float> input(batch * c.input.Count());
  for (size_t i = 0; i < input.size(); ++i) {
    input[i] = static_cast<float>(static_cast<int32_t>(
                   RandomWord(1, static_cast<uint32_t>(i), 0, 0, 0))) *
               0x1p-31f;
  }
  std::vector<int32_t> labels(batch);
  for (uint32_t i = 0; i < batch; ++i)
    labels[i] = static_cast<int32_t>(i % c.classes);
  Batch b;
  b.input = input.data();
  b.labels = labels.data();
  b.rows = batch;
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < 3; ++i) {
    if (!trainer.Step(b, 0.01f).status.ok()) return 1;
  }
  std::vector<double> times;
  const auto start = Clock::now();
  while (times.size() < 5 ||
         std::chrono::duration<double>(Clock::now() - start).count() <
             seconds) {
    const auto begin = Clock::now();
    if (!trainer.Step(b, 0.001f).status.ok()) return 1;
    times.push_back(
        std::chrono::duration<double>(Clock::now() - begin).count());
  }
  std::nth_element(times.begin(), times.begin() + times.size() / 2,
                   times.end());
  const double median = times[times.size() / 2];
  std::printf(
      "{\"model\":\"%s\",\"batch\":%u,\"threads\":1,\"target\":\"%s\","
      "\"ms_per_step\":%.4f,\"images_per_second\":%.1f,\"gflops\":%.1f,"
      "\"fma_peak_gflops\":%.1f,\"fraction_of_peak\":%.3f,\"arena_bytes\":%llu}"
      "\n",
      c.model, batch, simd::CurrentTarget().name, median * 1e3, batch / median,
      flops / median * 1e-9, peak, flops / median * 1e-9 / peak,
      static_cast<unsigned long long>(bytes));
  std::fflush(stdout);
  std::free(memory);
  return 0;
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  double seconds = 2;
  int at = 1;
  while (at + 1 < argc && std::strncmp(argv[at], "--", 2) == 0) {
    if (std::strcmp(argv[at], "--target") == 0) {
      if (!temper::simd::ForceTarget(argv[at + 1])) {
        std::fprintf(stderr, "no target %s here\n", argv[at + 1]);
        return 64;
      }
    } else if (std::strcmp(argv[at], "--seconds") == 0) {
      seconds = std::atof(argv[at + 1]);
    } else {
      std::fprintf(stderr, "unknown option %s\n", argv[at]);
      return 64;
    }
    at += 2;
  }
  const double peak = temper::bench::FmaPeakGflops();
  for (const auto& c : temper::kCases) {
    if (at < argc) {
      for (int i = at; i + 1 < argc; i += 2) {
        if (std::strcmp(argv[i], c.model) != 0) continue;
        const int result = temper::Run(
            c, static_cast<uint32_t>(std::atoi(argv[i + 1])), seconds, peak);
        if (result != 0) return result;
      }
      continue;
    }
    for (const uint32_t batch : {1u, 8u, 32u}) {
      const int result = temper::Run(c, batch, seconds, peak);
      if (result != 0) return result;
    }
  }
  return 0;
}
