// Element-wise and loss kernels on one thread, next to std::memcpy over
// the same buffers: what is as fast as the copy is bound by memory. "GB/s"
// counts bytes read plus bytes written. Sizes: 16 Ki floats stay in L2, 4 Mi
// floats do not.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "simd/elementwise.h"
#include "simd/loss.h"
#include "simd/math.h"
#include "simd/rows.h"

namespace temper {
namespace {

constexpr size_t kTail = simd::kTailBytes / sizeof(float);

std::vector<float> Values(size_t n, float scale) {
  std::vector<float> x(n + kTail);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = scale * (static_cast<float>(i * 2654435761u % 1000) / 500 - 1);
  }
  return x;
}

// body(n, x, y) touches `bytes` bytes per element.
template <class Body>
void Run(benchmark::State& state, double bytes, Body&& body, float scale = 8) {
  const size_t n = static_cast<size_t>(state.range(0));
  const std::vector<float> x = Values(n, scale);
  std::vector<float> y = Values(n, 1);
  for (auto _ : state) {
    body(n, x.data(), y.data());
    benchmark::ClobberMemory();
  }
  state.counters["GB/s"] =
      benchmark::Counter(bytes * static_cast<double>(n) * 1e-9,
                         benchmark::Counter::kIsIterationInvariantRate);
  state.counters["ns/element"] =
      benchmark::Counter(static_cast<double>(n) * 1e-9,
                         benchmark::Counter::kIsIterationInvariantRate |
                             benchmark::Counter::kInvert);
}

#define TEMPER_BENCH(Name, bytes, scale, ...)     \
  void Name(benchmark::State& state) {            \
    Run(                                          \
        state, bytes,                             \
        [&](size_t n, const float* x, float* y) { \
          (void)n, (void)x, (void)y;              \
          __VA_ARGS__;                            \
        },                                        \
        scale);                                   \
  }                                               \
  BENCHMARK(Name)->Arg(16 << 10)->Arg(4 << 20)

TEMPER_BENCH(Memcpy, 8, 8, std::memcpy(y, x, n * sizeof(float)));
TEMPER_BENCH(Copy, 8, 8, simd::Copy(n, x, y, {}));
TEMPER_BENCH(Fill, 4, 8, simd::Fill(n, 1.0f, y, {}));
TEMPER_BENCH(Scale, 8, 8, simd::Scale(n, 0.5f, x, y, {}));
TEMPER_BENCH(Add, 12, 8, simd::Add(n, x, y, y, {}));
TEMPER_BENCH(Relu, 8, 8, simd::Relu(n, x, y, {}));
TEMPER_BENCH(Relu6, 8, 8, simd::Relu6(n, x, y, {}));
TEMPER_BENCH(ReluBackward, 12, 8, simd::ReluBackward(n, x, y, false, y, {}));

constexpr float kMean[] = {0.485f, 0.456f, 0.406f};
constexpr float kStd[] = {0.229f, 0.224f, 0.225f};
TEMPER_BENCH(NormalizeU8Period1, 5, 8,
             simd::NormalizeU8(n, 1, reinterpret_cast<const uint8_t*>(x),
                               1 / 255.0f, kMean, kStd, y, {}));
TEMPER_BENCH(NormalizeU8Period3, 5, 8,
             simd::NormalizeU8(n, 3, reinterpret_cast<const uint8_t*>(x),
                               1 / 255.0f, kMean, kStd, y, {}));
TEMPER_BENCH(NormalizeU8MeanImage, 5, 8, {
  static const std::vector<float> image = Values(3072, 1);
  simd::NormalizeU8(n, 3072, reinterpret_cast<const uint8_t*>(x), 1 / 255.0f,
                    image.data(), image.data(), y, {});
});
TEMPER_BENCH(NormalizeF32Period3, 8, 8,
             simd::NormalizeF32(n, 3, x, 1 / 255.0f, kMean, kStd, y, {}));
TEMPER_BENCH(Dropout, 8, 8, {
  const uint64_t id = 7;
  simd::Dropout(1, n, x, 2.0f, 0x80000000u, 1, &id, 0, 0x20000u, false, y, {});
});

TEMPER_BENCH(Exp, 8, 80, simd::Exp(n, x, y));
TEMPER_BENCH(Log, 8, 80, simd::Log(n, x, y));
TEMPER_BENCH(Tanh, 8, 8, simd::Tanh(n, x, y));
TEMPER_BENCH(Sin, 8, 80, simd::Sin(n, x, y));
TEMPER_BENCH(Cos, 8, 80, simd::Cos(n, x, y));

TEMPER_BENCH(Sum, 4, 8, benchmark::DoNotOptimize(simd::Sum(n, x)));
TEMPER_BENCH(SumOfSquares, 4, 8,
             benchmark::DoNotOptimize(simd::SumOfSquares(n, x)));
TEMPER_BENCH(MeanSquaredErrorBackward, 12, 8,
             simd::MeanSquaredErrorBackward(1, n, x, y, 0.5f, false, y, {}));

template <size_t kClasses>
void SoftmaxForward(size_t n, const float* x, float* y) {
  static const std::vector<int32_t> labels((4 << 20) / kClasses, 1);
  static std::vector<float> loss(labels.size() + kTail);
  simd::SoftmaxCrossEntropy(n / kClasses, kClasses, x, labels.data(), 0.1f, y,
                            loss.data(), {});
}
TEMPER_BENCH(Softmax10, 8, 8, SoftmaxForward<10>(n, x, y));
TEMPER_BENCH(Softmax1000, 8, 8, SoftmaxForward<1000>(n, x, y));

template <size_t kClasses>
void SoftmaxBackward(size_t n, const float* x, float* y) {
  static const std::vector<int32_t> labels((4 << 20) / kClasses, 1);
  simd::SoftmaxCrossEntropyBackward(n / kClasses, kClasses, x, labels.data(),
                                    0.1f, 0.01f, false, y, {});
}
TEMPER_BENCH(SoftmaxBackward10, 8, 8, SoftmaxBackward<10>(n, x, y));
TEMPER_BENCH(SoftmaxBackward1000, 8, 8, SoftmaxBackward<1000>(n, x, y));

template <size_t kColumns>
void Columns(size_t n, const float* x, float* y) {
  static std::vector<float> scratch(
      simd::ColumnSumsScratch((4 << 20) / kColumns, kColumns) / sizeof(float));
  simd::ColumnSums(n / kColumns, kColumns, x, y, scratch.data(), {});
}
TEMPER_BENCH(ColumnSums10, 4, 8, Columns<10>(n, x, y));
TEMPER_BENCH(ColumnSums64, 4, 8, Columns<64>(n, x, y));
TEMPER_BENCH(ColumnSums1000, 4, 8, Columns<1000>(n, x, y));

}  // namespace
}  // namespace temper
