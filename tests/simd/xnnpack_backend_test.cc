// XNNPACK's heap, and operators whose input ends 16 bytes before a page that may
// not be read.
#include "simd/xnnpack_backend.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "simd/xnnpack_region.h"
#include "temper/random.h"

namespace temper::simd::xnn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

uint8_t* Map(size_t bytes) {
  void* const p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  EXPECT_NE(p, MAP_FAILED);
  return static_cast<uint8_t*>(p);
}

void UseRegion() {
  static uint8_t* const base = Map(size_t{64} << 20);
  ASSERT_TRUE(SetRegion(base, size_t{64} << 20));
}

TEST(Region, TheFirstCallerWins) {
  UseRegion();
  UseRegion();
  alignas(64) static uint8_t other[4096];
  EXPECT_FALSE(SetRegion(other, sizeof(other)));
}

TEST(Region, BlocksDoNotOverlapAndComeBack) {
  UseRegion();
  struct Block {
    uint8_t* p;
    size_t bytes;
    uint8_t mark;
  };
  ASSERT_EQ(RegionUsed(), 0u);
  std::vector<Block> blocks;
  for (uint32_t i = 0; i < 20000; ++i) {
    const uint32_t draw = RandomWord(1, i, 0, 0, 0);
    if (blocks.empty() || (draw % 2 == 0 && blocks.size() < 200)) {
      const size_t bytes = (draw >> 8) % 5000;
      uint8_t* const p = static_cast<uint8_t*>(RegionAllocate(bytes));
      ASSERT_NE(p, nullptr);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(p) % kRegionAlign, 0u);
      const uint8_t mark = static_cast<uint8_t>(draw >> 3);
      std::memset(p, mark, bytes);
      blocks.push_back({p, bytes, mark});
      continue;
    }
    Block& b = blocks[(draw >> 8) % blocks.size()];
    for (size_t k = 0; k < b.bytes; ++k) ASSERT_EQ(b.p[k], b.mark);
    if (draw % 4 == 1) {
      const size_t bytes = b.bytes + (draw >> 20);
      b.p = static_cast<uint8_t*>(RegionReallocate(b.p, bytes));
      ASSERT_NE(b.p, nullptr);
      for (size_t k = 0; k < b.bytes; ++k) ASSERT_EQ(b.p[k], b.mark);
      b.bytes = bytes;
      std::memset(b.p, b.mark, bytes);
      continue;
    }
    RegionFree(b.p);
    b = blocks.back();
    blocks.pop_back();
  }
  for (const Block& b : blocks) RegionFree(b.p);
  EXPECT_EQ(RegionUsed(), 0u);
  EXPECT_EQ(RegionAllocate(size_t{65} << 20), nullptr);
  EXPECT_EQ(RegionAllocate(~size_t{0}), nullptr);
  RegionFree(nullptr);
}

// What is measured in a region that is in use is what an empty one takes.
TEST(Region, FreshIsBehindEverything) {
  UseRegion();
  void* const a = RegionAllocate(1000);
  void* const b = RegionAllocate(64);
  RegionFree(a);
  const size_t used = RegionUsed();
  {
    const FreshRegion fresh;
    void* const c = RegionAllocate(64);
    EXPECT_GT(c, b);
    RegionFree(c);
  }
  EXPECT_EQ(RegionUsed(), used);
  void* const d = RegionAllocate(64);
  EXPECT_LT(d, b);
  RegionFree(d);
  RegionFree(b);
  EXPECT_EQ(RegionUsed(), 0u);
}

// One operator of each kind on odd sizes; the result against sums in double.
class EndOfPage : public ::testing::TestWithParam<OpKind> {};

