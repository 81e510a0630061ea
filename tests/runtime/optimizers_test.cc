// Every optimizer of the list against PyTorch: 50 updates with a rate that
// falls, in one go and interrupted in the middle (tests/golden/optimizers.h).
// And what each says of itself: usual rate, states, what it refuses.
#include "tests/golden/optimizers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "models/spec.h"
#include "runtime/optimizer.h"
#include "tests/testing/kernel_test.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

constexpr uint64_t kSteps = 50;
constexpr size_t kCount = 24;

Optimizer Read(const std::string& spec) {
  Choice choice;
  EXPECT_EQ(ReadSpec(spec, OptimizerCatalogue(), &choice), "") << spec;
  Optimizer optimizer;
  optimizer.kind = static_cast<OptimizerKind>(choice.kind);
  std::copy_n(choice.params, sizeof(optimizer.params), optimizer.params);
  return optimizer;
}

// A weight of its own with its state.
struct Trained {
  Trained(const Optimizer& o, uint64_t rows)
      : optimizer(o), op(OpOf(o.kind)), w(kCount), shape{rows, kCount / rows} {
    const char* names[kMaxStates];
    memory.assign(op.states(optimizer, names), std::vector<float>(kCount));
    for (size_t i = 0; i < kCount; ++i) {
      w[i] = (static_cast<float>(i) - 11.0f) / 16.0f;
    }
    WeightSpec spec;
    spec.rank = 2;
    spec.dims[0] = static_cast<uint32_t>(rows);
    spec.dims[1] = static_cast<uint32_t>(kCount / rows);
    if (op.scratch != nullptr) {
      scratch.resize(op.scratch(optimizer, spec) / sizeof(float) + 16);
    }
  }

  // Step t, from 0.
  void Step(uint64_t t, double first_rate) {
    std::vector<float> g(kCount);
    for (size_t i = 0; i < kCount; ++i) {
      g[i] = (static_cast<float>((i * 7 + t * 13) % 19) - 9.0f) / 16.0f *
                 static_cast<float>(1 + i % 3) +
             (static_cast<float>(i % 5) - 2.0f) / 8.0f;
    }
    float* state[kMaxStates] = {};
    for (size_t s = 0; s < memory.size(); ++s) state[s] = memory[s].data();
    float scale = 1.0f;
    if (op.scale != nullptr) {
      TensorView view;
      view.count = kCount;
      view.gradient = g.data();
      scale = op.scale({optimizer, scale, {view}, {}});
    }
    EXPECT_FALSE(op.update(
        {.optimizer = optimizer,
         .role = WeightRole::kKernel,
         .step = t + 1,
         .learning_rate =
             static_cast<float>(first_rate * (1 - static_cast<double>(t) / 64)),
         .gradient_scale = scale,
         .shape = shape,
         .first = 0,
         .count = kCount,
         .g = g.data(),
         .w = w.data(),
         .state = state,
         .scratch = scratch.empty() ? nullptr : scratch.data(),
         .w_shared = false,
         .parallel = {}}));
  }

  Optimizer optimizer;
  const OptimizerOp& op;
  std::vector<float> w;
  std::vector<std::vector<float>> memory;
  std::vector<float> scratch;
  RowGeometry shape;
};

// |w - golden| / |golden|
double Distance(const std::vector<float>& w, const double* golden) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < kCount; ++i) {
    difference += std::pow(double{w[i]} - golden[i], 2);
    norm += golden[i] * golden[i];
  }
  return std::sqrt(difference / norm);
}

TEST(Optimizers, FiftyUpdatesAsPyTorch) {
  std::set<OptimizerKind> seen;
  for (const testing::OptimizerGolden& golden : testing::kOptimizerGoldens) {
    SCOPED_TRACE(golden.spec);
    const Optimizer optimizer = Read(golden.spec);
    seen.insert(optimizer.kind);
    const double most = optimizer.kind == OptimizerKind::kMuon ? 1e-5 : 3e-6;
    Trained whole(optimizer, golden.rows), first(optimizer, golden.rows);
    for (uint64_t t = 0; t < kSteps; ++t) whole.Step(t, golden.rate);
    EXPECT_LT(Distance(whole.w, golden.weights), most);
    // Interrupted: weights and state in another place, the count kept.
    for (uint64_t t = 0; t < kSteps / 2; ++t) first.Step(t, golden.rate);
    Trained second(optimizer, golden.rows);
    second.w = first.w;
    second.memory = first.memory;
    for (uint64_t t = kSteps / 2; t < kSteps; ++t) {
      second.Step(t, golden.rate);
    }
    EXPECT_TRUE(testing::SameBits(second.w, whole.w));
  }
  // Nobody is left out.
  EXPECT_EQ(seen.size(), static_cast<size_t>(OptimizerKind::kCount));
}

