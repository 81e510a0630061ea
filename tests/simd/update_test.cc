// simd/update.h against its twin, and its special values.
#include "simd/update.h"

#include "tests/reference/update.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using testing::Buffer;

TEST(Sgd, MatchesTheTwinOnEveryTarget) {
  for (size_t n : {1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 127, 1021}) {
    for (const bool nesterov : {false, true}) {
      for (const auto& [momentum, scale] :
           {std::pair{0.0f, 1.0f}, {0.9f, 1.0f}, {0.0f, 0.3f}, {0.9f, -2.5f}}) {
        std::vector<double> g(n), w(n), v(n);
        Buffer fg = Buffer(n).Randomize(1), fw = Buffer(n).Randomize(2),
               fv = Buffer(n).Randomize(3);
        for (size_t i = 0; i < n; ++i) g[i] = fg[i], w[i] = fw[i], v[i] = fv[i];
        reference::SgdUpdate<double>(n, 0.05, momentum, 5e-4, nesterov,
                                     g.data(), w.data(), v.data(), scale);
        testing::ForEachTarget([&](simd::Target) {
          Buffer aw = fw, av = fv;
          EXPECT_FALSE(simd::SgdUpdate(
              n, {0.05f, momentum, 5e-4f, nesterov, scale}, fg, aw,
              momentum == 0 ? nullptr : av.data(), nesterov, {}));
          EXPECT_TRUE(aw.GuardsIntact() && av.GuardsIntact());
          for (size_t i = 0; i < n; ++i) {
            EXPECT_TRUE(testing::Near(aw[i], w[i], 3e-7, 3e-8)) << i;
            if (momentum != 0) {
              EXPECT_TRUE(testing::Near(av[i], v[i], 3e-7, 1e-7)) << i;
            }
          }
        });
      }
    }
  }
}

TEST(Sgd, SameBitsOnExactTargetsAndAnyThreads) {
  const size_t n = 100003;
  Buffer g = Buffer(n).Randomize(1), w0 = Buffer(n).Randomize(2),
         v0 = Buffer(n).Randomize(3);
  Buffer first_w(n), first_v(n);
  bool have = false;
  testing::ForEachTarget([&](simd::Target target) {
    if (!target.exact) return;
    for (uint32_t threads : {1u, 2u, 3u}) {
      Buffer w = w0, v = v0;
      EXPECT_FALSE(simd::SgdUpdate(n, {0.1f, 0.9f, 1e-4f, true, 0.7f}, g, w, v,
                                   threads != 1,
                                   testing::ThreadRunner(threads)));
      if (!have) first_w = w, first_v = v, have = true;
      EXPECT_TRUE(w.SameBits(first_w) && v.SameBits(first_v));
    }
  });
}

TEST(Sgd, ReportsNonFiniteWeights) {
  for (float bad : {std::numeric_limits<float>::infinity(),
                    std::numeric_limits<float>::quiet_NaN()}) {
    for (size_t at : {0u, 16u, 36u}) {
      testing::ForEachTarget([&](simd::Target) {
        Buffer g(37, 0.0f), w(37, 1.0f), v(37, 0.0f);
        g[at] = bad;
        EXPECT_TRUE(simd::SgdUpdate(37, {0.1f, 0.9f}, g, w, v, true, {}));
      });
    }
  }
}

TEST(Sgd, FlushesTinyMomentum) {
  testing::ForEachTarget([&](simd::Target) {
    Buffer g(5, 0.0f), w(5, 1.0f), v(5, 1.05e-30f);
    EXPECT_FALSE(simd::SgdUpdate(5, {0.1f, 0.9f}, g, w, v, true, {}));
    for (size_t i = 0; i < 5; ++i) EXPECT_EQ(v[i], 0.0f);
  });
}

