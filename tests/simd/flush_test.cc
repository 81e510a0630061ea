// simd/flush-inl.h: no kernel that flushes lets a tiny value out, on any
// target, and NaN passes. Values run through everything from 2^-149 to 2^-40 of
// both signs, so that each kernel meets subnormal inputs and makes subnormal
// results. Bits are compared over the exact targets.
#include "tests/reference/flush.h"

#include <cmath>

#include "simd/elementwise.h"
#include "simd/loss.h"
#include "simd/norm.h"
#include "simd/update.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using simd::Activation;
using testing::Buffer;

constexpr size_t kCount = 1021;

// +-2^-149 to +-2^-40 with a random mantissa, and zeros of both signs.
Buffer Tiny(size_t n, uint32_t seed) {
  Buffer x = Buffer(n).Randomize(seed);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t word = RandomWord(seed, static_cast<uint32_t>(i), 0, 0, 1);
    x[i] = word % 17 == 0
               ? std::copysign(0.0f, x[i])
               : std::ldexp(x[i], -40 - static_cast<int>(word % 110));
  }
  return x;
}

size_t TinyValues(const Buffer& x, float bound = 0x1p-63f) {
  size_t count = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    count += x[i] != 0.0f && std::fabs(x[i]) < bound;
  }
  return count;
}

// Runs kernel(threads) -> buffers on every target: none of them holds a tiny
// value, some hold others, and exact targets agree.
template <class Kernel>
void Check(Kernel&& kernel) {
  std::vector<Buffer> first;
  testing::ForEachTarget([&](simd::Target target) {
    const std::vector<Buffer> made = kernel();
    for (size_t k = 0; k < made.size(); ++k) {
      SCOPED_TRACE(::testing::Message() << "result " << k);
      EXPECT_TRUE(made[k].GuardsIntact());
      EXPECT_EQ(TinyValues(made[k]), 0u);
      size_t others = 0;
      for (size_t i = 0; i < made[k].size(); ++i) others += made[k][i] != 0.0f;
      EXPECT_GT(others, 0u);
      if (!target.exact) continue;
      if (first.size() <= k) first.push_back(made[k]);
      EXPECT_TRUE(made[k].SameBits(first[k]));
    }
  });
}

TEST(Flush, Sgd) {
  for (const float momentum : {0.0f, 0.9f}) {
    for (const bool nesterov : {false, true}) {
      for (const float decay : {0.0f, 5.0f}) {
        Check([&] {
          Buffer g = Tiny(kCount, 1), w = Tiny(kCount, 2), v = Tiny(kCount, 3);
          EXPECT_FALSE(
              simd::SgdUpdate(kCount, {0.01f, momentum, decay, nesterov}, g, w,
                              momentum == 0 ? nullptr : v.data(), false, {}));
          return momentum == 0 ? std::vector<Buffer>{w}
                               : std::vector<Buffer>{w, v};
        });
      }
    }
  }
}

// Weights and means of gradients as everywhere; means of squares reach down to
// the smallest normal number, and no further.
TEST(Flush, OptimizersWithMeansOfSquares) {
  for (const float scale : {1.0f, 1e-8f}) {
    const auto squares = [&] {
      Buffer v = Tiny(kCount, 3);
      for (size_t i = 0; i < kCount; ++i) {
        v[i] = std::fabs(std::ldexp(v[i], -40));
      }
      return v;
    };
    size_t small = 0;
    const auto look = [&](const Buffer& v) {
      EXPECT_EQ(TinyValues(v, 0x1p-126f), 0u);
      small += TinyValues(v);
    };
    Check([&] {
      Buffer g = Tiny(kCount, 1), w = Tiny(kCount, 2), m = Tiny(kCount, 4),
             v = squares(), h = squares();
      simd::AdamStep step;
      step.lr = 0.01f, step.keep = 0.9f, step.scale = scale;
      EXPECT_FALSE(simd::AdamUpdate(kCount, step, g, w, m, v, h, false, {}));
      look(v);
      return std::vector<Buffer>{w, m};
    });
    Check([&] {
      Buffer g = Tiny(kCount, 1), w = Tiny(kCount, 2), m = Tiny(kCount, 4),
             v = squares(), b = Tiny(kCount, 5);
      simd::RmspropStep step;
      step.lr = 0.01f, step.momentum = 0.9f, step.decay = 5.0f;
      step.scale = scale;
      EXPECT_FALSE(simd::RmspropUpdate(kCount, step, g, w, v, m, b, false, {}));
      look(v);
      return std::vector<Buffer>{w, m, b};
    });
    Check([&] {
      Buffer g = Tiny(kCount, 1), w = Tiny(kCount, 2), s = squares();
      EXPECT_FALSE(simd::AdagradUpdate(
          kCount, {0.01f, 1e-10f, 0.0f, 5.0f, scale}, g, w, s, false, {}));
      look(s);
      return std::vector<Buffer>{w};
    });
    EXPECT_GT(small, 0u);
  }
}

