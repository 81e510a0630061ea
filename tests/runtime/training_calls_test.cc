// What a trainer can do besides Step and Evaluate: Forward, Gradients,
// Accumulate and Apply, options of a step, rates of layers, and the count of
// steps. Optimizers and hooks that are in no list: update_hook_test.cc.
#include <cmath>
#include <functional>
#include <limits>

#include "temper/trainer.h"
#include "tests/testing/kernel_test.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Bench;
using testing::SameBits;
using testing::TestBatch;

constexpr GradientMode kModes[] = {GradientMode::kFused, GradientMode::kWhole,
                                   GradientMode::kAccumulated};

// Dropout and batch statistics: both would show in what follows.
Graph Restless() {
  Graph g;
  uint32_t x = g.Add("input", InputParams{8, 8, 3});
  x = g.Add("normalize", NormalizeParams{1.0f, 0}, x);
  x = g.Add("conv", Conv2dParams{12}, x);
  x = g.Add("bn", BatchNormParams{}, x);
  x = g.Add("relu", ReluParams{}, x);
  x = g.Add("dropout", DropoutParams{0.3f}, x);
  x = g.Add("head", DenseParams{5}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  return g;
}

PlanOptions With(GradientMode mode, uint32_t batch = 6) {
  PlanOptions options;
  options.batch = batch;
  options.gradients = mode;
  return options;
}

TestBatch Data(uint64_t seed, uint32_t rows = 6) {
  return TestBatch({8, 8, 3}, 5, rows, seed);
}

TEST(Forward, IsTheLossOfTheNextStepAndChangesNothing) {
  for (const GradientMode mode : kModes) {
    Bench a, b;
    ASSERT_TRUE(a.Start(Restless(), With(mode)).ok());
    ASSERT_TRUE(b.Start(Restless(), With(mode)).ok());
    a.trainer.Initialize(3);
    b.trainer.Initialize(3);
    b.trainer.CheckMemory(true);
    for (uint32_t s = 0; s < 3; ++s) {
      const TestBatch data = Data(s + 1), other = Data(99);
      const std::vector<float> before = b.State();
      ASSERT_TRUE(b.trainer.Forward(other.View(4)).status.ok());
      const StepResult seen = b.trainer.Forward(data.View(6));
      ASSERT_TRUE(seen.status.ok());
      if (mode != GradientMode::kFused) {
        EXPECT_EQ(b.trainer.Gradients(data.View(6)).loss, seen.loss);
      }
      EXPECT_TRUE(SameBits(before, b.State()));
      EXPECT_EQ(b.trainer.steps(), s);
      const StepResult r = b.trainer.Step(data.View(6), 0.1f);
      EXPECT_EQ(r.loss, seen.loss);
      EXPECT_EQ(r.correct, seen.correct);
      // In inference mode it is another one.
      ASSERT_TRUE(a.trainer.Step(data.View(6), 0.1f).status.ok());
      EXPECT_NE(a.trainer.Evaluate(data.View(6)).loss,
                a.trainer.Forward(data.View(6)).loss);
    }
    EXPECT_TRUE(SameBits(a.State(), b.State()));
  }
}

TEST(Forward, AsksForWhatAStepAsksFor) {
  Bench bench;
  ASSERT_TRUE(bench.Start(Restless(), With(GradientMode::kFused)).ok());
  const TestBatch data = Data(1);
  EXPECT_EQ(bench.trainer.Forward(data.View(6)).status.code,
            StatusCode::kWrongState);  // no weights
  bench.trainer.Initialize(1);
  Batch no_labels = data.View(6);
  no_labels.labels = nullptr;
  EXPECT_EQ(bench.trainer.Forward(no_labels).status.code,
            StatusCode::kInvalidArgument);
  EXPECT_EQ(bench.trainer.Gradients(data.View(6)).status.code,
            StatusCode::kWrongState);
  EXPECT_EQ(bench.trainer.Accumulate(data.View(6)).status.code,
            StatusCode::kWrongState);
  EXPECT_EQ(bench.trainer.Apply({.learning_rate = 0.1f}).code,
            StatusCode::kWrongState);
  for (const TensorView& v : bench.trainer.Tensors()) {
    EXPECT_EQ(v.gradient, nullptr);
  }
  Trainer none;
  EXPECT_EQ(none.Forward(data.View(6)).status.code, StatusCode::kWrongState);
  EXPECT_EQ(none.Gradients(data.View(6)).status.code, StatusCode::kWrongState);
  EXPECT_EQ(none.Apply({}).code, StatusCode::kWrongState);
  none.SetStepCount(3);
  EXPECT_EQ(none.steps(), 0u);
}

// All gradients, one after the other.
std::vector<float> GradientsOf(const Trainer& t) {
  std::vector<float> all;
  for (const TensorView& v : t.Tensors()) {
    EXPECT_EQ(v.gradient != nullptr, v.trained);
    if (v.trained) all.insert(all.end(), v.gradient, v.gradient + v.count);
  }
  return all;
}

// Momentum that began at 0 is the gradient of the first step.
TEST(Gradients, AreThoseOfTheStep) {
  for (const GradientMode mode :
       {GradientMode::kWhole, GradientMode::kAccumulated}) {
    PlanOptions options = With(mode);
    options.optimizer = SgdParams{0.9f, 0.0f};
    Bench bench;
    ASSERT_TRUE(bench.Start(Restless(), options).ok());
    Trainer& t = bench.trainer;
    t.Initialize(3);
    t.CheckMemory(true);
    const TestBatch data = Data(1);
    ASSERT_TRUE(t.Gradients(data.View(6)).status.ok());
    const std::vector<float> gradients = GradientsOf(t);
    ASSERT_TRUE(t.Gradients(data.View(6)).status.ok());  // from the start again
    EXPECT_TRUE(SameBits(gradients, GradientsOf(t)));
    ASSERT_TRUE(t.Step(data.View(6), 0.1f).status.ok());
    std::vector<float> momentum;
    for (const StateView& s : t.States()) {
      momentum.insert(momentum.end(), s.data, s.data + s.count);
    }
    ASSERT_EQ(momentum.size(), gradients.size());
    float largest = 0;
    for (size_t i = 0; i < momentum.size(); ++i) {
      largest = std::max(largest, std::fabs(gradients[i]));
      EXPECT_EQ(std::fabs(gradients[i]) < 0x1p-63f ? 0.0f : gradients[i],
                momentum[i]);
    }
    EXPECT_GT(largest, 1e-3f);
  }
}

TEST(Accumulate, OneBatchIsAStep) {
  Bench a, b;
  ASSERT_TRUE(a.Start(Restless(), With(GradientMode::kFused)).ok());
  ASSERT_TRUE(b.Start(Restless(), With(GradientMode::kAccumulated)).ok());
  a.trainer.Initialize(3);
  b.trainer.Initialize(3);
  b.trainer.CheckMemory(true);
  for (uint32_t s = 0; s < 3; ++s) {
    const TestBatch data = Data(s + 1);
    const StepResult r = a.trainer.Step(data.View(6), 0.1f);
    const StepResult q = b.trainer.Accumulate(data.View(6));
    ASSERT_TRUE(r.status.ok() && q.status.ok());
    EXPECT_EQ(r.loss, q.loss);
    ASSERT_TRUE(b.trainer.Evaluate(Data(50).View(5)).status.ok());
    EXPECT_EQ(b.trainer.steps(), s);
    const Status status = b.trainer.Apply({.learning_rate = 0.1f});
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(b.trainer.steps(), s + 1);
    EXPECT_TRUE(SameBits(a.State(), b.State()));
  }
  EXPECT_EQ(b.trainer.Apply({.learning_rate = 0.1f}).code,
            StatusCode::kWrongState);
}

// Three batches of two as one of six, but for rounding; no batch norm sees the
// difference.
TEST(Accumulate, SeveralBatchesAreOne) {
  const Graph graph = testing::BuildOrDie("lenet5", {28, 28, 1}, 10);
  const TestBatch data({28, 28, 1}, 10, 6, 1);
  PlanOptions options = With(GradientMode::kWhole);
  Bench one, three;
  ASSERT_TRUE(one.Start(graph, options).ok());
  options = With(GradientMode::kAccumulated, 2);
  options.threads = 3;
  ASSERT_TRUE(three.Start(graph, options, testing::ThreadRunner(3)).ok());
  Trainer &a = one.trainer, &b = three.trainer;
  a.Initialize(3);
  b.Initialize(3);
  b.CheckMemory(true);
  const auto part = [&](uint32_t i) {
    Batch batch = data.View(2);
    batch.input = data.input.data() + 2 * i * 28 * 28;
    batch.labels += 2 * i;
    return batch;
  };
  // What was gathered is dropped by a step, a bad batch is left out, and what
  // is only looked at does not count.
  ASSERT_TRUE(b.Accumulate(part(2)).status.ok());
  ASSERT_TRUE(b.Step(part(0), 0.0f).status.ok());
  b.Initialize(3);
  TestBatch bad = data;
  bad.input[5] = std::numeric_limits<float>::quiet_NaN();
  for (uint32_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(b.Accumulate(part(i)).status.ok());
    EXPECT_EQ(b.Accumulate(bad.View(2)).status.code, StatusCode::kNotFinite);
    ASSERT_TRUE(b.Forward(part(1)).status.ok());
    ASSERT_TRUE(b.Evaluate(part(0)).status.ok());
  }
  ASSERT_TRUE(a.Gradients(data.View(6)).status.ok());
  const std::vector<float> expected = GradientsOf(a), sum = GradientsOf(b);
  ASSERT_EQ(expected.size(), sum.size());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < sum.size(); ++i) {
    difference += std::pow(double{sum[i]} / 3 - double{expected[i]}, 2);
    norm += std::pow(double{expected[i]}, 2);
  }
  EXPECT_LT(difference, 1e-12 * norm);
  EXPECT_GT(norm, 0);
  // The mean of three, exactly.
  const std::vector<float> before = three.State();
  ASSERT_TRUE(b.Apply({.learning_rate = 0.1f,
                       .optimizer = SgdParams{0.0f, 0.0f},
                       .gradient_scale = 2.0f})
                  .ok());
  const std::vector<float> after = three.State();
  size_t at = 0, g = 0;
  for (const TensorView& v : b.Tensors()) {
    for (uint64_t i = 0; v.trained && i < v.count; ++i, ++g) {
      const float scaled = (2.0f / 3.0f) * sum[g];
      EXPECT_EQ(after[at + i], std::fma(-0.1f, scaled, before[at + i]));
    }
    at += v.count;
  }
}