TEST(Rmsprop, MatchesTheTwinOnEveryTarget) {
  for (size_t n : {1, 3, 8, 15, 16, 17, 33, 1021}) {
    for (const bool centered : {false, true}) {
      for (const bool momentum : {false, true}) {
        for (const float scale : {1.0f, -0.3f}) {
          const float beta = momentum ? 0.9f : 0.0f;
          Buffer fg = Buffer(n).Randomize(1), fw = Buffer(n).Randomize(2),
                 fv = Buffer(n).Randomize(3), fm = Buffer(n).Randomize(4),
                 fb = Buffer(n).Randomize(5);
          std::vector<double> g(n), w(n), v(n), m(n), b(n);
          for (size_t i = 0; i < n; ++i) {
            fv[i] = 0.1f + fv[i] * fv[i];
            fm[i] *= 0.1f;
            g[i] = fg[i], w[i] = fw[i], v[i] = fv[i], m[i] = fm[i],
            b[i] = fb[i];
          }
          reference::RmspropUpdate<double>(
              n, 0.01f, 0.95f, 1e-6f, beta, 1e-3f, g.data(), w.data(), v.data(),
              centered ? m.data() : nullptr, momentum ? b.data() : nullptr,
              scale);
          testing::ForEachTarget([&](simd::Target) {
            Buffer aw = fw, av = fv, am = fm, ab = fb;
            EXPECT_FALSE(simd::RmspropUpdate(
                n, {0.01f, 0.95f, 1e-6f, beta, 1e-3f, scale}, fg, aw, av,
                centered ? am.data() : nullptr, momentum ? ab.data() : nullptr,
                momentum, {}));
            EXPECT_TRUE(aw.GuardsIntact() && av.GuardsIntact() &&
                        am.GuardsIntact() && ab.GuardsIntact());
            for (size_t i = 0; i < n; ++i) {
              EXPECT_TRUE(testing::Near(aw[i], w[i], 5e-7, 1e-7)) << i;
              EXPECT_TRUE(testing::Near(av[i], v[i], 5e-7, 1e-8)) << i;
              if (centered) {
                EXPECT_TRUE(testing::Near(am[i], m[i], 5e-7, 1e-7)) << i;
              }
              if (momentum) {
                EXPECT_TRUE(testing::Near(ab[i], b[i], 2e-6, 1e-6)) << i;
              }
            }
          });
        }
      }
    }
  }
}

TEST(Rmsprop, SameBitsOnExactTargetsAndAnyThreads) {
  const size_t n = 100003;
  Buffer g = Buffer(n).Randomize(1), w0 = Buffer(n).Randomize(2);
  Buffer first_w(n), first_b(n);
  bool have = false;
  testing::ForEachTarget([&](simd::Target target) {
    if (!target.exact) return;
    for (uint32_t threads : {1u, 3u}) {
      Buffer w = w0, v(n, 0.0f), m(n, 0.0f), b(n, 0.0f);
      for (int step = 0; step < 3; ++step) {
        EXPECT_FALSE(simd::RmspropUpdate(
            n, {0.01f, 0.9f, 1e-8f, 0.9f, 1e-4f, 0.7f}, g, w, v, m, b,
            threads != 1, testing::ThreadRunner(threads)));
      }
      if (!have) first_w = w, first_b = b, have = true;
      EXPECT_TRUE(w.SameBits(first_w) && b.SameBits(first_b));
    }
  });
}

// A gradient whose square overflows leaves the weight as it is, and the state
// infinite: no success.
TEST(Rmsprop, ReportsNonFiniteWeightsAndState) {
  for (float bad : {std::numeric_limits<float>::infinity(),
                    std::numeric_limits<float>::quiet_NaN(), 1e25f}) {
    for (size_t at : {0u, 16u, 36u}) {
      testing::ForEachTarget([&](simd::Target) {
        Buffer g(37, 0.0f), w(37, 1.0f), v(37, 0.0f);
        g[at] = bad;
        EXPECT_TRUE(simd::RmspropUpdate(37, {0.1f}, g, w, v, nullptr, nullptr,
                                        true, {}));
      });
    }
  }
}

TEST(Momentum, MatchesTheTwinOnEveryTarget) {
  for (size_t n : {1, 15, 16, 33, 1021}) {
    Buffer fg = Buffer(n).Randomize(1), fw = Buffer(n).Randomize(2),
           fv = Buffer(n).Randomize(3);
    std::vector<double> g(n), w(n), v(n);
    for (size_t i = 0; i < n; ++i) g[i] = fg[i], w[i] = fw[i], v[i] = fv[i];
    reference::MomentumUpdate<double>(n, 0.1f, 0.9f, 1e-3f, -0.3f, g.data(),
                                      w.data(), v.data());
    testing::ForEachTarget([&](simd::Target) {
      Buffer aw = fw, av = fv;
      EXPECT_FALSE(simd::MomentumUpdate(n, {0.1f, 0.9f, 1e-3f, -0.3f}, fg, aw,
                                        av, false, {}));
      EXPECT_TRUE(aw.GuardsIntact() && av.GuardsIntact());
      for (size_t i = 0; i < n; ++i) {
        EXPECT_TRUE(testing::Near(aw[i], w[i], 5e-7, 1e-7)) << i;
        EXPECT_TRUE(testing::Near(av[i], v[i], 5e-7, 1e-7)) << i;
      }
    });
  }
}

