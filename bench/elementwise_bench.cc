// Element-wise, loss and summing kernels as a part of the copy's bandwidth in
// the same process, one thread, every exact target. Verified against the twins
// in double with the bounds of elementwise.h, math.h and loss.h before timing.
// "memcpy": the same elements copied, for sizes that lie in caches.
//   TARGET/KERNEL/elements
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "bench/bench_support.h"
#include "simd/activation.h"
#include "simd/elementwise.h"
#include "simd/loss.h"
#include "simd/math.h"
#include "simd/rows.h"
#include "tests/reference/activation.h"
#include "tests/reference/elementwise.h"
#include "tests/reference/loss.h"

namespace temper {
namespace {

using bench::Floats;
using Doubles = std::vector<double>;

constexpr float kMean[] = {0.485f, 0.456f, 0.406f};
constexpr float kStd[] = {0.229f, 0.224f, 0.225f};
constexpr double kEps = 0x1p-24;

// x in [-scale, scale), or above 0; y in [-1, 1).
struct Data {
  Data(size_t count, float scale, bool positive)
      : n(count),
        x(count, 1),
        y(count, 2),
        image(3072, 3),
        bytes(count + simd::kTailBytes),
        labels(count / 10 + 1, 1),
        row_loss(count / 10 + 1),
        scratch(simd::ColumnSumsScratch(count / 10, 10) / sizeof(float) +
                simd::ColumnSumsScratch(count / 1000 + 1, 1000) /
                    sizeof(float)) {
    for (size_t i = 0; i < n; ++i) {
      x.data()[i] *= scale;
      if (positive) x.data()[i] = std::fabs(x.data()[i]) + 1e-6f;
      bytes[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
    }
    for (size_t i = 0; i < 3072; ++i) image.data()[i] += 2;  // a deviation
  }
  size_t n;
  Floats x, y, image;
  std::vector<uint8_t> bytes;
  std::vector<int32_t> labels;
  Floats row_loss, scratch;
};

struct Kernel {
  const char* name;
  double operations, bytes;  // per element
  void (*run)(Data& d);      // into y, of which `results` elements count
  // The twin's y (from y as it was), and what one rounding of it may be off by.
  void (*twin)(const Data& d, Doubles* y, Doubles* magnitude);
  // Roundings of 2^-24 of the magnitude: so many, and so many per element.
  double roundings, per_element = 0;
  float scale = 8;        // of x
  bool positive = false;  // x is
};

// A magnitude that is the result's own.
void OwnMagnitude(const Doubles& y, Doubles* magnitude) {
  for (size_t i = 0; i < y.size(); ++i) (*magnitude)[i] = std::fabs(y[i]);
}

template <void (*kTwin)(size_t, const double*, double*)>
void Unary(const Data& d, Doubles* y, Doubles* magnitude) {
  kTwin(d.n, d.x.Doubles().data(), y->data());
  OwnMagnitude(*y, magnitude);
}
template <double (*kFunction)(double)>
void Function(const Data& d, Doubles* y, Doubles* magnitude) {
  for (size_t i = 0; i < d.n; ++i) (*y)[i] = kFunction(double{d.x.data()[i]});
  // Subnormal results round to 2^-149.
  for (size_t i = 0; i < d.n; ++i) {
    (*magnitude)[i] = std::fabs((*y)[i]) + 0x1p-126;
  }
}
double Exp(double x) { return std::exp(x); }
double Log(double x) { return std::log(x); }
double Tanh(double x) { return std::tanh(x); }
double Sin(double x) { return std::sin(x); }
double Cos(double x) { return std::cos(x); }

template <class X>
void NormalizeTwin(const Data& d, size_t period, const X* x, const float* mean,
                   const float* std, Doubles* y, Doubles* magnitude) {
  const Doubles m(mean, mean + period), s(std, std + period);
  reference::Normalize<double>(d.n, period, x, double{1 / 255.0f}, m.data(),
                               s.data(), y->data());
  for (size_t i = 0; i < d.n; ++i) {
    (*magnitude)[i] =
        (std::fabs(double(x[i])) / 255 + std::fabs(m[i % period])) /
        std::fabs(s[i % period]);
  }
}

// rtol 2e-6, atol 1e-6 in units of 2^-24.
constexpr double kLossRoundings = 2e-6 / kEps;
void LossMagnitude(const Doubles& y, Doubles* magnitude) {
  for (size_t i = 0; i < y.size(); ++i) {
    (*magnitude)[i] = std::fabs(y[i]) + 0.5;
  }
}

template <size_t kClasses>
void Softmax(Data& d) {
  simd::SoftmaxCrossEntropy(d.n / kClasses, kClasses, d.x.data(),
                            d.labels.data(), 0.1f, d.y.data(),
                            d.row_loss.data(), {});
}
template <size_t kClasses>
void SoftmaxTwin(const Data& d, Doubles* y, Doubles* magnitude) {
  Doubles loss(d.n / kClasses);
  reference::SoftmaxCrossEntropy<double>(d.n / kClasses, kClasses,
                                         d.x.Doubles().data(), d.labels.data(),
                                         double{0.1f}, y->data(), loss.data());
  LossMagnitude(*y, magnitude);
}
template <size_t kClasses>
void SoftmaxBackward(Data& d) {
  simd::SoftmaxCrossEntropyBackward(d.n / kClasses, kClasses, d.x.data(),
                                    d.labels.data(), 0.1f, 0.01f, false,
                                    d.y.data(), {});
}
template <size_t kClasses>
void SoftmaxBackwardTwin(const Data& d, Doubles* y, Doubles* magnitude) {
  reference::SoftmaxCrossEntropyBackward<double>(
      d.n / kClasses, kClasses, d.x.Doubles().data(), d.labels.data(),
      double{0.1f}, double{0.01f}, false, y->data());
  LossMagnitude(*y, magnitude);
}
template <size_t kColumns>
void Columns(Data& d) {
  simd::ColumnSums(d.n / kColumns, kColumns, d.x.data(), d.y.data(),
                   d.scratch.data(), {});
}
template <size_t kColumns>
void ColumnsTwin(const Data& d, Doubles* y, Doubles* magnitude) {
  reference::ColumnSums<double>(d.n / kColumns, kColumns, d.x.Doubles().data(),
                                y->data());
  const Doubles sizes = d.x.Magnitudes();
  for (size_t i = 0; i < d.n; ++i) {
    (*magnitude)[i] = i < kColumns ? std::fabs(d.y.data()[i]) : 1;
  }
  reference::ColumnSums<double>(d.n / kColumns, kColumns, sizes.data(),
                                magnitude->data());
}

// Activations that run alone, with their usual parameter.
template <simd::Activation kKind>
simd::ActivationFunction Alone() {
  return {kKind, kKind == simd::Activation::kLeakyRelu ? 0.01f : 1.0f};
}
template <simd::Activation kKind>
void Activate(Data& d) {
  simd::Activate(d.n, Alone<kKind>(), d.x.data(), d.y.data(), {});
}
template <simd::Activation kKind>
void ActivateTwin(const Data& d, Doubles* y, Doubles* magnitude) {
  for (size_t i = 0; i < d.n; ++i) {
    (*y)[i] = reference::LoneActivation(Alone<kKind>(), double{d.x.data()[i]});
    (*magnitude)[i] = std::max(1.0, std::fabs((*y)[i]));
  }
}
template <simd::Activation kKind>
void ActivateBackward(Data& d) {
  simd::ActivateBackward(d.n, Alone<kKind>(), d.x.data(), d.y.data(), false,
                         d.y.data(), {});
}
template <simd::Activation kKind>
void ActivateBackwardTwin(const Data& d, Doubles* y, Doubles* magnitude) {
  for (size_t i = 0; i < d.n; ++i) {
    (*y)[i] *= reference::LoneSlope(Alone<kKind>(), double{d.x.data()[i]});
    (*magnitude)[i] = 2;
  }
}
#define TEMPER_ALONE(name, Kind, operations)               \
  {                                                        \
    name, operations, 8, Activate<simd::Activation::Kind>, \
        ActivateTwin<simd::Activation::Kind>, 8            \
  }
#define TEMPER_ALONE_BACKWARD(name, Kind, operations)               \
  {                                                                 \
    name, operations, 12, ActivateBackward<simd::Activation::Kind>, \
        ActivateBackwardTwin<simd::Activation::Kind>, 8             \
  }

const Kernel kKernels[] = {
    TEMPER_ALONE("leaky_relu", kLeakyRelu, 2),
    TEMPER_ALONE("elu", kElu, 16),
    TEMPER_ALONE("sigmoid", kLogisticSigmoid, 20),
    TEMPER_ALONE("tanh_alone", kHyperbolicTangent, 18),
    TEMPER_ALONE("hard_sigmoid", kHardSigmoid, 4),
    TEMPER_ALONE("hard_swish", kHardSwish, 5),
    TEMPER_ALONE("silu", kSilu, 22),
    TEMPER_ALONE("gelu", kGelu, 40),
    TEMPER_ALONE("gelu_tanh", kGeluTanh, 26),
    TEMPER_ALONE("softplus", kSoftplus, 44),
    TEMPER_ALONE_BACKWARD("hard_swish_backward", kHardSwish, 5),
    TEMPER_ALONE_BACKWARD("silu_backward", kSilu, 24),
    TEMPER_ALONE_BACKWARD("gelu_backward", kGelu, 44),
    {"memcpy", 0, 8,
     [](Data& d) { std::memcpy(d.y.data(), d.x.data(), d.n * sizeof(float)); },
     [](const Data& d, Doubles* y, Doubles*) { *y = d.x.Doubles(); }, 0},
    {"copy", 0, 8, [](Data& d) { simd::Copy(d.n, d.x.data(), d.y.data(), {}); },
     [](const Data& d, Doubles* y, Doubles*) { *y = d.x.Doubles(); }, 0},
    {"fill", 0, 4, [](Data& d) { simd::Fill(d.n, 1.0f, d.y.data(), {}); },
     [](const Data& d, Doubles* y, Doubles*) { y->assign(d.n, 1.0); }, 0},
    {"scale", 1, 8,
     [](Data& d) { simd::Scale(d.n, 0.3f, d.x.data(), d.y.data(), {}); },
     [](const Data& d, Doubles* y, Doubles* m) {
       reference::Scale<double>(d.n, double{0.3f}, d.x.Doubles().data(),
                                y->data());
       OwnMagnitude(*y, m);
     },
     1},
    {"add", 1, 12,
     [](Data& d) { simd::Add(d.n, d.x.data(), d.y.data(), d.y.data(), {}); },
     [](const Data& d, Doubles* y, Doubles* m) {
       reference::Add<double>(d.n, d.x.Doubles().data(), d.y.Doubles().data(),
                              y->data());
       OwnMagnitude(*y, m);
     },
     1},
    {"relu", 1, 8,
     [](Data& d) {
       simd::Activate(d.n, simd::Activation::kRelu, d.x.data(), d.y.data(), {});
     },
     Unary<reference::Relu<double>>, 0},
    {"relu6", 2, 8,
     [](Data& d) {
       simd::Activate(d.n, simd::Activation::kRelu6, d.x.data(), d.y.data(),
                      {});
     },
     Unary<reference::Relu6<double>>, 0},
    {"relu_backward", 1, 12,
     [](Data& d) {
       simd::ActivateBackward(d.n, simd::Activation::kRelu, d.x.data(),
                              d.y.data(), false, d.y.data(), {});
     },
     [](const Data& d, Doubles* y, Doubles*) {
       reference::ReluBackward<double>(d.n, d.x.Doubles().data(),
                                       d.y.Doubles().data(), false, y->data());
     },
     0},
    {"normalize_u8_1", 3, 5,
     [](Data& d) {
       simd::NormalizeU8(d.n, 1, d.bytes.data(), 1 / 255.0f, kMean, kStd,
                         d.y.data(), {});
     },
     [](const Data& d, Doubles* y, Doubles* m) {
       NormalizeTwin(d, 1, d.bytes.data(), kMean, kStd, y, m);
     },
     3},
    {"normalize_u8_3", 3, 5,
     [](Data& d) {
       simd::NormalizeU8(d.n, 3, d.bytes.data(), 1 / 255.0f, kMean, kStd,
                         d.y.data(), {});
     },
     [](const Data& d, Doubles* y, Doubles* m) {
       NormalizeTwin(d, 3, d.bytes.data(), kMean, kStd, y, m);
     },
     3},
    {"normalize_u8_image", 3, 5,
     [](Data& d) {
       simd::NormalizeU8(d.n, 3072, d.bytes.data(), 1 / 255.0f, d.image.data(),
                         d.image.data(), d.y.data(), {});
     },
     [](const Data& d, Doubles* y, Doubles* m) {
       NormalizeTwin(d, 3072, d.bytes.data(), d.image.data(), d.image.data(), y,
                     m);
     },
     3},
    {"normalize_f32_3", 3, 8,
     [](Data& d) {
       simd::NormalizeF32(d.n, 3, d.x.data(), 1 / 255.0f, kMean, kStd,
                          d.y.data(), {});
     },
     [](const Data& d, Doubles* y, Doubles* m) {
       NormalizeTwin(d, 3, d.x.data(), kMean, kStd, y, m);
     },
     3},
    {"dropout", 1, 8,
     [](Data& d) {
       const uint64_t id = 7;
       simd::Dropout(1, d.n, d.x.data(), 2.0f, 0x80000000u, 1, &id, 0, 0x20000u,
                     false, d.y.data(), {});
     },
     [](const Data& d, Doubles* y, Doubles*) {
       const uint64_t id = 7;
       reference::Dropout<double>(1, d.n, d.x.Doubles().data(), 2.0,
                                  0x80000000u, 1, &id, 0, 0x20000u, false,
                                  y->data());
     },
     0},
    // The bounds of math.h; one unit in the last place is two of 2^-24.
    {"exp", 1, 8, [](Data& d) { simd::Exp(d.n, d.x.data(), d.y.data()); },
     Function<Exp>, 2 * 1.05, 0, 80},
    {"log", 1, 8, [](Data& d) { simd::Log(d.n, d.x.data(), d.y.data()); },
     Function<Log>, 2 * 0.85, 0, 80, true},
    {"tanh", 1, 8, [](Data& d) { simd::Tanh(d.n, d.x.data(), d.y.data()); },
     Function<Tanh>, 2 * 2.55},
    {"sin", 1, 8, [](Data& d) { simd::Sin(d.n, d.x.data(), d.y.data()); },
     Function<Sin>, 2 * 1.6, 0, 80},
    {"cos", 1, 8, [](Data& d) { simd::Cos(d.n, d.x.data(), d.y.data()); },
     Function<Cos>, 2 * 1.6, 0, 80},
    {"sum", 1, 4, [](Data& d) { d.y.data()[0] = simd::Sum(d.n, d.x.data()); },
     [](const Data& d, Doubles* y, Doubles* m) {
       const Doubles sizes = d.x.Magnitudes();
       (*y)[0] = reference::Sum<double>(d.n, d.x.Doubles().data());
       (*m)[0] = reference::Sum<double>(d.n, sizes.data());
     },
     5, 1.0 / 16},
    {"sum_of_squares", 2, 4,
     [](Data& d) { d.y.data()[0] = simd::SumOfSquares(d.n, d.x.data()); },
     [](const Data& d, Doubles* y, Doubles* m) {
       (*y)[0] = (*m)[0] =
           reference::SumOfSquares<double>(d.n, d.x.Doubles().data());
     },
     5, 1.0 / 16},
    {"mse_backward", 2, 12,
     [](Data& d) {
       simd::MeanSquaredErrorBackward(1, d.n, d.x.data(), d.y.data(), 0.5f,
                                      false, d.y.data(), {});
     },
     [](const Data& d, Doubles* y, Doubles* m) {
       reference::MeanSquaredErrorBackward<double>(1, d.n, d.x.Doubles().data(),
                                                   d.y.Doubles().data(), 0.5,
                                                   false, y->data());
       LossMagnitude(*y, m);
     },
     kLossRoundings},
    {"softmax_10", 6, 8, Softmax<10>, SoftmaxTwin<10>, kLossRoundings},
    {"softmax_1000", 6, 8, Softmax<1000>, SoftmaxTwin<1000>, kLossRoundings},
    {"softmax_backward_10", 2, 8, SoftmaxBackward<10>, SoftmaxBackwardTwin<10>,
     kLossRoundings},
    {"softmax_backward_1000", 2, 8, SoftmaxBackward<1000>,
     SoftmaxBackwardTwin<1000>, kLossRoundings},
    {"column_sums_10", 1, 4, Columns<10>, ColumnsTwin<10>, 2, 1.0 / 10},
    {"column_sums_64", 1, 4, Columns<64>, ColumnsTwin<64>, 2, 1.0 / 64},
    {"column_sums_1000", 1, 4, Columns<1000>, ColumnsTwin<1000>, 2, 1.0 / 1000},
};

void Register(const std::string& target, const Kernel& k, size_t n) {
  const std::string name = target + "/" + k.name + "/" + std::to_string(n);
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    const bench::Yardsticks& yard = bench::UseTarget(target);
    Data d(n, k.scale, k.positive);
    if (n <= 4000000 && bench::NeedsCheck(name)) {
      Doubles expected = d.y.Doubles(), magnitude(n, 0.0);
      k.twin(d, &expected, &magnitude);
      k.run(d);
      const double most = k.roundings + k.per_element * static_cast<double>(n);
      if (!bench::Within(state, name, d.y.data(), expected, magnitude,
                         most * kEps)) {
        return;
      }
    }
    const double seconds = bench::Time(state, [&] { k.run(d); });
    bench::Report(state, yard, seconds, k.operations * static_cast<double>(n),
                  k.bytes * static_cast<double>(n));
    state.counters["ns/element"] = 1e9 * seconds / static_cast<double>(n);
  });
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  temper::bench::ForEachExactTarget([](const std::string& target) {
    for (const temper::Kernel& k : temper::kKernels) {
      // In the second-level cache, in none, and 64 MiB a stream.
      for (const size_t n : {size_t{16000}, size_t{4000000}, size_t{1} << 24}) {
        temper::Register(target, k, n);
      }
    }
  });
  return temper::bench::Finish(argc, argv);
}
