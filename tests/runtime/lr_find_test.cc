// The learning-rate finder: its judgement of curves, and that nothing is left
// of it.
#include "runtime/recipe/lr_find.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "runtime/exact_math.h"
#include "temper/temper.h"
#include "tests/testing/allocations.h"

namespace temper::recipe {
namespace {

// A loss per decade of rate from 1e-5 to 10, with noise that has no seed.
template <class Loss>
LrJudgement Judge(Loss loss, double noise = 0.02, uint32_t steps = 120) {
  std::vector<LrPoint> points;
  LossMean mean(steps);
  double best = 1e30;
  bool stopped = false;
  for (uint32_t i = 0; i < steps && !stopped; ++i) {
    const double decade = -5.0 + 6.0 * i / (steps - 1);
    const double value =
        loss(decade) + noise * ((i * 7919u % 101u) / 50.0 - 1.0);
    if (!std::isfinite(value)) {
      stopped = true;
      break;
    }
    LrPoint p;
    p.rate = exact::Exp(decade * exact::Log(10.0));
    p.loss = static_cast<float>(value);
    p.smoothed = static_cast<float>(mean.Add(value));
    best = std::min(best, double{p.smoothed});
    points.push_back(p);
    stopped = double{p.smoothed} > kLrStop * best;
  }
  return JudgeLrCurve(points, steps, stopped);
}

TEST(LrCurve, AValleyHasARateInItsFallingPart) {
  // Falls from 1e-3 to 0.1, then explodes.
  const LrJudgement j = Judge([](double d) {
    return d < -3 ? 2.3 : d < -1 ? 2.3 - 0.8 * (d + 3) : 0.7 + 6.0 * (d + 1);
  });
  ASSERT_EQ(j.verdict, LrVerdict::kFound);
  EXPECT_GT(j.low, 5e-4);
  EXPECT_LT(j.low, 1e-2);
  EXPECT_GT(j.high, 0.05);
  EXPECT_LT(j.high, 0.5);
  EXPECT_GE(j.suggestion, j.low);
  EXPECT_LE(j.suggestion, j.high);
  EXPECT_GT(j.limit, j.high);
}

TEST(LrCurve, ALossThatNeverFallsHasNone) {
  const LrJudgement flat = Judge([](double) { return 2.3; });
  EXPECT_EQ(flat.verdict, LrVerdict::kNoFall);
  EXPECT_EQ(flat.suggestion, 0);
  EXPECT_GT(flat.next_min, 0.5);  // higher ones may do it
  const LrJudgement rising =
      Judge([](double d) { return d < -4 ? 2.3 : 2.3 + 3.0 * (d + 4); });
  EXPECT_EQ(rising.verdict, LrVerdict::kNoFall);
  EXPECT_LT(rising.next_max, 0.5);  // lower ones may
  EXPECT_LT(rising.next_min, 1e-5);
}

TEST(LrCurve, ASmallFallBeforeARiseIsWorthACloserLook) {
  // A deep network: 1 % is won over two decades, then it explodes.
  const LrJudgement j = Judge([](double d) {
    return d < -3   ? 2.3
           : d < -1 ? 2.3 - 0.012 * (d + 3)
                    : 2.276 + 2.0 * (d + 1);
  });
  EXPECT_EQ(j.verdict, LrVerdict::kNoFall);
  EXPECT_GT(j.rise, 0.1);
  EXPECT_LT(j.rise, 0.5);
  EXPECT_GT(j.next_min, 1e-3);  // the fall lies in between
  EXPECT_LT(j.next_min, 0.1);
  EXPECT_GE(j.next_max, j.rise);
  // Flat, or noise alone: no rise.
  EXPECT_EQ(Judge([](double) { return 2.3; }, 0.5).rise, 0);
}

TEST(LrCurve, NoiseIsNoFall) {
  const LrJudgement j = Judge([](double) { return 2.3; }, 0.5);
  EXPECT_EQ(j.verdict, LrVerdict::kNoFall);
}

TEST(LrCurve, ALossThatFallsToTheEndAsksForMore) {
  const LrJudgement j =
      Judge([](double d) { return d < -1 ? 2.3 : 2.3 - 0.5 * (d + 1); });
  EXPECT_EQ(j.verdict, LrVerdict::kNoEnd);
  EXPECT_EQ(j.suggestion, 0);
  EXPECT_GT(j.next_max, 10);
}

TEST(LrCurve, TheFirstRateMayBeTooLarge) {
  const LrJudgement j =
      Judge([](double d) { return d < -4.9 ? 2.3 : HUGE_VAL; });
  EXPECT_EQ(j.verdict, LrVerdict::kTooShort);
  EXPECT_LT(j.next_min, 1e-5);
}

// 40 samples of two classes, batches of 8 without random keys: dropout draws
// from the trainer's own stream.
struct Samples {
  float input[40][6];
  int32_t labels[40];
  Batch batch;
  uint64_t next = 0;

