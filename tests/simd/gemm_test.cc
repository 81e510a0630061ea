// simd/gemm.h against its twin (error bound), against one FMA chain per element
// in float (bits), over threads, and the partial sums of partials.h.
#include "simd/gemm.h"

#include <algorithm>
#include <vector>

#include "simd/partials.h"
#include "tests/reference/gemm.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using testing::Buffer;

std::vector<double> ToDouble(const Buffer& from) {
  std::vector<double> to(from.size());
  for (size_t i = 0; i < to.size(); ++i) to[i] = from[i];
  return to;
}
std::vector<double> Magnitudes(const Buffer& from) {
  std::vector<double> to(from.size());
  for (size_t i = 0; i < to.size(); ++i) to[i] = std::fabs(from[i]);
  return to;
}

// |actual - expected| <= terms * eps * sum of magnitudes.
::testing::AssertionResult InBound(double actual, double expected,
                                   double magnitude, size_t terms) {
  const double bound = static_cast<double>(terms) * 0x1p-23 * magnitude + 1e-40;
  if (std::fabs(actual - expected) <= bound)
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << actual << " vs " << expected << ", bound " << bound;
}

struct Size {
  size_t m, n, k;
};
// Every height of a tile of a vector and a half of columns, and beyond.
void AddHalves(size_t k, std::vector<Size>& sizes) {
  for (size_t m = 1; m <= 18; ++m)
    for (const size_t n : {17, 24, 39, 56}) sizes.push_back({m, n, k});
}

const std::vector<Size> kSizes = [] {
  std::vector<Size> sizes = {
      {1, 1, 1},    {1, 16, 3},   {2, 17, 1},   {3, 5, 7},    {4, 15, 2},
      {5, 31, 8},   {6, 33, 13},  {7, 8, 4},    {8, 64, 5},   {9, 48, 17},
      {11, 7, 31},  {12, 24, 3},  {13, 16, 64}, {14, 32, 9},  {15, 65, 6},
      {16, 10, 27}, {17, 47, 33}, {28, 13, 1},  {29, 80, 12}, {31, 3, 100},
      {57, 96, 19}, {61, 37, 41}, {127, 1, 8},  {113, 49, 2}, {3, 4, 0}};
  AddHalves(5, sizes);
  return sizes;
}();

enum class Start { kZero, kBias, kAccumulate };

struct Problem {
  Size size;
  size_t lda, ldb, ldc;
  Buffer a, b, bias, c, packed;
  explicit Problem(Size s, size_t gap = 3)
      : size(s),
        lda(s.k + gap),
        ldb(s.n + gap),
        ldc(s.n + gap),
        a(Buffer(s.m * lda).Randomize(1)),
        b(Buffer(s.k * ldb).Randomize(2)),
        bias(Buffer(s.n).Randomize(3)),
        c(Buffer(s.m * ldc).Randomize(4)),
        packed(simd::PackedBytes(s.k, s.n) / sizeof(float)) {}
  // One chain per element, as gemm.h promises.
  Buffer Chain(Start start) const {
    Buffer result = c;
    for (size_t i = 0; i < size.m; ++i) {
      for (size_t j = 0; j < size.n; ++j) {
        float sum = start == Start::kZero   ? 0.0f
                    : start == Start::kBias ? bias[j]
                                            : c[i * ldc + j];
        for (size_t p = 0; p < size.k; ++p)
          sum = std::fma(a[i * lda + p], b[p * ldb + j], sum);
        result[i * ldc + j] = sum;
      }
    }
    return result;
  }
  // The twin's result and the sums of magnitudes.
  struct Expected {
    std::vector<double> values, magnitudes;
  };
  Expected Twin(Start start) const {
    std::vector<double> expected = ToDouble(c), magnitude = Magnitudes(c);
    const auto bias_d = ToDouble(bias), bias_m = Magnitudes(bias);
    const bool accumulate = start == Start::kAccumulate;
    const bool with_bias = start == Start::kBias;
    reference::MatMul<double>(size.m, size.n, size.k, ToDouble(a).data(), lda,
                              ToDouble(b).data(), ldb,
                              with_bias ? bias_d.data() : nullptr, accumulate,
                              expected.data(), ldc);
    reference::MatMul<double>(size.m, size.n, size.k, Magnitudes(a).data(), lda,
                              Magnitudes(b).data(), ldb,
                              with_bias ? bias_m.data() : nullptr, accumulate,
                              magnitude.data(), ldc);
    return {expected, magnitude};
  }
  void CheckBound(const Buffer& actual, const Expected& twin) const {
    const auto& [expected, magnitude] = twin;
    for (size_t i = 0; i < size.m * ldc; ++i) {
      if (i % ldc < size.n) {
        ASSERT_TRUE(InBound(actual[i], expected[i], magnitude[i], size.k)) << i;
      } else {
        ASSERT_EQ(actual[i], c[i]) << "written past the columns";
      }
    }
  }
};