TEST_P(EndOfPage, InputsMayEnd16BytesBeforeIt) {
  if (!Available()) GTEST_SKIP() << "built without XNNPACK";
  UseRegion();
  const OpKind kind = GetParam();
  const bool kernel = kind == OpKind::kConv2d || kind == OpKind::kDepthwise ||
                      kind == OpKind::kDense;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (uint32_t c = 1; c <= 19; ++c) {
    const uint32_t h = kind == OpKind::kDense ? 1 : 5;
    const uint32_t out =
        kind == OpKind::kConv2d || kind == OpKind::kDense ? c + 3 : c;
    const bool mean = kind == OpKind::kGlobalAvgPool;
    const bool pool = kind == OpKind::kAvgPool || kind == OpKind::kMaxPool;
    const uint32_t size = kind == OpKind::kDense ? 1 : pool ? 2 : 3;
    const uint32_t out_h = mean ? 1 : kernel || pool ? h - size + 1 : h;
    constexpr uint32_t kBatch = 2;
    const size_t floats = size_t{kBatch} * h * h * c;
    const size_t pages = (floats * 4 + 16 + page - 1) / page * page;
    // Two inputs, each before a page of its own.
    float* inputs[2];
    uint8_t* maps[2];
    for (int k = 0; k < 2; ++k) {
      maps[k] = Map(pages + page);
      ASSERT_EQ(mprotect(maps[k] + pages, page, PROT_NONE), 0);
      inputs[k] = reinterpret_cast<float*>(maps[k] + pages - 16) - floats;
      for (size_t i = 0; i < floats; ++i) {
        inputs[k][i] =
            static_cast<float>(
                RandomWord(7, static_cast<uint32_t>(i), c, k, 0) % 1000) *
                0.01f -
            5.0f;
      }
    }
    const size_t taps = size_t{size} * size;
    std::vector<float> weights(taps * c * out, 0.25f), bias(out, 0.5f);
    std::vector<float> y(size_t{kBatch} * out_h * out_h * out + 4, -1.0f);
    Value values[3];
    values[0] = {h, h, c, inputs[0], true, false};
    values[1] = {h, h, c, inputs[1], true, false};
    values[2] = {out_h, out_h, out, y.data(), false, true};
    Op op;
    op.kind = kind;
    op.x = 0;
    op.x1 = 1;
    op.y = 2;
    op.window = {h, h, c, out_h, out_h, out, size, size, 1, 1, 0, 0, 1, 1, 1};
    if (kind == OpKind::kDepthwise) op.window.groups = c;
    op.weights = weights.data();
    op.bias = bias.data();
    op.parameter = 0.75f;
    op.min = kind == OpKind::kClamp ? 0.0f : -kInfinity;
    op.max = kInfinity;
    const bool two = kind == OpKind::kAdd;
    if (!two) values[1] = values[2], op.y = 1;
    const Segment segment = {kBatch, values, two ? 3u : 2u, &op, 1};
    uint64_t bytes = 0;
    ASSERT_EQ(Measure(&segment, 1, nullptr, &bytes), Result::kOk);
    Runtime runtime;
    ASSERT_EQ(Create(segment, nullptr, &runtime), Result::kOk);
    ASSERT_TRUE(Invoke(runtime));
    Delete(&runtime);
    // The last output, which reads the last input.
    double last = 0;
    const auto x = [&](uint32_t i, uint32_t j, uint32_t ch) {
      return double{inputs[0][((size_t{1} * h + i) * h + j) * c + ch]};
    };
    const uint32_t o = out - 1;
    const uint32_t from = h - size;
    double most = -1e30, sum = 0;
    for (uint32_t i = mean ? 0 : from; i < h; ++i) {
      for (uint32_t j = mean ? 0 : from; j < h; ++j) {
        if (kind == OpKind::kConv2d || kind == OpKind::kDense) {
          for (uint32_t ch = 0; ch < c; ++ch) sum += x(i, j, ch);
        } else {
          sum += x(i, j, c - 1);
          most = std::max(most, x(i, j, c - 1));
        }
      }
    }
    switch (kind) {
      case OpKind::kConv2d:
      case OpKind::kDepthwise:
      case OpKind::kDense:
        last = 0.25 * sum + 0.5;
        break;
      case OpKind::kAdd:
        last = x(h - 1, h - 1, c - 1) + double{inputs[1][floats - 1]};
        break;
      case OpKind::kAvgPool:
        last = sum / 4;
        break;
      case OpKind::kGlobalAvgPool:
        last = sum / (h * h);
        break;
      case OpKind::kMaxPool:
        last = most;
        break;
      case OpKind::kClamp:
        last = std::max(0.0, x(h - 1, h - 1, c - 1));
        break;
      case OpKind::kReshape:
        last = x(h - 1, h - 1, c - 1);
        break;
      case OpKind::kLeakyRelu:
        last = x(h - 1, h - 1, c - 1);
        if (last < 0) last *= double{op.parameter};
        break;
      case OpKind::kElu:
        last = x(h - 1, h - 1, c - 1);
        if (last < 0) last = double{op.parameter} * std::expm1(last);
        break;
      case OpKind::kSigmoid:
        last = 1 / (1 + std::exp(-x(h - 1, h - 1, c - 1)));
        break;
      case OpKind::kHardSwish:
        last = x(h - 1, h - 1, c - 1);
        last *= std::clamp(last + 3, 0.0, 6.0) / 6;
        break;
    }
    const size_t at = (size_t{kBatch} * out_h * out_h - 1) * out + o;
    EXPECT_NEAR(y[at], last, 1e-4) << c;
    EXPECT_EQ(y[at + 1], -1.0f) << "written past the end";
    for (uint8_t* map : maps) munmap(map, pages + page);
  }
  EXPECT_EQ(RegionUsed(), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Operators, EndOfPage,
    ::testing::Values(OpKind::kConv2d, OpKind::kDepthwise, OpKind::kDense,
                      OpKind::kAdd, OpKind::kAvgPool, OpKind::kMaxPool,
                      OpKind::kGlobalAvgPool, OpKind::kClamp, OpKind::kReshape,
                      OpKind::kLeakyRelu, OpKind::kElu, OpKind::kSigmoid,
                      OpKind::kHardSwish));

// More than the region can hold is refused, and the library never sees it.
TEST(Backend, TooLargeForTheRegion) {
  if (!Available()) GTEST_SKIP() << "built without XNNPACK";
  UseRegion();
  Value values[2];
  values[0] = {1, 1, 100000, nullptr, true, false};
  values[1] = {1, 1, 100000, nullptr, false, true};
  Op op;
  op.kind = OpKind::kDense;
  op.y = 1;
  op.window.in_c = op.window.out_c = 100000;
  op.min = -kInfinity;
  op.max = kInfinity;
  const Segment segment = {1, values, 2, &op, 1};
  uint64_t bytes = 0;
  const uint64_t requests = RegionRequests();
  Runtime runtime;
  EXPECT_EQ(Create(segment, nullptr, &runtime), Result::kOutOfRange);
  EXPECT_EQ(RegionRequests(), requests);
  EXPECT_EQ(Measure(&segment, 1, nullptr, &bytes), Result::kOutOfRange);
  EXPECT_EQ(RegionUsed(), 0u);
}

}  // namespace
}  // namespace temper::simd::xnn