// Goldens that the tolerance would not tell apart would show nothing.
TEST(Optimizers, GoldensDiffer) {
  for (const testing::OptimizerGolden& a : testing::kOptimizerGoldens) {
    for (const testing::OptimizerGolden& b : testing::kOptimizerGoldens) {
      if (&a == &b) continue;
      const std::vector<float> w(b.weights, b.weights + kCount);
      EXPECT_GT(Distance(w, a.weights), 1e-4) << a.spec << " " << b.spec;
    }
  }
}

// A resumed run that lost the number of its step would be another one.
TEST(Optimizers, AdamGoesByTheNumberOfTheStep) {
  for (const char* const spec : {"adam", "adamw", "adagrad?lr_decay=0.1"}) {
    Trained right(Read(spec), 1), forgetful(Read(spec), 1);
    for (uint64_t t = 0; t < 4; ++t) {
      right.Step(t, 0.1);
      forgetful.Step(t < 2 ? t : t - 2, 0.1);
    }
    EXPECT_FALSE(testing::SameBits(right.w, forgetful.w)) << spec;
  }
}

TEST(Optimizers, SayWhatTheyAre) {
  const struct {
    const char* name;
    double rate;
    float decay;
    std::vector<std::string> states;
    const char* momentum;
  } kExpected[] = {
      {"sgd", 0.05, 5e-4f, {"momentum"}, "momentum"},
      {"rmsprop", 1e-3, 0.0f, {"square_avg"}, "momentum"},
      {"classical_momentum", 0.05, 5e-4f, {"velocity"}, "momentum"},
      {"ngd", 0.2, 0.0f, {}, nullptr},
      {"adagrad", 0.01, 0.0f, {"sum"}, nullptr},
      {"adam", 1e-3, 0.0f, {"exp_avg", "exp_avg_sq"}, "beta1"},
      {"adamw", 1e-3, 0.01f, {"exp_avg", "exp_avg_sq"}, "beta1"},
      {"muon", 0.02, 0.01f, {"momentum_buffer"}, "momentum"},
  };
  ASSERT_EQ(std::size(kExpected), static_cast<size_t>(OptimizerKind::kCount));
  for (const auto& e : kExpected) {
    SCOPED_TRACE(e.name);
    const Optimizer optimizer = Read(e.name);
    const OptimizerOp& op = OpOf(optimizer.kind);
    EXPECT_EQ(UsualLearningRate(optimizer.kind), e.rate);
    EXPECT_EQ(op.decay(optimizer, WeightRole::kKernel), e.decay);
    EXPECT_EQ(op.decay(optimizer, WeightRole::kBias), 0.0f);
    EXPECT_EQ(op.decay(optimizer, WeightRole::kGamma), 0.0f);
    const char* names[kMaxStates];
    const uint32_t states = op.states(optimizer, names);
    EXPECT_EQ(std::vector<std::string>(names, names + states), e.states);
    EXPECT_EQ(op.momentum == nullptr, e.momentum == nullptr);
    if (e.momentum == nullptr) continue;
    EXPECT_STREQ(op.momentum, e.momentum);
    ASSERT_NE(op.fields.Find(e.momentum), nullptr);
    // Refused, and why.
    Choice choice;
    const std::string wrong =
        ReadSpec(std::string(e.name) + "?" + e.momentum + "=1",
                 OptimizerCatalogue(), &choice);
    EXPECT_NE(wrong.find("without friction it never settles"),
              std::string::npos)
        << wrong;
  }
}

