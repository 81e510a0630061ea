// Scalar twins of simd/update.h, in any number type.
#ifndef TEMPER_TESTS_REFERENCE_UPDATE_H_
#define TEMPER_TESTS_REFERENCE_UPDATE_H_

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "tests/reference/flush.h"
#include "tests/testing/flops.h"

namespace temper::reference {

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
    v[i] = FlushTiny(alpha * v[i] + (T(1) - alpha) * gradient * gradient);
    T under_root = v[i];
    if (m != nullptr) {
      m[i] = FlushTiny(m[i] + (T(1) - alpha) * (gradient - m[i]));
      under_root = std::max(v[i] - m[i] * m[i], T(0));
    }
    T step = gradient / (std::sqrt(under_root) + eps);
    if (b != nullptr) step = b[i] = FlushTiny(momentum * b[i] + step);
    w[i] = FlushTiny(w[i] - lr * step);
  }
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_UPDATE_H_