TEST(PackB, LaysOutPanelsFromAnyStrides) {
  for (const Size s : kSizes) {
    const Buffer b = Buffer(s.k * s.n).Randomize(5);
    // b as (k, n), as its transpose, and with a gap in both strides.
    const Buffer wide = Buffer(s.k * s.n * 6).Randomize(6);
    struct {
      const Buffer* from;
      size_t k_stride, n_stride;
    } cases[] = {{&b, s.n, 1}, {&b, 1, s.k}, {&wide, s.n * 2, 2}};
    for (const auto& c : cases) {
      testing::ForEachTarget([&](simd::Target) {
        Buffer packed(simd::PackedBytes(s.k, s.n) / sizeof(float));
        simd::PackB(s.k, s.n, *c.from, c.k_stride, c.n_stride, packed,
                    testing::ThreadRunner(3));
        ASSERT_TRUE(packed.GuardsIntact());
        for (size_t j = 0; j < simd::RoundUp(s.n, simd::kPanel); ++j) {
          for (size_t i = 0; i < s.k; ++i) {
            const float expected =
                j < s.n ? (*c.from)[i * c.k_stride + j * c.n_stride] : 0.0f;
            ASSERT_EQ(packed[j / 16 * 16 * s.k + i * 16 + j % 16], expected);
          }
        }
      });
    }
  }
}

TEST(MatMul, MatchesTheTwinAndTheChain) {
  for (const Size s : kSizes) {
    Problem p(s);
    simd::PackB(s.k, s.n, p.b, p.ldb, 1, p.packed, {});
    for (const Start start : {Start::kZero, Start::kBias, Start::kAccumulate}) {
      const Buffer chain = p.Chain(start);
      const auto twin = p.Twin(start);
      testing::ForEachTarget([&](simd::Target target) {
        Buffer c = p.c;
        simd::MatMul(s.m, s.n, s.k, p.a, p.lda, p.packed,
                     start == Start::kBias ? p.bias.data() : nullptr,
                     start == Start::kAccumulate, c, p.ldc, {});
        EXPECT_TRUE(c.GuardsIntact());
        p.CheckBound(c, twin);
        if (target.exact) {
          EXPECT_TRUE(c.SameBits(chain)) << s.m << " " << s.n;
        }
        if (start == Start::kBias) return;
        c = p.c;
        simd::MatMulUnpacked(s.m, s.n, s.k, p.a, p.lda, p.b, p.ldb,
                             start == Start::kAccumulate, c, p.ldc, {});
        EXPECT_TRUE(c.GuardsIntact());
        p.CheckBound(c, twin);
        if (target.exact) {
          EXPECT_TRUE(c.SameBits(chain)) << s.m << " " << s.n;
        }
      });
    }
  }
}

TEST(MatMul, SameBitsWithAnyThreads) {
  for (const Size s :
       {Size{131, 129, 257}, Size{1031, 16, 144}, Size{7, 331, 501}}) {
    Problem p(s, 0);
    simd::PackB(s.k, s.n, p.b, p.ldb, 1, p.packed, {});
    const Buffer chain = p.Chain(Start::kBias);
    const Buffer unpacked = p.Chain(Start::kAccumulate);
    testing::ForEachTarget([&](simd::Target target) {
      if (!target.exact) return;
      for (const uint32_t threads : {1u, 2u, 3u}) {
        Buffer c = p.c;
        simd::MatMul(s.m, s.n, s.k, p.a, p.lda, p.packed, p.bias, false, c,
                     p.ldc, testing::ThreadRunner(threads));
        EXPECT_TRUE(c.SameBits(chain)) << threads;
        c = p.c;
        simd::MatMulUnpacked(s.m, s.n, s.k, p.a, p.lda, p.b, p.ldb, true, c,
                             p.ldc, testing::ThreadRunner(threads));
        EXPECT_TRUE(c.SameBits(unpacked)) << threads;
      }
    });
  }
}

