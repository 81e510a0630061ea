// Scalar twins of the layers that move elements: concat, multiply, upsample.
#ifndef TEMPER_TESTS_REFERENCE_SHAPES_H_
#define TEMPER_TESTS_REFERENCE_SHAPES_H_

#include <cstddef>

#include "tests/reference/flush.h"

namespace temper::reference {

// to[r][first + c] = from[r][c], or the other way.
template <class T>
void CopyChannels(size_t rows, size_t count, size_t first, size_t stride,
                  const T* from, T* to) {
  for (size_t i = 0; i < rows * count; ++i) {
    to[i / count * stride + first + i % count] = from[i];
  }
}
template <class T>
void TakeChannels(size_t rows, size_t count, size_t first, size_t stride,
                  const T* from, bool accumulate, T* to) {
  for (size_t i = 0; i < rows * count; ++i) {
    const T v = from[i / count * stride + first + i % count];
    to[i] = (accumulate ? to[i] : T(0)) + v;
  }
}

// Index of x1's factor for element i of (batch, pixels, channels).
inline size_t FactorOf(size_t i, size_t pixels, size_t channels,
                       bool per_channel) {
  return per_channel ? i / (pixels * channels) * channels + i % channels : i;
}

// Index of x for element i of y (batch, h * f, w * f, c).
inline size_t UpsampledFrom(size_t i, size_t w, size_t f, size_t c) {
  const size_t channel = i % c, column = i / c % (w * f);
  const size_t row = i / c / (w * f);  // of all images: f lines each
  return (row / f * w + column / f) * c + channel;
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_SHAPES_H_
