// simd/norm.h against its twin, the twin's gradient against central
// differences, and the same bits on every exact target and thread count.
#include "simd/norm.h"

#include <span>

#include "tests/reference/norm.h"
#include "tests/testing/gradient.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using simd::Activation;
using testing::Buffer;
using testing::Doubles;
using testing::Near;

struct Shape {
  size_t rows, channels;
};
// One row, one channel, both sides of the lane counts, of a chunk (504), of 16
// chunks (8064) and of a block of coefficients (512).
constexpr Shape kShapes[] = {
    {1, 1},    {1, 17},   {2, 3},    {3, 4},    {5, 7},     {7, 8},
    {49, 9},   {16, 15},  {16, 16},  {31, 17},  {6, 24},    {33, 31},
    {503, 5},  {504, 8},  {505, 3},  {1009, 1}, {1513, 12}, {600, 65},
    {37, 100}, {9, 128},  {11, 130}, {5, 257},  {3, 1000},  {2, 1024},
    {4, 1031}, {8064, 2}, {8065, 3}, {9001, 1}, {16200, 8}};

Buffer Scratch(size_t bytes) { return Buffer(bytes / sizeof(float)); }

// Values around `offset` with standard deviation 0.58.
Buffer Around(size_t n, float offset, uint64_t seed) {
  Buffer x = Buffer(n).Randomize(seed);
  for (size_t i = 0; i < n; ++i) x[i] += offset;
  return x;
}

TEST(BatchStats, MatchesTheTwinOnEveryTarget) {
  for (const auto [rows, channels] : kShapes) {
    for (const float offset : {0.0f, 100.0f, -3000.0f}) {
      SCOPED_TRACE(::testing::Message() << rows << " x " << channels);
      const Buffer x = Around(rows * channels, offset, 1);
      std::vector<double> mean(channels), variance(channels);
      reference::BatchStats<double>(rows, channels, Doubles(x).data(),
                                    mean.data(), variance.data());
      testing::ForEachTarget([&](simd::Target) {
        Buffer scratch = Scratch(simd::BatchStatsScratch(rows, channels));
        Buffer m(channels), v(channels);
        simd::BatchStats(rows, {0, rows}, channels, x, m, v, scratch, {});
        EXPECT_TRUE(m.GuardsIntact() && v.GuardsIntact() &&
                    scratch.GuardsIntact());
        // The mean relative to the spread of the data as well: an average of
        // cancelling values has no relative accuracy.
        for (size_t c = 0; c < channels; ++c) {
          EXPECT_TRUE(Near(m[c], mean[c], 2e-6, 2e-6 * std::sqrt(variance[c])))
              << c;
          EXPECT_TRUE(Near(v[c], variance[c], 2e-6, 0)) << c;
        }
      });
    }
  }
}

TEST(BatchStats, ConstantChannelsHaveNoVariance) {
  testing::ForEachTarget([&](simd::Target) {
    const size_t rows = 1700, channels = 5;
    Buffer x(rows * channels, 3.0f), m(channels), v(channels);
    Buffer scratch = Scratch(simd::BatchStatsScratch(rows, channels));
    simd::BatchStats(rows, {0, rows}, channels, x, m, v, scratch, {});
    for (size_t c = 0; c < channels; ++c) {
      EXPECT_EQ(m[c], 3.0f);
      EXPECT_EQ(v[c], 0.0f);
    }
  });
}

TEST(BatchStats, NanStaysInItsChannel) {
  testing::ForEachTarget([&](simd::Target) {
    const size_t rows = 1100, channels = 19;
    Buffer x = Buffer(rows * channels).Randomize(1), m(channels), v(channels);
    x[700 * channels + 17] = std::numeric_limits<float>::quiet_NaN();
    Buffer scratch = Scratch(simd::BatchStatsScratch(rows, channels));
    simd::BatchStats(rows, {0, rows}, channels, x, m, v, scratch, {});
    for (size_t c = 0; c < channels; ++c) {
      EXPECT_EQ(std::isnan(m[c]), c == 17);
      EXPECT_EQ(std::isnan(v[c]), c == 17);
    }
  });
}