// What a proximal step or a smaller norm leaves of a weight.
TEST(Flush, SoftThreshold) {
  Check([] {
    Buffer w = Tiny(kCount, 2);
    for (size_t i = 0; i < kCount; i += 2) {
      w[i] =
          std::copysign(std::nextafter(0.1f, i % 4 == 0 ? 0.2f : 0.0f), w[i]);
    }
    simd::SoftThreshold(kCount, 0.1f, w, {});
    w[0] = 1.0f;
    return std::vector<Buffer>{w};
  });
  testing::ForEachTarget([](simd::Target) {
    Buffer w(37, 0x1.8p-60f);
    simd::SoftThreshold(37, 0x1.7ffp-60f, w, {});
    EXPECT_EQ(TinyValues(w), 0u);
    EXPECT_EQ(w[5], 0.0f);
  });
}

// w - lr * decay * w rounds back to w where w is subnormal.
TEST(Flush, WeightDecayReachesZero) {
  testing::ForEachTarget([&](simd::Target) {
    Buffer g(37, 0.0f), w(37, 1e-3f), minus(37, -1e-3f);
    for (int step = 0; step < 2000; ++step) {
      simd::SgdUpdate(37, {0.01f, 0.0f, 5.0f}, g, w, nullptr, false, {});
      simd::SgdUpdate(37, {0.01f, 0.0f, 5.0f}, g, minus, nullptr, false, {});
    }
    EXPECT_TRUE(w.SameBits(g) && minus.SameBits(g));
  });
}

TEST(Flush, ANewWeightTellsOfAVelocityThatIsNotFinite) {
  for (const bool nesterov : {false, true}) {
    for (const float lr : {0.1f, 1e-30f}) {
      testing::ForEachTarget([&](simd::Target) {
        Buffer g(5, 3e38f), w(5, 1.0f), v(5, 3e38f);
        EXPECT_TRUE(
            simd::SgdUpdate(5, {lr, 0.9f, 0.0f, nesterov}, g, w, v, false, {}));
      });
    }
  }
}

TEST(Flush, SoftmaxOfASureModel) {
  for (const size_t classes : {2, 4, 10, 33, 1000}) {
    for (const bool accumulate : {false, true}) {
      const size_t rows = 240, n = rows * classes;
      Buffer logits(n, 0.0f), all(n, 0.0f);
      std::vector<int32_t> labels(rows, 0);
      // The other classes lie 0 to 119.5 below the label's.
      for (size_t i = 0; i < n; ++i) {
        if (i % classes != 0) {
          logits[i] = -0.5f * static_cast<float>((i / classes + i) % rows);
        }
      }
      Check([&] {
        Buffer p(n), loss(rows), d = accumulate ? Tiny(n, 4) : Buffer(n);
        simd::SoftmaxCrossEntropy(rows, classes, logits, labels.data(), 0.0f, p,
                                  loss, {});
        for (size_t i = 0; i < n; ++i) {
          EXPECT_TRUE(p[i] == 0.0f || p[i] > 1e-34f) << p[i];
        }
        simd::SoftmaxCrossEntropyBackward(rows, classes, p, labels.data(), 0.0f,
                                          1.0f / rows, accumulate, d, {});
        return std::vector<Buffer>{d};
      });
    }
  }
}

TEST(Flush, MeanSquaredError) {
  for (const bool accumulate : {false, true}) {
    Check([&] {
      const Buffer prediction = Tiny(kCount, 1), target = Tiny(kCount, 2);
      Buffer d = accumulate ? Tiny(kCount, 3) : Buffer(kCount);
      simd::MeanSquaredErrorBackward(kCount, 1, prediction, target, 0.125f,
                                     accumulate, d, {});
      return std::vector<Buffer>{d};
    });
  }
}

