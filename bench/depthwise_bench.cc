// Depthwise convolution, GFLOP/s (2 per multiply-add inside the image) of
// forward, input gradient and weight gradient; Formed: x behind batch norm and
// ReLU. One thread, best target; with TEMPER_TARGET=avx2 (or another name)
// in the environment, that one.
// Arguments: image side, channels, kernel, stride; batch 4.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "simd/depthwise.h"
#include "simd/target.h"

namespace temper {
namespace {

constexpr uint32_t kBatch = 4;

// 64-byte aligned, as tensors in the arena are.
struct alignas(64) Line {
  float f[16];
};

class Floats {
 public:
  explicit Floats(size_t n = 0) : lines_(n / 16 + 2) {
    for (size_t i = 0; i < 16 * lines_.size(); ++i)
      data()[i] = static_cast<float>(i * 2654435761u % 1024) / 512.0f - 1.0f;
  }
  float* data() { return lines_.data()->f; }

 private:
  std::vector<Line> lines_;
};

struct Problem {
  explicit Problem(benchmark::State& state) : s{} {
    s.in_h = s.in_w = static_cast<uint32_t>(state.range(0));
    s.in_c = s.out_c = s.groups = static_cast<uint32_t>(state.range(1));
    s.kernel_h = s.kernel_w = static_cast<uint32_t>(state.range(2));
    s.stride_h = s.stride_w = static_cast<uint32_t>(state.range(3));
    s.pad_top = s.pad_left = s.kernel_h / 2;
    s.dilation_h = s.dilation_w = 1;
    s.out_h = s.out_w = (s.in_h + 2 * s.pad_top - s.kernel_h) / s.stride_h + 1;
    x = Floats(size_t{kBatch} * s.in_h * s.in_w * s.in_c);
    w = Floats(size_t{s.kernel_h} * s.kernel_w * s.in_c);
    y = Floats(size_t{kBatch} * s.out_h * s.out_w * s.in_c);
    scratch = Floats(
        std::max(simd::DepthwiseForwardScratch(s, kBatch, 1, true),
                 simd::DepthwiseBackwardWeightsScratch(s, kBatch, 1, true)) /
        sizeof(float));
    coefficients = Floats(2 * (s.in_c + 16));
  }
  // Multiply-adds of one output row of taps, border left out.
  static size_t Inside(uint32_t in, uint32_t out, uint32_t kernel,
                       uint32_t stride, uint32_t pad) {
    size_t count = 0;
    for (uint32_t o = 0; o < out; ++o)
      for (uint32_t k = 0; k < kernel; ++k)
        count += o * stride + k >= pad && o * stride + k < in + pad;
    return count;
  }
  void Report(benchmark::State& state) const {
    const size_t macs =
        Inside(s.in_h, s.out_h, s.kernel_h, s.stride_h, s.pad_top) *
        Inside(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left) * s.in_c *
        kBatch;
    state.counters["FLOPS"] =
        benchmark::Counter(2.0 * static_cast<double>(macs) *
                               static_cast<double>(state.iterations()),
                           benchmark::Counter::kIsRate);
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                            static_cast<int64_t>(kBatch * 4 * s.in_c) *
                            (s.in_h * s.in_w + s.out_h * s.out_w));
  }
  // Batch norm and ReLU in front.
  simd::Prologue Formed() {
    return {coefficients.data(), coefficients.data() + s.in_c + 16,
            simd::Activation::kRelu};
  }
  simd::ConvShape s;
  Floats x, w, y, scratch, coefficients;
};

template <bool kFormed>
void BM_Forward(benchmark::State& state) {
  Problem p(state);
  const simd::Prologue prologue = kFormed ? p.Formed() : simd::Prologue{};
  for (auto _ : state) {
    simd::DepthwiseForward(p.s, kBatch, p.x.data(), prologue, p.w.data(),
                           nullptr, p.y.data(), p.scratch.data(), {});
    benchmark::ClobberMemory();
  }
  p.Report(state);
}

void BM_BackwardData(benchmark::State& state) {
  Problem p(state);
  for (auto _ : state) {
    simd::DepthwiseBackwardData(p.s, kBatch, p.y.data(), p.w.data(), false,
                                p.x.data(), {});
    benchmark::ClobberMemory();
  }
  p.Report(state);
}

template <bool kFormed>
void BM_BackwardWeights(benchmark::State& state) {
  Problem p(state);
  const simd::Prologue prologue = kFormed ? p.Formed() : simd::Prologue{};
  for (auto _ : state) {
    simd::DepthwiseBackwardWeights(p.s, kBatch, {0, kBatch}, p.x.data(), prologue,
                                   p.y.data(), p.w.data(), p.scratch.data(),
                                   {});
    benchmark::ClobberMemory();
  }
  p.Report(state);
}

// Layers of MobileNet v1 0.25 at 96 x 96 and 1.0 at 224 x 224, and DS-CNN.
void Shapes(benchmark::internal::Benchmark* b) {
  b->Args({48, 8, 3, 1});
  b->Args({48, 16, 3, 2});
  b->Args({24, 32, 3, 1});
  b->Args({24, 24, 3, 1});
  b->Args({12, 64, 3, 1});
  b->Args({25, 64, 3, 1});
  b->Args({12, 64, 3, 2});
  b->Args({6, 128, 3, 1});
  b->Args({3, 256, 3, 1});
  b->Args({112, 32, 3, 1});
  b->Args({112, 64, 3, 2});
  b->Args({56, 128, 3, 1});
  b->Args({14, 512, 3, 1});
  b->Args({7, 1024, 3, 1});
  b->Args({28, 64, 5, 1});
  b->Args({28, 64, 5, 2});
}
BENCHMARK(BM_Forward<false>)->Name("BM_Forward")->Apply(Shapes);
BENCHMARK(BM_Forward<true>)->Name("BM_ForwardFormed")->Apply(Shapes);
BENCHMARK(BM_BackwardData)->Apply(Shapes);
BENCHMARK(BM_BackwardWeights<false>)->Name("BM_BackwardWeights")->Apply(Shapes);
BENCHMARK(BM_BackwardWeights<true>)
    ->Name("BM_BackwardWeightsFormed")
    ->Apply(Shapes);

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  const char* target = std::getenv("TEMPER_TARGET");
  if (!temper::simd::ForceTarget(target)) {
    std::fprintf(stderr, "no such target here: %s\n", target);
    return 1;
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