TEST(BatchStats, ScratchOfABatchServesSmallerOnes) {
  for (size_t rows : {505, 4000, 8065, 20000}) {
    for (size_t fewer = 1; fewer <= rows; fewer += 251) {
      EXPECT_LE(simd::BatchStatsScratch(fewer, 8),
                simd::BatchStatsScratch(rows, 8));
      EXPECT_GE(simd::BatchStatsScratch(rows, 8),
                simd::ChunkCount(fewer) * 2 * 16 * sizeof(float));
    }
  }
}

TEST(BatchNormCoefficients, MatchTheTwinOnEveryTarget) {
  for (size_t n : {1, 3, 4, 7, 8, 15, 16, 17, 31, 127, 1021}) {
    const Buffer mean = Buffer(n).Randomize(1), gamma = Buffer(n).Randomize(2),
                 beta = Buffer(n).Randomize(3), variance = Around(n, 1.5f, 4);
    std::vector<double> rstd(n), scale(n), shift(n);
    reference::BatchNormCoefficients<double>(
        n, Doubles(mean).data(), Doubles(variance).data(),
        Doubles(gamma).data(), Doubles(beta).data(), 1e-5, rstd.data(),
        scale.data(), shift.data());
    testing::ForEachTarget([&](simd::Target) {
      for (const bool with_rstd : {false, true}) {
        Buffer r(n), s(n), b(n);
        simd::BatchNormCoefficients(n, mean, variance, gamma, beta, 1e-5f,
                                    with_rstd ? r.data() : nullptr, s, b);
        EXPECT_TRUE(r.GuardsIntact() && s.GuardsIntact() && b.GuardsIntact());
        for (size_t c = 0; c < n; ++c) {
          if (with_rstd) {
            EXPECT_TRUE(Near(r[c], rstd[c], 3e-7, 0)) << c;
          }
          EXPECT_TRUE(Near(s[c], scale[c], 3e-7, 0)) << c;
          EXPECT_TRUE(Near(b[c], shift[c], 3e-7, 3e-7)) << c;
        }
      }
    });
  }
}

TEST(UpdateRunningStats, MatchesTheTwinOnEveryTarget) {
  for (size_t n : {1, 3, 8, 15, 16, 17, 31, 257}) {
    const Buffer mean = Buffer(n).Randomize(1), variance = Around(n, 1.5f, 2),
                 m0 = Buffer(n).Randomize(3), v0 = Around(n, 1.5f, 4);
    std::vector<double> rm = Doubles(m0), rv = Doubles(v0);
    reference::UpdateRunningStats<double>(
        n, 0.1, 32.0 / 31.0, Doubles(mean).data(), Doubles(variance).data(),
        rm.data(), rv.data());
    testing::ForEachTarget([&](simd::Target) {
      Buffer m = m0, v = v0;
      simd::UpdateRunningStats(n, 0.1f, 32.0f / 31.0f, mean, variance, m, v);
      EXPECT_TRUE(m.GuardsIntact() && v.GuardsIntact());
      for (size_t c = 0; c < n; ++c) {
        EXPECT_TRUE(Near(m[c], rm[c], 2e-7, 2e-7)) << c;
        EXPECT_TRUE(Near(v[c], rv[c], 2e-7, 2e-7)) << c;
      }
    });
  }
}

// Momentum 1 leaves nothing of the old statistics, momentum 0 nothing of the
// new ones, and small variances are not lost next to an old one of 1.
TEST(UpdateRunningStats, MomentumOneIsExactlyTheBatch) {
  for (size_t n : {1, 3, 8, 15, 16, 17, 31, 257}) {
    const Buffer mean = Buffer(n).Randomize(1);
    Buffer variance(n);
    for (size_t c = 0; c < n; ++c) {
      variance[c] = 1.533e-7f * static_cast<float>(c + 1);
    }
    testing::ForEachTarget([&](simd::Target) {
      Buffer m = Buffer(n).Randomize(3), v(n, 1.0f);
      const Buffer m0 = m, v0 = v;
      simd::UpdateRunningStats(n, 0.0f, 1.25f, mean, variance, m, v);
      EXPECT_TRUE(m.SameBits(m0) && v.SameBits(v0));
      simd::UpdateRunningStats(n, 1.0f, 1.25f, mean, variance, m, v);
      EXPECT_TRUE(m.SameBits(mean));
      for (size_t c = 0; c < n; ++c) {
        EXPECT_EQ(v[c], 1.25f * variance[c]) << c;
      }
    });
  }
}