TEST(Flush, Relu) {
  const Buffer x = Tiny(kCount, 1), dy = Tiny(kCount, 2);
  for (const bool accumulate : {false, true}) {
    Check([&] {
      Buffer y(kCount), y6(kCount);
      simd::Activate(kCount, simd::Activation::kRelu, x, y, {});
      simd::Activate(kCount, simd::Activation::kRelu6, x, y6, {});
      Buffer dx = accumulate ? Tiny(kCount, 3) : Buffer(kCount), dx6 = dx;
      simd::ActivateBackward(kCount, simd::Activation::kRelu, y, dy, accumulate,
                             dx, {});
      simd::ActivateBackward(kCount, simd::Activation::kRelu6, y6, dy,
                             accumulate, dx6, {});
      return std::vector<Buffer>{y, y6, dx, dx6};
    });
  }
}

TEST(Flush, ActivationsOfBatchNorm) {
  const size_t channels = 37, rows = 211, n = channels * rows;
  const Buffer x = Tiny(n, 1), scale = Buffer(channels).Randomize(2),
               shift(channels, 0.0f);
  for (const Activation activation : {Activation::kRelu, Activation::kRelu6}) {
    Check([&] {
      Buffer y(n), sum(n);
      const simd::Prologue prologue = {scale, shift, activation};
      simd::ApplyPrologue(rows, channels, x, prologue, y, {});
      simd::AddThrough(rows, channels, x, {}, x, prologue, activation, sum, {});
      return std::vector<Buffer>{y, sum};
    });
  }
}

TEST(Flush, BatchNormBackward) {
  const size_t channels = 37, rows = 211, n = channels * rows;
  const Buffer x = Buffer(n).Randomize(1), dy = Tiny(n, 2),
               gamma = Buffer(channels).Randomize(3), mean(channels, 0.0f),
               rstd(channels, 2.0f), dgamma = Tiny(channels, 4),
               dbeta = Tiny(channels, 5), shift = Buffer(channels).Randomize(6);
  Buffer scale(channels);
  for (size_t c = 0; c < channels; ++c) scale[c] = gamma[c] * rstd[c];
  for (const Activation activation :
       {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    for (const bool accumulate : {false, true}) {
      Check([&] {
        Buffer live = accumulate ? Tiny(n, 7) : Buffer(n), frozen = live;
        const simd::Prologue prologue = {scale, shift, activation};
        simd::BatchNormBackward(rows, {0, rows}, channels, x, prologue, dy,
                                mean, rstd, gamma, dgamma, dbeta, accumulate,
                                live, {});
        simd::ScaleBackward(rows, channels, x, prologue, dy, accumulate, frozen,
                            {});
        return std::vector<Buffer>{live, frozen};
      });
    }
  }
}

// A channel that stopped to vary: its statistics decay in every step.
TEST(Flush, RunningStatistics) {
  testing::ForEachTarget([&](simd::Target) {
    const Buffer zero(19, 0.0f);
    Buffer mean(19, -1.0f), variance(19, 1.0f);
    for (int step = 0; step < 3000; ++step) {
      simd::UpdateRunningStats(19, 0.1f, 1.0f, zero, zero, mean, variance);
    }
    EXPECT_TRUE(mean.SameBits(zero) && variance.SameBits(zero));
  });
}

TEST(Flush, FloatSamples) {
  const Buffer x = Tiny(kCount, 1);
  for (const size_t period : {size_t{1}, size_t{3}, size_t{37}}) {
    const Buffer mean(period, 0.0f), std(period, 0.25f);
    Check([&] {
      Buffer y(kCount);
      simd::NormalizeF32(kCount, period, x, 1.0f, mean, std, y, {});
      return std::vector<Buffer>{y};
    });
  }
}

TEST(Flush, NaNPasses) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  testing::ForEachTarget([&](simd::Target) {
    const Buffer nan(5, kNaN), one(5, 1.0f);
    Buffer y(5), dx(5), p(5), d(5), loss(1);
    simd::Activate(5, simd::Activation::kRelu, nan, y, {});
    simd::ActivateBackward(5, simd::Activation::kRelu, one, nan, false, dx, {});
    const int32_t label = 0;
    simd::SoftmaxCrossEntropy(1, 5, nan, &label, 0.0f, p, loss, {});
    simd::SoftmaxCrossEntropyBackward(1, 5, p, &label, 0.0f, 1.0f, false, d,
                                      {});
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_TRUE(std::isnan(y[i]) && std::isnan(dx[i]) && std::isnan(p[i]) &&
                  std::isnan(d[i]))
          << i;
    }
    simd::NormalizeF32(5, 1, nan, 1.0f, one, one, y, {});
    EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[4]));
  });
}

}  // namespace
}  // namespace temper