TEST(Adagrad, MatchesTheTwinOnEveryTarget) {
  for (size_t n : {1, 15, 16, 33, 1021}) {
    for (const float initial : {0.0f, 0.25f}) {
      Buffer fg = Buffer(n).Randomize(1), fw = Buffer(n).Randomize(2),
             fs = Buffer(n).Randomize(3);
      std::vector<double> g(n), w(n), s(n);
      for (size_t i = 0; i < n; ++i) {
        fs[i] = 0.1f + fs[i] * fs[i];
        g[i] = fg[i], w[i] = fw[i], s[i] = fs[i];
      }
      reference::AdagradUpdate<double>(n, 0.1f, 1e-6f, initial, 1e-3f, -0.3f,
                                       g.data(), w.data(), s.data());
      testing::ForEachTarget([&](simd::Target) {
        Buffer aw = fw, as = fs;
        EXPECT_FALSE(simd::AdagradUpdate(
            n, {0.1f, 1e-6f, initial, 1e-3f, -0.3f}, fg, aw, as, true, {}));
        EXPECT_TRUE(aw.GuardsIntact() && as.GuardsIntact());
        for (size_t i = 0; i < n; ++i) {
          EXPECT_TRUE(testing::Near(aw[i], w[i], 5e-7, 1e-7)) << i;
          EXPECT_TRUE(testing::Near(as[i], s[i], 5e-7, 1e-8)) << i;
        }
      });
    }
  }
}

TEST(Adam, MatchesTheTwinOnEveryTarget) {
  for (size_t n : {1, 15, 16, 33, 1021}) {
    for (const bool decoupled : {false, true}) {
      for (const bool largest : {false, true}) {
        constexpr float kLr = 0.01f, kDecay = 0.1f;
        constexpr int kT = 3;
        Buffer fg = Buffer(n).Randomize(1), fw = Buffer(n).Randomize(2),
               fm = Buffer(n).Randomize(3), fv = Buffer(n).Randomize(4),
               fh = Buffer(n).Randomize(5);
        std::vector<double> g(n), w(n), m(n), v(n), h(n);
        for (size_t i = 0; i < n; ++i) {
          fv[i] = 0.1f + fv[i] * fv[i];
          fh[i] = 0.1f + fh[i] * fh[i];
          g[i] = fg[i], w[i] = fw[i], m[i] = fm[i], v[i] = fv[i], h[i] = fh[i];
        }
        const double beta1 = 0.9f, beta2 = 0.99f;
        reference::AdamUpdate<double>(
            n, kLr, beta1, beta2, 1e-6f, kDecay, decoupled, kT, -0.3f, g.data(),
            w.data(), m.data(), v.data(), largest ? h.data() : nullptr);
        simd::AdamStep step;
        step.lr = static_cast<float>(kLr / (1 - std::pow(beta1, kT)));
        step.beta1_rest = static_cast<float>(1 - beta1);
        step.beta2 = 0.99f;
        step.beta2_rest = static_cast<float>(1 - beta2);
        step.eps = 1e-6f;
        step.decay = decoupled ? 0.0f : kDecay;
        step.keep = decoupled ? 1.0f - kLr * kDecay : 1.0f;
        step.root = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, kT)));
        step.scale = -0.3f;
        testing::ForEachTarget([&](simd::Target) {
          Buffer aw = fw, am = fm, av = fv, ah = fh;
          EXPECT_FALSE(simd::AdamUpdate(n, step, fg, aw, am, av,
                                        largest ? ah.data() : nullptr, true,
                                        {}));
          EXPECT_TRUE(aw.GuardsIntact() && am.GuardsIntact() &&
                      av.GuardsIntact() && ah.GuardsIntact());
          for (size_t i = 0; i < n; ++i) {
            EXPECT_TRUE(testing::Near(aw[i], w[i], 1e-6, 2e-7)) << i;
            EXPECT_TRUE(testing::Near(am[i], m[i], 1e-6, 1e-7)) << i;
            EXPECT_TRUE(testing::Near(av[i], v[i], 1e-6, 1e-8)) << i;
            if (largest) {
              EXPECT_TRUE(testing::Near(ah[i], h[i], 1e-6, 1e-8)) << i;
            }
          }
        });
      }
    }
  }
}