TEST(ApplyPrologue, MatchesTheTwinOnEveryTargetAlsoInPlace) {
  for (const auto [rows, channels] : kShapes) {
    SCOPED_TRACE(::testing::Message() << rows << " x " << channels);
    const size_t n = rows * channels;
    const Buffer x = Buffer(n).Randomize(1),
                 scale = Buffer(channels).Randomize(2),
                 shift = Buffer(channels).Randomize(3);
    std::vector<double> expected(n);
    reference::ScaleShift<double>(rows, channels, Doubles(x).data(),
                                  Doubles(scale).data(), Doubles(shift).data(),
                                  expected.data());
    testing::ForEachTarget([&](simd::Target) {
      const simd::Prologue prologue = {scale, shift, simd::Activation::kNone};
      Buffer y(n), in_place = x;
      simd::ApplyPrologue(rows, channels, x, prologue, y, {});
      simd::ApplyPrologue(rows, channels, in_place, prologue, in_place, {});
      EXPECT_TRUE(y.GuardsIntact() && in_place.GuardsIntact());
      EXPECT_TRUE(y.SameBits(in_place));
      size_t wrong = 0;
      for (size_t i = 0; i < n; ++i)
        wrong += !Near(y[i], expected[i], 2e-7, 2e-7);
      EXPECT_EQ(wrong, 0u);
    });
  }
}

TEST(ScaleBackward, MatchesTheTwinOnEveryTarget) {
  for (const auto [rows, channels] : kShapes) {
    SCOPED_TRACE(::testing::Message() << rows << " x " << channels);
    const size_t n = rows * channels;
    const Buffer dy = Buffer(n).Randomize(1), dx0 = Buffer(n).Randomize(2),
                 scale = Buffer(channels).Randomize(3);
    for (const bool accumulate : {false, true}) {
      std::vector<double> expected = Doubles(dx0);
      reference::ScaleBackward<double>(rows, channels, Doubles(dy).data(),
                                       Doubles(scale).data(), accumulate,
                                       expected.data());
      testing::ForEachTarget([&](simd::Target) {
        Buffer dx = accumulate ? dx0 : Buffer(n);
        const simd::Prologue prologue = {scale, scale, simd::Activation::kNone};
        simd::ScaleBackward(rows, channels, nullptr, prologue, dy, accumulate,
                            dx, {});
        EXPECT_TRUE(dx.GuardsIntact());
        size_t wrong = 0;
        for (size_t i = 0; i < n; ++i)
          wrong += !Near(dx[i], expected[i], 2e-7, 2e-7);
        EXPECT_EQ(wrong, 0u);
        if (accumulate) return;
        Buffer in_place = dy;
        simd::ScaleBackward(rows, channels, nullptr, prologue, in_place, false,
                            in_place, {});
        EXPECT_TRUE(in_place.SameBits(dx) && in_place.GuardsIntact());
      });
    }
  }
}