TEST(Optimizers, MomentumZeroIsPlainGradientDescent) {
  Trained plain(Read("sgd?momentum=0"), 1);
  Trained classical(Read("classical_momentum?momentum=0"), 1);
  for (uint64_t t = 0; t < 10; ++t) {
    plain.Step(t, 0.05);
    classical.Step(t, 0.05);
  }
  for (size_t i = 0; i < kCount; ++i) {
    EXPECT_NEAR(plain.w[i], classical.w[i], 1e-6);
  }
}

// On a network, by a plan: threads and the way gradients live do not matter,
// and the loss falls.
TEST(Optimizers, TrainANetworkWithTheSameBitsOnAnyThreads) {
  constexpr Shape kInput = {14, 14, 1};
  const Graph graph = testing::BuildOrDie("resnet8", kInput, 10);
  for (uint32_t k = 0; k < static_cast<uint32_t>(OptimizerKind::kCount); ++k) {
    const Optimizer optimizer = Read(OpOf(static_cast<OptimizerKind>(k)).name);
    SCOPED_TRACE(OpOf(optimizer.kind).name);
    std::vector<float> first;
    for (const uint32_t threads : {1u, 3u}) {
      for (const GradientMode mode :
           {GradientMode::kFused, GradientMode::kWhole}) {
        PlanOptions options;
        options.batch = 4;
        options.threads = threads;
        options.optimizer = optimizer;
        options.gradients = mode;
        testing::Bench bench;
        const Status status =
            bench.Start(graph, options, testing::ThreadRunner(threads));
        const bool fits = mode >= GradientsNeeded(options);
        ASSERT_EQ(status.ok(), fits) << status.message;
        if (!fits) continue;
        bench.trainer.Initialize(3);
        bench.trainer.CheckMemory(threads == 1);
        const testing::TestBatch data(kInput, 10, 4, 1);
        float loss = 0, last = 0;
        for (uint64_t s = 0; s < 6; ++s) {
          const StepResult r = bench.trainer.Step(
              data.View(4),
              static_cast<float>(UsualLearningRate(optimizer.kind)));
          ASSERT_TRUE(r.status.ok()) << r.status.message;
          last = r.loss;
          if (s == 0) loss = r.loss;
        }
        EXPECT_LT(last, loss);
        if (first.empty()) first = bench.State();
        EXPECT_TRUE(testing::SameBits(bench.State(), first));
      }
    }
  }
}

TEST(Ngd, StepsHaveTheLengthOfTheRate) {
  for (const float rate : {0.5f, 0.01f}) {
    PlanOptions options;
    options.batch = 4;
    options.optimizer = NgdParams{};
    options.gradients = GradientMode::kWhole;
    testing::Bench bench;
    constexpr Shape kInput = {28, 28, 1};
    ASSERT_TRUE(
        bench.Start(testing::BuildOrDie("mlp", kInput, 10), options).ok());
    bench.trainer.Initialize(3);
    const std::vector<float> before = bench.State();
    const testing::TestBatch data(kInput, 10, 4, 1);
    ASSERT_TRUE(bench.trainer.Step(data.View(4), rate).status.ok());
    const std::vector<float> after = bench.State();
    double sum = 0;
    for (size_t i = 0; i < after.size(); ++i) {
      sum += std::pow(double{after[i]} - double{before[i]}, 2);
    }
    EXPECT_NEAR(std::sqrt(sum), rate, 1e-3 * rate);
  }
}

TEST(Muon, MakesStepsThatAreNearlyOrthogonal) {
  // From zero with no decay and one step: w = -rate * sqrt(6 / 4) * X.
  Trained t(Read("muon?weight_decay=0"), 6);
  std::fill(t.w.begin(), t.w.end(), 0.0f);
  t.Step(0, 1.0);
  double largest = 0, trace = 0;
  for (size_t a = 0; a < 4; ++a) {
    for (size_t b = 0; b < 4; ++b) {
      double dot = 0;
      for (size_t r = 0; r < 6; ++r) {
        dot += double{t.w[r * 4 + a]} * t.w[r * 4 + b] / 1.5;
      }
      (a == b ? trace : largest) =
          a == b ? trace + dot : std::max(largest, std::fabs(dot));
    }
  }
  // Singular values end between 0.7 and 1.2 or so, all of them.
  EXPECT_GT(trace, 4 * 0.45);
  EXPECT_LT(trace, 4 * 1.45);
  EXPECT_LT(largest, 0.35);
}

}  // namespace
}  // namespace temper
