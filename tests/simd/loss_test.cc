// simd/loss.h against its twins, against stored PyTorch results, and bit by bit
// against the order it promises.
#include "simd/loss.h"

#include <algorithm>

#include "simd/math.h"
#include "tests/reference/loss.h"
#include "tests/testing/gradient.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::Doubles;
using testing::Near;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr size_t kClasses[] = {1,  2,  3,  7,  8,  9,   10,  15,  16,   17,
                               31, 32, 33, 47, 48, 100, 101, 257, 1000, 1021};

std::vector<int32_t> Labels(size_t rows, size_t classes, uint32_t seed) {
  std::vector<int32_t> labels(rows);
  for (size_t r = 0; r < rows; ++r) {
    labels[r] = static_cast<int32_t>(
        RandomWord(seed, static_cast<uint32_t>(r), 1, 0, 0) % classes);
  }
  return labels;
}

Buffer Randoms(size_t n, uint64_t seed, float scale) {
  Buffer x = Buffer(n).Randomize(seed);
  for (size_t i = 0; i < n; ++i) x[i] *= scale;
  return x;
}

void ExpectNear(const Buffer& actual, const std::vector<double>& expected,
                double rtol, double atol) {
  ASSERT_EQ(actual.size(), expected.size());
  EXPECT_TRUE(actual.GuardsIntact());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(Near(actual[i], expected[i], rtol, atol)) << i;
  }
}

TEST(SoftmaxCrossEntropy, MatchesTheTwin) {
  for (size_t classes : kClasses) {
    for (float scale : {1.0f, 12.0f, 1000.0f}) {
      for (float smoothing : {0.0f, 0.1f, 1.0f}) {
        const size_t rows = 5, n = rows * classes;
        const Buffer logits = Randoms(n, classes, scale),
                     old = Randoms(n, 8, 1);
        const std::vector<int32_t> labels = Labels(rows, classes, 3);
        std::vector<double> p(n), loss(rows), d(n), added = Doubles(old);
        reference::SoftmaxCrossEntropy(rows, classes, Doubles(logits).data(),
                                       labels.data(), double{smoothing},
                                       p.data(), loss.data());
        reference::SoftmaxCrossEntropyBackward(rows, classes, p.data(),
                                               labels.data(), double{smoothing},
                                               0.2, false, d.data());
        reference::SoftmaxCrossEntropyBackward(rows, classes, p.data(),
                                               labels.data(), double{smoothing},
                                               0.2, true, added.data());
        testing::ForEachTarget([&](simd::Target) {
          Buffer ap(n), al(rows), ad(n), aa = old;
          simd::SoftmaxCrossEntropy(rows, classes, logits, labels.data(),
                                    smoothing, ap, al, {});
          ExpectNear(ap, p, 2e-6, 1e-12);
          ExpectNear(al, loss, 2e-6, 1e-6);
          Buffer unlabelled(n);
          simd::SoftmaxCrossEntropy(rows, classes, logits, nullptr, smoothing,
                                    unlabelled, nullptr, {});
          EXPECT_TRUE(unlabelled.SameBits(ap));
          simd::SoftmaxCrossEntropyBackward(rows, classes, ap, labels.data(),
                                            smoothing, 0.2f, false, ad, {});
          ExpectNear(ad, d, 2e-6, 1e-6 * 0.2);
          simd::SoftmaxCrossEntropyBackward(rows, classes, ap, labels.data(),
                                            smoothing, 0.2f, true, aa, {});
          ExpectNear(aa, added, 2e-6, 1e-6 * 0.2);
        });
      }
    }
  }
}