TEST(BatchNormBackward, MatchesTheTwinOnEveryTarget) {
  for (const auto [rows, channels] : kShapes) {
    SCOPED_TRACE(::testing::Message() << rows << " x " << channels);
    const size_t n = rows * channels;
    const Buffer x = Buffer(n).Randomize(1), dy = Buffer(n).Randomize(2),
                 dx0 = Buffer(n).Randomize(3),
                 mean = Buffer(channels).Randomize(4),
                 rstd = Around(channels, 1.5f, 5),
                 gamma = Buffer(channels).Randomize(6);
    std::vector<double> dgamma(channels), dbeta(channels), size(channels);
    reference::BatchNormSums<double>(rows, channels, Doubles(x).data(),
                                     Doubles(dy).data(), Doubles(mean).data(),
                                     Doubles(rstd).data(), dgamma.data(),
                                     dbeta.data());
    for (const bool accumulate : {false, true}) {
      std::vector<double> expected = Doubles(dx0);
      reference::BatchNormBackward<double>(
          rows, channels, Doubles(x).data(), Doubles(dy).data(),
          Doubles(mean).data(), Doubles(rstd).data(), Doubles(gamma).data(),
          dgamma.data(), dbeta.data(), accumulate, expected.data());
      testing::ForEachTarget([&](simd::Target) {
        Buffer scratch = Scratch(simd::BatchNormSumsScratch(rows, channels));
        Buffer dg(channels), db(channels);
        simd::BatchNormSums(rows, {0, rows}, channels, x, {}, dy, mean, rstd,
                            dg, db, scratch, {});
        EXPECT_TRUE(dg.GuardsIntact() && db.GuardsIntact() &&
                    scratch.GuardsIntact());
        // Signed terms of size up to 1 and 5: the error grows with the square
        // root of their number.
        const double spread = 1e-6 * std::sqrt(double(rows));
        for (size_t c = 0; c < channels; ++c) {
          EXPECT_TRUE(Near(dg[c], dgamma[c], 1e-5, spread)) << c;
          EXPECT_TRUE(Near(db[c], dbeta[c], 1e-5, spread)) << c;
        }
        Buffer dx = accumulate ? dx0 : Buffer(n);
        simd::BatchNormBackward(rows, {0, rows}, channels, x, {}, dy, mean,
                                rstd, gamma, dg, db, accumulate, dx, {});
        EXPECT_TRUE(dx.GuardsIntact());
        size_t wrong = 0;
        for (size_t i = 0; i < n; ++i)
          wrong += !Near(dx[i], expected[i], 1e-5, 5e-6);
        EXPECT_EQ(wrong, 0u);
        if (accumulate) return;
        Buffer in_place = dy;
        simd::BatchNormBackward(rows, {0, rows}, channels, x, {}, in_place,
                                mean, rstd, gamma, dg, db, false, in_place, {});
        EXPECT_TRUE(in_place.SameBits(dx) && in_place.GuardsIntact());
      });
    }
  }
}

constexpr Activation kActivations[] = {Activation::kNone, Activation::kRelu,
                                       Activation::kRelu6};

// Batch norm with an absorbed activation, on numbers for which y = x * scale +
// shift is exact: the twin in double then closes the same elements, and many
// lie at 0 and at 6 exactly. Sizes as in the tests above.
struct Absorbed {
  size_t rows, channels;
  Buffer x, dy, dx0, mean, rstd, gamma, scale, shift;
  size_t at_zero = 0, at_six = 0, open = 0;

  Absorbed(size_t r, size_t c)
      : rows(r),
        channels(c),
        x(Buffer(r * c).Randomize(1)),
        dy(Buffer(r * c).Randomize(2)),
        dx0(Buffer(r * c).Randomize(3)),
        mean(Buffer(c).Randomize(4)),
        rstd(c),
        gamma(c),
        scale(c),
        shift(c) {
    constexpr float kShifts[] = {0.0f, 6.0f, 3.0f, -0.5f, 5.5f, 0.25f, 7.0f};
    const Buffer drawn = Buffer(c).Randomize(5);
    for (float& v : std::span(x.data(), x.size())) v = std::round(v * 64) / 64;
    for (size_t i = 0; i < c; ++i) {
      rstd[i] = std::ldexp(1.0f, static_cast<int>(i % 3) - 1);
      gamma[i] = std::round(drawn[i] * 4) / 4;
      scale[i] = gamma[i] * rstd[i];
      shift[i] = kShifts[i % std::size(kShifts)];
    }
    for (size_t i = 0; i < x.size(); ++i) {
      const float y = x[i] * scale[i % c] + shift[i % c];
      at_zero += y == 0.0f;
      at_six += y == 6.0f;
      open += y > 0.0f && y < 6.0f;
    }
  }
  // dy after the activation's gradient.
  std::vector<double> Gradient(Activation activation) const {
    std::vector<double> y(x.size()), g(x.size());
    reference::ScaleShift<double>(rows, channels, Doubles(x).data(),
                                  Doubles(scale).data(), Doubles(shift).data(),
                                  y.data());
    reference::ActivationGradient<double>(y.size(), activation, y.data(),
                                          Doubles(dy).data(), g.data());
    return g;
  }
};

