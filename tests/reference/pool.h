// Scalar twins of simd/pool.h, in any number type; the gradients scatter.
#ifndef TEMPER_TESTS_REFERENCE_POOL_H_
#define TEMPER_TESTS_REFERENCE_POOL_H_

#include <algorithm>
#include <cstddef>
#include <limits>

#include "simd/pool.h"
#include "tests/testing/flops.h"

namespace temper::reference {

// Calls tap(input index) for the taps of window (n, oh, ow), channel c, that
// lie in the image, in ascending order.
template <class F>
void ForEachPoolTap(const simd::ConvShape& s, size_t n, size_t oh, size_t ow,
                    size_t c, F&& tap) {
  for (size_t kh = 0; kh < s.kernel_h; ++kh) {
    for (size_t kw = 0; kw < s.kernel_w; ++kw) {
      const long ih = long(oh * s.stride_h + kh) - long(s.pad_top);
      const long iw = long(ow * s.stride_w + kw) - long(s.pad_left);
      testing::CountFlops(1);
      if (ih < 0 || ih >= long(s.in_h) || iw < 0 || iw >= long(s.in_w))
        continue;
      tap(((n * s.in_h + size_t(ih)) * s.in_w + size_t(iw)) * s.in_c + c);
    }
  }
}

// Calls window(n, oh, ow, channel, output index) in ascending output order.
template <class F>
void ForEachPoolWindow(const simd::ConvShape& s, size_t batch, F&& window) {
  size_t i = 0;
  for (size_t n = 0; n < batch; ++n)
    for (size_t oh = 0; oh < s.out_h; ++oh)
      for (size_t ow = 0; ow < s.out_w; ++ow)
        for (size_t c = 0; c < s.in_c; ++c) window(n, oh, ow, c, i++);
}

// The first maximum or the first NaN; -1 if the window has no taps.
template <class T>
long PoolWinner(const simd::ConvShape& s, size_t n, size_t oh, size_t ow,
                size_t c, const T* x) {
  long winner = -1;
  ForEachPoolTap(s, n, oh, ow, c, [&](size_t i) {
    if (winner < 0) {
      winner = long(i);
    } else if (x[winner] == x[winner] && (x[i] > x[winner] || x[i] != x[i])) {
      winner = long(i);
    }
  });
  return winner;
}

template <class T>
void MaxPoolForward(const simd::ConvShape& s, size_t batch, const T* x, T* y) {
  ForEachPoolWindow(
      s, batch, [&](size_t n, size_t oh, size_t ow, size_t c, size_t i) {
        const long at = PoolWinner(s, n, oh, ow, c, x);
        y[i] = at < 0 ? -std::numeric_limits<T>::infinity() : x[at];
      });
}

template <class T>
void MaxPoolBackward(const simd::ConvShape& s, size_t batch, const T* x,
                     const T* dy, bool accumulate, T* dx) {
  if (!accumulate) {
    std::fill_n(dx, batch * s.in_h * s.in_w * s.in_c, T(0));
  }
  ForEachPoolWindow(s, batch,
                    [&](size_t n, size_t oh, size_t ow, size_t c, size_t i) {
                      const long at = PoolWinner(s, n, oh, ow, c, x);
                      if (at >= 0) dx[at] += dy[i];
                    });
}

// PyTorch's avg_pool2d: the window is clipped to the padded image, its area
// taken, then clipped to the image.
template <class T>
T AvgPoolDivisor(const simd::ConvShape& s, const simd::AvgPoolOptions& options,
                 size_t oh, size_t ow) {
  long top = long(oh * s.stride_h) - long(s.pad_top);
  long left = long(ow * s.stride_w) - long(s.pad_left);
  long bottom =
      std::min(top + long(s.kernel_h), long(s.in_h) + long(options.pad_bottom));
  long right =
      std::min(left + long(s.kernel_w), long(s.in_w) + long(options.pad_right));
  const long padded_area = (bottom - top) * (right - left);
  top = std::max(top, 0l);
  left = std::max(left, 0l);
  bottom = std::min(bottom, long(s.in_h));
  right = std::min(right, long(s.in_w));
  if (top >= bottom || left >= right) return T(1);  // the sum is 0
  return T(options.count_include_pad ? padded_area
                                     : (bottom - top) * (right - left));
}

template <class T>
void AvgPoolForward(const simd::ConvShape& s,
                    const simd::AvgPoolOptions& options, size_t batch,
                    const T* x, T* y) {
  ForEachPoolWindow(
      s, batch, [&](size_t n, size_t oh, size_t ow, size_t c, size_t i) {
        T sum = 0;
        ForEachPoolTap(s, n, oh, ow, c, [&](size_t at) { sum += x[at]; });
        y[i] = sum / AvgPoolDivisor<T>(s, options, oh, ow);
      });
}

template <class T>
void AvgPoolBackward(const simd::ConvShape& s,
                     const simd::AvgPoolOptions& options, size_t batch,
                     const T* dy, bool accumulate, T* dx) {
  if (!accumulate) {
    std::fill_n(dx, batch * s.in_h * s.in_w * s.in_c, T(0));
  }
  ForEachPoolWindow(
      s, batch, [&](size_t n, size_t oh, size_t ow, size_t c, size_t i) {
        const T share = dy[i] / AvgPoolDivisor<T>(s, options, oh, ow);
        ForEachPoolTap(s, n, oh, ow, c, [&](size_t at) { dx[at] += share; });
      });
}

template <class T>
void GlobalAvgPoolForward(size_t batch, size_t pixels, size_t channels,
                          const T* x, T* y) {
  testing::CountFlops(batch * pixels * channels);
  for (size_t n = 0; n < batch; ++n) {
    for (size_t c = 0; c < channels; ++c) {
      T sum = 0;
      for (size_t p = 0; p < pixels; ++p)
        sum += x[(n * pixels + p) * channels + c];
      y[n * channels + c] = sum / T(pixels);
    }
  }
}

template <class T>
void GlobalAvgPoolBackward(size_t batch, size_t pixels, size_t channels,
                           const T* dy, bool accumulate, T* dx) {
  testing::CountFlops(2 * batch * pixels * channels);
  for (size_t n = 0; n < batch; ++n) {
    for (size_t p = 0; p < pixels; ++p) {
      for (size_t c = 0; c < channels; ++c) {
        T& to = dx[(n * pixels + p) * channels + c];
        const T share = dy[n * channels + c] / T(pixels);
        to = accumulate ? to + share : share;
      }
    }
  }
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_POOL_H_
