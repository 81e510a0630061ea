// The direct 3x3 convolution, 16 to 64 channels on 8 to 32 pixels, batch 4, in
// its three directions, one thread, every exact target. Verified against the
// twins in double before timing. "pct_of_gemm": of the rate that the product
// of the forward's size (pixels x out channels x 9 in channels, B packed
// beforehand) reaches in the same process. Operations: 2 per multiply-add, nine
// taps for every pixel, as the kernel does them (padding multiplies zeros).
//   TARGET/DIRECTION/side_in channels_out channels
// More shapes, sampled checks: gemm_bench.cc. Winograd: winograd_bench.cc.
// Run: build/bench/bin/conv_bench --benchmark_filter=avx3/
//        --benchmark_repetitions=3 --benchmark_report_aggregates_only
#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "bench/bench_support.h"
#include "simd/conv.h"
#include "simd/gemm.h"
#include "tests/reference/conv.h"

namespace temper {
namespace {

using bench::Floats;
constexpr uint32_t kBatch = 4;

struct Problem {
  explicit Problem(const simd::ConvShape& shape)
      : s(shape),
        pixels(size_t{kBatch} * s.out_h * s.out_w),
        terms(size_t{9} * s.in_c),
        x(size_t{kBatch} * s.in_h * s.in_w * s.in_c, 1),
        w(s.out_c * terms, 2),
        y(pixels * s.out_c, 3),
        scratch(std::max({simd::direct::ConvForwardScratch(s, kBatch, 1, false),
                          simd::direct::ConvBackwardDataScratch(s, kBatch, 1),
                          simd::direct::ConvBackwardWeightsScratch(s, kBatch, 1,
                                                                   false)}) /
                sizeof(float)) {}
  double Flops() const {
    return 2.0 * static_cast<double>(pixels * terms * s.out_c);
  }
  simd::ConvShape s;
  size_t pixels, terms;
  Floats x, w, y, scratch;
};

// GFLOP/s of the product of p's size: the best of 0.1 s, once per name.
double GemmGflops(const std::string& name, const Problem& p) {
  static std::map<std::string, double> known;
  double& best = known[name];
  if (best != 0) return best;
  using Clock = std::chrono::steady_clock;
  const size_t m = p.pixels, n = p.s.out_c, k = p.terms;
  Floats a(m * k, 1), b(k * n, 2), c(m * n);
  Floats packed(simd::PackedBytes(k, n) / sizeof(float));
  simd::PackB(k, n, b.data(), n, 1, packed.data(), {});
  for (const auto start = Clock::now();
       Clock::now() - start < std::chrono::milliseconds(100);) {
    const double begin = bench::ThreadSeconds();
    simd::MatMul(m, n, k, a.data(), k, packed.data(), nullptr, false, c.data(),
                 n, {});
    const double seconds = bench::ThreadSeconds() - begin;
    best = std::max(best, 1e-9 * p.Flops() / seconds);
  }
  return best;
}

enum class Direction { kForward, kData, kWeights };

void Run(benchmark::State& state, const std::string& name,
         const std::string& target, Direction direction,
         const simd::ConvShape& shape) {
  Problem p(shape);
  const bench::Yardsticks& yard = bench::UseTarget(target);
  const double gemm = GemmGflops(name, p);
  Floats result(direction == Direction::kForward ? p.y.size()
                : direction == Direction::kData  ? p.x.size()
                                                 : p.w.size());
  const auto run = [&] {
    if (direction == Direction::kForward) {
      simd::direct::ConvForward(p.s, kBatch, p.x.data(), {}, p.w.data(),
                                nullptr, result.data(), p.scratch.data(), {});
    } else if (direction == Direction::kData) {
      simd::direct::ConvBackwardData(p.s, kBatch, p.y.data(), p.w.data(), false,
                                     result.data(), p.scratch.data(), {});
    } else {
      simd::direct::ConvBackwardWeights(p.s, kBatch, p.x.data(), {}, p.y.data(),
                                        0, p.s.out_c, result.data(),
                                        p.scratch.data(), {});
    }
  };
  const auto twin = [&](const std::vector<double>& x,
                        const std::vector<double>& w,
                        const std::vector<double>& y) {
    std::vector<double> out(result.size());
    const double* none = nullptr;
    if (direction == Direction::kForward) {
      reference::ConvForward(p.s, kBatch, x.data(), w.data(), none, out.data());
    } else if (direction == Direction::kData) {
      reference::ConvBackwardData(p.s, kBatch, y.data(), w.data(), false,
                                  out.data());
    } else {
      reference::ConvBackwardWeights(p.s, kBatch, x.data(), y.data(),
                                     out.data());
    }
    return out;
  };
  if (bench::NeedsCheck(name)) {
    result.Zero();  // the gradient of the weights is added
    run();
    const size_t sum = direction == Direction::kForward ? p.terms
                       : direction == Direction::kData  ? 9 * p.s.out_c
                                                        : p.pixels;
    if (!bench::Verify(
            state, name, result.data(),
            twin(p.x.Doubles(), p.w.Doubles(), p.y.Doubles()),
            twin(p.x.Magnitudes(), p.w.Magnitudes(), p.y.Magnitudes()),
            static_cast<double>(sum)))
      return;
  }
  const double seconds = bench::Time(state, run);
  bench::Report(
      state, yard, seconds, p.Flops(),
      4.0 * static_cast<double>(p.x.size() + p.w.size() + p.y.size()));
  state.counters["pct_of_gemm"] = 1e-7 * p.Flops() / seconds / gemm;
}

void Register(const std::string& target, uint32_t side, uint32_t in,
              uint32_t out) {
  const simd::ConvShape s = {side, side, in, side, side, out, 3, 3,
                             1,    1,    1,  1,    1,    1,   1};
  const std::string shape = std::string("/") + std::to_string(side) + "_" +
                            std::to_string(in) + "_" + std::to_string(out);
  const auto add = [&](const char* text, Direction direction) {
    const std::string name = target + "/" + text + shape;
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
      Run(state, name, target, direction, s);
    });
  };
  add("forward", Direction::kForward);
  add("backward_data", Direction::kData);
  add("backward_weights", Direction::kWeights);
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  temper::bench::ForEachExactTarget([](const std::string& target) {
    for (const uint32_t channels : {16u, 32u, 64u})
      for (const uint32_t side : {8u, 16u, 32u})
        temper::Register(target, side, channels, channels);
    temper::Register(target, 16, 16, 32);
    temper::Register(target, 8, 32, 64);
  });
  return temper::bench::Finish(argc, argv);
}
