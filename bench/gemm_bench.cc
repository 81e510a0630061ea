// GFLOP/s of the matrix products and of ResNet-8's convolutions in all three
// directions, on one thread, per target, next to the FMA peak that a loop on
// registers alone reaches in the same process. Every kernel's result is checked
// against one FMA chain per element (sampled) before it is timed.
// Run: build/bench/bin/gemm_bench [--benchmark_filter=avx3/.*]
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/machine.h"
#include "simd/conv.h"
#include "simd/gemm.h"
#include "simd/target.h"
#include "temper/random.h"

namespace temper {
namespace {

using Clock = std::chrono::steady_clock;
using simd::ConvShape;

struct Floats {
  std::vector<float> storage;
  explicit Floats(size_t n, uint64_t seed = 0) : storage(n + 32) {
    for (size_t i = 0; i < n; ++i) {
      data()[i] = static_cast<float>(static_cast<int32_t>(
                      RandomWord(seed, static_cast<uint32_t>(i), 0, 0, 0))) *
                  0x1p-31f;
    }
  }
  float* data() {  // 64-byte aligned, as in an arena; 64 bytes behind
    return reinterpret_cast<float*>(
        (reinterpret_cast<uintptr_t>(storage.data()) + 63) / 64 * 64);
  }
};

[[noreturn]] void Wrong(const std::string& what) {
  std::fprintf(stderr, "wrong result: %s\n", what.c_str());
  std::exit(1);
}

void Compare(const std::string& what, float actual, double expected) {
  if (!(std::fabs(actual - expected) < 1e-3 + 1e-3 * std::fabs(expected)))
    Wrong(what);
}

template <class Run>
void Time(benchmark::State& state, const char* target, double peak,
          double flops, Run&& run) {
  simd::ForceTarget(target);
  run();
  // The best of short runs: other work on the machine only makes it slower.
  double best = 1e9;
  for (auto _ : state) {
    const auto begin = Clock::now();
    run();
    best = std::min(
        best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  state.counters["GFLOP/s"] = flops * 1e-9 / best;
  state.counters["peak%"] = 100 * flops * 1e-9 / best / peak;
}

void RegisterMatMul(const char* target, double peak, size_t n) {
  const std::string name = std::string(target) + "/matmul/" + std::to_string(n);
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    Floats a(n * n, 1), b(n * n, 2), c(n * n);
    Floats packed(simd::PackedBytes(n, n) / sizeof(float));
    const auto run = [&] {
      simd::MatMul(n, n, n, a.data(), n, packed.data(), nullptr, false,
                   c.data(), n, {});
    };
    simd::ForceTarget(target);
    simd::PackB(n, n, b.data(), n, 1, packed.data(), {});
    run();
    for (size_t i = 0; i < n * n; i += 61) {
      double sum = 0;
      for (size_t p = 0; p < n; ++p)
        sum += double{a.data()[i / n * n + p]} * b.data()[p * n + i % n];
      Compare(name, c.data()[i], sum);
    }
    Time(state, target, peak, 2.0 * static_cast<double>(n * n * n), run);
  });
}

// Calls f(y index, x index, w index) for the products of ungrouped output i.
template <class F>
void ForEachTap(const ConvShape& s, size_t pixel, F&& f) {
  const size_t ow = pixel % s.out_w, oh = pixel / s.out_w % s.out_h;
  const size_t n = pixel / s.out_w / s.out_h;
  for (size_t kh = 0; kh < s.kernel_h; ++kh) {
    for (size_t kw = 0; kw < s.kernel_w; ++kw) {
      const size_t ih = oh * s.stride_h + kh - s.pad_top;
      const size_t iw = ow * s.stride_w + kw - s.pad_left;
      if (ih >= s.in_h || iw >= s.in_w) continue;  // negative wraps
      f(((n * s.in_h + ih) * s.in_w + iw) * s.in_c, kh * s.kernel_w + kw);
    }
  }
}

void RegisterConv(const char* target, double peak, const char* layer,
                  const ConvShape& s, uint32_t batch) {
  const size_t in = size_t{batch} * s.in_h * s.in_w * s.in_c;
  const size_t pixels = size_t{batch} * s.out_h * s.out_w;
  const size_t taps = size_t{s.kernel_h} * s.kernel_w;
  const size_t weights = s.out_c * taps * s.in_c;
  const double flops = 2.0 * static_cast<double>(pixels * weights);
  const std::string name = std::string(target) + "/conv_" + layer;
  const auto scratch = [=](size_t bytes) { return Floats(bytes / 4 + 1); };
  benchmark::RegisterBenchmark(
      (name + "/forward").c_str(), [=](benchmark::State& state) {
        Floats x(in, 1), w(weights, 2), y(pixels * s.out_c);
        Floats space = scratch(simd::ConvForwardScratch(s, batch, 1, false));
        const auto run = [&] {
          simd::ConvForward(s, batch, x.data(), {}, w.data(), nullptr, y.data(),
                            space.data(), {});
        };
        simd::ForceTarget(target);
        run();
        for (size_t i = 0; i < pixels; i += 7) {
          const size_t co = i % s.out_c;
          double sum = 0;
          ForEachTap(s, i, [&](size_t xi, size_t tap) {
            for (size_t c = 0; c < s.in_c; ++c)
              sum += double{x.data()[xi + c]} *
                     w.data()[(co * taps + tap) * s.in_c + c];
          });
          Compare(name, y.data()[i * s.out_c + co], sum);
        }
        Time(state, target, peak, flops, run);
      });
  benchmark::RegisterBenchmark(
      (name + "/backward_data").c_str(), [=](benchmark::State& state) {
        Floats dy(pixels * s.out_c, 1), w(weights, 2), dx(in);
        Floats space = scratch(simd::ConvBackwardDataScratch(s, batch, 1));
        const auto run = [&] {
          simd::ConvBackwardData(s, batch, dy.data(), w.data(), false,
                                 dx.data(), space.data(), {});
        };
        simd::ForceTarget(target);
        run();
        const size_t ci = s.in_c - 1;
        std::vector<double> expected(in / s.in_c);
        for (size_t i = 0; i < pixels; ++i) {
          ForEachTap(s, i, [&](size_t xi, size_t tap) {
            for (size_t co = 0; co < s.out_c; ++co)
              expected[xi / s.in_c] +=
                  double{dy.data()[i * s.out_c + co]} *
                  w.data()[(co * taps + tap) * s.in_c + ci];
          });
        }
        for (size_t i = 0; i < expected.size(); ++i)
          Compare(name, dx.data()[i * s.in_c + ci], expected[i]);
        Time(state, target, peak, flops, run);
      });
  benchmark::RegisterBenchmark(
      (name + "/backward_weights").c_str(), [=](benchmark::State& state) {
        Floats x(in, 1), dy(pixels * s.out_c, 2), dw(weights);
        Floats space =
            scratch(simd::ConvBackwardWeightsScratch(s, batch, 1, false));
        const auto run = [&] {
          simd::ConvBackwardWeights(s, batch, x.data(), {}, dy.data(), 0,
                                    s.out_c, dw.data(), space.data(), {});
        };
        simd::ForceTarget(target);
        std::fill_n(dw.data(), weights, 0.0f);
        run();
        const size_t co = s.out_c - 1;
        std::vector<double> expected(taps * s.in_c);
        for (size_t i = 0; i < pixels; ++i) {
          ForEachTap(s, i, [&](size_t xi, size_t tap) {
            for (size_t c = 0; c < s.in_c; ++c)
              expected[tap * s.in_c + c] +=
                  double{dy.data()[i * s.out_c + co]} * x.data()[xi + c];
          });
        }
        for (size_t i = 0; i < expected.size(); ++i)
          Compare(name, dw.data()[co * taps * s.in_c + i], expected[i]);
        Time(state, target, peak, flops, run);
      });
}

void RegisterAll() {
  simd::Target targets[32];
  const size_t count = simd::SupportedTargets(targets, 32);
  for (size_t i = 0; i < count; ++i) {
    if (!targets[i].exact) continue;
    const char* const target = targets[i].name;
    simd::ForceTarget(target);
    const double peak = bench::FmaPeakGflops();
    std::printf("%s: FMA peak %.1f GFLOP/s\n", target, peak);
    for (const size_t n : {64, 128, 256, 512}) RegisterMatMul(target, peak, n);
    // in (h, w, c), out (h, w, c), kernel, stride, pad, dilation, groups
    struct {
      const char* name;
      ConvShape s;
    } layers[] = {
        {"32x32x3_16", {32, 32, 3, 32, 32, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
        {"32x32x16_16", {32, 32, 16, 32, 32, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
        {"32x32x16_32s2", {32, 32, 16, 16, 16, 32, 3, 3, 2, 2, 0, 0, 1, 1, 1}},
        {"32x32x16_32s2_1x1",
         {32, 32, 16, 16, 16, 32, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
        {"16x16x32_32", {16, 16, 32, 16, 16, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
        {"16x16x32_64s2", {16, 16, 32, 8, 8, 64, 3, 3, 2, 2, 0, 0, 1, 1, 1}},
        {"8x8x64_64", {8, 8, 64, 8, 8, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}}};
    for (const auto& layer : layers) {
      RegisterConv(target, peak, layer.name, layer.s, 8);
    }
  }
  simd::ForceTarget(nullptr);
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  temper::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