// torch.nn.functional.cross_entropy(x, y, label_smoothing=s) in float64.
TEST(SoftmaxCrossEntropy, MatchesPyTorch) {
  const float x[15 + 16] = {1.5f,  -0.25f, 0.75f, 3.0f,  -2.0f,
                            0.0f,  0.5f,   -1.0f, 0.25f, 2.0f,
                            -4.0f, 6.0f,   0.0f,  1.0f,  5.5f};
  const int32_t labels[] = {3, 0, 4};
  const double losses[2][3] = {
      {0.3177564259058277, 2.458706591837342, 0.979825708569426},
      {0.5577564259058277, 2.423706591837342, 1.3598257085694259}};
  const double gradients[2][15] = {
      {0.054129891934938695, 0.009406364780080742, 0.025569150453550644,
       -0.09073998826993804, 0.001634581101368009, -0.30481815842554566,
       0.04701357540820411, 0.010490146609982863, 0.036614209342895894,
       0.2107002270644628, 9.365873091235644e-06, 0.20629708328260243,
       0.0005113593442266718, 0.0013900188132240955, -0.20820782731314438},
      {0.04746322526827203, 0.0027396981134140755, 0.018902483786883976,
       -0.06407332160327137, -0.005032085565298657, -0.278151491758879,
       0.040346908741537436, 0.0038234799433161954, 0.029947542676229223,
       0.20403356039779608, -0.006657300793575431, 0.19963041661593575,
       -0.0061553073224399945, -0.005276647853442571, -0.1815411606464777}};
  testing::ForEachTarget([&](simd::Target) {
    for (int smooth = 0; smooth < 2; ++smooth) {
      const float smoothing = smooth ? 0.1f : 0.0f;
      Buffer p(15), loss(3), d(15);
      simd::SoftmaxCrossEntropy(3, 5, x, labels, smoothing, p, loss, {});
      simd::SoftmaxCrossEntropyBackward(3, 5, p, labels, smoothing, 1 / 3.0f,
                                        false, d, {});
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(Near(loss[i], losses[smooth][i], 2e-7, 1e-7));
      }
      for (int i = 0; i < 15; ++i) {
        EXPECT_TRUE(Near(d[i], gradients[smooth][i], 1e-6, 3e-8));
      }
    }
  });
}

TEST(SoftmaxCrossEntropy, SpecialLogits) {
  for (size_t classes : {1, 2, 10, 16, 37}) {
    for (size_t at = 0; at < classes; at += 3) {
      for (float smoothing : {0.0f, 0.1f}) {
        testing::ForEachTarget([&](simd::Target) {
          const auto run = [&](float value, float others, int32_t label,
                               Buffer& p) {
            Buffer x(classes, others), loss(1);
            x[at] = value;
            simd::SoftmaxCrossEntropy(1, classes, x, &label, smoothing, p, loss,
                                      {});
            EXPECT_TRUE(p.GuardsIntact() && loss.GuardsIntact());
            return loss[0];
          };
          const int32_t here = static_cast<int32_t>(at);
          Buffer p(classes);
          EXPECT_TRUE(std::isnan(run(kNan, 1.0f, here, p)));
          EXPECT_TRUE(std::isnan(p[0]));
          EXPECT_TRUE(std::isnan(run(kNan, kNan, 0, p)));
          EXPECT_TRUE(std::isnan(run(kInf, 1.0f, here, p)));
          EXPECT_TRUE(std::isnan(run(-kInf, -kInf, here, p)));
          if (classes == 1) return;
          // One impossible class: no loss unless it is wanted.
          const float loss = run(-kInf, 1.0f, at == 0 ? 1 : 0, p);
          EXPECT_EQ(p[at], 0.0f);
          if (smoothing == 0) {
            EXPECT_NEAR(loss, std::log(classes - 1.0), 1e-6);
          } else {
            EXPECT_EQ(loss, kInf);
          }
          EXPECT_EQ(run(-kInf, 1.0f, here, p), kInf);
          // Huge but finite logits.
          const float huge = std::numeric_limits<float>::max();
          EXPECT_EQ(run(huge, 0.0f, here, p) == 0.0f, smoothing == 0.0f);
          EXPECT_EQ(p[at], 1.0f);
          EXPECT_EQ(run(1.0f, 2.0f, -1, p), kInf);
          EXPECT_EQ(run(1.0f, 2.0f, static_cast<int32_t>(classes), p), kInf);
          EXPECT_EQ(run(1.0f, 2.0f, INT32_MIN, p), kInf);
        });
      }
    }
  }
}

