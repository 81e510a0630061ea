// Schedules: the cosine against the C library's, warm-up, step decay, the last
// step, monotone rates, ranges.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "temper/registry.h"
#include "temper/schedules.h"

namespace temper {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

Schedule Make(ScheduleKind kind, uint64_t total, double base = 1.0) {
  Schedule s;
  s.kind = kind;
  ScheduleCatalogue().entry(static_cast<uint32_t>(kind)).defaults(s.params);
  s.total_steps = total;
  s.base_lr = base;
  return s;
}

// For tests that sweep over all schedules.
void SetStepSize(Schedule& s, uint64_t step_size) {
  if (s.kind == ScheduleKind::kStep) s.As<StepParams>().step_size = step_size;
  if (s.kind == ScheduleKind::kExponential) {
    s.As<ExponentialParams>().every = step_size;
  }
}

// Some steps of a run, the first and last ones among them.
std::vector<uint64_t> Steps(uint64_t total) {
  std::vector<uint64_t> steps;
  const uint64_t stride = total / 1000 + 1;
  for (uint64_t t = 0; t < total; t += stride) steps.push_back(t);
  for (uint64_t t = total > 5 ? total - 5 : 0; t < total; ++t) {
    if (t > steps.back()) steps.push_back(t);
  }
  return steps;
}

TEST(Cosine, IsTheLibrarysCosine) {
  for (const uint64_t total : {1u, 2u, 3u, 7u, 10u, 1000u, 46875u, 1000000u}) {
    for (const double least : {0.0, 0.01, 1.0}) {
      Schedule s = Make(ScheduleKind::kCosine, total);
      s.As<CosineParams>().min_lr = least;
      ASSERT_TRUE(CheckSchedule(s).ok());
      for (const uint64_t t : Steps(total)) {
        const double angle =
            M_PI * (static_cast<double>(t) / static_cast<double>(total));
        EXPECT_NEAR(LearningRate(s, t),
                    least + (1.0 - least) * (1.0 + std::cos(angle)) / 2, 1e-15)
            << t << " of " << total;
      }
    }
  }
}

TEST(Cosine, StartsAtTheBaseAndEndsAboveTheLeast) {
  Schedule s = Make(ScheduleKind::kCosine, 1000, 0.4);
  s.As<CosineParams>().min_lr = 0.1;
  EXPECT_EQ(LearningRate(s, 0), 0.4);
  EXPECT_NEAR(LearningRate(s, 500), 0.25, 1e-15);
  EXPECT_GT(LearningRate(s, 999), 0.1);
  EXPECT_LT(LearningRate(s, 999), 0.1 + 1e-6);
}

TEST(Step, FallsAtEveryMilestone) {
  Schedule s = Make(ScheduleKind::kStep, 100, 0.5);
  s.As<StepParams>() = {.step_size = 30, .gamma = 0.1};
  for (uint64_t t = 0; t < 100; ++t) {
    const double expected = 0.5 * std::pow(0.1, static_cast<double>(t / 30));
    EXPECT_NEAR(LearningRate(s, t), expected, 1e-15 * expected * 4) << t;
  }
  EXPECT_EQ(LearningRate(s, 29), 0.5);
  EXPECT_EQ(LearningRate(s, 30), 0.5 * 0.1);
  s.As<StepParams>().gamma = 1.0;
  EXPECT_EQ(LearningRate(s, 99), 0.5);
  // Many drops end in 0, not in NaN or a negative rate.
  s.As<StepParams>() = {.step_size = 1, .gamma = 0.5};
  s.total_steps = 5000;
  EXPECT_EQ(LearningRate(s, 4999), 0.0);
}

TEST(Constant, IsConstant) {
  const Schedule s = Make(ScheduleKind::kConstant, 50, 0.3);
  for (uint64_t t = 0; t < 60; ++t) EXPECT_EQ(LearningRate(s, t), 0.3);
}

TEST(WarmUp, RisesInEqualStepsToTheBase) {
  for (uint32_t k = 0; k < static_cast<uint32_t>(ScheduleKind::kCount); ++k) {
    Schedule s = Make(static_cast<ScheduleKind>(k), 20, 0.6);
    s.warmup = 5;
    SetStepSize(s, 4);
    Schedule rest = s;
    rest.warmup = 0;
    rest.total_steps = 15;
    for (uint64_t t = 0; t < 5; ++t) {
      EXPECT_DOUBLE_EQ(LearningRate(s, t),
                       0.6 * static_cast<double>(t + 1) / 6.0);
    }
    // Then what the schedule does in a run of those that are left.
    for (uint64_t t = 5; t < 20; ++t) {
      EXPECT_EQ(LearningRate(s, t), LearningRate(rest, t - 5)) << t;
    }
    if (s.kind != ScheduleKind::kOneCycle) {
      EXPECT_EQ(LearningRate(s, 5), 0.6);
    }
  }
}

bool RisesAgain(const Schedule& s) {
  return s.kind == ScheduleKind::kCosineRestarts ||
         s.kind == ScheduleKind::kOneCycle;
}

TEST(Schedules, NeverRiseAfterTheWarmUpAndStayInRange) {
  for (uint32_t k = 0; k < static_cast<uint32_t>(ScheduleKind::kCount); ++k) {
    for (const uint64_t total : {1u, 2u, 5u, 999u, 100000u}) {
      for (const uint64_t warmup : {uint64_t{0}, total / 3}) {
        Schedule s = Make(static_cast<ScheduleKind>(k), total, 0.1);
        s.warmup = warmup;
        SetStepSize(s, total / 4 + 1);
        if (s.kind == ScheduleKind::kCosine) {
          s.As<CosineParams>().min_lr = 0.001;
        }
        ASSERT_TRUE(CheckSchedule(s).ok());
        double before = 0.0;
        for (const uint64_t t : Steps(total)) {
          const double now = LearningRate(s, t);
          EXPECT_GT(now, 0.0);
          EXPECT_LE(now, 0.1);
          if (t < warmup) {
            EXPECT_GE(now, before);
          } else if (t > warmup && before > 0.0 && !RisesAgain(s)) {
            EXPECT_LE(now, std::max(before, LearningRate(s, warmup)));
          }
          if (t > warmup && t - 1 >= warmup && !RisesAgain(s)) {
            EXPECT_LE(now, LearningRate(s, t - 1)) << t;
          }
          before = now;
        }
      }
    }
  }
}

TEST(Schedules, TheLastRateIsKept) {
  for (uint32_t k = 0; k < static_cast<uint32_t>(ScheduleKind::kCount); ++k) {
    Schedule s = Make(static_cast<ScheduleKind>(k), 10);
    SetStepSize(s, 3);
    for (const uint64_t past : {uint64_t{10}, uint64_t{11}, ~uint64_t{0}}) {
      EXPECT_EQ(LearningRate(s, past), LearningRate(s, 9));
    }
  }
}

// Printed by PyTorch 2.13 for 40 steps at a rate of 0.4.
constexpr uint64_t kSome[] = {0, 1, 7, 10, 11, 15, 20, 29, 30, 39};
void ExpectRates(Schedule s, const double (&expected)[10],
                 double relative = 1e-14) {
  s.base_lr = 0.4;
  s.total_steps = 40;
  ASSERT_TRUE(CheckSchedule(s).ok());
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_NEAR(LearningRate(s, kSome[i]), expected[i], relative * expected[i])
        << ScheduleName(s.kind) << " at " << kSome[i];
  }
}

