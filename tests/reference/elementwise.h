// Scalar twins of simd/elementwise.h, in any number type.
#ifndef TEMPER_TESTS_REFERENCE_ELEMENTWISE_H_
#define TEMPER_TESTS_REFERENCE_ELEMENTWISE_H_

#include <cstddef>
#include <cstdint>

#include "temper/random.h"
#include "tests/reference/flush.h"

namespace temper::reference {

template <class T>
void Relu(size_t n, const T* x, T* y) {
  for (size_t i = 0; i < n; ++i) y[i] = x[i] < T(kTiny) ? T(0) : x[i];
}

template <class T>
void Relu6(size_t n, const T* x, T* y) {
  for (size_t i = 0; i < n; ++i) {
    y[i] = x[i] < T(kTiny) ? T(0) : x[i] >= T(6) ? T(6) : x[i];
  }
}

template <class T>
void ReluBackward(size_t n, const T* y, const T* dy, bool accumulate, T* dx) {
  for (size_t i = 0; i < n; ++i) {
    const T g = y[i] < T(kTiny) ? T(0) : dy[i];
    dx[i] = FlushTiny((accumulate ? dx[i] : T(0)) + g);
  }
}

template <class T>
void Relu6Backward(size_t n, const T* y, const T* dy, bool accumulate, T* dx) {
  for (size_t i = 0; i < n; ++i) {
    const bool flat = y[i] < T(kTiny) || y[i] >= T(6);
    dx[i] = FlushTiny((accumulate ? dx[i] : T(0)) + (flat ? T(0) : dy[i]));
  }
}

template <class T>
void Add(size_t n, const T* a, const T* b, T* y) {
  for (size_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

template <class T>
void Scale(size_t n, T factor, const T* x, T* y) {
  for (size_t i = 0; i < n; ++i) y[i] = x[i] * factor;
}

// x in any type that converts to T.
template <class T, class X>
void Normalize(size_t n, size_t period, const X* x, T scale, const T* mean,
               const T* std, T* y) {
  for (size_t i = 0; i < n; ++i) {
    y[i] = FlushTiny((static_cast<T>(x[i]) * scale - mean[i % period]) /
                     std[i % period]);
  }
}

template <class T>
void Dropout(size_t rows, size_t n, const T* x, T factor, uint32_t threshold,
             uint64_t seed, const uint64_t* sample_ids, uint32_t epoch,
             uint32_t stream, bool accumulate, T* y) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < n; ++i) {
      const uint32_t word =
          RandomWord(seed, static_cast<uint32_t>(i),
                     static_cast<uint32_t>(sample_ids[r]), epoch, stream);
      const T value = word >= threshold ? x[r * n + i] * factor : T(0);
      y[r * n + i] = (accumulate ? y[r * n + i] : T(0)) + value;
    }
  }
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_ELEMENTWISE_H_
