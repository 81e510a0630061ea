// Scalar twins of simd/conv.h, in any number type. Written from the definition:
// every pixel asks for every tap and skips those outside the image.
#ifndef TEMPER_TESTS_REFERENCE_CONV_H_
#define TEMPER_TESTS_REFERENCE_CONV_H_

#include <cstddef>
#include <cstdint>

#include "simd/conv.h"
#include "tests/testing/flops.h"

namespace temper::reference {

// Calls f(y index, x index, w index) for every product in the convolution.
template <class F>
void ForEachProduct(const simd::ConvShape& s, size_t batch, F&& f) {
  const size_t in_per = s.in_c / s.groups, out_per = s.out_c / s.groups;
  for (size_t n = 0; n < batch; ++n) {
    for (size_t oh = 0; oh < s.out_h; ++oh) {
      for (size_t ow = 0; ow < s.out_w; ++ow) {
        for (size_t co = 0; co < s.out_c; ++co) {
          const size_t y = ((n * s.out_h + oh) * s.out_w + ow) * s.out_c + co;
          for (size_t kh = 0; kh < s.kernel_h; ++kh) {
            const int64_t ih =
                static_cast<int64_t>(oh * s.stride_h + kh * s.dilation_h) -
                s.pad_top;
            if (ih < 0 || ih >= s.in_h) continue;
            for (size_t kw = 0; kw < s.kernel_w; ++kw) {
              const int64_t iw =
                  static_cast<int64_t>(ow * s.stride_w + kw * s.dilation_w) -
                  s.pad_left;
              if (iw < 0 || iw >= s.in_w) continue;
              testing::CountFlops(2 * in_per);
              for (size_t c = 0; c < in_per; ++c) {
                const size_t ci = co / out_per * in_per + c;
                f(y,
                  ((n * s.in_h + static_cast<size_t>(ih)) * s.in_w +
                   static_cast<size_t>(iw)) *
                          s.in_c +
                      ci,
                  ((co * s.kernel_h + kh) * s.kernel_w + kw) * in_per + c);
              }
            }
          }
        }
      }
    }
  }
}

template <class T>
void ConvForward(const simd::ConvShape& s, size_t batch, const T* x, const T* w,
                 const T* bias, T* y) {
  const size_t pixels = batch * s.out_h * s.out_w;
  for (size_t i = 0; i < pixels * s.out_c; ++i) {
    y[i] = bias != nullptr ? bias[i % s.out_c] : T(0);
  }
  ForEachProduct(s, batch, [&](size_t yi, size_t xi, size_t wi) {
    y[yi] += x[xi] * w[wi];
  });
}

template <class T>
void ConvBackwardData(const simd::ConvShape& s, size_t batch, const T* dy,
                      const T* w, bool accumulate, T* dx) {
  const size_t n = batch * s.in_h * s.in_w * s.in_c;
  if (!accumulate) {
    for (size_t i = 0; i < n; ++i) dx[i] = T(0);
  }
  ForEachProduct(s, batch, [&](size_t yi, size_t xi, size_t wi) {
    dx[xi] += dy[yi] * w[wi];
  });
}

template <class T>
void ConvBackwardWeights(const simd::ConvShape& s, size_t batch, const T* x,
                         const T* dy, T* dw) {
  ForEachProduct(s, batch, [&](size_t yi, size_t xi, size_t wi) {
    dw[wi] += dy[yi] * x[xi];
  });
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_CONV_H_
