// Scalar twins of simd/update.h, in any number type.
#ifndef TEMPER_TESTS_REFERENCE_UPDATE_H_
#define TEMPER_TESTS_REFERENCE_UPDATE_H_

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "tests/reference/flush.h"
#include "tests/testing/flops.h"

namespace temper::reference {

// Of a gradient that counts in a mean of squares; `rest` is the newest's share.
template <class T>
T SquareOf(T gradient, T rest) {
  const T counted = FlushTiny(gradient, T(0x1p-62) / std::sqrt(rest));
  return counted * counted;
}

template <class T>
void SgdUpdate(size_t n, T lr, T momentum, T decay, bool nesterov, const T* g,
               T* w, T* v, T scale = T(1)) {
  testing::CountFlops(9 * n);
  for (size_t i = 0; i < n; ++i) {
    const T gradient = scale * g[i] + decay * w[i];
    T step = gradient;
    if (momentum != T(0)) {
      v[i] = FlushTiny(momentum * v[i] + gradient);
      step = nesterov ? gradient + momentum * v[i] : v[i];
    }
    w[i] = FlushTiny(w[i] - lr * step);
  }
}

// m and b may be null.
template <class T>
void RmspropUpdate(size_t n, T lr, T alpha, T eps, T momentum, T decay,
                   const T* g, T* w, T* v, T* m, T* b, T scale = T(1)) {
  testing::CountFlops(20 * n);
  for (size_t i = 0; i < n; ++i) {
    const T gradient = scale * g[i] + decay * w[i];
    const T rest = T(1) - alpha;
    v[i] = FlushTiny(alpha * v[i] + rest * SquareOf(gradient, rest),
                     T(kTinySquare));
    T under_root = v[i];
    if (m != nullptr) {
      m[i] = FlushTiny(m[i] + (T(1) - alpha) * (gradient - m[i]));
      under_root = std::max(v[i] - m[i] * m[i], T(0));
    }
    T step = v[i] == T(0) ? T(0) : gradient / (std::sqrt(under_root) + eps);
    if (b != nullptr) step = b[i] = FlushTiny(momentum * b[i] + step);
    w[i] = FlushTiny(w[i] - lr * step);
  }
}

template <class T>
void MomentumUpdate(size_t n, T lr, T momentum, T decay, T scale, const T* g,
                    T* w, T* v) {
  testing::CountFlops(8 * n);
  for (size_t i = 0; i < n; ++i) {
    v[i] = FlushTiny(momentum * v[i] - lr * (scale * g[i] + decay * w[i]));
    w[i] = FlushTiny(w[i] + v[i]);
  }
}

template <class T>
void AdagradUpdate(size_t n, T lr, T eps, T initial, T decay, T scale,
                   const T* g, T* w, T* s) {
  testing::CountFlops(12 * n);
  for (size_t i = 0; i < n; ++i) {
    const T gradient = scale * g[i] + decay * w[i];
    s[i] = FlushTiny(s[i] + SquareOf(gradient, T(1)), T(kTinySquare));
    const T all = initial + s[i];
    if (all != T(0)) w[i] -= lr * gradient / (std::sqrt(all) + eps);
    w[i] = FlushTiny(w[i]);
  }
}

// Step t, from 1; h may be null. decoupled: decay shrinks the weight.
template <class T>
void AdamUpdate(size_t n, T lr, T beta1, T beta2, T eps, T decay,
                bool decoupled, int t, T scale, const T* g, T* w, T* m, T* v,
                T* h) {
  testing::CountFlops(24 * n);
  const T first = T(1) - std::pow(beta1, T(t));
  const T second = T(1) - std::pow(beta2, T(t));
  for (size_t i = 0; i < n; ++i) {
    const T gradient = scale * g[i] + (decoupled ? T(0) : decay * w[i]);
    if (decoupled) w[i] *= T(1) - lr * decay;
    m[i] = FlushTiny(beta1 * m[i] + (T(1) - beta1) * gradient);
    const T rest = T(1) - beta2;
    v[i] = FlushTiny(beta2 * v[i] + rest * SquareOf(gradient, rest),
                     T(kTinySquare));
    T square = v[i];
    if (h != nullptr) square = h[i] = std::max(h[i], v[i]);
    if (square != T(0)) {
      w[i] -= lr * (m[i] / first) / (std::sqrt(square / second) + eps);
    }
    w[i] = FlushTiny(w[i]);
  }
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_UPDATE_H_
