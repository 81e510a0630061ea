// What curves of known kinds are called, and that healthy ones are not called
// anything.
#include "runtime/recipe/diagnosis.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

namespace temper::recipe {
namespace {

struct Curve {
  std::vector<CurvePoint> points;
  CurveFacts facts;

  explicit Curve(uint32_t epochs, std::function<void(CurvePoint*)> fill) {
    facts.first_loss = 2.31;
    facts.expected_loss = 2.3026;
    facts.peak_loss = 2.4;
    facts.update_ratio = 3e-3;
    facts.gradient_norm = 0.5;
    facts.chance = 0.1;
    facts.epochs = epochs;
    for (uint32_t e = 1; e <= epochs; ++e) {
      CurvePoint p;
      p.epoch = e;
      p.rate = 0.05;
      fill(&p);
      points.push_back(p);
    }
  }
  std::vector<Diagnosis> All() const {
    Diagnosis found[kMostDiagnoses];
    const uint32_t n = Diagnose(points, facts, found);
    return {found, found + n};
  }
  Cause First() const {
    const std::vector<Diagnosis> all = All();
    return all.empty() ? Cause::kCount : all[0].cause;
  }
};

double Falling(double e, double from, double to, double speed) {
  return to + (from - to) * std::exp(-speed * e);
}

// Accuracies that go with losses of ten classes, roughly.
void Fill(CurvePoint* p, double train, double val) {
  p->train_loss = train;
  p->val_loss = val;
  p->train_accuracy = std::exp(-train);
  p->val_accuracy = std::exp(-val);
}

TEST(Diagnosis, HealthyCurvesHaveNone) {
  for (const double speed : {0.3, 0.6, 1.2}) {
    for (const uint32_t epochs : {3u, 8u, 15u, 30u}) {
      const Curve curve(epochs, [&](CurvePoint* p) {
        const double at = double(p->epoch) / epochs;
        p->rate = 0.025 * (1 + std::cos(3.14159 * at));
        Fill(p, Falling(p->epoch, 1.2, 0.2, speed),
             Falling(p->epoch, 1.1, 0.3, speed));
      });
      EXPECT_EQ(curve.First(), Cause::kCount)
          << speed << ", " << epochs << ": " << CauseName(curve.First());
    }
  }
}

TEST(Diagnosis, Explosions) {
  Curve rate(2, [](CurvePoint* p) { Fill(p, 1.0, 1.0); });
  rate.facts.diverged = true;
  EXPECT_EQ(rate.First(), Cause::kRateHigh);
  Curve scale = rate;
  scale.facts.first_loss = 2360;
  EXPECT_EQ(scale.First(), Cause::kInitLarge);
}

TEST(Diagnosis, FlatFromTheStartHasFiveCauses) {
  const Curve flat(5, [](CurvePoint* p) {
    Fill(p, 2.3026, 2.3027);
    p->train_accuracy = p->val_accuracy = 0.1;
  });
  EXPECT_EQ(flat.First(), Cause::kLabels);
  Curve other = flat;
  other.facts.peak_loss = 4490;
  EXPECT_EQ(other.First(), Cause::kRateHigh);
  other = flat;
  other.facts.first_loss = 100;
  other.facts.peak_loss = 110;
  EXPECT_EQ(other.First(), Cause::kInitLarge);
  other = flat;
  other.facts.gradient_norm = 1e-9;
  other.facts.update_ratio = 1e-12;
  EXPECT_EQ(other.First(), Cause::kInitSmall);
  other = flat;
  other.facts.update_ratio = 1e-7;
  EXPECT_EQ(other.First(), Cause::kRateLow);
}

TEST(Diagnosis, OverfittingNamesTheBestEpoch) {
  const Curve curve(14, [](CurvePoint* p) {
    const double e = p->epoch;
    Fill(p, Falling(e, 1.2, 0.01, 0.4),
         e <= 6 ? Falling(e, 1.2, 0.5, 0.5) : 0.55 + 0.05 * (e - 6));
  });
  ASSERT_EQ(curve.First(), Cause::kOverfitting);
  EXPECT_EQ(curve.All()[0].epoch, 6u);
}

TEST(Diagnosis, APlateauNamesTheEpochOfItsBeginning) {
  const Curve curve(20, [](CurvePoint* p) {
    const double e = std::min(8.0, double(p->epoch));
    Fill(p, 2.2 - 0.2 * e, 2.2 - 0.2 * e);
  });
  ASSERT_EQ(curve.First(), Cause::kPlateau);
  EXPECT_NEAR(curve.All()[0].epoch, 8, 1);
}

TEST(Diagnosis, ADropThatCameTooEarly) {
  const Curve curve(12, [](CurvePoint* p) {
    p->rate = p->epoch <= 3 ? 0.05 : 5e-5;
    const double e = std::min(3.0, double(p->epoch));
    Fill(p, 2.2 - 0.35 * e, 2.2 - 0.35 * e);
  });
  ASSERT_EQ(curve.First(), Cause::kScheduleEarly);
  EXPECT_GT(curve.All()[0].epoch, 4u);
}

TEST(Diagnosis, BothLowIsAWeakModel) {
  const Curve curve(12, [](CurvePoint* p) {
    p->rate = 0.05 / p->epoch;
    Fill(p, Falling(p->epoch, 1.6, 0.95, 0.9),
         Falling(p->epoch, 1.6, 0.97, 0.9));
  });
  EXPECT_EQ(curve.First(), Cause::kCapacity);
}

// Four epochs, or a validation that gets better, say nothing of the model.
TEST(Diagnosis, FewEpochsDoNotMakeAWeakModel) {
  const auto low = [](uint32_t epochs, double val_end) {
    return Curve(epochs, [=](CurvePoint* p) {
      p->rate = 0.05 / p->epoch;
      Fill(p, Falling(p->epoch, 1.6, 0.95, 2.5),
           Falling(p->epoch, 1.6, 0.97, 2.5) -
               (p->epoch == epochs ? val_end : 0));
    });
  };
  EXPECT_EQ(low(8, 0).First(), Cause::kCapacity);
  EXPECT_EQ(low(8, 0.05).First(), Cause::kCount);
  EXPECT_NE(low(4, 0).First(), Cause::kCapacity);
}

// Without classes nothing is known of labels: targets of 300 and steps of 0.001.
TEST(Diagnosis, ValuesThatFallEvenlyWantAHigherRate) {
  const auto values = [](double fall) {
    Curve curve(20, [=](CurvePoint* p) {
      p->train_loss = 3e4 * (1 - fall * p->epoch);
      p->val_loss = p->train_loss;
    });
    curve.facts.chance = curve.facts.expected_loss = 0;
    curve.facts.first_loss = curve.facts.peak_loss = 3e4;
    return curve;
  };
  EXPECT_EQ(values(1e-3).First(), Cause::kRateLow);
  EXPECT_NEAR(values(1e-3).All()[0].to, 0.02, 1e-12);
  EXPECT_EQ(values(0).First(), Cause::kLabels);
}

TEST(Diagnosis, FewValidationSamplesMustRiseFurther) {
  Curve curve(7, [](CurvePoint* p) {
    Fill(p, Falling(p->epoch, 2.2, 0.1, 0.8),
         p->epoch <= 3 ? 1.0 : 1.0 + 0.04 * (p->epoch - 3));
  });
  EXPECT_EQ(curve.First(), Cause::kOverfitting);
  curve.facts.val_samples = 36;
  EXPECT_EQ(curve.First(), Cause::kCount);
  curve.facts.val_samples = 1000;
  EXPECT_EQ(curve.First(), Cause::kOverfitting);
}

TEST(Diagnosis, AnEvenSlopeIsSlow) {
  const Curve curve(10, [](CurvePoint* p) {
    const double loss = 2.3 - 0.06 * p->epoch;
    Fill(p, loss, loss);
    p->train_accuracy = p->val_accuracy = 0.2 + 0.02 * p->epoch;
  });
  EXPECT_EQ(curve.First(), Cause::kSlow);
}

// Both low for other reasons than the model: each has its own evidence.
TEST(Diagnosis, BothLowIsTheRateBeforeTheModel) {
  const auto low = [](double work) {
    return Curve(12, [=](CurvePoint* p) {
      p->rate = p->epoch <= 6 ? 0.05 : 0.05 / p->epoch;
      const double loss = Falling(std::min(p->epoch, 6u), 2.2, 1.0, work);
      Fill(p, loss, loss + 0.02);
    });
  };
  EXPECT_EQ(low(2.0).First(), Cause::kCapacity);
  // Still falling when the schedule lowered the rate.
  EXPECT_EQ(low(0.2).First(), Cause::kSlow);
  Curve small = low(2.0);
  small.facts.update_ratio = 5e-5;
  EXPECT_EQ(small.First(), Cause::kRateLow);
  EXPECT_EQ(small.All()[0].epoch, 0u);
  Curve high = low(2.0);
  high.facts.update_ratio = 5e-3;
  high.facts.peak_loss = 8;
  EXPECT_EQ(high.First(), Cause::kRateHigh);
  EXPECT_EQ(high.All()[0].from, 8);
  // It may recover before its end.
  high.facts.epochs = 20;
  EXPECT_TRUE(high.All().empty());
  Curve spiked = low(2.0);
  spiked.points[2].val_loss = 40;  // batch norm hides it from training
  EXPECT_EQ(spiked.First(), Cause::kRateHigh);
}

TEST(Diagnosis, ALossThatRoseAgainIsNoOverfitting) {
  const auto curve = [](double last) {
    return Curve(10, [=](CurvePoint* p) {
      const double train = p->epoch <= 6 ? 1.6 - 0.2 * p->epoch : last;
      Fill(p, train, p->epoch <= 4 ? 1.6 - 0.1 * p->epoch : 2.2);
    });
  };
  EXPECT_EQ(curve(0.35).First(), Cause::kOverfitting);
  const std::vector<Diagnosis> rose = curve(1.1).All();
  ASSERT_FALSE(rose.empty());
  EXPECT_EQ(rose[0].cause, Cause::kRateHigh);
  EXPECT_EQ(rose[0].epoch, 6u);
  EXPECT_LT(rose[0].from, rose[0].to);
}

// A class that is frequent: 46 % are right without anything learnt.
TEST(Diagnosis, OneAnswerForEverythingIsFlat) {
  Curve curve(8, [](CurvePoint* p) {
    Fill(p, 1.03, 1.03);
    p->train_accuracy = p->val_accuracy = 0.46;
  });
  curve.facts.expected_loss = curve.facts.first_loss = std::log(3.0);
  curve.facts.chance = 1.0 / 3;
  curve.facts.gradient_norm = 0.1;
  EXPECT_EQ(curve.First(), Cause::kInitSmall);
}

TEST(Diagnosis, UpAndDownIsNoisy) {
  const Curve curve(12, [](CurvePoint* p) {
    const double loss =
        Falling(p->epoch, 1.2, 0.5, 0.6) * (p->epoch % 2 == 0 ? 1.5 : 0.8);
    Fill(p, loss, loss);
  });
  bool noisy = false;
  for (const Diagnosis& d : curve.All()) noisy |= d.cause == Cause::kNoisy;
  EXPECT_TRUE(noisy);
}

TEST(Diagnosis, NothingOfNothing) {
  EXPECT_EQ(Curve(0, [](CurvePoint*) {}).First(), Cause::kCount);
  EXPECT_EQ(Curve(1, [](CurvePoint* p) { Fill(p, 2.3, 2.3); }).First(),
            Cause::kCount);
}

// A small disturbance of its own for each epoch, between -1 and 1.
double Wobble(uint32_t epoch, uint32_t seed) {
  return std::sin(12.9898 * epoch + 78.233 * seed);
}

// Thirty curves by formula: six kinds, five sizes of each, with a disturbance that
// a real run has, too.
TEST(Diagnosis, ThirtyCurvesByFormula) {
  struct Kind {
    const char* name;
    Cause cause;
    std::function<Curve(uint32_t)> make;  // by size, 0 to 4
  };
  const double noise = 0.01;
  const auto shaken = [=](double loss, const CurvePoint& p, uint32_t size) {
    return loss * (1 + noise * Wobble(p.epoch, size));
  };
  const Kind kinds[] = {
      {"healthy with a falling rate", Cause::kCount,
       [&](uint32_t size) {
         const uint32_t epochs = 5 + 6 * size;
         return Curve(epochs, [=](CurvePoint* p) {
           p->rate = 0.025 * (1 + std::cos(3.14159 * p->epoch / epochs));
           const double speed = 4.0 / epochs;
           Fill(p, shaken(Falling(p->epoch, 1.3, 0.15, speed), *p, size),
                shaken(Falling(p->epoch, 1.2, 0.3, speed), *p, size + 9));
         });
       }},
      {"memorises", Cause::kOverfitting,
       [&](uint32_t size) {
         const uint32_t turn = 3 + 2 * size;
         return Curve(turn + 8, [=](CurvePoint* p) {
           const double e = p->epoch;
           const double val = e <= turn ? Falling(e, 1.4, 0.5, 3.0 / turn)
                                        : Falling(turn, 1.4, 0.5, 3.0 / turn) +
                                              0.04 * (size + 1) * (e - turn);
           Fill(p, shaken(Falling(e, 1.4, 0.01, 3.0 / turn), *p, size), val);
         });
       }},
      {"stands still at its rate", Cause::kPlateau,
       [&](uint32_t size) {
         const double turn = 4 + size;
         return Curve(12 + 3 * size, [=](CurvePoint* p) {
           const double e = std::min(turn, double(p->epoch));
           const double loss = (2.3 - (1.0 + 0.2 * size) * e / turn) *
                               (1 + 0.001 * Wobble(p->epoch, size));
           Fill(p, loss, loss + 0.02);
         });
       }},
      {"was dropped too early", Cause::kScheduleEarly,
       [&](uint32_t size) {
         const double drop = 2 + size / 2;
         return Curve(10 + size, [=](CurvePoint* p) {
           p->rate = p->epoch <= drop ? 0.05 : 0.05 / (100 << size);
           const double e = std::min(drop, double(p->epoch));
           const double loss = 2.2 - 0.3 * e + 0.002 * Wobble(p->epoch, size);
           Fill(p, loss, loss);
         });
       }},
      {"is too weak", Cause::kCapacity,
       [&](uint32_t size) {
         const double end = 0.7 + 0.2 * size;
         return Curve(10 + 3 * size, [=](CurvePoint* p) {
           p->rate = 0.05 / p->epoch;
           Fill(p, Falling(p->epoch, 2.0, end, 1.2),
                Falling(p->epoch, 2.0, end + 0.02, 1.2));
         });
       }},
      {"does not move", Cause::kRateLow,
       [&](uint32_t size) {
         Curve curve(4 + size, [=](CurvePoint* p) {
           const double loss = 2.31 - 1e-3 * p->epoch * (size + 1);
           Fill(p, loss, loss);
           p->train_accuracy = p->val_accuracy = 0.1 + 0.002 * p->epoch;
         });
         curve.facts.update_ratio = 1e-6 / (1 << size);
         return curve;
       }},
  };
  for (const Kind& kind : kinds) {
    for (uint32_t size = 0; size < 5; ++size) {
      const Cause said = kind.make(size).First();
      EXPECT_EQ(said, kind.cause)
          << kind.name << ", size " << size << ": "
          << (said == Cause::kCount ? "nothing" : CauseName(said));
    }
  }
}

TEST(Diagnosis, EveryCauseHasItsGroup) {
  EXPECT_EQ(GroupOf(Cause::kLeak), CauseGroup::kData);
  EXPECT_EQ(GroupOf(Cause::kNotFinite), CauseGroup::kData);
  EXPECT_EQ(GroupOf(Cause::kInitZero), CauseGroup::kInitialization);
  EXPECT_EQ(GroupOf(Cause::kNoisy), CauseGroup::kLearningRate);
  EXPECT_EQ(GroupOf(Cause::kCapacity), CauseGroup::kArchitecture);
}

}  // namespace
}  // namespace temper::recipe