TEST(SoftmaxCrossEntropy, ProbabilitiesByHand) {
  // Two classes with equal logits: log 2, whatever the probabilities.
  Buffer x(4, 0.0f), t(4), p(4), loss(2), d(4);
  x[2] = 1.0f;
  t[0] = 0.25f, t[1] = 0.75f, t[2] = 0.25f, t[3] = 0.75f;
  testing::ForEachTarget([&](simd::Target) {
    simd::SoftmaxCrossEntropySoft(2, 2, x, t, 0.0f, p, loss, {});
    EXPECT_TRUE(Near(loss[0], std::log(2.0), 1e-6, 0));
    // log(1 + e) - 0.25 * 1.
    EXPECT_TRUE(Near(loss[1], std::log(1 + std::exp(1.0)) - 0.25, 1e-6, 0));
    simd::SoftmaxCrossEntropySoftBackward(2, 2, p, t, 0.0f, 0.5f, false, d, {});
    EXPECT_TRUE(Near(d[0], 0.125, 1e-6, 0) && Near(d[1], -0.125, 1e-6, 0));
    const double q = std::exp(1.0) / (1 + std::exp(1.0));
    EXPECT_TRUE(Near(d[2], (q - 0.25) / 2, 1e-6, 0));
    // Smoothed by a half: (0.375, 0.625).
    simd::SoftmaxCrossEntropySoft(2, 2, x, t, 0.5f, p, loss, {});
    EXPECT_TRUE(Near(loss[1], std::log(1 + std::exp(1.0)) - 0.375, 1e-6, 0));
    simd::SoftmaxCrossEntropySoftBackward(2, 2, p, t, 0.5f, 0.5f, false, d, {});
    EXPECT_TRUE(Near(d[2], (q - 0.375) / 2, 1e-6, 0));
  });
}

// Rows that do not add up to 1 have the loss and the gradient of the formulas;
// a class of probability 0 may be impossible.
TEST(SoftmaxCrossEntropy, AnyWeightsAndImpossibleClasses) {
  for (size_t classes : kClasses) {
    const size_t rows = 5, n = rows * classes;
    Buffer logits = Randoms(n, classes, 6), t = Randoms(n, classes + 1, 2);
    for (size_t i = 0; i < n; ++i) t[i] = t[i] > 0 ? t[i] : 0;
    const Buffer old = Randoms(n, 8, 1);
    for (const float smoothing : {0.0f, 0.3f}) {
      if (smoothing == 0.0f && classes > 2) {
        for (size_t r = 0; r < rows; ++r) {
          t[r * classes + classes / 2] = 0;
          logits[r * classes + classes / 2] = -kInf;
        }
      } else {
        logits = Randoms(n, classes, 6);
      }
      std::vector<double> p(n), loss(rows), d(n), added = Doubles(old);
      reference::SoftmaxCrossEntropySoft(rows, classes, Doubles(logits).data(),
                                         Doubles(t).data(), double{smoothing},
                                         p.data(), loss.data());
      reference::SoftmaxCrossEntropySoftBackward(
          rows, classes, p.data(), Doubles(t).data(), double{smoothing}, 0.2,
          false, d.data());
      reference::SoftmaxCrossEntropySoftBackward(
          rows, classes, p.data(), Doubles(t).data(), double{smoothing}, 0.2,
          true, added.data());
      testing::ForEachTarget([&](simd::Target) {
        Buffer ap(n), al(rows), ad(n), aa = old;
        simd::SoftmaxCrossEntropySoft(rows, classes, logits, t, smoothing, ap,
                                      al, {});
        ExpectNear(ap, p, 2e-6, 1e-6);
        double size = 1;
        for (const double l : loss) size = std::max(size, std::fabs(l));
        ExpectNear(al, loss, 4e-6, 4e-6 * size);
        simd::SoftmaxCrossEntropySoftBackward(rows, classes, ap, t, smoothing,
                                              0.2f, false, ad, {});
        ExpectNear(ad, d, 4e-6, 4e-6 * static_cast<double>(classes));
        simd::SoftmaxCrossEntropySoftBackward(rows, classes, ap, t, smoothing,
                                              0.2f, true, aa, {});
        ExpectNear(aa, added, 4e-6, 4e-6 * static_cast<double>(classes));
      });
    }
  }
}