size_t Wrong(const Buffer& actual, const std::vector<double>& expected,
             double rtol, double atol) {
  size_t wrong = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    wrong += !Near(actual[i], expected[i], rtol, atol);
  }
  return wrong;
}

TEST(BatchNormBackward, WithAnActivationMatchesTheTwinOnEveryTarget) {
  size_t at_zero = 0, at_six = 0, open = 0;
  for (const auto [rows, channels] : kShapes) {
    SCOPED_TRACE(::testing::Message() << rows << " x " << channels);
    const Absorbed p(rows, channels);
    at_zero += p.at_zero, at_six += p.at_six, open += p.open;
    for (const Activation activation : kActivations) {
      const simd::Prologue prologue = {p.scale, p.shift, activation};
      const std::vector<double> g = p.Gradient(activation), x = Doubles(p.x),
                                mean = Doubles(p.mean), rstd = Doubles(p.rstd);
      std::vector<double> dgamma(channels), dbeta(channels);
      reference::BatchNormSums<double>(rows, channels, x.data(), g.data(),
                                       mean.data(), rstd.data(), dgamma.data(),
                                       dbeta.data());
      for (const bool accumulate : {false, true}) {
        std::vector<double> live = Doubles(p.dx0), frozen = live;
        reference::BatchNormBackward<double>(
            rows, channels, x.data(), g.data(), mean.data(), rstd.data(),
            Doubles(p.gamma).data(), dgamma.data(), dbeta.data(), accumulate,
            live.data());
        reference::ScaleBackward<double>(rows, channels, g.data(),
                                         Doubles(p.scale).data(), accumulate,
                                         frozen.data());
        testing::ForEachTarget([&](simd::Target) {
          Buffer scratch = Scratch(simd::BatchNormSumsScratch(rows, channels));
          Buffer dg(channels), db(channels);
          simd::BatchNormSums(rows, {0, rows}, channels, p.x, prologue, p.dy,
                              p.mean, p.rstd, dg, db, scratch, {});
          EXPECT_TRUE(dg.GuardsIntact() && db.GuardsIntact() &&
                      scratch.GuardsIntact());
          const double spread = 1e-6 * std::sqrt(double(rows));
          EXPECT_EQ(Wrong(dg, dgamma, 1e-5, spread), 0u);
          EXPECT_EQ(Wrong(db, dbeta, 1e-5, spread), 0u);
          Buffer dx = accumulate ? p.dx0 : Buffer(p.x.size()), dx_frozen = dx;
          simd::BatchNormBackward(rows, {0, rows}, channels, p.x, prologue,
                                  p.dy, p.mean, p.rstd, p.gamma, dg, db,
                                  accumulate, dx, {});
          simd::ScaleBackward(rows, channels, p.x, prologue, p.dy, accumulate,
                              dx_frozen, {});
          EXPECT_TRUE(dx.GuardsIntact() && dx_frozen.GuardsIntact());
          EXPECT_EQ(Wrong(dx, live, 1e-5, 5e-6), 0u);
          EXPECT_EQ(Wrong(dx_frozen, frozen, 2e-7, 2e-7), 0u);
          if (accumulate) return;
          Buffer in_place = p.dy, in_place_frozen = p.dy;
          simd::BatchNormBackward(rows, {0, rows}, channels, p.x, prologue,
                                  in_place, p.mean, p.rstd, p.gamma, dg, db,
                                  false, in_place, {});
          simd::ScaleBackward(rows, channels, p.x, prologue, in_place_frozen,
                              false, in_place_frozen, {});
          EXPECT_TRUE(in_place.SameBits(dx) && in_place.GuardsIntact());
          EXPECT_TRUE(in_place_frozen.SameBits(dx_frozen) &&
                      in_place_frozen.GuardsIntact());
        });
      }
    }
  }
  EXPECT_GT(at_zero, 1000u);
  EXPECT_GT(at_six, 1000u);
  EXPECT_GT(open, 1000u);
}