TEST(MatMul, KeepsNaNAndInfinityInTheirRowsAndColumns) {
  const float inf = std::numeric_limits<float>::infinity();
  testing::ForEachTarget([&](simd::Target) {
    Problem p({19, 35, 21}, 0);
    p.a[3 * p.lda + 20] = std::numeric_limits<float>::quiet_NaN();
    p.b[7 * p.ldb + 34] = inf;
    simd::PackB(21, 35, p.b, p.ldb, 1, p.packed, {});
    simd::MatMul(19, 35, 21, p.a, p.lda, p.packed, nullptr, false, p.c, p.ldc,
                 {});
    for (size_t i = 0; i < 19; ++i) {
      for (size_t j = 0; j < 35; ++j) {
        ASSERT_EQ(std::isfinite(p.c[i * p.ldc + j]), i != 3 && j != 34);
      }
    }
  });
}

// The chunk rule in float: chunks of chains, CombineTree, then one addition.
Buffer ChunkedChain(size_t rows, size_t m, size_t n, const Buffer& a,
                    size_t lda, const Buffer& b, size_t ldb, const Buffer& c,
                    size_t ldc) {
  Buffer result = c;
  const size_t chunk = simd::ChunkRows(rows);
  std::vector<float> partial(simd::ChunkCount(rows));
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      for (size_t q = 0; q < partial.size(); ++q) {
        partial[q] = 0.0f;
        for (size_t p = q * chunk; p < std::min(rows, (q + 1) * chunk); ++p)
          partial[q] = std::fma(a[p * lda + i], b[p * ldb + j], partial[q]);
      }
      simd::CombineTree(partial.size(), [&](size_t into, size_t from) {
        partial[into] += partial[from];
      });
      result[i * ldc + j] += partial[0];
    }
  }
  return result;
}

TEST(MatMulTransposed, MatchesTheTwinAndTheChunkedChain) {
  std::vector<Size> sizes = {// m, n, rows
                             {1, 1, 1},      {3, 5, 2},      {8, 48, 7},
                             {14, 32, 33},   {15, 33, 100},  {16, 16, 504},
                             {9, 49, 505},   {10, 17, 1009}, {29, 65, 63},
                             {64, 10, 1600}, {5, 7, 3600},   {2, 3, 7560},
                             {3, 17, 8064},  {4, 18, 8065},  {3, 2, 20000}};
  AddHalves(29, sizes);
  for (const Size s : sizes) {
    const size_t rows = s.k, lda = s.m + 2, ldb = s.n + 1, ldc = s.n + 5;
    const Buffer a = Buffer(rows * lda).Randomize(7);
    const Buffer b = Buffer(rows * ldb).Randomize(8);
    const Buffer c0 = Buffer(s.m * ldc).Randomize(9);
    std::vector<double> expected = ToDouble(c0), magnitude = Magnitudes(c0);
    reference::MatMulTransposed<double>(rows, s.m, s.n, ToDouble(a).data(), lda,
                                        ToDouble(b).data(), ldb,
                                        expected.data(), ldc);
    reference::MatMulTransposed<double>(rows, s.m, s.n, Magnitudes(a).data(),
                                        lda, Magnitudes(b).data(), ldb,
                                        magnitude.data(), ldc);
    const Buffer chain = ChunkedChain(rows, s.m, s.n, a, lda, b, ldb, c0, ldc);
    Buffer scratch(simd::MatMulTransposedScratch(rows, s.m, s.n) /
                   sizeof(float));
    testing::ForEachTarget([&](simd::Target target) {
      for (const uint32_t threads : {1u, 3u}) {
        Buffer c = c0;
        simd::MatMulTransposed(rows, s.m, s.n, a, lda, b, ldb, c, ldc,
                               scratch.data(), testing::ThreadRunner(threads));
        EXPECT_TRUE(c.GuardsIntact() && scratch.GuardsIntact());
        if (target.exact) {
          EXPECT_TRUE(c.SameBits(chain)) << s.m << " " << rows;
        }
        for (size_t i = 0; i < s.m * ldc; ++i) {
          if (i % ldc < s.n) {
            ASSERT_TRUE(InBound(c[i], expected[i], magnitude[i], rows + 1));
          } else {
            ASSERT_EQ(c[i], c0[i]);
          }
        }
      }
    });
  }
}

