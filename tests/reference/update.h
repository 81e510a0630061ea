// Scalar twins of simd/update.h, in any number type.
#ifndef TEMPER_TESTS_REFERENCE_UPDATE_H_
#define TEMPER_TESTS_REFERENCE_UPDATE_H_

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

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_UPDATE_H_