// Rows weigh alike: 3 + 2 + 1 of them are a batch of 6.
TEST(Accumulate, AShortBatchWeighsByItsRows) {
  const Graph graph = testing::BuildOrDie("lenet5", {28, 28, 1}, 10);
  const TestBatch data({28, 28, 1}, 10, 6, 1);
  Bench one, parts;
  ASSERT_TRUE(one.Start(graph, With(GradientMode::kWhole)).ok());
  ASSERT_TRUE(parts.Start(graph, With(GradientMode::kAccumulated, 3)).ok());
  one.trainer.Initialize(3);
  parts.trainer.Initialize(3);
  const std::vector<float> before = one.State();
  uint32_t first = 0;
  for (const uint32_t rows : {3u, 2u, 1u}) {
    Batch batch = data.View(rows);
    batch.input = data.input.data() + size_t{first} * 28 * 28;
    batch.labels += first;
    first += rows;
    ASSERT_TRUE(parts.trainer.Accumulate(batch).status.ok());
  }
  const StepOptions step = {.learning_rate = 0.1f,
                            .optimizer = SgdParams{0.0f, 0.0f}};
  ASSERT_TRUE(one.trainer.Step(data.View(6), step).status.ok());
  ASSERT_TRUE(parts.trainer.Apply(step).ok());
  const std::vector<float> a = one.State(), b = parts.State();
  double difference = 0, moved = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(double{a[i]} - double{b[i]}, 2);
    moved += std::pow(double{a[i]} - double{before[i]}, 2);
  }
  EXPECT_LT(std::sqrt(difference), 1e-5 * std::sqrt(moved));
}