void Join(std::string& into, const std::string& from) {
  into.insert(0, 1, '(').append(1, '+').append(from).append(1, ')');
}

// Each partial is the text of the additions that made it.
TEST(PartialStack, MakesTheAdditionsOfCombineTree) {
  for (size_t chunks = 1; chunks <= 3 * simd::kMaxChunks; ++chunks) {
    std::vector<std::string> tree(chunks);
    for (size_t i = 0; i < chunks; ++i) tree[i] = std::to_string(i);
    simd::CombineTree(chunks, [&](size_t into, size_t from) {
      Join(tree[into], tree[from]);
    });
    std::vector<std::string> held(simd::PartialCount(chunks));
    size_t most = 0;
    const auto merge = [&](size_t into, size_t from) {
      Join(held.at(into), held.at(from));
    };
    simd::PartialStack stack;
    for (size_t i = 0; i < chunks; ++i) {
      held.at(stack.Top()) = std::to_string(i);
      most = std::max(most, stack.Top() + 1);
      stack.Push(merge);
    }
    stack.Finish(merge);
    EXPECT_EQ(held[0], tree[0]);
    EXPECT_EQ(most, simd::PartialCount(chunks));
    if (chunks <= simd::kMaxChunks) {
      EXPECT_LE(most, simd::kMaxPartials);
    }
  }
}

// However chunks are shared, the additions are those.
TEST(ChunkParts, MakeTheAdditionsOfCombineTree) {
  for (size_t chunks = 1; chunks <= simd::kMaxChunks; ++chunks) {
    std::vector<std::string> tree(chunks);
    for (size_t i = 0; i < chunks; ++i) tree[i] = std::to_string(i);
    const std::vector<std::string> leaves = tree;
    simd::CombineTree(chunks, [&](size_t into, size_t from) {
      Join(tree[into], tree[from]);
    });
    for (size_t parts = 1; parts <= chunks; ++parts) {
      SCOPED_TRACE(std::to_string(chunks) + " in " + std::to_string(parts));
      const simd::ChunkParts share = {chunks, parts};
      std::vector<std::string> nodes(share.Nodes());
      size_t done = 0;
      share.ForEachNode(
          [&](size_t part, size_t node, size_t first, size_t size) {
            EXPECT_EQ(first, done);
            EXPECT_GE(first, share.Begin(part));
            EXPECT_LE(first + size, share.Begin(part + 1));
            done += size;
            std::vector<std::string> held(1 + share.Others());
            const auto merge = [&](size_t into, size_t from) {
              Join(held.at(into), held.at(from));
            };
            simd::PartialStack stack;
            for (size_t i = first; i < first + size; ++i) {
              held.at(stack.Top()) = leaves[i];
              stack.Push(merge);
            }
            stack.Finish(merge);
            nodes.at(node) = held[0];
          });
      EXPECT_EQ(done, chunks);
      share.Combine([&](size_t into, size_t from) {
        Join(nodes.at(into), nodes.at(from));
      });
      EXPECT_EQ(nodes[0], tree[0]);
    }
  }
}

TEST(UnitCut, CoversTheMatrixOnce) {
  for (size_t rows : {1, 2, 8, 9, 14, 15, 16, 27, 64, 100}) {
    for (size_t cols : {1, 15, 16, 17, 33, 48, 49, 64, 80, 97, 192}) {
      const simd::UnitCut cut = simd::CutUnits(rows, cols);
      EXPECT_LE(cut.rows * cut.cols, simd::kMaxUnitFloats);
      std::vector<int> seen(rows * cols);
      for (size_t i = 0; i < cut.Count(); ++i) {
        const simd::Unit u = cut.At(i);
        ASSERT_LE(u.rows, cut.rows);
        ASSERT_LE(u.cols, cut.cols);
        for (size_t r = 0; r < u.rows; ++r)
          for (size_t c = 0; c < u.cols; ++c)
            ++seen.at((u.row + r) * cols + u.col + c);
      }
      EXPECT_EQ(std::count(seen.begin(), seen.end(), 1),
                static_cast<ptrdiff_t>(seen.size()));
    }
  }
}

}  // namespace
}  // namespace temper
