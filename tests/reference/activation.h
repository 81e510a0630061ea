// Scalar twins of the activations of simd/activation.h that run alone, and of
// PReLU, in double, by their definitions. At infinity: the limits.
#ifndef TEMPER_TESTS_REFERENCE_ACTIVATION_H_
#define TEMPER_TESTS_REFERENCE_ACTIVATION_H_

#include <cmath>
#include <cstddef>

#include "simd/activation.h"
#include "tests/reference/flush.h"

namespace temper::reference {

inline double Logistic(double x) { return 1 / (1 + std::exp(-x)); }
inline double NormalCdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2)); }
inline double NormalDensity(double x) {
  return std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI);
}

// act(x); not flushed.
inline double LoneActivation(const simd::ActivationFunction& f, double x) {
  const double p = double{f.parameters[0]};
  if (std::isnan(x)) return x;
  switch (f.kind) {
    case simd::Activation::kLeakyRelu:
      return x > 0 ? x : p * x;
    case simd::Activation::kElu:
      return x > 0 ? x : p * std::expm1(x);
    case simd::Activation::kLogisticSigmoid:
      return Logistic(x);
    case simd::Activation::kHyperbolicTangent:
      return std::tanh(x);
    case simd::Activation::kHardSigmoid:
      return x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6;
    case simd::Activation::kHardSwish:
      return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
    case simd::Activation::kSilu:
      return x < -700 ? 0 : x * Logistic(x);
    case simd::Activation::kGelu:
      return x < -37 ? 0 : x * NormalCdf(x);
    case simd::Activation::kGeluTanh: {
      const double z = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
      return x < -37 ? 0 : x * Logistic(2 * z);
    }
    case simd::Activation::kSoftplus:
      return x * p > 700 ? x : std::log1p(std::exp(p * x)) / p;
    default:
      return x;
  }
}

// act'(x). A y that is flushed to 0 counts as one below 0.
inline double LoneSlope(const simd::ActivationFunction& f, double x) {
  const double p = double{f.parameters[0]};
  switch (f.kind) {
    case simd::Activation::kLeakyRelu:
      return x >= kTiny ? 1 : p;
    case simd::Activation::kElu:
      return x >= kTiny ? 1 : p * std::exp(x);
    case simd::Activation::kLogisticSigmoid:
      return Logistic(x) * Logistic(-x);
    case simd::Activation::kHyperbolicTangent:
      return 1 - std::tanh(x) * std::tanh(x);
    case simd::Activation::kHardSigmoid:
      return x > -3 && x < 3 ? 1.0 / 6 : 0;
    case simd::Activation::kHardSwish:
      return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
    case simd::Activation::kSilu:
      if (std::fabs(x) > 700) return x > 0;
      return Logistic(x) * (1 + x * Logistic(-x));
    case simd::Activation::kGelu:
      if (std::fabs(x) > 37) return x > 0;
      return NormalCdf(x) + x * NormalDensity(x);
    case simd::Activation::kGeluTanh: {
      if (std::fabs(x) > 37) return x > 0;
      const double c = std::sqrt(2 / M_PI);
      const double z = c * (x + 0.044715 * x * x * x);
      const double dz = c * (1 + 3 * 0.044715 * x * x);
      return Logistic(2 * z) + 2 * x * dz * Logistic(2 * z) * Logistic(-2 * z);
    }
    case simd::Activation::kSoftplus:
      return Logistic(p * x);
    default:
      return 1;
  }
}

template <class T>
void Prelu(size_t rows, size_t channels, const T* x, const T* slope, T* y) {
  for (size_t i = 0; i < rows * channels; ++i) {
    y[i] = FlushTiny(x[i] > 0 ? x[i] : slope[i % channels] * x[i]);
  }
}
template <class T>
void PreluBackward(size_t rows, size_t channels, const T* x, const T* slope,
                   const T* dy, bool accumulate, T* dx, T* dslope) {
  for (size_t i = 0; i < rows * channels; ++i) {
    const size_t c = i % channels;
    const T g = x[i] > 0 ? dy[i] : slope[c] * dy[i];
    dslope[c] += x[i] > 0 ? T(0) : x[i] * dy[i];
    dx[i] = FlushTiny((accumulate ? dx[i] : T(0)) + g);
  }
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_ACTIVATION_H_