// NaN in x lets the gradient pass; NaN in dy does not pass a closed activation.
TEST(BatchNormBackward, NanWithAnActivation) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const size_t rows = 600;
  for (const size_t channels : {1, 5, 8, 19, 600}) {
    testing::ForEachTarget([&](simd::Target) {
      for (const Activation activation :
           {Activation::kRelu, Activation::kRelu6}) {
        // y = x: 3 is open, -1 closed.
        Buffer x(rows * channels, 3.0f), dy(rows * channels, 2.0f);
        const Buffer one(channels, 1.0f), zero(channels, 0.0f);
        const size_t c = channels - 1, last = (rows - 1) * channels + c;
        x[last] = kNan, dy[last] = 5.0f;
        x[last - channels] = -1.0f, dy[last - channels] = kNan;
        const simd::Prologue prologue = {one, zero, activation};
        Buffer dx(x.size()), dg(channels), db(channels);
        simd::ScaleBackward(rows, channels, x, prologue, dy, false, dx, {});
        EXPECT_EQ(dx[last], 5.0f);
        EXPECT_EQ(dx[last - channels], 0.0f);
        EXPECT_EQ(dx[c], 2.0f);
        Buffer scratch = Scratch(simd::BatchNormSumsScratch(rows, channels));
        simd::BatchNormSums(rows, {0, rows}, channels, x, prologue, dy, zero,
                            one, dg, db, scratch, {});
        for (size_t k = 0; k < channels; ++k) {
          EXPECT_EQ(db[k], k == c ? 2.0f * (rows - 2) + 5.0f : 2.0f * rows);
          EXPECT_EQ(std::isnan(dg[k]), k == c);
        }
        // Sums of its own, so that only elements decide.
        simd::BatchNormBackward(rows, {0, rows}, channels, x, prologue, dy,
                                zero, one, one, zero, zero, false, dx, {});
        EXPECT_TRUE(std::isnan(dx[last]));
        EXPECT_EQ(dx[last - channels], 0.0f);
        EXPECT_EQ(dx[c], 2.0f);
      }
    });
  }
}

// loss = sum of weight * y, y the whole batch normalisation of x and an
// activation.
double Loss(size_t rows, size_t channels, Activation activation,
            const double* x, const double* gamma, const double* beta,
            const double* weight) {
  std::vector<double> mean(channels), variance(channels), rstd(channels),
      scale(channels), shift(channels), y(rows * channels);
  reference::BatchStats(rows, channels, x, mean.data(), variance.data());
  reference::BatchNormCoefficients(channels, mean.data(), variance.data(),
                                   gamma, beta, 1e-5, rstd.data(), scale.data(),
                                   shift.data());
  reference::ScaleShift(rows, channels, x, scale.data(), shift.data(),
                        y.data());
  reference::Activate(y.size(), activation, y.data());
  double loss = 0;
  for (size_t i = 0; i < y.size(); ++i) loss += weight[i] * y[i];
  return loss;
}

