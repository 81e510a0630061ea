// GFLOP/s of the matrix products and of the convolutions in all three
// directions, on one thread, per target, next to the FMA peak that a loop on
// registers alone reaches in the same process. Before it is timed, a product is
// checked element by element against the sum in double, a convolution on
// samples (all of it in conv_bench).
//
//   TARGET/gemm/M_N_K          products; the constant B is packed beforehand
//   TARGET/pack/N_K            what that packing costs (GB/s of B)
//   TARGET/conv3x3/...         ResNet-8's convolutions, batch 8
//   TARGET/layerBATCH/NAME/...  the larger models' layers; .../prologue: x is
//                              formed while it is staged
//
// At the end: geometric mean and minimum per target, of the shapes that ran.
// Roofline: "flop/B" counts each operand and result once; below about 10 a
// product that does not lie in the cache is bound by memory, not by FMAs.
// Run: build/bench/bin/gemm_bench [--benchmark_filter=avx3/.*]
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/bench_support.h"
#include "simd/conv.h"
#include "simd/gemm.h"

namespace temper {
namespace {

using Clock = std::chrono::steady_clock;
using bench::Floats;
using simd::ConvShape;

[[noreturn]] void Wrong(const std::string& what) {
  std::fprintf(stderr, "wrong result: %s\n", what.c_str());
  std::exit(1);
}

void Compare(const std::string& what, float actual, double expected) {
  if (!(std::fabs(actual - expected) < 1e-3 + 1e-3 * std::fabs(expected)))
    Wrong(what);
}

// What ran: for the summary. `bar` 0: none.
struct Result {
  std::string name, target, kind;
  double percent, bar;
};
std::vector<Result>& Results() {
  static std::vector<Result> results;
  return results;
}

template <class Run>
double Best(benchmark::State& state, const char* target, Run&& run) {
  simd::ForceTarget(target);
  run();
  // The best of many runs: other work on the machine only makes it slower. Long
  // runs are interrupted by it; there the processor's time counts.
  double best = 1e9;
  for (auto _ : state) {
    const double cpu_begin = bench::ThreadSeconds();
    const auto begin = Clock::now();
    run();
    const double wall =
        std::chrono::duration<double>(Clock::now() - begin).count();
    const double cpu = bench::ThreadSeconds() - cpu_begin;
    best = std::min(best, wall < 1e-4 ? wall : std::min(wall, cpu));
  }
  return best;
}

template <class Run>
void Time(benchmark::State& state, const std::string& name, const char* target,
          double peak, const std::string& kind, double bar, double flops,
          Run&& run) {
  const double best = Best(state, target, run);
  const double percent = 100 * flops * 1e-9 / best / peak;
  state.counters["GFLOP/s"] = flops * 1e-9 / best;
  state.counters["peak%"] = percent;
  state.counters["us"] = best * 1e6;
  // The library calls a benchmark again with more iterations.
  for (Result& r : Results()) {
    if (r.name != name) continue;
    r.percent = std::max(r.percent, percent);
    return;
  }
  Results().push_back({name, target, kind, percent, bar});
}

void Summarise() {
  std::vector<std::string> seen;
  for (const Result& first : Results()) {
    const std::string key = first.target + " " + first.kind;
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
    seen.push_back(key);
    double logs = 0, lowest = 1e9;
    size_t count = 0, below = 0;
    for (const Result& r : Results()) {
      if (r.target != first.target || r.kind != first.kind) continue;
      logs += std::log(r.percent);
      lowest = std::min(lowest, r.percent);
      below += r.percent < r.bar;
      ++count;
    }
    std::printf(
        "%s: %zu shapes, geometric mean %.1f %% of peak, minimum %.1f %%, %zu "
        "below their bar\n",
        key.c_str(), count, std::exp(logs / static_cast<double>(count)), lowest,
        below);
  }
}

// Every element against the sum in double.
bool CheckMatMul(benchmark::State& state, const std::string& name, size_t m,
                 size_t n, size_t k, const Floats& a, const Floats& b,
                 const Floats& c) {
  if (!bench::NeedsCheck(name)) return true;
  std::vector<double> expected(m * n), magnitude(m * n);
  for (size_t i = 0; i < m; ++i) {
    for (size_t p = 0; p < k; ++p) {
      const double factor = a.data()[i * k + p];
      const float* const row = b.data() + p * n;
      for (size_t j = 0; j < n; ++j) {
        expected[i * n + j] += factor * row[j];
        magnitude[i * n + j] += std::fabs(factor * row[j]);
      }
    }
  }
  return bench::Verify(state, name, c.data(), expected, magnitude,
                       static_cast<double>(k));
}

void RegisterMatMul(const char* target, double peak, size_t m, size_t n,
                    size_t k) {
  const std::string name = std::string(target) + "/gemm/" + std::to_string(m) +
                           "_" + std::to_string(n) + "_" + std::to_string(k);
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    Floats a(m * k, 1), b(k * n, 2), c(m * n);
    Floats packed(simd::PackedBytes(k, n) / sizeof(float));
    const auto run = [&] {
      simd::MatMul(m, n, k, a.data(), k, packed.data(), nullptr, false,
                   c.data(), n, {});
    };
    simd::ForceTarget(target);
    simd::PackB(k, n, b.data(), n, 1, packed.data(), {});
    run();
    if (!CheckMatMul(state, name, m, n, k, a, b, c)) return;
    const double flops = 2.0 * static_cast<double>(m * n * k);
    state.counters["flop/B"] =
        flops / (4.0 * static_cast<double>(m * n + n * k + m * k));
    // Neither so short a sum nor fewer columns than lanes can fill the pipes.
    const bool full = k >= 16 && n >= 16;
    Time(state, name, target, peak, full ? "gemm" : "gemm-narrow",
         full ? k <= 32 ? 65 : 70 : 0, flops, run);
  });
}