TEST(Schedules, AsPyTorch) {
  ExpectRates(MultiStepParams{10, 15, 30, 0, 0.5},
              {0.4, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05});
  ExpectRates(ExponentialParams{},
              {0.4, 0.392, 0.34725021329868799, 0.32682912275501869,
               0.32029254029991833, 0.29542764105816149, 0.26704318870203769,
               0.22264666097242322, 0.21819372775297474, 0.18191853222487783});
  ExpectRates(LinearParams{0.1}, {0.4, 0.3925, 0.3475, 0.325, 0.3175, 0.2875,
                                  0.25, 0.1825, 0.175, 0.1075});
  ExpectRates(CosineRestartsParams{.period = 10, .min_lr = 0.1, .mult = 2},
              {0.4, 0.39265847744427307, 0.16183221215612906, 0.4,
               0.39815325108927069, 0.35606601717798214, 0.25,
               0.10184674891072935, 0.4, 0.3640608948400047});
  ExpectRates(
      CosineRestartsParams{.period = 10, .min_lr = 0.0, .mult = 1},
      {0.4, 0.39021130325903075, 0.082442949541505398, 0.4, 0.39021130325903075,
       0.2, 0.4, 0.0097886967409692941, 0.4, 0.0097886967409692941});
  // pct_start and the factors are floats.
  ExpectRates(
      OneCycleParams{},
      {0.016, 0.023777349066016473, 0.28775968249636219, 0.39222265093398351,
       0.4, 0.38019385280538953, 0.30640678967740614, 0.11322439928347969,
       0.093594810322593938, 1.6e-6},
      1e-6);
  OneCycleParams lines;
  lines.pct_start = 0.4f;
  lines.div_factor = 10.0f;
  lines.final_div_factor = 100.0f;
  lines.linear = 1;
  ExpectRates(
      lines,
      {0.04, 0.064, 0.208, 0.28, 0.304, 0.4, 0.31675, 0.1669, 0.15025, 0.0004},
      1e-6);
}

