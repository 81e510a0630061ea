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
  switch (kind) {
    case ScheduleKind::kConstant:
      s = ConstantParams{};
      break;
    case ScheduleKind::kStep:
      s = StepParams{};
      break;
    default:
      s = CosineParams{};
      s.kind = kind;
  }
  s.total_steps = total;
  s.base_lr = base;
  return s;
}

// For tests that sweep over all schedules.
void SetStepSize(Schedule& s, uint64_t step_size) {
  if (s.kind == ScheduleKind::kStep) s.As<StepParams>().step_size = step_size;
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
    EXPECT_EQ(LearningRate(s, 5), 0.6);
  }
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
          } else if (t > warmup && before > 0.0) {
            EXPECT_LE(now, std::max(before, LearningRate(s, warmup)));
          }
          if (t > warmup && t - 1 >= warmup) {
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
  EXPECT_EQ(ScheduleCatalogue().Find("linear"),
            static_cast<uint32_t>(ScheduleKind::kCount));
}

}  // namespace
}  // namespace temper