// Gradients far below 1e-8, whose squares are below 2^-63, with an eps that does
// not hide them: steps are those of the twin, and bounded by the rate.
TEST(Updates, FollowSmallGradients) {
  constexpr size_t n = 37;
  constexpr int kSteps = 20;
  constexpr float kEps = 1e-15f, kLr = 1e-3f;
  for (const float size : {1e-7f, 1e-9f, 1e-12f, 1e-18f, 1e-22f}) {
    SCOPED_TRACE(size);
    for (const float beta2 : {0.999f, 0.999999f}) {
      std::vector<double> g(n), w[3], m(n, 0.0), v(n, 0.0), r(n, 0.0),
          s(n, 0.0);
      for (auto& one : w) one.assign(n, 0.0);
      const Buffer random = Buffer(n).Randomize(1);
      Buffer fg(n);
      for (size_t i = 0; i < n; ++i) {
        g[i] = fg[i] =
            std::copysign(size * (1.0f + std::fabs(random[i])), random[i]);
      }
      for (int t = 1; t <= kSteps; ++t) {
        reference::AdamUpdate<double>(n, kLr, 0.9f, beta2, kEps, 0, false, t, 1,
                                      g.data(), w[0].data(), m.data(), v.data(),
                                      nullptr);
        reference::RmspropUpdate<double>(n, kLr, 0.99f, kEps, 0, 0, g.data(),
                                         w[1].data(), r.data(), nullptr,
                                         nullptr);
        reference::AdagradUpdate<double>(n, kLr, kEps, 0, 0, 1, g.data(),
                                         w[2].data(), s.data());
      }
      testing::ForEachTarget([&](simd::Target) {
        Buffer a(n, 0.0f), b(n, 0.0f), c(n, 0.0f), am(n, 0.0f), av(n, 0.0f),
            br(n, 0.0f), cs(n, 0.0f);
        for (int t = 1; t <= kSteps; ++t) {
          simd::AdamStep step;
          step.lr = static_cast<float>(kLr / (1 - std::pow(double{0.9f}, t)));
          step.beta1_rest = static_cast<float>(1 - double{0.9f});
          step.beta2 = beta2;
          step.beta2_rest = static_cast<float>(1 - double{beta2});
          step.eps = kEps;
          step.root =
              static_cast<float>(1 / std::sqrt(1 - std::pow(double{beta2}, t)));
          EXPECT_FALSE(
              simd::AdamUpdate(n, step, fg, a, am, av, nullptr, true, {}));
          EXPECT_FALSE(simd::RmspropUpdate(n, {kLr, 0.99f, kEps}, fg, b, br,
                                           nullptr, nullptr, true, {}));
          EXPECT_FALSE(
              simd::AdagradUpdate(n, {kLr, kEps}, fg, c, cs, true, {}));
        }
        for (size_t i = 0; i < n; ++i) {
          EXPECT_TRUE(testing::Near(a[i], w[0][i], 1e-4, 1e-9)) << i;
          EXPECT_TRUE(testing::Near(b[i], w[1][i], 1e-4, 1e-9)) << i;
          EXPECT_TRUE(testing::Near(c[i], w[2][i], 1e-4, 1e-9)) << i;
          EXPECT_LT(std::fabs(a[i]), 1.01f * kSteps * kLr);
          EXPECT_LT(std::fabs(b[i]), 11.0f * kSteps * kLr);
          EXPECT_LT(std::fabs(c[i]), 1.01f * kSteps * kLr);
          if (size > 1e-13f) {
            EXPECT_GT(std::fabs(a[i]), 0.9f * kSteps * kLr);
          }
        }
      });
    }
  }
}

// All that is in update.h, one after the other, three times.
TEST(Updates, SameBitsOnExactTargetsAndAnyThreads) {
  const size_t n = 100003;
  Buffer g = Buffer(n).Randomize(1), w0 = Buffer(n).Randomize(2);
  Buffer first(n);
  double norm = 0;
  bool have = false;
  testing::ForEachTarget([&](simd::Target target) {
    if (!target.exact) return;
    for (uint32_t threads : {1u, 3u}) {
      Buffer w = w0, v(n, 0.0f), s(n, 0.0f), m(n, 0.0f), q(n, 0.0f), h(n, 0.0f),
             average(n, 0.0f), cut = g;
      const ParallelRunner runner = testing::ThreadRunner(threads);
      const bool shared = threads != 1;
      for (int step = 0; step < 3; ++step) {
        EXPECT_FALSE(simd::MomentumUpdate(n, {0.01f, 0.9f, 1e-3f, 0.7f}, g, w,
                                          v, shared, runner));
        EXPECT_FALSE(simd::AdagradUpdate(n, {0.01f, 1e-8f, 0.1f, 1e-3f, 0.7f},
                                         g, w, s, shared, runner));
        simd::AdamStep adam;
        adam.lr = 0.01f, adam.scale = 0.7f, adam.keep = 0.999f;
        EXPECT_FALSE(simd::AdamUpdate(n, adam, g, w, m, q, h, shared, runner));
        simd::SoftThreshold(n, 1e-3f, w, runner);
        simd::MoveToward(n, 0.3f, w, average, runner);
        EXPECT_TRUE(simd::Clamp(n, 0.9f, 0.8f, cut, runner) || step > 0);
        for (size_t i = 0; i < n; ++i) w[i] += average[i] + 0.01f * cut[i];
      }
      const double sum = simd::SumOfSquaresDouble(n, w);
      if (!have) first = w, norm = sum, have = true;
      EXPECT_TRUE(w.SameBits(first));
      EXPECT_EQ(sum, norm);
    }
  });
}