void CheckTwin(size_t rows, size_t channels, Activation activation) {
  SCOPED_TRACE(::testing::Message() << rows << " x " << channels << " act "
                                    << static_cast<uint32_t>(activation));
  const size_t n = rows * channels;
  const std::vector<double> x = Doubles(Buffer(n).Randomize(1)),
                            dy = Doubles(Buffer(n).Randomize(2));
  std::vector<double> gamma = Doubles(Buffer(channels).Randomize(3)),
                      beta = Doubles(Buffer(channels).Randomize(4));
  // Up to 6 and beyond, and no element so near a kink that the differences
  // would see both sides.
  for (double& v : gamma) v *= activation == Activation::kRelu6 ? 6 : 1;
  for (double& v : beta) v += activation == Activation::kNone ? 0 : 0.1;
  std::vector<double> mean(channels), variance(channels), rstd(channels),
      scale(channels), shift(channels), dgamma(channels), dbeta(channels),
      dx(n), y(n), g(n);
  reference::BatchStats(rows, channels, x.data(), mean.data(), variance.data());
  reference::BatchNormCoefficients(channels, mean.data(), variance.data(),
                                   gamma.data(), beta.data(), 1e-5, rstd.data(),
                                   scale.data(), shift.data());
  reference::ScaleShift(rows, channels, x.data(), scale.data(), shift.data(),
                        y.data());
  reference::ActivationGradient(n, activation, y.data(), dy.data(), g.data());
  reference::BatchNormSums(rows, channels, x.data(), g.data(), mean.data(),
                           rstd.data(), dgamma.data(), dbeta.data());
  reference::BatchNormBackward(rows, channels, x.data(), g.data(), mean.data(),
                               rstd.data(), gamma.data(), dgamma.data(),
                               dbeta.data(), false, dx.data());
  testing::ExpectGradient(x, dx, [&](const double* v) {
    return Loss(rows, channels, activation, v, gamma.data(), beta.data(),
                dy.data());
  });
  testing::ExpectGradient(gamma, dgamma, [&](const double* v) {
    return Loss(rows, channels, activation, x.data(), v, beta.data(),
                dy.data());
  });
  testing::ExpectGradient(beta, dbeta, [&](const double* v) {
    return Loss(rows, channels, activation, x.data(), gamma.data(), v,
                dy.data());
  });
  // Frozen statistics: y = x * scale + shift.
  std::vector<double> frozen(n);
  reference::ScaleBackward(rows, channels, g.data(), scale.data(), false,
                           frozen.data());
  testing::ExpectGradient(x, frozen, [&](const double* v) {
    reference::ScaleShift(rows, channels, v, scale.data(), shift.data(),
                          y.data());
    reference::Activate(n, activation, y.data());
    double loss = 0;
    for (size_t i = 0; i < n; ++i) loss += dy[i] * y[i];
    return loss;
  });
}

TEST(BatchNormTwin, MatchesCentralDifferences) {
  for (const Activation activation : kActivations) {
    for (size_t rows : {3, 4, 5, 8, 17}) {
      for (size_t channels : {1, 2, 5, 7})
        CheckTwin(rows, channels, activation);
    }
  }
}