TEST(StepOptions, TakeTheOptimizersPlaceForOneStep) {
  const auto run = [](float planned, std::function<StepOptions()> step) {
    PlanOptions options = With(GradientMode::kFused);
    options.optimizer = SgdParams{planned, 1e-3f};
    Bench bench;
    EXPECT_TRUE(bench.Start(Restless(), options).ok());
    bench.trainer.Initialize(3);
    for (uint32_t s = 0; s < 3; ++s) {
      EXPECT_TRUE(bench.trainer.Step(Data(s + 1).View(6), step()).status.ok());
    }
    return bench;
  };
  const auto plain = [] { return StepOptions{.learning_rate = 0.1f}; };
  const auto momentum = [](float m) {
    return [m] {
      return StepOptions{.learning_rate = 0.1f,
                         .optimizer = SgdParams{m, 1e-3f}};
    };
  };
  const Bench half = run(0.5f, plain);
  EXPECT_TRUE(SameBits(run(0.9f, momentum(0.5f)).State(), half.State()));
  EXPECT_FALSE(SameBits(run(0.9f, plain).State(), half.State()));
  // The state stays where the plan has it, and weights do without.
  const Bench none = run(0.0f, plain), zero = run(0.9f, momentum(0.0f));
  EXPECT_TRUE(none.trainer.States().empty());
  std::vector<float> weights = zero.State();
  weights.resize(none.State().size());
  EXPECT_TRUE(SameBits(weights, none.State()));
}

