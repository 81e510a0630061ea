// Scalar twins of simd/norm.h, in any number type. rows x channels, row-major.
// An absorbed activation is a step of its own here: Activate after ScaleShift,
// ActivationGradient in front of the sums and the two backwards.
#ifndef TEMPER_TESTS_REFERENCE_NORM_H_
#define TEMPER_TESTS_REFERENCE_NORM_H_

#include <cmath>
#include <cstddef>

#include "simd/prologue.h"
#include "tests/reference/flush.h"
#include "tests/testing/flops.h"

namespace temper::reference {

template <class T>
void BatchStats(size_t rows, size_t channels, const T* x, T* mean,
                T* variance) {
  testing::CountFlops(4 * rows * channels);
  for (size_t c = 0; c < channels; ++c) {
    T sum = 0;
    for (size_t r = 0; r < rows; ++r) sum += x[r * channels + c];
    mean[c] = sum / T(rows);
    T m2 = 0;
    for (size_t r = 0; r < rows; ++r) {
      const T delta = x[r * channels + c] - mean[c];
      m2 += delta * delta;
    }
    variance[c] = m2 / T(rows);
  }
}

template <class T>
void BatchNormCoefficients(size_t channels, const T* mean, const T* variance,
                           const T* gamma, const T* beta, T eps, T* rstd,
                           T* scale, T* shift) {
  for (size_t c = 0; c < channels; ++c) {
    const T r = T(1) / std::sqrt(variance[c] + eps);
    if (rstd != nullptr) rstd[c] = r;
    scale[c] = gamma[c] * r;
    shift[c] = beta[c] - mean[c] * scale[c];
  }
}

template <class T>
void UpdateRunningStats(size_t channels, T momentum, T variance_factor,
                        const T* mean, const T* variance, T* running_mean,
                        T* running_variance) {
  for (size_t c = 0; c < channels; ++c) {
    running_mean[c] =
        FlushTiny((T(1) - momentum) * running_mean[c] + momentum * mean[c]);
    running_variance[c] = FlushTiny((T(1) - momentum) * running_variance[c] +
                                    momentum * (variance[c] * variance_factor));
  }
}

template <class T>
void ScaleShift(size_t rows, size_t channels, const T* x, const T* scale,
                const T* shift, T* y) {
  testing::CountFlops(2 * rows * channels);
  for (size_t i = 0; i < rows * channels; ++i) {
    y[i] = x[i] * scale[i % channels] + shift[i % channels];
  }
}

template <class T>
void Activate(size_t n, simd::Activation activation, T* y) {
  for (size_t i = 0; i < n && activation != simd::Activation::kNone; ++i) {
    if (y[i] < T(kTiny)) y[i] = T(0);
    if (activation == simd::Activation::kRelu6 && y[i] >= T(6)) y[i] = T(6);
  }
}

// g = dy where the activation of y (its argument or its result) is open, else
// 0; NaN is open.
template <class T>
void ActivationGradient(size_t n, simd::Activation activation, const T* y,
                        const T* dy, T* g) {
  for (size_t i = 0; i < n; ++i) {
    const bool closed =
        activation != simd::Activation::kNone &&
        (y[i] < T(kTiny) ||
         (activation == simd::Activation::kRelu6 && y[i] >= T(6)));
    g[i] = closed ? T(0) : dy[i];
  }
}

template <class T>
void BatchNormSums(size_t rows, size_t channels, const T* x, const T* dy,
                   const T* mean, const T* rstd, T* dgamma, T* dbeta) {
  testing::CountFlops(4 * rows * channels);
  for (size_t c = 0; c < channels; ++c) {
    dgamma[c] = dbeta[c] = 0;
    for (size_t r = 0; r < rows; ++r) {
      const size_t i = r * channels + c;
      dbeta[c] += dy[i];
      dgamma[c] += dy[i] * ((x[i] - mean[c]) * rstd[c]);
    }
  }
}

template <class T>
void BatchNormBackward(size_t rows, size_t channels, const T* x, const T* dy,
                       const T* mean, const T* rstd, const T* gamma,
                       const T* dgamma, const T* dbeta, bool accumulate,
                       T* dx) {
  testing::CountFlops(6 * rows * channels);
  for (size_t i = 0; i < rows * channels; ++i) {
    const size_t c = i % channels;
    const T xhat = (x[i] - mean[c]) * rstd[c];
    const T g = gamma[c] * rstd[c] *
                (dy[i] - dbeta[c] / T(rows) - xhat * (dgamma[c] / T(rows)));
    dx[i] = FlushTiny(accumulate ? dx[i] + g : g);
  }
}

template <class T>
void ScaleBackward(size_t rows, size_t channels, const T* dy, const T* scale,
                   bool accumulate, T* dx) {
  for (size_t i = 0; i < rows * channels; ++i) {
    const T g = dy[i] * scale[i % channels];
    dx[i] = FlushTiny(accumulate ? dx[i] + g : g);
  }
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_NORM_H_
