// The trainer: exactness over threads and targets, memory discipline, what an
// error leaves, momentum 0, first losses, frozen layers.
#include "temper/trainer.h"

#include <cfenv>
#include <cmath>

#include "simd/target.h"
#include "tests/testing/kernel_test.h"
#include "tests/testing/model_test.h"
#include "tests/testing/sanitizers.h"
#ifdef TEMPER_TEST_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace temper {
namespace {

using testing::Bench;
using testing::TestBatch;
using testing::TestModel;

// State after `steps` steps.
std::vector<float> Train(const Graph& graph, const PlanOptions& options,
                         uint32_t steps, float lr, const ParallelRunner& runner,
                         bool check_memory = false) {
  Bench bench;
  const Status status = bench.Start(graph, options, runner);
  EXPECT_TRUE(status.ok()) << status.message;
  bench.trainer.Initialize(7);
  bench.trainer.CheckMemory(check_memory);
  const Shape input = bench.trainer.plan().shapes[0];
  const uint32_t classes = bench.trainer.plan().shapes.back().c;
  for (uint32_t s = 0; s < steps; ++s) {
    const TestBatch data(input, classes, options.batch, s + 1);
    // Every fifth batch is short.
    const uint32_t rows = s % 5 == 4 ? options.batch - 3 : options.batch;
    Batch view = data.View(rows);
    view.random = RandomKey{7, s / 4};
    const StepResult r = bench.trainer.Step(view, lr);
    EXPECT_TRUE(r.status.ok()) << r.status.message << " at step " << s;
  }
  EXPECT_EQ(bench.trainer.MemoryFault(), kNoNode);
  return bench.State();
}

void ExpectExact(const char* name, const Shape& input, uint32_t classes,
                 uint32_t steps) {
  const Graph graph = testing::BuildOrDie(name, input, classes);
  PlanOptions options;
  options.batch = 8;
  std::vector<float> first;
  testing::ForEachTarget([&](simd::Target target) {
    if (!target.exact) return;
    for (const uint32_t threads : {1u, 2u, 4u}) {
      SCOPED_TRACE(threads);
      options.threads = threads;
      const std::vector<float> state =
          Train(graph, options, steps, 0.01f, testing::ThreadRunner(threads));
      if (first.empty()) first = state;
      EXPECT_TRUE(testing::SameBits(state, first));
    }
  });
  ASSERT_FALSE(first.empty());
}

#ifdef TEMPER_TEST_SANITIZER
constexpr uint32_t kSteps =
    5;  // ten times slower; the bits are checked elsewhere
#else
constexpr uint32_t kSteps = 50;
#endif

TEST(Exact, ResNet8) { ExpectExact("resnet8", {32, 32, 3}, 10, kSteps); }
TEST(Exact, MobileNetV1) {
  ExpectExact("mobilenet_v1", {96, 96, 3}, 2, kSteps);
}
TEST(Exact, MobileNetV2) {
  ExpectExact("mobilenet_v2?width=0.35", {33, 40, 3}, 10, 3);
}
TEST(Exact, ResNet18) { ExpectExact("resnet18", {33, 40, 3}, 10, 2); }
TEST(Exact, SmallModels) {
  ExpectExact("mlp?dropout=0.3", {28, 28, 1}, 10, 10);
  ExpectExact("lenet5", {28, 28, 1}, 10, 10);
  ExpectExact("ds_cnn?variant=mlperf", {49, 10, 1}, 12, 5);
}

// Gives every tensor a place of its own, with a line between two that is no
// one's.
constexpr uint64_t kLine = 64;
uint64_t LineBehind(const PlannedTensor& t) {
  return t.offset + (t.bytes + t.tail + kLine - 1) / kLine * kLine;
}
void LayOutApart(Plan* plan) {
  uint64_t end = 0;
  PlannedTensor* last = nullptr;
  for (PlannedTensor& t : plan->tensors) {
    if (t.kind == TensorKind::kStepState) {
      last = &t;
      continue;
    }
    t.offset = end;
    end = LineBehind(t) + kLine;
  }
  last->offset = end;
  plan->arena_bytes = end + kLine;
}

void StartApart(const Plan& plan, Bench* bench) {
  bench->memory = std::make_unique<testing::Memory>(plan.arena_bytes);
  ASSERT_TRUE(
      bench->trainer.Create(plan, bench->memory->data(), plan.arena_bytes)
          .ok());
  bench->trainer.Initialize(7);
}

#ifdef TEMPER_TEST_ADDRESS_SANITIZER
// The functions, not the header's macros, which do nothing in files that are not
// instrumented.
// Tensors without a tail may be followed by what another thread writes: no
// kernel reads past their end.
TEST(Memory, NothingIsReadBehindATensorWithoutTail) {
  struct {
    const char* name;
    Shape input;
    uint32_t batch;
  } const cases[] = {{"resnet8", {32, 32, 3}, 3},
                     {"resnet18", {32, 32, 3}, 3},
                     {"ds_cnn", {49, 10, 1}, 3},
                     {"mobilenet_v1?width=0.25", {64, 64, 3}, 3},
                     {"mobilenet_v2", {65, 65, 3}, 3},
                     {"fc_autoencoder", {1, 1, 640}, 9}};
  for (const auto& [name, input, batch] : cases) {
    SCOPED_TRACE(name);
    const Graph graph = testing::BuildOrDie(name, input, 10);
    PlanOptions options;
    options.batch = batch;
    Plan plan;
    ASSERT_TRUE(MakePlan(graph, options, &plan).ok());
    LayOutApart(&plan);
    testing::ForEachTarget([&](simd::Target) {
      Bench bench;
      ASSERT_NO_FATAL_FAILURE(StartApart(plan, &bench));
      uint32_t without = 0;
      for (const PlannedTensor& t : plan.tensors) {
        if (t.kind == TensorKind::kStepState) continue;
        __asan_poison_memory_region(bench.memory->data() + LineBehind(t),
                                    kLine);
        without += t.kind == TensorKind::kActivation && t.tail == 0;
      }
      EXPECT_GT(without, 0u);
      for (const uint32_t rows : {batch, 2u}) {
        const TestBatch data(input, plan.shapes.back().c, rows, 1);
        const Status status = bench.trainer.Step(data.View(rows), 0.01f).status;
        EXPECT_TRUE(status.ok()) << status.message;
      }
      __asan_unpoison_memory_region(bench.memory->data(), plan.arena_bytes);
    });
  }
}
#endif

TEST(Memory, SharingChangesNothing) {
  // Poisoning dead buffers, and a fresh layout in which nothing is shared, must
  // give the bits of the packed plan.
  const struct {
    const char* name;
    Shape input;
  } cases[] = {{"resnet8", {32, 32, 3}},
               {"lenet5", {28, 28, 1}},
               {"ds_cnn", {49, 10, 1}},
               {"mobilenet_v2?width=0.35", {33, 33, 3}}};
  for (const auto& [name, input] : cases) {
    SCOPED_TRACE(name);
    const Graph graph = testing::BuildOrDie(name, input, 10);
    PlanOptions options;
    options.batch = 4;
    const auto packed = Train(graph, options, 5, 0.01f, {});
    const auto poisoned = Train(graph, options, 5, 0.01f, {}, true);
    EXPECT_TRUE(testing::SameBits(packed, poisoned));

    Plan plan;
    ASSERT_TRUE(MakePlan(graph, options, &plan).ok());
    LayOutApart(&plan);
    ASSERT_TRUE(CheckPlan(plan).ok());
    Bench bench;
    ASSERT_NO_FATAL_FAILURE(StartApart(plan, &bench));
    for (uint32_t s = 0; s < 5; ++s) {
      const TestBatch data(input, 10, 4, s + 1);
      const uint32_t rows = s % 5 == 4 ? 1 : 4;
      Batch view = data.View(rows);
      view.random = RandomKey{7, s / 4};
      ASSERT_TRUE(bench.trainer.Step(view, 0.01f).status.ok());
    }
    EXPECT_TRUE(testing::SameBits(bench.State(), packed));
  }
}

TEST(Step, EvaluationBetweenStepsChangesNothing) {
  const Graph graph = testing::BuildOrDie("resnet8", {32, 32, 3}, 10);
  PlanOptions options;
  options.batch = 4;
  Bench a, b;
  ASSERT_TRUE(a.Start(graph, options).ok());
  ASSERT_TRUE(b.Start(graph, options).ok());
  a.trainer.Initialize(3);
  b.trainer.Initialize(3);
  for (uint32_t s = 0; s < 3; ++s) {
    const TestBatch data({32, 32, 3}, 10, 4, s + 1),
        other({32, 32, 3}, 10, 4, 99);
    ASSERT_TRUE(a.trainer.Step(data.View(4), 0.1f).status.ok());
    ASSERT_TRUE(b.trainer.Evaluate(other.View(3)).status.ok());
    ASSERT_TRUE(b.trainer.Step(data.View(4), 0.1f).status.ok());
  }
  EXPECT_TRUE(testing::SameBits(a.State(), b.State()));
}

TEST(Step, FirstLossIsNearLogClasses) {
  for (const TestModel& model : testing::TestModels()) {
    if (std::string(model.name) == "fc_autoencoder") continue;
    for (const char* variant : {"", "?variant=mlperf"}) {
      if (*variant && !testing::HasOption(model.name, "variant")) continue;
      SCOPED_TRACE(std::string(model.name) + variant);
      const Graph graph = testing::BuildOrDie(std::string(model.name) + variant,
                                              model.input, model.classes);
      PlanOptions options;
      options.batch = 32;
      Bench bench;
      ASSERT_TRUE(bench.Start(graph, options).ok());
      bench.trainer.Initialize(1);
      const TestBatch data(model.input, model.classes, 32, 1);
      const StepResult r = bench.trainer.Step(data.View(32), 1e-6f);
      ASSERT_TRUE(r.status.ok());
      EXPECT_NEAR(r.loss, std::log(model.classes), 0.05);
    }
  }
}

TEST(Step, MomentumZeroIsPlainGradientDescent) {
  const Graph graph = testing::BuildOrDie("lenet5", {28, 28, 1}, 10);
  PlanOptions plain, zero;
  plain.batch = zero.batch = 4;
  plain.optimizer = SgdParams{0.0f, 5e-4f};
  zero.optimizer = SgdParams{0.0f, 5e-4f, 1};
  Bench a;
  ASSERT_TRUE(a.Start(graph, plain).ok());
  EXPECT_TRUE(a.trainer.States().empty());
  const auto one = Train(graph, plain, 6, 0.01f, {});
  const auto two = Train(graph, zero, 6, 0.01f, {});  // Nesterov of nothing
  EXPECT_TRUE(testing::SameBits(one, two));

  // The same by hand from the gradients: w - lr * (g + decay * w), in FMAs. The
  // gradient of one step is what momentum holds after it, if it started at 0.
  PlanOptions with = plain;
  with.optimizer = SgdParams{0.5f, 5e-4f};
  Bench b;
  ASSERT_TRUE(b.Start(graph, with).ok());
  a.trainer.Initialize(7);
  b.trainer.Initialize(7);
  const std::vector<float> before = a.State();
  const TestBatch data({28, 28, 1}, 10, 4, 1);
  ASSERT_TRUE(a.trainer.Step(data.View(4), 0.01f).status.ok());
  ASSERT_TRUE(b.trainer.Step(data.View(4), 0.01f).status.ok());
  size_t at = 0;
  for (const TensorView& v : a.trainer.Tensors()) {
    for (const StateView& s : b.trainer.States()) {
      const TensorView& t = b.trainer.Tensors()[s.tensor];
      if (t.node != v.node || t.slot != v.slot) continue;
      for (uint64_t i = 0; i < v.count; ++i) {
        EXPECT_EQ(v.data[i], std::fma(-0.01f, s.data[i], before[at + i]));
      }
    }
    at += v.count;
  }
}

TEST(Step, FrozenLayersKeepEveryBit) {
  const Graph graph = testing::BuildOrDie("resnet8", {32, 32, 3}, 10);
  PlanOptions options;
  options.batch = 4;
  options.frozen = testing::HeadOnly(graph);
  Bench bench;
  ASSERT_TRUE(bench.Start(graph, options).ok());
  bench.trainer.Initialize(1);
  const std::vector<float> before = bench.State();
  for (uint32_t s = 0; s < 4; ++s) {
    const TestBatch data({32, 32, 3}, 10, 4, s + 1);
    ASSERT_TRUE(bench.trainer.Step(data.View(4), 0.1f).status.ok());
  }
  const std::vector<float> after = bench.State();
  size_t at = 0, changed = 0;
  for (const TensorView& v : bench.trainer.Tensors()) {
    const bool same = std::memcmp(&before[at], &after[at], v.count * 4) == 0;
    EXPECT_EQ(same, !v.trained) << graph.nodes[v.node].name;
    changed += !same;
    at += v.count;
  }
  EXPECT_EQ(changed, 2u);  // the head's weight and bias
}

TEST(Step, ABadLossChangesNothing) {
  const Graph graph = testing::BuildOrDie("resnet8", {32, 32, 3}, 10);
  PlanOptions options;
  options.batch = 4;
  Bench bench;
  ASSERT_TRUE(bench.Start(graph, options).ok());
  bench.trainer.Initialize(1);
  TestBatch data({32, 32, 3}, 10, 4, 1);
  ASSERT_TRUE(bench.trainer.Step(data.View(4), 0.1f).status.ok());
  const std::vector<float> before = bench.State();
  data.input[100] = std::numeric_limits<float>::quiet_NaN();
  const StepResult r = bench.trainer.Step(data.View(4), 0.1f);
  EXPECT_EQ(r.status.code, StatusCode::kNotFinite);
  EXPECT_EQ(r.status.node, kNoNode);
  EXPECT_TRUE(testing::SameBits(before, bench.State()));
}

TEST(Step, ABadUpdateNamesItsLayer) {
  const Graph graph = testing::BuildOrDie("mlp", {28, 28, 1}, 10);
  PlanOptions options;
  options.batch = 4;
  Bench bench;
  ASSERT_TRUE(bench.Start(graph, options).ok());
  bench.trainer.Initialize(1);
  const TestBatch data({28, 28, 1}, 10, 4, 1);
  const StepResult r =
      bench.trainer.Step(data.View(4), std::numeric_limits<float>::max());
  EXPECT_EQ(r.status.code, StatusCode::kNotFinite);
  ASSERT_LT(r.status.node, graph.nodes.size());
  EXPECT_EQ(graph.nodes[r.status.node].kind, LayerKind::kDense);
}

// Known before anything is changed.
TEST(Step, RefusesBadRates) {
  const Graph graph = testing::BuildOrDie("mlp", {28, 28, 1}, 10);
  PlanOptions options;
  options.batch = 4;
  Bench bench;
  ASSERT_TRUE(bench.Start(graph, options).ok());
  bench.trainer.Initialize(1);
  const TestBatch data({28, 28, 1}, 10, 4, 1);
  const std::vector<float> before = bench.State();
  for (const float rate : {-0.1f, std::numeric_limits<float>::infinity(),
                           std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_EQ(bench.trainer.Step(data.View(4), rate).status.code,
              StatusCode::kInvalidArgument);
    EXPECT_TRUE(testing::SameBits(before, bench.State()));
  }
  EXPECT_TRUE(bench.trainer.Step(data.View(4), 0.0f).status.ok());
}

TEST(Step, RefusesBadBatches) {
  const Graph graph = testing::BuildOrDie("mlp", {28, 28, 1}, 10);
  PlanOptions options;
  options.batch = 4;
  Bench bench;
  ASSERT_TRUE(bench.Start(graph, options).ok());
  bench.trainer.Initialize(1);
  TestBatch data({28, 28, 1}, 10, 8, 1);
  EXPECT_EQ(bench.trainer.Step(data.View(0), 0.1f).status.code,
            StatusCode::kInvalidArgument);
  EXPECT_EQ(bench.trainer.Step(data.View(5), 0.1f).status.code,
            StatusCode::kInvalidArgument);
  const std::vector<float> before = bench.State();
  for (const int32_t label : {-1, 10, 2147483647}) {
    data.labels[2] = label;
    EXPECT_EQ(bench.trainer.Step(data.View(4), 0.1f).status.code,
              StatusCode::kBadData);
  }
  EXPECT_TRUE(testing::SameBits(before, bench.State()));
  data.labels[2] = -1;  // in evaluation: a class that the model lacks
  EXPECT_TRUE(bench.trainer.Evaluate(data.View(4)).status.ok());
  Batch no_labels = data.View(4);
  no_labels.labels = nullptr;
  EXPECT_FALSE(bench.trainer.Step(no_labels, 0.1f).status.ok());
  EXPECT_TRUE(bench.trainer.Evaluate(no_labels).status.ok());
}

// Values: loss, distance and output; and nothing of it without targets.
TEST(Step, LearnsValues) {
  Graph graph;
  std::string error;
  ASSERT_TRUE(models::BuildModel("mlp?hidden=16", {1, 1, 3},
                                 {TargetKind::kValues, 2}, &graph, &error)
                  .ok());
  PlanOptions options;
  options.batch = 8;
  options.optimizer = SgdParams{0.9f, 0.0f};
  Bench bench;
  ASSERT_TRUE(bench.Start(graph, options).ok());
  bench.trainer.Initialize(1);
  std::vector<float> x(8 * 3 + 16), t(8 * 2);
  for (uint32_t i = 0; i < 24; ++i) x[i] = static_cast<float>(i * i % 7) - 3;
  for (uint32_t r = 0; r < 8; ++r) {
    t[2 * r] = x[3 * r] - x[3 * r + 1];
    t[2 * r + 1] = 5 + x[3 * r + 2];
  }
  const Batch batch = {.input = x.data(), .targets = t.data(), .rows = 8};
  const auto distance = [&] {
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < 16; ++i) {
      const double d = double{bench.trainer.Output()[i]} - double{t[i]};
      sum += std::fabs(d);
      squares += d * d;
    }
    return std::pair{sum / 16, squares / 16};
  };
  const StepResult before = bench.trainer.Evaluate(batch);
  EXPECT_NEAR(before.absolute_error, distance().first, 1e-5);
  EXPECT_NEAR(before.loss, distance().second, 1e-4);
  EXPECT_EQ(before.correct, 0u);
  StepResult r;
  for (int s = 0; s < 300; ++s) r = bench.trainer.Step(batch, 0.02f);
  ASSERT_TRUE(r.status.ok());
  EXPECT_LT(r.loss, 1e-2f);
  EXPECT_GT(r.absolute_error, 0.0f);
  EXPECT_LT(r.absolute_error, before.absolute_error / 10);
  const Batch blind = {.input = x.data(), .rows = 8};
  r = bench.trainer.Evaluate(blind);
  EXPECT_TRUE(r.status.ok() && r.loss == 0.0f && r.absolute_error == 0.0f);
  EXPECT_EQ(bench.trainer.Step(blind, 0.1f).status.code,
            StatusCode::kInvalidArgument);
}

// A row of probabilities with a single 1 is a label, to the last bit.
TEST(Step, ProbabilitiesInPlaceOfLabels) {
  Graph graph = testing::BuildOrDie("mlp?hidden=8", {28, 28, 1}, 10);
  ASSERT_TRUE(models::SetLabelSmoothing(&graph, 0.1f).ok());
  PlanOptions options;
  options.batch = 6;
  TestBatch data({28, 28, 1}, 10, 6, 1);
  std::vector<float> soft(60, 0.0f);
  for (uint32_t r = 0; r < 6; ++r) {
    soft[10 * r + static_cast<uint32_t>(data.labels[r])] = 1.0f;
  }
  Bench labels, targets;
  Batch by_target = data.View(6);
  by_target.labels = nullptr;
  by_target.targets = soft.data();
  for (Bench* bench : {&labels, &targets}) {
    ASSERT_TRUE(bench->Start(graph, options).ok());
    bench->trainer.Initialize(1);
  }
  for (int s = 0; s < 20; ++s) {
    const StepResult a = labels.trainer.Step(data.View(6), 0.1f);
    const StepResult b = targets.trainer.Step(by_target, 0.1f);
    ASSERT_TRUE(a.status.ok() && b.status.ok());
    EXPECT_EQ(a.loss, b.loss);
    EXPECT_EQ(a.correct, b.correct);
  }
  EXPECT_TRUE(testing::SameBits(labels.State(), targets.State()));
  // Between two classes: it learns both.
  for (uint32_t r = 0; r < 6; ++r) {
    for (uint32_t j = 0; j < 10; ++j) {
      soft[10 * r + j] = j == r ? 0.75f : j == r + 1 ? 0.25f : 0.0f;
    }
  }
  ASSERT_TRUE(models::SetLabelSmoothing(&graph, 0.0f).ok());
  ASSERT_TRUE(targets.Start(graph, options).ok());
  targets.trainer.Initialize(1);
  for (int s = 0; s < 300; ++s) {
    ASSERT_TRUE(targets.trainer.Step(by_target, 0.1f).status.ok());
  }
  EXPECT_EQ(targets.trainer.Evaluate(by_target).correct, 6u);
  EXPECT_NEAR(targets.trainer.Output()[0], 0.75f, 0.05f);
  EXPECT_NEAR(targets.trainer.Output()[1], 0.25f, 0.05f);
  by_target.labels = data.labels.data();
  EXPECT_EQ(targets.trainer.Step(by_target, 0.1f).status.code,
            StatusCode::kInvalidArgument);
  EXPECT_EQ(targets.trainer.Evaluate(by_target).status.code,
            StatusCode::kInvalidArgument);
}

TEST(Step, OverfitsAHandful) {
  const Graph graph = testing::BuildOrDie("resnet8", {32, 32, 3}, 10);
  PlanOptions options;
  options.batch = 8;
  options.optimizer = SgdParams{0.9f, 0.0f};
  Bench bench;
  ASSERT_TRUE(bench.Start(graph, options).ok());
  bench.trainer.Initialize(1);
  const TestBatch data({32, 32, 3}, 10, 8, 1);
  StepResult r;
  for (int s = 0; s < 150; ++s) r = bench.trainer.Step(data.View(8), 0.05f);
  EXPECT_EQ(r.correct, 8u);
  EXPECT_LT(r.loss, 1e-2f);
}

TEST(Create, ChecksWhatItIsGiven) {
  const Graph graph = testing::BuildOrDie("mlp", {28, 28, 1}, 10);
  Plan plan;
  ASSERT_TRUE(MakePlan(graph, PlanOptions(), &plan).ok());
  testing::Memory memory(plan.arena_bytes + 64);
  Trainer trainer;
  EXPECT_FALSE(trainer.Create(plan, nullptr, plan.arena_bytes).ok());
  EXPECT_FALSE(trainer.Create(plan, memory.data() + 4, plan.arena_bytes).ok());
  EXPECT_FALSE(trainer
                   .Create(plan, memory.data(), plan.arena_bytes,
                           testing::ThreadRunner(2))
                   .ok());  // planned for one
  Plan damaged = plan;
  damaged.tensors[0].offset += 64;
  EXPECT_FALSE(
      trainer.Create(damaged, memory.data(), plan.arena_bytes + 64).ok());
  const TestBatch data({28, 28, 1}, 10, 1, 1);
  EXPECT_EQ(trainer.Step(data.View(1), 0.1f).status.code,
            StatusCode::kWrongState);
  EXPECT_TRUE(trainer.Create(plan, memory.data(), plan.arena_bytes).ok());
}

// A runner that says nothing of its threads: those that it brings together are
// asked, and one that does everything on the caller is not waited for.
TEST(Create, AsksTheThreadsOfAnyRunner) {
  const Graph graph = testing::BuildOrDie("mlp", {28, 28, 1}, 10);
  PlanOptions options;
  options.threads = 4;
  Plan plan;
  ASSERT_TRUE(MakePlan(graph, options, &plan).ok());
  testing::Memory memory(plan.arena_bytes);
  Trainer trainer;
  ParallelRunner alone;
  alone.threads = 4;
  alone.run = [](void*, ParallelRunner::Task task, void* context,
                 uint32_t count, uint32_t) {
    for (uint32_t i = 0; i < count; ++i) task(context, i, 0);
  };
  EXPECT_TRUE(
      trainer.Create(plan, memory.data(), plan.arena_bytes, alone).ok());

  const ParallelRunner several = testing::ThreadRunner(4);
  const auto set = [&](int mode) {
    several.run(
        several.pool,
        [](void* context, uint32_t, uint32_t slot) {
          if (slot == 2) std::fesetround(*static_cast<int*>(context));
        },
        &mode, 4, 4);
  };
  for (int round = 0; round < 20; ++round) {
    set(FE_DOWNWARD);
    EXPECT_EQ(
        trainer.Create(plan, memory.data(), plan.arena_bytes, several).code,
        StatusCode::kUnsupported);
    set(FE_TONEAREST);
    EXPECT_TRUE(
        trainer.Create(plan, memory.data(), plan.arena_bytes, several).ok());
  }
}

#if defined(__x86_64__)
TEST(Create, RefusesAThreadThatFlushesSubnormals) {
  const Graph graph = testing::BuildOrDie("mlp", {28, 28, 1}, 10);
  Plan plan;
  ASSERT_TRUE(MakePlan(graph, PlanOptions(), &plan).ok());
  testing::Memory memory(plan.arena_bytes);
  const unsigned saved = __builtin_ia32_stmxcsr();
  for (const unsigned bits :
       {0x8000u, 0x0040u, 0x2000u}) {  // FTZ, DAZ, round down
    Trainer trainer;
    __builtin_ia32_ldmxcsr(saved | bits);
    const Status status = trainer.Create(plan, memory.data(), plan.arena_bytes);
    __builtin_ia32_ldmxcsr(saved);
    EXPECT_EQ(status.code, StatusCode::kUnsupported) << bits;
  }
}
#endif

}  // namespace
}  // namespace temper
