// Scalar twins of group norm and layer norm, in any number type: by the
// definition, two passes.
#ifndef TEMPER_TESTS_REFERENCE_GROUP_NORM_H_
#define TEMPER_TESTS_REFERENCE_GROUP_NORM_H_

#include <cmath>
#include <cstddef>

#include "tests/reference/flush.h"

namespace temper::reference {

// x (batch, pixels, channels). Layer norm over the channels of each position:
// batch = rows, pixels = 1, groups = 1.
struct GroupNormSizes {
  size_t batch, pixels, channels, groups;
};

// f(group's first channel, mean, rstd, n) for every sample and group, with
// each(visit) that visits its flat indices.
template <class T, class F>
void ForEachGroup(const GroupNormSizes& s, T eps, const T* x, F&& f) {
  const size_t in_group = s.channels / s.groups;
  for (size_t b = 0; b < s.batch; ++b) {
    for (size_t g = 0; g < s.groups; ++g) {
      const auto each = [&](auto&& visit) {
        for (size_t p = 0; p < s.pixels; ++p) {
          for (size_t c = g * in_group; c < (g + 1) * in_group; ++c) {
            visit((b * s.pixels + p) * s.channels + c, c);
          }
        }
      };
      const T n = static_cast<T>(s.pixels * in_group);
      T sum = 0, square = 0;
      each([&](size_t i, size_t) { sum += x[i]; });
      const T mean = sum / n;
      each([&](size_t i, size_t) { square += (x[i] - mean) * (x[i] - mean); });
      f(each, mean, T(1) / std::sqrt(square / n + eps), n);
    }
  }
}

template <class T>
void GroupNorm(const GroupNormSizes& s, T eps, const T* x, const T* gamma,
               const T* beta, T* y) {
  ForEachGroup(s, eps, x, [&](auto&& each, T mean, T rstd, T) {
    each([&](size_t i, size_t c) {
      y[i] = (x[i] - mean) * rstd * gamma[c] + beta[c];
    });
  });
}

template <class T>
void GroupNormBackward(const GroupNormSizes& s, T eps, const T* x,
                       const T* gamma, const T* dy, bool accumulate, T* dx,
                       T* dgamma, T* dbeta) {
  ForEachGroup(s, eps, x, [&](auto&& each, T mean, T rstd, T n) {
    T plain = 0, product = 0;
    each([&](size_t i, size_t c) {
      const T xhat = (x[i] - mean) * rstd;
      dgamma[c] += dy[i] * xhat;
      dbeta[c] += dy[i];
      plain += dy[i] * gamma[c];
      product += dy[i] * gamma[c] * xhat;
    });
    each([&](size_t i, size_t c) {
      const T xhat = (x[i] - mean) * rstd;
      const T v = rstd * (dy[i] * gamma[c] - plain / n - xhat * product / n);
      dx[i] = FlushTiny((accumulate ? dx[i] : T(0)) + v);
    });
  });
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_GROUP_NORM_H_