TEST(SoftmaxCrossEntropy, OneClassHasNoLoss) {
  testing::ForEachTarget([&](simd::Target) {
    Buffer x(3), p(3), loss(3);
    x[0] = -5.0f, x[1] = 0.0f, x[2] = 1e30f;
    const int32_t labels[] = {0, 0, 0};
    simd::SoftmaxCrossEntropy(3, 1, x, labels, 0.0f, p, loss, {});
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(p[i] == 1.0f && loss[i] == 0.0f);
  });
}

TEST(MeanSquaredError, MatchesTheTwin) {
  for (size_t n : kClasses) {
    const size_t rows = 3;
    const Buffer a = Randoms(rows * n, 1, 3), b = Randoms(rows * n, 2, 3),
                 old = Randoms(rows * n, 3, 1);
    const double factor = 2.0 / static_cast<double>(rows * n);
    std::vector<double> loss(rows), d(rows * n), added = Doubles(old);
    reference::MeanSquaredError(rows, n, Doubles(a).data(), Doubles(b).data(),
                                loss.data());
    reference::MeanSquaredErrorBackward(
        rows, n, Doubles(a).data(), Doubles(b).data(), factor, false, d.data());
    reference::MeanSquaredErrorBackward(rows, n, Doubles(a).data(),
                                        Doubles(b).data(), factor, true,
                                        added.data());
    testing::ForEachTarget([&](simd::Target) {
      Buffer al(rows), ad(rows * n), aa = old;
      simd::MeanSquaredError(rows, n, a, b, al, {});
      ExpectNear(al, loss, 2e-6, 1e-6);
      simd::MeanSquaredErrorBackward(rows, n, a, b, static_cast<float>(factor),
                                     false, ad, {});
      ExpectNear(ad, d, 3e-7, 1e-7 * factor);
      simd::MeanSquaredErrorBackward(rows, n, a, b, static_cast<float>(factor),
                                     true, aa, {});
      ExpectNear(aa, added, 3e-7, 1e-7);
    });
  }
}