TEST(StepOptions, ScaleGradientsFirst) {
  // By powers of two nothing rounds: a scale and the rate are one.
  PlanOptions options = With(GradientMode::kFused);
  options.optimizer = SgdParams{0.0f, 0.0f};
  Bench a, b;
  ASSERT_TRUE(a.Start(Restless(), options).ok());
  ASSERT_TRUE(b.Start(Restless(), options).ok());
  a.trainer.Initialize(3);
  b.trainer.Initialize(3);
  ASSERT_TRUE(a.trainer.Step(Data(1).View(6), 0.05f).status.ok());
  ASSERT_TRUE(b.trainer
                  .Step(Data(1).View(6),
                        {.learning_rate = 0.1f, .gradient_scale = 0.5f})
                  .status.ok());
  EXPECT_TRUE(SameBits(a.State(), b.State()));
}

TEST(StepOptions, ThatDoNotFitAreRefused) {
  PlanOptions options = With(GradientMode::kFused);
  options.optimizer = SgdParams{0.0f};
  Bench bench;
  ASSERT_TRUE(bench.Start(Restless(), options).ok());
  bench.trainer.Initialize(3);
  const std::vector<float> before = bench.State();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const StepOptions& bad :
       {StepOptions{.learning_rate = -1.0f},
        StepOptions{.learning_rate = 0.1f, .gradient_scale = kInfinity},
        StepOptions{.learning_rate = 0.1f, .optimizer = SgdParams{0.9f}},
        StepOptions{.learning_rate = 0.1f,
        .optimizer = SgdParams{0.0f, -1.0f}}}) {
    const Status status = bench.trainer.Step(Data(1).View(6), bad).status;
    EXPECT_EQ(status.code, StatusCode::kInvalidArgument);
    EXPECT_TRUE(SameBits(before, bench.State()));
    EXPECT_EQ(bench.trainer.steps(), 0u);
  }
}

