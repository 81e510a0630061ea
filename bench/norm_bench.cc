// Batch norm's passes as a part of the copy's bandwidth in the same process,
// one thread, every exact target; ReLU is absorbed. Verified against the twins
// in double with the bounds of norm.h before timing. "memcpy": the same tensor
// copied, for sizes that lie in caches.
//   TARGET/PASS/rows_channels
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "bench/bench_support.h"
#include "simd/norm.h"
#include "tests/reference/norm.h"

namespace temper {
namespace {

using bench::Floats;

struct Problem {
  Problem(size_t r, size_t c)
      : rows(r),
        channels(c),
        n(r * c),
        x(n, 1),
        dy(n, 2),
        out(n),
        mean(c),
        variance(c),
        rstd(c),
        gamma(c, 3),
        beta(c, 4),
        scale(c),
        shift(c),
        dgamma(c),
        dbeta(c),
        scratch(
            (simd::BatchStatsScratch(r, c) + simd::BatchNormSumsScratch(r, c)) /
            sizeof(float)) {
    Stats();
    simd::BatchNormCoefficients(c, mean.data(), variance.data(), gamma.data(),
                                beta.data(), 1e-5f, rstd.data(), scale.data(),
                                shift.data());
    Sums();
  }
  simd::Prologue Formed() const {
    return {scale.data(), shift.data(), simd::Activation::kRelu};
  }
  void Stats() {
    simd::BatchStats(rows, {0, rows}, channels, x.data(), mean.data(),
                     variance.data(), scratch.data(), {});
  }
  void Apply() {
    simd::ApplyPrologue(rows, channels, x.data(), Formed(), out.data(), {});
  }
  void Sums() {
    simd::BatchNormSums(rows, {0, rows}, channels, x.data(), Formed(),
                        dy.data(), mean.data(), rstd.data(), dgamma.data(),
                        dbeta.data(), scratch.data(), {});
  }
  void Backward() {
    simd::BatchNormBackward(rows, {0, rows}, channels, x.data(), Formed(),
                            dy.data(), mean.data(), rstd.data(), gamma.data(),
                            dgamma.data(), dbeta.data(), false, out.data(), {});
  }
  void Frozen() {
    simd::ScaleBackward(rows, channels, x.data(), Formed(), dy.data(), false,
                        out.data(), {});
  }
  // In front of the activation, in its own bits: which side of 0 it lies on is
  // part of the contract.
  float Before(size_t i) const {
    return std::fma(x.data()[i], scale.data()[i % channels],
                    shift.data()[i % channels]);
  }
  // The gradient in front of the activation.
  std::vector<double> Gradient() const {
    std::vector<double> g(n);
    for (size_t i = 0; i < n; ++i) g[i] = Before(i) <= 0 ? 0 : dy.data()[i];
    return g;
  }
  size_t rows, channels, n;
  Floats x, dy, out, mean, variance, rstd, gamma, beta, scale, shift, dgamma,
      dbeta, scratch;
};

bool CheckStats(benchmark::State& state, const std::string& name, Problem& p) {
  std::vector<double> mean(p.channels), variance(p.channels), size(p.channels);
  reference::BatchStats(p.rows, p.channels, p.x.Doubles().data(), mean.data(),
                        variance.data());
  for (size_t c = 0; c < p.channels; ++c)
    size[c] = std::fabs(mean[c]) + std::sqrt(variance[c]);
  return bench::Within(state, name, p.mean.data(), mean, size, 2e-6) &&
         bench::Within(state, name, p.variance.data(), variance, variance,
                       2e-6);
}

bool CheckApply(benchmark::State& state, const std::string& name, Problem& p) {
  p.Apply();
  std::vector<double> y(p.n), size(p.n);
  reference::ScaleShift(p.rows, p.channels, p.x.Doubles().data(),
                        p.scale.Doubles().data(), p.shift.Doubles().data(),
                        y.data());
  reference::ScaleShift(p.rows, p.channels, p.x.Magnitudes().data(),
                        p.scale.Magnitudes().data(),
                        p.shift.Magnitudes().data(), size.data());
  reference::Activate(p.n, simd::Activation::kRelu, y.data());
  return bench::Verify(state, name, p.out.data(), y, size, 1);
}

bool CheckSums(benchmark::State& state, const std::string& name, Problem& p) {
  const std::vector<double> g = p.Gradient();
  std::vector<double> dgamma(p.channels), dbeta(p.channels);
  reference::BatchNormSums(p.rows, p.channels, p.x.Doubles().data(), g.data(),
                           p.mean.Doubles().data(), p.rstd.Doubles().data(),
                           dgamma.data(), dbeta.data());
  std::vector<double> sizes(p.channels), size(p.channels);
  for (size_t i = 0; i < p.n; ++i) {
    const size_t c = i % p.channels;
    size[c] += std::fabs(g[i]);
    sizes[c] += std::fabs(g[i] * (double{p.x.data()[i]} - p.mean.data()[c]) *
                          p.rstd.data()[c]);
  }
  return bench::Within(state, name, p.dgamma.data(), dgamma, sizes, 1e-5) &&
         bench::Within(state, name, p.dbeta.data(), dbeta, size, 1e-5);
}

bool CheckBackward(benchmark::State& state, const std::string& name,
                   Problem& p) {
  p.Backward();
  const std::vector<double> g = p.Gradient();
  std::vector<double> dx(p.n), size(p.n);
  reference::BatchNormBackward(
      p.rows, p.channels, p.x.Doubles().data(), g.data(),
      p.mean.Doubles().data(), p.rstd.Doubles().data(),
      p.gamma.Doubles().data(), p.dgamma.Doubles().data(),
      p.dbeta.Doubles().data(), false, dx.data());
  const double rows = static_cast<double>(p.rows);
  for (size_t i = 0; i < p.n; ++i) {
    const size_t c = i % p.channels;
    const double xhat =
        (double{p.x.data()[i]} - p.mean.data()[c]) * p.rstd.data()[c];
    size[i] = std::fabs(p.gamma.data()[c] * p.rstd.data()[c]) *
              (std::fabs(g[i]) + std::fabs(p.dbeta.data()[c]) / rows +
               std::fabs(xhat * p.dgamma.data()[c]) / rows);
  }
  return bench::Within(state, name, p.out.data(), dx, size, 1e-5);
}

bool CheckFrozen(benchmark::State& state, const std::string& name, Problem& p) {
  p.Frozen();
  std::vector<double> dx(p.n), size(p.n);
  reference::ScaleBackward(p.rows, p.channels, p.Gradient().data(),
                           p.scale.Doubles().data(), false, dx.data());
  for (size_t i = 0; i < p.n; ++i) size[i] = std::fabs(dx[i]);
  return bench::Verify(state, name, p.out.data(), dx, size, 1);
}

// Operations and tensors of this size read or written, per element.
void Register(const std::string& target, const char* pass, size_t rows,
              size_t channels, double operations, double tensors,
              bool (*check)(benchmark::State&, const std::string&, Problem&),
              void (*run)(Problem&)) {
  const std::string name = target + "/" + pass + "/" + std::to_string(rows) +
                           "_" + std::to_string(channels);
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    const bench::Yardsticks& yard = bench::UseTarget(target);
    Problem p(rows, channels);
    if (bench::NeedsCheck(name) && check != nullptr && !check(state, name, p))
      return;
    const double seconds = bench::Time(state, [&] { run(p); });
    bench::Report(state, yard, seconds, operations * static_cast<double>(p.n),
                  4 * tensors * static_cast<double>(p.n));
  });
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  using temper::Problem;
  temper::bench::ForEachExactTarget([](const std::string& target) {
    // 16 images: the layers of MobileNet v1 0.25 and ResNet-8, one that exceeds
    // the second-level cache by far, and odd channel counts.
    for (const auto& [rows, channels] : {std::pair<size_t, size_t>{36864, 8},
                                         {16384, 16},
                                         {9216, 32},
                                         {1024, 64},
                                         {576, 128},
                                         {144, 256},
                                         {100352, 64},
                                         {100352, 24},
                                         {20000, 3},
                                         {2000, 100}}) {
      const auto add = [&, r = rows, c = channels](
                           const char* pass, double operations, double tensors,
                           auto check, void (*run)(Problem&)) {
        temper::Register(target, pass, r, c, operations, tensors, check, run);
      };
      add("memcpy", 0, 2, nullptr, [](Problem& p) {
        std::memcpy(p.out.data(), p.x.data(), p.n * sizeof(float));
      });
      add("stats", 4, 1, temper::CheckStats, [](Problem& p) { p.Stats(); });
      add("prologue", 3, 2, temper::CheckApply, [](Problem& p) { p.Apply(); });
      add("sums", 6, 2, temper::CheckSums, [](Problem& p) { p.Sums(); });
      add("backward", 7, 3, temper::CheckBackward,
          [](Problem& p) { p.Backward(); });
      add("frozen", 3, 3, temper::CheckFrozen, [](Problem& p) { p.Frozen(); });
    }
  });
  return temper::bench::Finish(argc, argv);
}
