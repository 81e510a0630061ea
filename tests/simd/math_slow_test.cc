// simd/math.h: the stored bits of all 2^32 floats, on every exact target. Takes
// tens of seconds, so it is labelled slow; math_test.cc checks a part of them.
#include <algorithm>
#include <thread>

#include "tests/simd/math_hash.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

constexpr uint64_t kSegments = 64;

uint64_t SegmentHash(const testing::MathFunction& f, uint64_t segment) {
  constexpr size_t kBlock = 4096;
  constexpr uint64_t kLength = testing::kPatterns / kSegments;
  float x[kBlock], y[kBlock];
  testing::BitHash hash;
  for (uint64_t i = 0; i < kLength; i += kBlock) {
    testing::FillPatterns(segment * kLength + i, 1, kBlock, x);
    f.kernel(kBlock, x, y);
    hash.Add(y, kBlock);
  }
  return hash.Value();
}

TEST(MathWholeRange, StoredBits) {
  testing::ForEachTarget([&](simd::Target target) {
    if (!target.exact) return;
    for (const testing::MathFunction& f : testing::kMathFunctions) {
      uint64_t hashes[kSegments];
      const size_t workers =
          std::clamp<size_t>(std::thread::hardware_concurrency(), 1, 16);
      std::vector<std::thread> pool;
      for (size_t w = 0; w < workers; ++w) {
        pool.emplace_back([&, w] {
          for (size_t s = w; s < kSegments; s += workers) {
            hashes[s] = SegmentHash(f, s);
          }
        });
      }
      for (std::thread& t : pool) t.join();
      testing::BitHash whole;
      for (uint64_t h : hashes) whole.Add(h);
      EXPECT_EQ(whole.Value(), f.whole_hash)
          << f.name << ": 0x" << std::hex << whole.Value();
    }
  });
}

}  // namespace
}  // namespace temper
