// Scalar twins of simd/depthwise.h, in any number type. The gradients scatter
// what the kernels gather, so that the two share no index arithmetic.
#ifndef TEMPER_TESTS_REFERENCE_DEPTHWISE_H_
#define TEMPER_TESTS_REFERENCE_DEPTHWISE_H_

#include <cstddef>

#include "simd/conv.h"
#include "tests/testing/flops.h"

namespace temper::reference {

// Calls f(input index, weight index, output index) for every product of the
// convolution, output by output.
template <class F>
void ForEachDepthwiseProduct(const simd::ConvShape& s, size_t batch, F&& f) {
  for (size_t n = 0; n < batch; ++n)
    for (size_t oh = 0; oh < s.out_h; ++oh)
      for (size_t ow = 0; ow < s.out_w; ++ow)
        for (size_t kh = 0; kh < s.kernel_h; ++kh)
          for (size_t kw = 0; kw < s.kernel_w; ++kw) {
            const long ih =
                long(oh * s.stride_h + kh * s.dilation_h) - long(s.pad_top);
            const long iw =
                long(ow * s.stride_w + kw * s.dilation_w) - long(s.pad_left);
            if (ih < 0 || ih >= long(s.in_h) || iw < 0 || iw >= long(s.in_w))
              continue;
            testing::CountFlops(2 * s.in_c);
            for (size_t c = 0; c < s.in_c; ++c) {
              f(((n * s.in_h + size_t(ih)) * s.in_w + size_t(iw)) * s.in_c + c,
                (kh * s.kernel_w + kw) * s.in_c + c,
                ((n * s.out_h + oh) * s.out_w + ow) * s.in_c + c);
            }
          }
}

template <class T>
void DepthwiseForward(const simd::ConvShape& s, size_t batch, const T* x,
                      const T* w, const T* bias, T* y) {
  const size_t size = batch * s.out_h * s.out_w * s.in_c;
  for (size_t i = 0; i < size; ++i)
    y[i] = bias == nullptr ? T(0) : bias[i % s.in_c];
  ForEachDepthwiseProduct(s, batch, [&](size_t xi, size_t wi, size_t yi) {
    y[yi] += x[xi] * w[wi];
  });
}

template <class T>
void DepthwiseBackwardData(const simd::ConvShape& s, size_t batch, const T* dy,
                           const T* w, bool accumulate, T* dx) {
  if (!accumulate) {
    for (size_t i = 0; i < batch * s.in_h * s.in_w * s.in_c; ++i) dx[i] = T(0);
  }
  ForEachDepthwiseProduct(s, batch, [&](size_t xi, size_t wi, size_t yi) {
    dx[xi] += dy[yi] * w[wi];
  });
}

// dw += gradient.
template <class T>
void DepthwiseBackwardWeights(const simd::ConvShape& s, size_t batch,
                              const T* x, const T* dy, T* dw) {
  ForEachDepthwiseProduct(s, batch, [&](size_t xi, size_t wi, size_t yi) {
    dw[wi] += x[xi] * dy[yi];
  });
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_DEPTHWISE_H_