TEST(OneCycle, MovesTheMomentumTheOtherWay) {
  constexpr double kCosines[] = {0.95,
                                 0.94797464868072479,
                                 0.87922924934990565,
                                 0.85202535131927515,
                                 0.85,
                                 0.85495155660487898,
                                 0.87339839617423309,
                                 0.9216941869558779,
                                 0.92660160382576673,
                                 0.95};
  Schedule s = OneCycleParams{};
  s.total_steps = 40;
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_NEAR(Momentum(s, kSome[i]), kCosines[i], 1e-7);
  }
  EXPECT_EQ(Momentum(s, 1000), Momentum(s, 39));
  EXPECT_LT(Momentum(Make(ScheduleKind::kCosine, 10), 3), 0.0);
  // Runs of one or two steps have a rate, too.
  for (const uint64_t total : {1u, 2u, 3u}) {
    s.total_steps = total;
    for (uint64_t t = 0; t < total; ++t) {
      EXPECT_GT(LearningRate(s, t), 0.0);
      EXPECT_LE(LearningRate(s, t), s.base_lr);
    }
  }
}

TEST(Plateau, FallsAsPyTorch) {
  PlateauParams p;
  p.factor = 0.5;
  p.threshold = 0.01;
  p.patience = 2;
  p.cooldown = 2;
  p.min_lr = 0.06;
  Schedule s = p;
  s.base_lr = 0.4;
  s.total_steps = 1000;
  const double losses[] = {5, 4, 4, 3.99, 3.98, 3.9, 4, 4, 4, 4, 4, kNan,
                           4, 4, 4, 4,    4,    3,   3, 3, 3, 3, 3, 3};
  const double rates[] = {0.4,  0.4,  0.4,  0.4,  0.2,  0.2,  0.2,  0.2,
                          0.2,  0.1,  0.1,  0.1,  0.1,  0.1,  0.06, 0.06,
                          0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06};
  ScheduleState state;
  for (size_t i = 0; i < std::size(losses); ++i) {
    ObserveLoss(s, losses[i], &state);
    EXPECT_NEAR(LearningRate(s, 5, state), rates[i], 1e-15) << i;
  }
  // Nobody else listens.
  ScheduleState other;
  for (const double loss : losses) {
    ObserveLoss(Make(ScheduleKind::kCosine, 10), loss, &other);
  }
  EXPECT_EQ(other.factor, 1.0);
}

TEST(InverseSqrt, HalvesAtThreeTimescales) {
  Schedule s = InverseSqrtParams{100};
  s.base_lr = 0.4;
  s.total_steps = 1000;
  EXPECT_EQ(LearningRate(s, 0), 0.4);
  EXPECT_NEAR(LearningRate(s, 300), 0.2, 1e-15);
  EXPECT_NEAR(LearningRate(s, 800), 0.4 / 3, 1e-15);
}

