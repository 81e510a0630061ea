// A whole program over the public headers: its memory is a static buffer.
#include <cstdint>
#include <cstdio>

#include "temper/temper.h"

alignas(64) static uint8_t memory[1 << 20];  // all that steps ever use

int main() {
  // The network: 16 numbers in, two classes out.
  temper::Graph graph;
  uint32_t x = graph.Add("input", temper::InputParams{1, 1, 16});
  x = graph.Add("normalize", temper::NormalizeParams{}, x);
  x = graph.Add("fc1", temper::DenseParams{32}, x);
  x = graph.Add("relu", temper::ReluParams{}, x);
  x = graph.Add("fc2", temper::DenseParams{2}, x);
  graph.Add("loss", temper::SoftmaxCrossEntropyParams{}, x);

  // The plan: exact bytes before anything runs.
  temper::PlanOptions options;
  options.batch = 8;
  temper::Plan plan;
  temper::Trainer trainer;
  if (!temper::MakePlan(graph, options, &plan).ok()) return 1;
  std::printf("%llu bytes\n",
              static_cast<unsigned long long>(plan.arena_bytes));
  if (!trainer.Create(plan, memory, sizeof(memory)).ok()) return 2;
  trainer.Initialize(/*seed=*/1);

  // Class 1 if the first half of the sample is larger than the second.
  float samples[8][16];
  int32_t labels[8];
  temper::StepResult result;
  for (uint32_t step = 0; step < 300; ++step) {
    for (uint32_t s = 0; s < 8; ++s) {
      float difference = 0;
      for (uint32_t i = 0; i < 16; ++i) {
        samples[s][i] = temper::RandomWord(1, i, 8 * step + s, 0, 0) * 0x1p-32f;
        difference += i < 8 ? samples[s][i] : -samples[s][i];
      }
      labels[s] = difference > 0;
    }
    result =
        trainer.Step({.input = samples, .labels = labels, .rows = 8}, 0.1f);
    if (!result.status.ok()) return 3;
  }
  std::printf("loss %.3f\n", static_cast<double>(result.loss));
  return result.loss < 0.3f ? 0 : 4;
}