TEST(RateFactors, MultiplyTheRateOfTheirLayer) {
  const Graph graph = Restless();
  const uint32_t conv = graph.Find("conv");
  const auto run = [&](std::vector<float> factors, float rate) {
    PlanOptions options = With(GradientMode::kFused);
    options.rate_factors = std::move(factors);
    Bench bench;
    EXPECT_TRUE(bench.Start(graph, options).ok());
    bench.trainer.Initialize(3);
    EXPECT_TRUE(bench.trainer.Step(Data(1).View(6), rate).status.ok());
    return bench;
  };
  std::vector<float> factors(graph.nodes.size(), 1.0f);
  const Bench fast = run({}, 0.1f), slow = run({}, 0.05f);
  const Bench same = run(factors, 0.1f);
  EXPECT_TRUE(SameBits(fast.State(), same.State()));
  EXPECT_EQ(fast.trainer.plan().program_hash, same.trainer.plan().program_hash);
  factors[conv] = 0.5f;
  const Bench mixed = run(factors, 0.1f);
  EXPECT_NE(fast.trainer.plan().program_hash,
            mixed.trainer.plan().program_hash);
  for (size_t i = 0; i < fast.trainer.Tensors().size(); ++i) {
    const TensorView& v = mixed.trainer.Tensors()[i];
    const TensorView& expected =
        (v.node == conv ? slow : fast).trainer.Tensors()[i];
    EXPECT_EQ(std::memcmp(v.data, expected.data, 4 * v.count), 0) << i;
  }
  EXPECT_FALSE(SameBits(fast.State(), slow.State()));
  for (const std::vector<float>& bad :
       {std::vector<float>{1.0f},
        std::vector<float>(graph.nodes.size(), -1.0f)}) {
    PlanOptions options;
    options.rate_factors = bad;
    Plan plan;
    EXPECT_EQ(MakePlan(graph, options, &plan).code,
              StatusCode::kInvalidArgument);
  }
}

TEST(DecayFactors, MultiplyTheDecayOfTheirLayer) {
  const Graph graph = Restless();
  const uint32_t conv = graph.Find("conv");
  const auto run = [&](std::vector<float> factors, float decay) {
    PlanOptions options = With(GradientMode::kFused);
    SgdParams sgd;
    sgd.weight_decay = decay;
    options.optimizer = sgd;
    options.decay_factors = std::move(factors);
    Bench bench;
    EXPECT_TRUE(bench.Start(graph, options).ok());
    bench.trainer.Initialize(3);
    EXPECT_TRUE(bench.trainer.Step(Data(1).View(6), 0.1f).status.ok());
    return bench;
  };
  std::vector<float> factors(graph.nodes.size(), 1.0f);
  const Bench decayed = run({}, 0.25f), free = run({}, 0.0f);
  const Bench same = run(factors, 0.25f);
  EXPECT_TRUE(SameBits(decayed.State(), same.State()));
  EXPECT_EQ(decayed.trainer.plan().program_hash,
            same.trainer.plan().program_hash);
  factors[conv] = 0.0f;
  const Bench mixed = run(factors, 0.25f);
  EXPECT_NE(decayed.trainer.plan().program_hash,
            mixed.trainer.plan().program_hash);
  for (size_t i = 0; i < decayed.trainer.Tensors().size(); ++i) {
    const TensorView& v = mixed.trainer.Tensors()[i];
    const TensorView& expected =
        (v.node == conv ? free : decayed).trainer.Tensors()[i];
    EXPECT_EQ(std::memcmp(v.data, expected.data, 4 * v.count), 0) << i;
  }
  EXPECT_FALSE(SameBits(decayed.State(), free.State()));
  // The penalty is the objective's: without the layer.
  EXPECT_LT(mixed.trainer.Penalty(), decayed.trainer.Penalty());
  EXPECT_GT(mixed.trainer.Penalty(), 0.0);
  PlanOptions options;
  options.decay_factors = {1.0f};
  Plan plan;
  EXPECT_EQ(MakePlan(graph, options, &plan).code, StatusCode::kInvalidArgument);
  // Every optimizer with a decay has the field that the factors multiply.
  for (uint32_t k = 0; k < OptimizerCatalogue().count; ++k) {
    const Entry entry = OptimizerCatalogue().entry(k);
    if (entry.fields.Find("decay_all") == nullptr) continue;
    EXPECT_NE(entry.fields.Find("weight_decay"), nullptr) << entry.name;
  }
}