Schedule Step(uint64_t step_size, double gamma) {
  Schedule s = StepParams{.step_size = step_size, .gamma = gamma};
  s.total_steps = 10;
  return s;
}

TEST(CheckSchedule, Ranges) {
  Schedule good;
  good.total_steps = 10;
  EXPECT_TRUE(CheckSchedule(good).ok());
  EXPECT_TRUE(CheckSchedule(Schedule()).ok());
  const auto refused = [&](auto change) {
    Schedule s = good;
    change(s);
    return CheckSchedule(s).code == StatusCode::kInvalidArgument;
  };
  for (const double lr : {0.0, -0.1, kNan, kInf, -kInf, 1.0001e6}) {
    EXPECT_TRUE(refused([&](Schedule& s) { s.base_lr = lr; })) << lr;
  }
  for (const double lr : {-1e-9, 0.011, kNan, kInf, -kInf}) {
    EXPECT_TRUE(refused([&](Schedule& s) { s.As<CosineParams>().min_lr = lr; }))
        << lr;
  }
  for (const double gamma : {0.0, -0.5, 1.0001, kNan, kInf}) {
    EXPECT_TRUE(refused([&](Schedule& s) { s = Step(10, gamma); })) << gamma;
  }
  for (const uint64_t warmup : {uint64_t{10}, uint64_t{11}, ~uint64_t{0}}) {
    EXPECT_TRUE(refused([&](Schedule& s) { s.warmup = warmup; }));
  }
  EXPECT_TRUE(refused([](Schedule& s) { s.total_steps = 0; }));
  const auto refused_params = [&](const Schedule& with) {
    return refused([&](Schedule& s) {
      s = with;
      s.total_steps = 10;
      s.base_lr = 0.4;
    });
  };
  EXPECT_TRUE(refused_params(LinearParams{0.5}));
  EXPECT_TRUE(refused_params(CosineRestartsParams{.min_lr = 0.5}));
  EXPECT_TRUE(refused_params(MultiStepParams{10, 5}));
  EXPECT_TRUE(refused_params(MultiStepParams{10, 10}));
  EXPECT_FALSE(refused_params(MultiStepParams{0, 5, 0, 7}));
  EXPECT_TRUE(refused_params(OneCycleParams{.pct_start = 1.0f}));
  EXPECT_TRUE(refused_params(
      OneCycleParams{.base_momentum = 0.9f, .max_momentum = 0.8f}));
  EXPECT_TRUE(refused_params(PlateauParams{.min_lr = 0.5}));
  EXPECT_TRUE(refused_params(PlateauParams{.factor = 1.0}));
  EXPECT_TRUE(refused([](Schedule& s) { s = Step(0, 0.1); }));
  EXPECT_TRUE(refused([](Schedule& s) { s.kind = ScheduleKind::kCount; }));
  EXPECT_TRUE(
      refused([](Schedule& s) { s.kind = static_cast<ScheduleKind>(99); }));
  // The ends of the ranges are inside.
  EXPECT_FALSE(refused([](Schedule& s) { s.base_lr = 1e6; }));
  EXPECT_FALSE(
      refused([](Schedule& s) { s.As<CosineParams>().min_lr = s.base_lr; }));
  EXPECT_FALSE(refused([](Schedule& s) { s = Step(10, 1.0); }));
  EXPECT_FALSE(refused([](Schedule& s) { s.warmup = 9; }));
}

TEST(Schedules, Names) {
  EXPECT_STREQ(ScheduleName(ScheduleKind::kConstant), "constant");
  EXPECT_STREQ(ScheduleName(ScheduleKind::kStep), "step");
  EXPECT_STREQ(ScheduleName(ScheduleKind::kCosine), "cosine");
  for (uint32_t k = 0; k < static_cast<uint32_t>(ScheduleKind::kCount); ++k) {
    const ScheduleKind kind = static_cast<ScheduleKind>(k);
    EXPECT_EQ(ScheduleCatalogue().Find(ScheduleName(kind)), k);
  }
  EXPECT_EQ(ScheduleCatalogue().Find("square"),
            static_cast<uint32_t>(ScheduleKind::kCount));
}

}  // namespace
}  // namespace temper