void RegisterPack(const char* target, size_t n, size_t k) {
  const std::string name = std::string(target) + "/pack/" + std::to_string(n) +
                           "_" + std::to_string(k);
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    Floats w(n * k, 1);
    Floats packed(simd::PackedBytes(k, n) / sizeof(float));
    const double best = Best(state, target, [&] {
      simd::PackB(k, n, w.data(), 1, k, packed.data(), {});
    });
    state.counters["GB/s"] = static_cast<double>(4 * n * k) * 1e-9 / best;
    state.counters["us"] = best * 1e6;
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

// A prologue that the sampled checks need not know: y = x.
struct Identity {
  Floats scale, shift;
  bool use;
  Identity(size_t channels, bool yes)
      : scale(channels), shift(channels), use(yes) {
    std::fill_n(scale.data(), channels, 1.0f);
    std::fill_n(shift.data(), channels, 0.0f);
  }
  simd::Prologue Get() {
    if (!use) return {};
    return {scale.data(), shift.data(), simd::Activation::kNone};
  }
};

void RegisterConv(const char* target, double peak, const std::string& layer,
                  const ConvShape& s, uint32_t batch, bool prologue) {
  const bool bars = layer.compare(0, 8, "conv3x3/") == 0;
  const std::string kind = layer.substr(0, layer.find('/')) + "-";
  const size_t in = size_t{batch} * s.in_h * s.in_w * s.in_c;
  const size_t pixels = size_t{batch} * s.out_h * s.out_w;
  const size_t taps = size_t{s.kernel_h} * s.kernel_w;
  const size_t weights = s.out_c * taps * s.in_c;
  const double flops = 2.0 * static_cast<double>(pixels * weights);
  const std::string name = std::string(target) + "/" + layer;
  const auto scratch = [=](size_t bytes) { return Floats(bytes / 4 + 1); };
  benchmark::RegisterBenchmark(
      (name + "/forward" + (prologue ? "/prologue" : "")).c_str(),
      [=](benchmark::State& state) {
        Floats x(in, 1), w(weights, 2), y(pixels * s.out_c);
        Identity id(s.in_c, prologue);
        Floats space =
            scratch(simd::direct::ConvForwardScratch(s, batch, 1, prologue));
        const auto run = [&] {
          simd::direct::ConvForward(s, batch, x.data(), id.Get(), w.data(),
                                    nullptr, y.data(), space.data(), {});
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
        Time(state, name + "/forward" + (prologue ? "/prologue" : ""), target,
             peak, kind + (prologue ? "forward-prologue" : "forward"),
             bars ? 64 : 0, flops, run);
      });
  if (!prologue)
    benchmark::RegisterBenchmark(
        (name + "/backward_data").c_str(), [=](benchmark::State& state) {
          Floats dy(pixels * s.out_c, 1), w(weights, 2), dx(in);
          Floats space =
              scratch(simd::direct::ConvBackwardDataScratch(s, batch, 1));
          const auto run = [&] {
            simd::direct::ConvBackwardData(s, batch, dy.data(), w.data(), false,
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
          Time(state, name + "/backward_data", target, peak,
               kind + "backward-data", bars ? 60 : 0, flops, run);
        });
  benchmark::RegisterBenchmark(
      (name + "/backward_weights" + (prologue ? "/prologue" : "")).c_str(),
      [=](benchmark::State& state) {
        Floats x(in, 1), dy(pixels * s.out_c, 2), dw(weights);
        Identity id(s.in_c, prologue);
        Floats space = scratch(
            simd::direct::ConvBackwardWeightsScratch(s, batch, 1, prologue));
        const auto run = [&] {
          simd::direct::ConvBackwardWeights(s, batch, x.data(), id.Get(),
                                            dy.data(), 0, s.out_c, dw.data(),
                                            space.data(), {});
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
        Time(state, name + "/backward_weights" + (prologue ? "/prologue" : ""),
             target, peak,
             kind +
                 (prologue ? "backward-weights-prologue" : "backward-weights"),
             bars ? 55 : 0, flops, run);
      });
}

// A square layer: in and out pixels per side, kernel and stride; padding as
// PyTorch's models have it.
ConvShape Square(uint32_t in, uint32_t in_c, uint32_t out_c, uint32_t kernel,
                 uint32_t stride) {
  const uint32_t out = (in + stride - 1) / stride;
  const uint32_t pad = kernel / 2;
  return {in,     in,     in_c, out, out, out_c, kernel, kernel,
          stride, stride, pad,  pad, 1,   1,     1};
}

struct Layer {
  const char* name;
  ConvShape s;
};

void RegisterAll() {
  // Products of layers as (pixels of one image, out channels, terms).
  const size_t products[][3] = {// ResNet-8
                                {1024, 16, 27},
                                {1024, 16, 144},
                                {256, 32, 144},
                                {256, 32, 288},
                                {256, 32, 16},
                                {64, 64, 288},
                                {64, 64, 576},
                                {64, 64, 32},
                                {1, 10, 64},
                                // DS-CNN
                                {125, 64, 40},
                                {125, 64, 64},
                                {1, 12, 64},
                                // MobileNetV1 0.25 at 96
                                {2304, 8, 27},
                                {2304, 16, 8},
                                {576, 32, 16},
                                {576, 32, 32},
                                {144, 64, 32},
                                {144, 64, 64},
                                {36, 128, 64},
                                {36, 128, 128},
                                {9, 256, 128},
                                {9, 256, 256},
                                {1, 2, 256},
                                // Autoencoder
                                {1, 128, 640},
                                {1, 128, 128},
                                {1, 8, 128},
                                {1, 128, 8},
                                {1, 640, 128},
                                // MobileNetV2 at 96
                                {2304, 32, 27},
                                {2304, 16, 32},
                                {2304, 96, 16},
                                {576, 24, 96},
                                {576, 144, 24},
                                {576, 24, 144},
                                {144, 32, 144},
                                {144, 192, 32},
                                {144, 32, 192},
                                {36, 64, 192},
                                {36, 384, 64},
                                {36, 64, 384},
                                {36, 96, 384},
                                {36, 576, 96},
                                {36, 96, 576},
                                {9, 160, 576},
                                {9, 960, 160},
                                {9, 160, 960},
                                {9, 320, 960},
                                {9, 1280, 320},
                                // ResNet-18 at 96
                                {2304, 64, 147},
                                {576, 64, 576},
                                {144, 128, 576},
                                {144, 128, 1152},
                                {144, 128, 64},
                                {36, 256, 1152},
                                {36, 256, 2304},
                                {36, 256, 128},
                                {9, 512, 2304},
                                {9, 512, 4608},
                                {9, 512, 256}};
  // in (h, w, c), out (h, w, c), kernel, stride, pad, dilation, groups
  const Layer resnet8[] = {
      {"32x32x3_16", {32, 32, 3, 32, 32, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
      {"32x32x16_16", {32, 32, 16, 32, 32, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
      {"32x32x16_32s2", {32, 32, 16, 16, 16, 32, 3, 3, 2, 2, 0, 0, 1, 1, 1}},
      {"32x32x16_32s2_1x1",
       {32, 32, 16, 16, 16, 32, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
      {"16x16x32_32", {16, 16, 32, 16, 16, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
      {"16x16x32_64s2", {16, 16, 32, 8, 8, 64, 3, 3, 2, 2, 0, 0, 1, 1, 1}},
      {"8x8x64_64", {8, 8, 64, 8, 8, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}}};
  const Layer layers[] = {
      {"dscnn_1", {49, 10, 1, 25, 5, 64, 10, 4, 2, 2, 4, 1, 1, 1, 1}},
      {"dscnn_1x1", {25, 5, 64, 25, 5, 64, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
      {"r18_stem", Square(96, 3, 64, 7, 2)},
      {"r18_64", Square(24, 64, 64, 3, 1)},
      {"r18_128s2", Square(24, 64, 128, 3, 2)},
      {"r18_128skip", Square(24, 64, 128, 1, 2)},
      {"r18_128", Square(12, 128, 128, 3, 1)},
      {"r18_256", Square(6, 256, 256, 3, 1)},
      {"r18_512s2", Square(6, 256, 512, 3, 2)},
      {"r18_512", Square(3, 512, 512, 3, 1)},
      {"mb_8_16", Square(48, 8, 16, 1, 1)},
      {"mb_32_16", Square(48, 32, 16, 1, 1)},
      {"mb_16_96", Square(48, 16, 96, 1, 1)},
      {"mb_96_24", Square(24, 96, 24, 1, 1)},
      {"mb_24_144", Square(24, 24, 144, 1, 1)},
      {"mb_144_32", Square(12, 144, 32, 1, 1)},
      {"mb_192_64", Square(6, 192, 64, 1, 1)},
      {"mb_384_64", Square(6, 384, 64, 1, 1)},
      {"mb_96_576", Square(6, 96, 576, 1, 1)},
      {"mb_576_160", Square(3, 576, 160, 1, 1)},
      {"mb_960_320", Square(3, 960, 320, 1, 1)},
      {"mb_320_1280", Square(3, 320, 1280, 1, 1)}};
  simd::Target targets[32];
  const size_t count = simd::SupportedTargets(targets, 32);
  for (size_t i = 0; i < count; ++i) {
    if (!targets[i].exact) continue;
    const char* const target = targets[i].name;
    simd::ForceTarget(target);
    const double peak = host::FmaPeakGflops({});
    std::printf("%s: FMA peak %.1f GFLOP/s\n", target, peak);
    for (const size_t n : {64, 96, 128, 256, 512})
      RegisterMatMul(target, peak, n, n, n);
    for (const auto& p : products)
      RegisterMatMul(target, peak, 8 * p[0], p[1], p[2]);
    for (const auto& p : products) {
      if (p[1] * p[2] >= 16384) RegisterPack(target, p[1], p[2]);
    }
    for (const Layer& layer : resnet8) {
      RegisterConv(target, peak, std::string("conv3x3/") + layer.name, layer.s,
                   8, false);
    }
    for (const uint32_t batch : {1, 8, 32}) {
      for (const Layer& layer : layers) {
        const std::string name =
            "layer" + std::to_string(batch) + "/" + layer.name;
        RegisterConv(target, peak, name, layer.s, batch, false);
        RegisterConv(target, peak, name, layer.s, batch, true);
      }
    }
  }
  simd::ForceTarget(nullptr);
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  temper::RegisterAll();
  const int code = temper::bench::Finish(argc, argv);
  temper::Summarise();
  return code;
}