  Samples() {
    for (int i = 0; i < 40; ++i) {
      labels[i] = i % 2;
      for (int k = 0; k < 6; ++k) {
        input[i][k] =
            static_cast<float>((i * 31 + k * 17) % 23) / 23.0f + (i % 2);
      }
    }
  }
  BatchSource Source() {
    return {this,
            [](void* s, uint32_t, uint64_t first) {
              static_cast<Samples*>(s)->next = first;
            },
            [](void* s) -> const Batch* {
              Samples& of = *static_cast<Samples*>(s);
              if (of.next == 5) return nullptr;
              of.batch = of.At(of.next++);
              return &of.batch;
            }};
  }
  Batch At(uint64_t k) const {
    return {.input = input[8 * k], .labels = labels + 8 * k, .rows = 8};
  }
};

Plan MakeTestPlan(const Optimizer& optimizer, GradientMode gradients) {
  Graph g;
  uint32_t x = g.Add("input", InputParams{1, 1, 6});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("fc1", DenseParams{16}, x);
  x = g.Add("bn", BatchNormParams{}, x);
  x = g.Add("relu", ReluParams{}, x);
  x = g.Add("dropout", DropoutParams{0.3f}, x);
  x = g.Add("fc2", DenseParams{2}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  PlanOptions options;
  options.batch = 8;
  options.optimizer = optimizer;
  options.gradients = gradients;
  options.hooks = {EmaParams{}};
  Plan plan;
  EXPECT_TRUE(MakePlan(g, options, &plan).ok());
  return plan;
}

struct Place {
  explicit Place(const Plan& plan) : arena(plan.arena_bytes / 64 + 1) {
    void* const memory = arena.data();
    EXPECT_TRUE(trainer.Create(plan, memory, plan.arena_bytes).ok());
    trainer.Initialize(3);
  }
  std::vector<uint8_t> State() const {
    std::vector<uint8_t> state(trainer.SnapshotBytes());
    trainer.TakeSnapshot(state.data());
    return state;
  }
  struct alignas(64) Line {
    uint8_t bytes[64];
  };
  std::vector<Line> arena;
  Trainer trainer;
};

class LrFind : public ::testing::TestWithParam<int> {};

TEST_P(LrFind, LeavesNothingBehind) {
  const uint64_t accumulate = GetParam() == 2 ? 2 : 1;
  const Plan plan = MakeTestPlan(
      GetParam() == 0 ? Optimizer(SgdParams{}) : Optimizer(AdamParams{}),
      accumulate > 1 ? GradientMode::kAccumulated : GradientMode::kFused);
  Samples samples;
  Place searched(plan), twin(plan);
  const auto step = [&](Place& run, uint64_t k) {
    if (accumulate == 1) return run.trainer.Step(samples.At(k), 0.05f).loss;
    const float loss = run.trainer.Accumulate(samples.At(k)).loss;
    EXPECT_TRUE(run.trainer.Apply({.learning_rate = 0.05f}).ok());
    return loss;
  };
  // In the middle of a training, after a step that failed and has drawn.
  for (Place* run : {&searched, &twin}) {
    for (uint64_t k = 0; k < 3; ++k) step(*run, k);
    float bad[8 * 6];
    std::fill_n(bad, 48, NAN);
    Batch batch = samples.At(0);
    batch.input = bad;
    if (accumulate == 1) run->trainer.Step(batch, 0.05f);
  }
  const std::vector<uint8_t> before = searched.State();
  LrFindOptions options;
  options.accumulate = accumulate;
  options.max = 1e4;  // explodes
  std::vector<Place::Line> memory(LrFindBytes(plan, options.steps) / 64);
  ASSERT_EQ(SnapshotBytes(plan), searched.trainer.SnapshotBytes());
  const auto find = [&] {
    return FindLearningRate(searched.trainer, samples.Source(), options,
                            memory.data(), memory.size() * 64);
  };
  LrFindResult first;
  const testing::Allocations allocations;
  first = find();
  EXPECT_EQ(allocations.calls(), 0u);
  ASSERT_TRUE(first.status.ok());
  EXPECT_GT(first.epochs, 1u);  // five batches an epoch
  EXPECT_GT(first.points.size(), 20u);
  const std::vector<LrPoint> points(first.points.begin(), first.points.end());
  EXPECT_EQ(before, searched.State());
  // Twice the same.
  const LrFindResult second = find();
  ASSERT_EQ(points.size(), second.points.size());
  EXPECT_EQ(std::memcmp(points.data(), second.points.data(),
                        points.size() * sizeof(LrPoint)),
            0);
  for (const LrPoint& p : points) EXPECT_TRUE(std::isfinite(p.smoothed));
  // And training goes on as if nothing had been: dropout masks, too.
  for (uint64_t k = 0; k < 5; ++k) {
    EXPECT_EQ(step(searched, k), step(twin, k));
  }
  EXPECT_EQ(searched.State(), twin.State());
}
INSTANTIATE_TEST_SUITE_P(Optimizers, LrFind, ::testing::Values(0, 1, 2));

TEST(LrFindMemory, RefusesLessMemoryAndOddRanges) {
  const Plan plan = MakeTestPlan(SgdParams{}, GradientMode::kFused);
  Samples samples;
  Place run(plan);
  std::vector<Place::Line> memory(LrFindBytes(plan, 100) / 64);
  const auto status = [&](const LrFindOptions& options, size_t bytes) {
    return FindLearningRate(run.trainer, samples.Source(), options,
                            memory.data(), bytes)
        .status;
  };
  const Status small = status({}, memory.size() * 64 - 64);
  EXPECT_EQ(small.code, StatusCode::kArenaTooSmall);
  EXPECT_EQ(small.bytes, memory.size() * 64);
  for (const LrFindOptions& odd :
       {LrFindOptions{.min = 0}, LrFindOptions{.min = 1, .max = 1},
        LrFindOptions{.steps = 9}, LrFindOptions{.max = NAN},
        LrFindOptions{.min = 1e-60}}) {
    EXPECT_EQ(status(odd, memory.size() * 64).code,
              StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(status({}, memory.size() * 64).ok());
}

TEST(ExactMath, ExpIsAccurate) {
  for (double x = -40.0; x < 40.0; x += 0.37) {
    EXPECT_NEAR(exact::Exp(x) / std::exp(x), 1.0, 4e-16) << x;
  }
  EXPECT_EQ(exact::Exp(0.0), 1.0);
}

}  // namespace
}  // namespace temper::recipe
