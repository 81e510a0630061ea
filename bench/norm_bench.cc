// Batch norm's passes in GB/s of memory they must move, next to a copy of the
// same tensor (memcpy) in the same process; ReLU is absorbed. One thread.
// Arguments: rows, channels.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "simd/norm.h"

namespace temper {
namespace {

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
  explicit Problem(benchmark::State& state)
      : rows(static_cast<size_t>(state.range(0))),
        channels(static_cast<size_t>(state.range(1))),
        x(Floats(rows * channels)),
        y(Floats(rows * channels)),
        dx(Floats(rows * channels)),
        coefficients(Floats(8 * (channels + 16))),
        scratch(
            Floats(simd::BatchStatsScratch(rows, channels) / sizeof(float))) {}
  float* Coefficient(size_t i) {
    return coefficients.data() + i * (channels + 16);
  }
  // Batch norm and ReLU, as most layers of networks are.
  simd::Prologue Formed() {
    return {Coefficient(5), Coefficient(6), simd::Activation::kRelu};
  }
  // `tensors`: how many tensors of this size are read or written.
  void Report(benchmark::State& state, int tensors) const {
    state.SetBytesProcessed(
        static_cast<int64_t>(state.iterations()) * tensors *
        static_cast<int64_t>(rows * channels * sizeof(float)));
  }
  size_t rows, channels;
  Floats x, y, dx, coefficients, scratch;
};

void BM_Copy(benchmark::State& state) {
  Problem p(state);
  for (auto _ : state) {
    std::memcpy(p.y.data(), p.x.data(), p.rows * p.channels * sizeof(float));
    benchmark::ClobberMemory();
  }
  p.Report(state, 2);
}

void BM_BatchStats(benchmark::State& state) {
  Problem p(state);
  for (auto _ : state) {
    simd::BatchStats(p.rows, {0, p.rows}, p.channels, p.x.data(), p.Coefficient(0),
                     p.Coefficient(1), p.scratch.data(), {});
    benchmark::ClobberMemory();
  }
  p.Report(state, 1);
}

void BM_ApplyPrologue(benchmark::State& state) {
  Problem p(state);
  const simd::Prologue prologue = p.Formed();
  for (auto _ : state) {
    simd::ApplyPrologue(p.rows, p.channels, p.x.data(), prologue, p.y.data(),
                        {});
    benchmark::ClobberMemory();
  }
  p.Report(state, 2);
}

void BM_BatchNormSums(benchmark::State& state) {
  Problem p(state);
  const simd::Prologue prologue = p.Formed();
  for (auto _ : state) {
    simd::BatchNormSums(p.rows, {0, p.rows}, p.channels, p.x.data(), prologue, p.y.data(),
                        p.Coefficient(0), p.Coefficient(1), p.Coefficient(2),
                        p.Coefficient(3), p.scratch.data(), {});
    benchmark::ClobberMemory();
  }
  p.Report(state, 2);
}

void BM_BatchNormBackward(benchmark::State& state) {
  Problem p(state);
  const simd::Prologue prologue = p.Formed();
  for (auto _ : state) {
    simd::BatchNormBackward(p.rows, {0, p.rows}, p.channels, p.x.data(), prologue,
                            p.y.data(), p.Coefficient(0), p.Coefficient(1),
                            p.Coefficient(2), p.Coefficient(3),
                            p.Coefficient(4), false, p.dx.data(), {});
    benchmark::ClobberMemory();
  }
  p.Report(state, 3);
}

void BM_ScaleBackward(benchmark::State& state) {
  Problem p(state);
  const simd::Prologue prologue = p.Formed();
  for (auto _ : state) {
    simd::ScaleBackward(p.rows, p.channels, p.x.data(), prologue, p.y.data(),
                        false, p.dx.data(), {});
    benchmark::ClobberMemory();
  }
  p.Report(state, 3);
}

// 16 images: the layers of MobileNet v1 0.25 and ResNet-8, one that exceeds all
// caches, and odd channel counts.
void Shapes(benchmark::internal::Benchmark* b) {
  for (auto [rows, channels] : {std::pair<int, int>{36864, 8},
                                {16384, 16},
                                {9216, 32},
                                {1024, 64},
                                {576, 128},
                                {144, 256},
                                {100352, 64},
                                {100352, 24},
                                {20000, 3},
                                {2000, 100}}) {
    b->Args({rows, channels});
  }
}
BENCHMARK(BM_Copy)->Apply(Shapes);
BENCHMARK(BM_BatchStats)->Apply(Shapes);
BENCHMARK(BM_ApplyPrologue)->Apply(Shapes);
BENCHMARK(BM_BatchNormSums)->Apply(Shapes);
BENCHMARK(BM_BatchNormBackward)->Apply(Shapes);
BENCHMARK(BM_ScaleBackward)->Apply(Shapes);

}  // namespace
}  // namespace temper

BENCHMARK_MAIN();