TEST(BatchNorm, SameBitsOnExactTargetsAndAnyThreads) {
  for (const auto [rows, channels] :
       {Shape{32768, 3}, Shape{16201, 8}, Shape{5000, 24}, Shape{3001, 65},
        Shape{400, 300}, Shape{150, 1024}, Shape{97, 1031}}) {
    SCOPED_TRACE(::testing::Message() << rows << " x " << channels);
    const size_t n = rows * channels;
    const Buffer x = Around(n, 0.3f, 1), dy = Buffer(n).Randomize(2),
                 gamma = Around(channels, 2.5f, 3),  // up to 6 and beyond
        beta = Around(channels, 1.0f, 4), dx0 = Buffer(n).Randomize(5);
    std::vector<Buffer> first;
    testing::ForEachTarget([&](simd::Target target) {
      if (!target.exact) return;
      for (uint32_t threads : {1u, 2u, 3u}) {
        const ParallelRunner parallel = testing::ThreadRunner(threads);
        Buffer scratch = Scratch(simd::BatchStatsScratch(rows, channels));
        Buffer sums = Scratch(simd::BatchNormSumsScratch(rows, channels));
        Buffer mean(channels), variance(channels), rstd(channels),
            scale(channels), shift(channels), y(n), dgamma(channels),
            dbeta(channels), dx(n), dxa = dx0, frozen(n), frozen_a = dx0,
                                    running_mean(channels, 0.0f),
                                    running_variance(channels, 1.0f);
        simd::BatchStats(rows, {0, rows}, channels, x, mean, variance, scratch,
                         parallel);
        simd::BatchNormCoefficients(channels, mean, variance, gamma, beta,
                                    1e-5f, rstd, scale, shift);
        simd::UpdateRunningStats(channels, 0.1f, 1.01f, mean, variance,
                                 running_mean, running_variance);
        const simd::Prologue prologue = {scale, shift, simd::Activation::kNone};
        simd::ApplyPrologue(rows, channels, x, prologue, y, parallel);
        simd::BatchNormSums(rows, {0, rows}, channels, x, {}, dy, mean, rstd,
                            dgamma, dbeta, sums, parallel);
        simd::BatchNormBackward(rows, {0, rows}, channels, x, {}, dy, mean,
                                rstd, gamma, dgamma, dbeta, false, dx,
                                parallel);
        simd::BatchNormBackward(rows, {0, rows}, channels, x, {}, dy, mean,
                                rstd, gamma, dgamma, dbeta, true, dxa,
                                parallel);
        simd::ScaleBackward(rows, channels, nullptr, prologue, dy, false,
                            frozen, parallel);
        simd::ScaleBackward(rows, channels, nullptr, prologue, dy, true,
                            frozen_a, parallel);
        std::vector<Buffer> now = {
            mean,         variance,        rstd, scale, shift,  y,
            dgamma,       dbeta,           dx,   dxa,   frozen, frozen_a,
            running_mean, running_variance};
        for (const Activation activation :
             {Activation::kRelu, Activation::kRelu6}) {
          const simd::Prologue absorbed = {scale, shift, activation};
          Buffer formed(n), masked(n), masked_a = dx0, masked_frozen(n),
                                       masked_frozen_a = dx0;
          simd::ApplyPrologue(rows, channels, x, absorbed, formed, parallel);
          simd::BatchNormSums(rows, {0, rows}, channels, x, absorbed, dy, mean,
                              rstd, dgamma, dbeta, sums, parallel);
          simd::BatchNormBackward(rows, {0, rows}, channels, x, absorbed, dy,
                                  mean, rstd, gamma, dgamma, dbeta, false,
                                  masked, parallel);
          simd::BatchNormBackward(rows, {0, rows}, channels, x, absorbed, dy,
                                  mean, rstd, gamma, dgamma, dbeta, true,
                                  masked_a, parallel);
          simd::ScaleBackward(rows, channels, x, absorbed, dy, false,
                              masked_frozen, parallel);
          simd::ScaleBackward(rows, channels, x, absorbed, dy, true,
                              masked_frozen_a, parallel);
          // The same as the activation in a pass of its own.
          Buffer g(n), dg(channels), db(channels), dxg(n), dxf(n);
          for (size_t i = 0; i < n; ++i) {
            const bool closed = y[i] < 0x1p-63f ||
                                (activation == Activation::kRelu6 && y[i] >= 6);
            g[i] = closed ? 0.0f : dy[i];
          }
          simd::BatchNormSums(rows, {0, rows}, channels, x, {}, g, mean, rstd,
                              dg, db, sums, parallel);
          simd::BatchNormBackward(rows, {0, rows}, channels, x, {}, g, mean,
                                  rstd, gamma, dg, db, false, dxg, parallel);
          simd::ScaleBackward(rows, channels, nullptr, prologue, g, false, dxf,
                              parallel);
          EXPECT_TRUE(dg.SameBits(dgamma) && db.SameBits(dbeta));
          EXPECT_TRUE(dxg.SameBits(masked) && dxf.SameBits(masked_frozen));
          for (const Buffer& b : {formed, dgamma, dbeta, masked, masked_a,
                                  masked_frozen, masked_frozen_a}) {
            now.push_back(b);
          }
        }
        if (first.empty()) first = now;
        for (size_t i = 0; i < now.size(); ++i) {
          EXPECT_TRUE(now[i].SameBits(first[i])) << i << " " << threads;
        }
      }
    });
  }
}

}  // namespace
}  // namespace temper
