// temper's own kernels right after a part of a network that ran on XNNPACK, and
// after the same part on temper's kernels: do its threads, or what it leaves in
// the caches, slow the layers that train? A turn is the part, then a product whose
// time is taken; turns of both kinds alternate. Prints medians and their ratio.
//   after_segment_bench [THREADS...]     default: 1 and 2
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <vector>

#include "bench/bench_support.h"
#include "ports/host/os/region.h"
#include "ports/host/os/threads.h"
#include "simd/conv.h"
#include "simd/gemm.h"
#include "simd/xnnpack_backend.h"

namespace temper {
namespace {

using bench::Floats;

constexpr uint32_t kBatch = 8, kSide = 32, kChannels = 32, kLayers = 3;
constexpr size_t kProduct = 256;
constexpr int kTurns = 400;
constexpr simd::ConvShape kWindow = {kSide,     kSide, kChannels, kSide, kSide,
                                     kChannels, 3,     3,         1,     1,
                                     1,         1,     1,         1,     1};

double Seconds() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double Median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<long>(v.size() / 2),
                   v.end());
  return v[v.size() / 2];
}

int Run(uint32_t threads) {
  const auto pool = host::MakeThreadPool(threads);
  const ParallelRunner runner = pool->runner();
  const size_t floats = size_t{kBatch} * kSide * kSide * kChannels;
  Floats x(floats, 1), y(floats), z(floats);
  Floats w(size_t{kChannels} * 9 * kChannels, 2);

  simd::xnn::Value values[kLayers + 1];
  simd::xnn::Op ops[kLayers];
  for (uint32_t i = 0; i <= kLayers; ++i) {
    values[i] = {kSide, kSide, kChannels};
    if (i == 0) values[i].data = x.data(), values[i].input = true;
    if (i == kLayers) values[i].data = y.data(), values[i].output = true;
  }
  for (uint32_t i = 0; i < kLayers; ++i) {
    ops[i].kind = simd::xnn::OpKind::kConv2d;
    ops[i].x = i, ops[i].y = i + 1;
    ops[i].window = kWindow;
    ops[i].pad_bottom = ops[i].pad_right = 1;
    ops[i].weights = w.data();
    ops[i].min = 0.0f, ops[i].max = std::numeric_limits<float>::infinity();
  }
  void* its_pool = nullptr;
  simd::xnn::Runtime segment;
  const simd::xnn::Segment parts = {kBatch, values, kLayers + 1, ops, kLayers};
  simd::xnn::Result result = simd::xnn::PoolOf(threads, &its_pool);
  if (result == simd::xnn::Result::kOk) {
    result = simd::xnn::Create(parts, its_pool, &segment);
  }
  if (result != simd::xnn::Result::kOk) {
    std::fprintf(stderr, "%s\n", simd::xnn::ResultText(result));
    return 1;
  }

  std::vector<uint8_t> scratch(
      simd::ConvForwardScratch(kWindow, kBatch, threads, false) + 64);
  Floats a(kProduct * kProduct, 3), b(kProduct * kProduct, 4),
      c(kProduct * kProduct);
  std::vector<double> after_its, after_ours;
  for (int turn = 0; turn < 2 * kTurns; ++turn) {
    const bool its = turn % 2 == 0;
    if (its) {
      if (!simd::xnn::Invoke(segment)) return 1;
    } else {
      for (uint32_t i = 0; i < kLayers; ++i) {
        simd::ConvForward(kWindow, kBatch, i % 2 == 0 ? x.data() : z.data(), {},
                          w.data(), nullptr, i % 2 == 0 ? z.data() : y.data(),
                          scratch.data(), runner);
      }
    }
    const double begin = Seconds();
    simd::MatMulUnpacked(kProduct, kProduct, kProduct, a.data(), kProduct,
                         b.data(), kProduct, false, c.data(), kProduct, runner);
    (its ? after_its : after_ours).push_back(Seconds() - begin);
  }
  simd::xnn::Delete(&segment);
  const double theirs = Median(after_its), ours = Median(after_ours);
  std::printf("%u threads: %.1f us after XNNPACK, %.1f us after temper: %.3f\n",
              threads, 1e6 * theirs, 1e6 * ours, theirs / ours);
  return 0;
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  using namespace temper;
  if (!simd::xnn::Available()) {
    std::fprintf(stderr, "built without XNNPACK\n");
    return 1;
  }
  host::ReserveBackendRegion();
  if (const auto r = simd::xnn::Initialize(); r != simd::xnn::Result::kOk) {
    std::fprintf(stderr, "%s\n", simd::xnn::ResultText(r));
    return 1;
  }
  if (argc == 1) return Run(1) + Run(2);
  int failed = 0;
  for (int i = 1; i < argc; ++i) {
    const int threads = std::atoi(argv[i]);
    if (threads < 1 || threads > 64) return 64;
    failed += Run(static_cast<uint32_t>(threads));
  }
  return failed;
}
