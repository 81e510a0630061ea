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

}  // namespace
}  // namespace temper