// The promised order, in scalar float: 16 virtual lanes, tree 8-4-2-1.
template <class Term>
float VirtualLanes(size_t n, Term&& term) {
  float lanes[16] = {};
  for (size_t i = 0; i < n; ++i) lanes[i % 16] = term(i, lanes[i % 16]);
  for (size_t half : {8, 4, 2, 1}) {
    for (size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

TEST(Sums, FollowTheVirtualLanes) {
  for (size_t n : {0,  1,  2,   7,    8,    9,    15,   16,   17,   31,   32,
                   33, 47, 100, 1021, 4095, 4096, 4097, 4111, 8200, 70001}) {
    const Buffer x = Buffer(n).Randomize(n), t = Buffer(n).Randomize(n + 1);
    const float sum =
        VirtualLanes(n, [&](size_t i, float s) { return s + x[i]; });
    const float squares = VirtualLanes(
        n, [&](size_t i, float s) { return std::fma(x[i], x[i], s); });
    const float errors =
        VirtualLanes(n,
                     [&](size_t i, float s) {
                       return std::fma(x[i] - t[i], x[i] - t[i], s);
                     }) /
        static_cast<float>(n);
    const float distances = VirtualLanes(
        n, [&](size_t i, float s) { return std::fabs(x[i] - t[i]) + s; });
    // The error bound of the header: sum |x| <= n here.
    const double bound = (static_cast<double>(n) / 16 + 4) * 0x1p-24;
    const double magnitude = static_cast<double>(n);
    testing::ForEachTarget([&](simd::Target target) {
      EXPECT_EQ(simd::Sum(n, x), sum) << n;
      EXPECT_TRUE(Near(simd::Sum(n, x), reference::Sum(n, Doubles(x).data()), 0,
                       bound * magnitude));
      EXPECT_TRUE(Near(simd::SumOfSquares(n, x),
                       reference::SumOfSquares(n, Doubles(x).data()), bound,
                       0));
      if (!target.exact || n == 0) return;
      EXPECT_EQ(simd::SumOfSquares(n, x), squares) << n;
      EXPECT_EQ(simd::SumOfDistances(n, x, t), distances) << n;
      Buffer loss(1);
      simd::MeanSquaredError(1, n, x, t, loss, {});
      EXPECT_EQ(loss[0], errors) << n;
    });
  }
}

TEST(Sums, NanSurvives) {
  testing::ForEachTarget([&](simd::Target) {
    for (size_t at : {0, 16, 36}) {
      Buffer x(37, 1.0f);
      x[at] = kNan;
      EXPECT_TRUE(std::isnan(simd::Sum(37, x)));
      EXPECT_TRUE(std::isnan(simd::SumOfSquares(37, x)));
      EXPECT_TRUE(std::isnan(simd::SumOfDistances(37, Buffer(37, 0.0f), x)));
    }
  });
}

// softmax by the promised order, from the kernels' own exponential.
TEST(SoftmaxCrossEntropy, FollowsTheVirtualLanes) {
  for (size_t classes : kClasses) {
    const Buffer x = Randoms(classes, classes, 5);
    float top = -kInf;
    for (size_t i = 0; i < classes; ++i) top = std::fmax(top, x[i]);
    testing::ForEachTarget([&](simd::Target target) {
      if (!target.exact) return;
      for (float smoothing : {0.0f, 0.1f}) {
        Buffer e(classes), p(classes), loss(1);
        for (size_t i = 0; i < classes; ++i) e[i] = x[i] - top;
        const float shifted =
            VirtualLanes(classes, [&](size_t i, float s) { return s + e[i]; });
        const int32_t label = static_cast<int32_t>(classes / 2);
        const float at_label = e[classes / 2];
        simd::Exp(classes, e, e);
        float total =
            VirtualLanes(classes, [&](size_t i, float s) { return s + e[i]; });
        simd::SoftmaxCrossEntropy(1, classes, x, &label, smoothing, p, loss,
                                  {});
        for (size_t i = 0; i < classes; ++i) EXPECT_EQ(p[i], e[i] / total);
        simd::Log(1, &total, &total);
        const float expected = total - (1.0f - smoothing) * at_label;
        EXPECT_EQ(loss[0],
                  expected - smoothing / static_cast<float>(classes) * shifted);
      }
    });
  }
}

TEST(ColumnSums, FollowsTheChunkRule) {
  for (size_t columns : {1, 2, 3, 10, 15, 16, 17, 33, 64, 65, 100, 131}) {
    for (size_t rows : {0, 1, 2, 63, 503, 504, 505, 1009, 2521, 8064, 8065}) {
      if (rows * columns > 300000) continue;
      const Buffer x = Buffer(rows * columns).Randomize(rows + columns),
                   old = Buffer(columns).Randomize(5);
      Buffer expected = old;
      for (size_t j = 0; j < columns; ++j) {
        std::vector<float> partials(simd::ChunkCount(rows));
        for (size_t r = 0; r < rows; ++r) {
          partials[r / simd::ChunkRows(rows)] += x[r * columns + j];
        }
        simd::CombineTree(partials.size(), [&](size_t a, size_t b) {
          partials[a] += partials[b];
        });
        if (rows != 0) expected[j] += partials[0];
      }
      std::vector<double> twin = Doubles(old);
      reference::ColumnSums(rows, columns, Doubles(x).data(), twin.data());
      testing::ForEachTarget([&](simd::Target) {
        for (uint32_t threads : {1u, 2u, 3u}) {
          Buffer out = old;
          Buffer scratch(simd::ColumnSumsScratch(rows, columns) /
                         sizeof(float));
          simd::ColumnSums(rows, columns, x, out, scratch.data(),
                           testing::ThreadRunner(threads));
          // Additions only: exact even without FMA.
          EXPECT_TRUE(out.SameBits(expected)) << rows << " x " << columns;
          EXPECT_TRUE(scratch.GuardsIntact());
          ExpectNear(out, twin, 2e-6, 1e-6 * std::sqrt(rows + 1.0));
        }
      });
    }
  }
}

TEST(ColumnSums, TwoLevelsOfChunks) {
  const size_t rows = 504 * 16 + 77, columns = 5;  // chunks of 1008 rows
  ASSERT_EQ(simd::ChunkRows(rows), 1008u);
  ASSERT_EQ(simd::ChunkCount(rows), 9u);
  Buffer x(rows * columns, 1.0f), out(columns, 0.5f);
  Buffer scratch(simd::ColumnSumsScratch(rows, columns) / sizeof(float));
  testing::ForEachTarget([&](simd::Target) {
    for (size_t j = 0; j < columns; ++j) out[j] = 0.5f;
    simd::ColumnSums(rows, columns, x, out, scratch.data(), {});
    for (size_t j = 0; j < columns; ++j) EXPECT_EQ(out[j], rows + 0.5f);
  });
}

TEST(CountCorrect, FirstLargestWinsAndNanLoses) {
  const Buffer p = [] {
    Buffer b(24, 0.25f);
    b[4 + 2] = 0.5f;    // row 1: class 2
    b[8 + 3] = 0.5f;    // row 2: class 3, twice
    b[8 + 1] = 0.5f;    //        class 1 is first
    b[12 + 0] = kNan;   // row 3: nobody
    b[16 + 3] = kNan;   // row 4: nobody
    b[20 + 3] = 0.26f;  // row 5: class 3
    return b;
  }();
  const auto count = [&](std::vector<int32_t> labels) {
    EXPECT_EQ(simd::CountCorrect(6, 4, p, labels.data()),
              reference::CountCorrect(6, 4, Doubles(p).data(), labels.data()));
    return simd::CountCorrect(6, 4, p, labels.data());
  };
  EXPECT_EQ(count({0, 2, 1, 0, 0, 3}), 4u);
  EXPECT_EQ(count({1, 2, 3, 1, 1, 3}), 2u);
  EXPECT_EQ(count({-1, 4, 9, 3, 3, 0}), 0u);
  for (size_t classes : kClasses) {
    const size_t rows = 40;
    Buffer q = Buffer(rows * classes).Randomize(classes);
    for (size_t i = 0; i < q.size(); ++i) q[i] = std::round(q[i] * 4);  // ties
    const std::vector<int32_t> labels = Labels(rows, classes, 1);
    EXPECT_EQ(simd::CountCorrect(rows, classes, q, labels.data()),
              reference::CountCorrect(rows, classes, Doubles(q).data(),
                                      labels.data()));
  }
}

TEST(CountCorrect, TheLargestTargetIsTheLabel) {
  for (size_t classes : kClasses) {
    const size_t rows = 40;
    Buffer q = Randoms(rows * classes, 5, 1), t = Randoms(rows * classes, 6, 1);
    std::vector<int32_t> labels;
    for (size_t r = 0; r < rows; ++r) {
      float* const row = t.data() + r * classes;
      for (size_t j = 0; j < classes; ++j) row[j] = std::round(row[j] * 3);
      labels.push_back(
          static_cast<int32_t>(std::max_element(row, row + classes) - row));
    }
    const float* const targets = t;
    EXPECT_EQ(simd::CountCorrect(rows, classes, q, targets),
              simd::CountCorrect(rows, classes, q, labels.data()));
  }
}

TEST(Loss, SameBitsOnExactTargetsAndAnyThreads) {
  for (size_t classes : {10, 37, 1000}) {
    const size_t rows = 90000 / classes, n = rows * classes;
    const Buffer x = Randoms(n, 1, 4), t = Randoms(n, 2, 4);
    const std::vector<int32_t> labels = Labels(rows, classes, 2);
    std::vector<Buffer> first;
    testing::ForEachTarget([&](simd::Target target) {
      if (!target.exact) return;
      for (uint32_t threads : {1u, 2u, 3u}) {
        const ParallelRunner parallel = testing::ThreadRunner(threads);
        std::vector<Buffer> out = {
            Buffer(n),    Buffer(rows),    Buffer(n, 0.5f),
            Buffer(rows), Buffer(n, 0.5f), Buffer(3),
            Buffer(n),    Buffer(rows),    Buffer(n, 0.5f)};
        simd::SoftmaxCrossEntropy(rows, classes, x, labels.data(), 0.1f, out[0],
                                  out[1], parallel);
        simd::SoftmaxCrossEntropyBackward(rows, classes, out[0], labels.data(),
                                          0.1f, 0.01f, true, out[2], parallel);
        simd::MeanSquaredError(rows, classes, x, t, out[3], parallel);
        simd::MeanSquaredErrorBackward(rows, classes, x, t, 0.01f, true, out[4],
                                       parallel);
        out[5][0] = simd::Sum(n, x);
        out[5][1] = simd::SumOfSquares(n, x);
        out[5][2] = simd::SumOfDistances(n, x, t);
        simd::SoftmaxCrossEntropySoft(rows, classes, x, t, 0.1f, out[6], out[7],
                                      parallel);
        simd::SoftmaxCrossEntropySoftBackward(rows, classes, out[6], t, 0.1f,
                                              0.01f, true, out[8], parallel);
        if (first.empty()) first = out;
        for (size_t i = 0; i < out.size(); ++i) {
          EXPECT_TRUE(out[i].GuardsIntact() && out[i].SameBits(first[i]))
              << i << " with " << threads << " threads";
        }
      }
    });
  }
}

TEST(LossTwins, GradientsAreCentralDifferences) {
  for (size_t shape = 0; shape < 24; ++shape) {
    const size_t rows = 1 + shape % 4, n = 1 + shape * 3 / 2, size = rows * n;
    const Buffer x = Randoms(size, shape, 3), t = Randoms(size, shape + 50, 3);
    const std::vector<int32_t> labels = Labels(rows, n, 4);
    std::vector<double> p(size), loss(rows), d(size);
    const auto mean_loss = [&] {
      double sum = 0;
      for (double l : loss) sum += l;
      return sum / static_cast<double>(rows);
    };
    for (double smoothing : {0.0, 0.1, 0.5}) {
      const auto cross_entropy = [&](const double* at) {
        reference::SoftmaxCrossEntropy(rows, n, at, labels.data(), smoothing,
                                       p.data(), loss.data());
        return mean_loss();
      };
      cross_entropy(Doubles(x).data());
      reference::SoftmaxCrossEntropyBackward(
          rows, n, p.data(), labels.data(), smoothing,
          1 / static_cast<double>(rows), false, d.data());
      testing::ExpectGradient(Doubles(x), d, cross_entropy);
    }
    reference::MeanSquaredErrorBackward(
        rows, n, Doubles(x).data(), Doubles(t).data(),
        2 / static_cast<double>(size), false, d.data());
    testing::ExpectGradient(Doubles(x), d, [&](const double* at) {
      reference::MeanSquaredError(rows, n, at, Doubles(t).data(), loss.data());
      return mean_loss();
    });
  }
}

}  // namespace
}  // namespace temper