// With kFrozenKernel the bias moves as in a step that trains all, and the kernel
// stays: dense and both convolutions.
TEST(FrozenKernel, TrainsTheBiasAlone) {
  Graph graph;
  uint32_t x = graph.Add("input", InputParams{8, 8, 3});
  x = graph.Add("normalize", NormalizeParams{1.0f, 0}, x);
  Conv2dParams conv{12};
  conv.kernel_h = conv.kernel_w = 3;
  conv.bias = 1;
  x = graph.Add("conv", conv, x);
  DepthwiseConv2dParams depthwise;
  depthwise.bias = 1;
  x = graph.Add("depthwise", depthwise, x);
  x = graph.Add("relu", ReluParams{}, x);
  x = graph.Add("fc", DenseParams{20}, x);
  x = graph.Add("head", DenseParams{5}, x);
  graph.Add("loss", SoftmaxCrossEntropyParams{}, x);
  const auto run = [&](bool freeze, uint32_t steps) {
    PlanOptions options = With(GradientMode::kFused);
    if (freeze) {
      options.frozen.assign(graph.nodes.size(), 0);
      for (const char* const name : {"conv", "depthwise", "fc"}) {
        options.frozen[graph.Find(name)] = kFrozenKernel;
      }
    }
    Bench bench;
    EXPECT_TRUE(bench.Start(graph, options).ok());
    bench.trainer.Initialize(3);
    for (uint32_t s = 0; s < steps; ++s) {
      EXPECT_TRUE(bench.trainer.Step(Data(1 + s).View(6), 0.1f).status.ok());
    }
    return bench;
  };
  const Bench first = run(false, 0), all = run(false, 1), some = run(true, 1);
  EXPECT_TRUE(CheckPlan(some.trainer.plan()).ok());
  EXPECT_LT(some.trainer.plan().arena_bytes, all.trainer.plan().arena_bytes);
  EXPECT_NE(some.trainer.plan().program_hash, all.trainer.plan().program_hash);
  for (size_t i = 0; i < all.trainer.Tensors().size(); ++i) {
    const TensorView& v = some.trainer.Tensors()[i];
    const bool kernel =
        v.spec->role == WeightRole::kKernel && v.node != graph.Find("head");
    EXPECT_EQ(v.trained, !kernel && IsTrained(v.spec->role));
    const TensorView& expected = (kernel ? first : all).trainer.Tensors()[i];
    EXPECT_EQ(std::memcmp(v.data, expected.data, 4 * v.count), 0) << i;
  }
}

TEST(StepCount, GoesOnWhereItIsSet) {
  PlanOptions options = With(GradientMode::kFused);
  Bench whole, first, second;
  ASSERT_TRUE(whole.Start(Restless(), options).ok());
  ASSERT_TRUE(first.Start(Restless(), options).ok());
  ASSERT_TRUE(second.Start(Restless(), options).ok());
  for (Bench* b : {&whole, &first, &second}) b->trainer.Initialize(3);
  const auto step = [](Bench& b, uint32_t s) {
    ASSERT_TRUE(b.trainer.Step(Data(s).View(6), 0.1f).status.ok());
  };
  for (uint32_t s = 0; s < 4; ++s) step(whole, s);
  for (uint32_t s = 0; s < 2; ++s) step(first, s);
  for (size_t i = 0; i < first.trainer.Tensors().size(); ++i) {
    const TensorView& v = first.trainer.Tensors()[i];
    std::copy_n(v.data, v.count, second.trainer.Tensors()[i].data);
  }
  for (size_t i = 0; i < first.trainer.States().size(); ++i) {
    const StateView& v = first.trainer.States()[i];
    std::copy_n(v.data, v.count, second.trainer.States()[i].data);
  }
  second.trainer.SetStepCount(first.trainer.steps());
  for (uint32_t s = 2; s < 4; ++s) step(second, s);
  EXPECT_EQ(second.trainer.steps(), 4u);
  // The masks too: batches carry no random key.
  EXPECT_TRUE(SameBits(second.State(), whole.State()));
  // A step that changes nothing is none.
  EXPECT_FALSE(second.trainer.Step(Data(1).View(0), 0.1f).status.ok());
  EXPECT_EQ(second.trainer.steps(), 4u);
  second.trainer.Initialize(1);
  EXPECT_EQ(second.trainer.steps(), 0u);
}

}  // namespace
}  // namespace temper