TEST(Updates, ReportNonFiniteWeightsAndState) {
  for (float bad : {std::numeric_limits<float>::infinity(),
                    std::numeric_limits<float>::quiet_NaN(), 1e25f}) {
    for (size_t at : {0u, 16u, 36u}) {
      testing::ForEachTarget([&](simd::Target) {
        const auto each = [&](auto update) {
          Buffer g(37, 0.0f), w(37, 1.0f), a(37, 0.0f), b(37, 0.0f);
          g[at] = bad;
          EXPECT_TRUE(update(g, w, a, b));
        };
        if (bad != 1e25f) {
          each([](Buffer& g, Buffer& w, Buffer& a, Buffer&) {
            return simd::MomentumUpdate(37, {0.1f}, g, w, a, true, {});
          });
        }
        each([](Buffer& g, Buffer& w, Buffer& a, Buffer&) {
          return simd::AdagradUpdate(37, {0.1f}, g, w, a, true, {});
        });
        each([](Buffer& g, Buffer& w, Buffer& a, Buffer& b) {
          simd::AdamStep step;
          step.lr = 0.1f;
          return simd::AdamUpdate(37, step, g, w, a, b, nullptr, true, {});
        });
      });
    }
  }
}

TEST(SoftThreshold, ReachesZeroAndStaysThere) {
  testing::ForEachTarget([&](simd::Target) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float from[] = {0.5f, -0.5f, 0.1f, -0.1f, 0.0f, -0.0f, 2.0f, nan};
    const float to[] = {0.4f, -0.4f, 0.0f, 0.0f, 0.0f, 0.0f, 1.9f, nan};
    for (const size_t n : {8u, 5u, 37u}) {
      Buffer w(n);
      for (size_t i = 0; i < n; ++i) w[i] = from[i % 8];
      simd::SoftThreshold(n, 0.1f, w, {});
      EXPECT_TRUE(w.GuardsIntact());
      for (size_t i = 0; i < n; ++i) {
        if (std::isnan(to[i % 8])) {
          EXPECT_TRUE(std::isnan(w[i]));
        } else {
          EXPECT_FLOAT_EQ(w[i], to[i % 8]) << i;
          if (to[i % 8] == 0.0f) {
            EXPECT_FALSE(std::signbit(w[i])) << i;
          }
        }
      }
    }
  });
}

TEST(Clamp, SaysWhetherItCut) {
  testing::ForEachTarget([&](simd::Target) {
    for (const size_t n : {1u, 16u, 37u}) {
      Buffer x(n, 0.4f);
      EXPECT_FALSE(simd::Clamp(n, 0.5f, 0.2f, x, {}));
      x[n - 1] = -3.0f;
      EXPECT_TRUE(simd::Clamp(n, 1.0f, 0.5f, x, {}));
      EXPECT_EQ(x[n - 1], -0.5f);
      EXPECT_TRUE(x.GuardsIntact());
      if (n > 1) {
        EXPECT_EQ(x[0], 0.2f);
      }
    }
  });
}

// Floats whose squares overflow, and a count that is no multiple of anything.
TEST(SumOfSquaresDouble, DoesNotOverflow) {
  Buffer x(100, 1e20f);
  EXPECT_NEAR(std::sqrt(simd::SumOfSquaresDouble(100, x)), 1e21, 1e15);
  for (const size_t n : {0u, 1u, 17u, 4096u, 4097u, 9001u}) {
    Buffer y = Buffer(std::max<size_t>(n, 1)).Randomize(3);
    long double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += (long double)y[i] * y[i];
    EXPECT_NEAR(simd::SumOfSquaresDouble(n, y), static_cast<double>(sum),
                1e-12 * static_cast<double>(sum));
  }
}

}  // namespace
}  // namespace temper
