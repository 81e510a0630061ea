// The memory of the runtime outside the arena: heap of planning, stack of a
// step. The bounds are those of docs/memory.md and temper/trainer.h.
#include <pthread.h>

#include <cstdlib>
#include <cstring>

#include "tests/testing/allocations.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Allocations;
using testing::TestBatch;
using testing::TestModel;

constexpr uint32_t kBatch = 4;

TEST(Footprint, HeapOfPlanningIsBoundedAndStepsTakeNone) {
  for (const TestModel& model : testing::TestModels()) {
    SCOPED_TRACE(model.name);
    const Graph graph =
        testing::BuildOrDie(model.name, model.input, model.classes);
    PlanOptions options;
    options.batch = kBatch;
    options.threads = 4;
    const TestBatch data(model.input, model.classes, kBatch, 1);
    // The arena comes first: it is no part of what is counted.
    uint64_t arena = 0;
    {
      Plan plan;
      ASSERT_TRUE(MakePlan(graph, options, &plan).ok());
      arena = plan.arena_bytes;
    }
    testing::Memory memory(arena);
    Trainer trainer;
    const uint64_t nodes = graph.nodes.size();
    const Allocations all;
    const int64_t before = testing::allocated_bytes;
    {
      Plan plan;
      ASSERT_TRUE(MakePlan(graph, options, &plan).ok());
      ASSERT_TRUE(
          trainer.Create(std::move(plan), memory.data(), memory.size()).ok());
    }
    const int64_t after = testing::allocated_bytes - before;
    EXPECT_GT(after, 0);
    EXPECT_LT(all.peak(), 2560 * nodes);
    EXPECT_LT(after, static_cast<int64_t>(1536 * nodes + 8 * kBatch));
    trainer.Initialize(1);
    trainer.CheckMemory(false);
    const Allocations steps;
    ASSERT_TRUE(trainer.Step(data.View(kBatch), 0.01f).status.ok());
    ASSERT_TRUE(trainer.Evaluate(data.View(kBatch)).status.ok());
    EXPECT_EQ(steps.calls(), 0u);
  }
}

// The deepest byte of a stack that was full of a pattern.
size_t StackOf(void* (*run)(void*), void* argument) {
  constexpr size_t kBytes = size_t{1} << 20;
  testing::Memory memory(kBytes + 65536);
  uint8_t* const stack =
      memory.data() +
      (65536 - reinterpret_cast<uintptr_t>(memory.data()) % 65536) % 65536;
  std::memset(stack, 0xA5, kBytes);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  EXPECT_EQ(pthread_attr_setstack(&attributes, stack, kBytes), 0);
  pthread_t thread;
  EXPECT_EQ(pthread_create(&thread, &attributes, run, argument), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  size_t untouched = 0;
  while (untouched < kBytes && stack[untouched] == 0xA5) ++untouched;
  return kBytes - untouched;
}

// Sanitizers enlarge frames; what they would say is no fact of a program.
#ifndef TEMPER_TEST_SANITIZER
TEST(Footprint, AStepTakesLittleStack) {
  struct Run {
    testing::Bench bench;
    TestBatch data;
    StepResult result;
  };
  for (const TestModel& model : testing::TestModels()) {
    SCOPED_TRACE(model.name);
    const Graph graph =
        testing::BuildOrDie(model.name, model.input, model.classes);
    PlanOptions options;
    options.batch = kBatch;
    Run run{{}, TestBatch(model.input, model.classes, kBatch, 1), {}};
    ASSERT_TRUE(run.bench.Start(graph, options).ok());
    run.bench.trainer.Initialize(1);
    run.bench.trainer.CheckMemory(false);
    const size_t bytes = StackOf(
        [](void* argument) -> void* {
          Run& r = *static_cast<Run*>(argument);
          r.result = r.bench.trainer.Step(r.data.View(kBatch), 0.01f);
          return nullptr;
        },
        &run);
    EXPECT_TRUE(run.result.status.ok()) << run.result.status.message;
    EXPECT_LT(bytes, 65536u);
    EXPECT_GT(bytes, 1000u);
  }
}
#endif

}  // namespace
}  // namespace temper
