// What the tests of simd/conv.h share: a case, its data, and the chains that
// exact targets promise, in float. Next: tests/simd/conv_test.cc.
#ifndef TEMPER_TESTS_TESTING_CONV_PROBLEM_H_
#define TEMPER_TESTS_TESTING_CONV_PROBLEM_H_

#include <algorithm>
#include <string>
#include <vector>

#include "simd/conv.h"
#include "tests/testing/kernel_test.h"

namespace temper::testing {

using simd::ConvShape;

// in (h, w, c), out (h, w, c), kernel, stride, pad, dilation, groups
struct ConvCase {
  uint32_t batch;
  ConvShape s;
};

struct ConvProblem {
  uint32_t batch;
  ConvShape s;
  size_t in, out, filter, weights;
  Buffer x, w, bias, y, dy, dx, dw;
  explicit ConvProblem(const ConvCase& c)
      : batch(c.batch),
        s(c.s),
        in(size_t{batch} * s.in_h * s.in_w * s.in_c),
        out(size_t{batch} * s.out_h * s.out_w * s.out_c),
        filter(size_t{s.kernel_h} * s.kernel_w * (s.in_c / s.groups)),
        weights(s.out_c * filter),
        x(Buffer(in).Randomize(1)),
        w(Buffer(weights).Randomize(2)),
        bias(Buffer(s.out_c).Randomize(3)),
        y(out),
        dy(Buffer(out).Randomize(4)),
        dx(Buffer(in).Randomize(5)),
        dw(Buffer(weights).Randomize(6)) {}
  // Input element of a tap, zero outside.
  float X(size_t n, size_t oh, size_t ow, size_t kh, size_t kw,
          size_t c) const {
    const int64_t ih =
        static_cast<int64_t>(oh * s.stride_h + kh * s.dilation_h) - s.pad_top;
    const int64_t iw =
        static_cast<int64_t>(ow * s.stride_w + kw * s.dilation_w) - s.pad_left;
    if (ih < 0 || ih >= s.in_h || iw < 0 || iw >= s.in_w) return 0.0f;
    return x[((n * s.in_h + static_cast<size_t>(ih)) * s.in_w +
              static_cast<size_t>(iw)) *
                 s.in_c +
             c];
  }

  Buffer ChainForward(bool with_bias) const {
    Buffer result(out);
    const size_t in_per = s.in_c / s.groups, out_per = s.out_c / s.groups;
    size_t i = 0;
    for (size_t n = 0; n < batch; ++n)
      for (size_t oh = 0; oh < s.out_h; ++oh)
        for (size_t ow = 0; ow < s.out_w; ++ow)
          for (size_t co = 0; co < s.out_c; ++co, ++i) {
            float sum = with_bias ? bias[co] : 0.0f;
            size_t k = co * filter;
            for (size_t kh = 0; kh < s.kernel_h; ++kh)
              for (size_t kw = 0; kw < s.kernel_w; ++kw)
                for (size_t c = 0; c < in_per; ++c, ++k)
                  sum =
                      std::fma(X(n, oh, ow, kh, kw, co / out_per * in_per + c),
                               w[k], sum);
            result[i] = sum;
          }
    return result;
  }

  Buffer ChainBackwardData(bool accumulate) const {
    Buffer result = dx;
    const size_t in_per = s.in_c / s.groups, out_per = s.out_c / s.groups;
    size_t i = 0;
    for (size_t n = 0; n < batch; ++n)
      for (size_t ih = 0; ih < s.in_h; ++ih)
        for (size_t iw = 0; iw < s.in_w; ++iw)
          for (size_t ci = 0; ci < s.in_c; ++ci, ++i) {
            float sum = accumulate ? dx[i] : 0.0f;
            for (size_t kh = s.kernel_h; kh-- > 0;)
              for (size_t kw = s.kernel_w; kw-- > 0;) {
                const int64_t h = static_cast<int64_t>(ih + s.pad_top) -
                                  static_cast<int64_t>(kh * s.dilation_h);
                const int64_t v = static_cast<int64_t>(iw + s.pad_left) -
                                  static_cast<int64_t>(kw * s.dilation_w);
                if (h < 0 || v < 0 || h % s.stride_h != 0 ||
                    v % s.stride_w != 0)
                  continue;
                const int64_t oh = h / s.stride_h, ow = v / s.stride_w;
                if (oh >= s.out_h || ow >= s.out_w) continue;
                const size_t g = ci / in_per;
                for (size_t co = g * out_per; co < (g + 1) * out_per; ++co)
                  sum = std::fma(
                      dy[((n * s.out_h + static_cast<size_t>(oh)) * s.out_w +
                          static_cast<size_t>(ow)) *
                             s.out_c +
                         co],
                      w[co * filter + (kh * s.kernel_w + kw) * in_per +
                        ci % in_per],
                      sum);
              }
            result[i] = sum;
          }
    return result;
  }

  Buffer ChainBackwardWeights() const {
    Buffer result = dw;
    const size_t in_per = s.in_c / s.groups, out_per = s.out_c / s.groups;
    const size_t pixels = size_t{batch} * s.out_h * s.out_w;
    const size_t chunk = simd::ChunkRows(pixels);
    std::vector<float> partial(simd::ChunkCount(pixels));
    size_t i = 0;
    for (size_t co = 0; co < s.out_c; ++co)
      for (size_t kh = 0; kh < s.kernel_h; ++kh)
        for (size_t kw = 0; kw < s.kernel_w; ++kw)
          for (size_t c = 0; c < in_per; ++c, ++i) {
            std::fill(partial.begin(), partial.end(), 0.0f);
            for (size_t p = 0; p < pixels; ++p) {
              const size_t oh = p / s.out_w % s.out_h;
              float& sum = partial[p / chunk];
              sum = std::fma(dy[p * s.out_c + co],
                             X(p / s.out_w / s.out_h, oh, p % s.out_w, kh, kw,
                               co / out_per * in_per + c),
                             sum);
            }
            simd::CombineTree(partial.size(), [&](size_t into, size_t from) {
              partial[into] += partial[from];
            });
            result[i] += partial[0];
          }
    return result;
  }
};

inline std::vector<double> ToDouble(const Buffer& from, bool magnitudes) {
  std::vector<double> to(from.size());
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = magnitudes ? std::fabs(from[i]) : from[i];
  return to;
}

// |actual - expected| <= terms * eps * sum of magnitudes, both from the twin.
inline void CheckBound(const Buffer& actual, const std::vector<double> twin[2],
                       size_t terms) {
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_LE(std::fabs(actual[i] - twin[0][i]),
              static_cast<double>(terms) * 0x1p-23 * twin[1][i] + 1e-40)
        << actual[i] << " instead of " << twin[0][i] << " at " << i;
  }
}

inline std::string Name(const ConvCase& c) {
  const uint32_t* p = &c.s.in_h;
  std::string name("batch ");
  name.append(std::to_string(c.batch)).append(":");
  for (size_t i = 0; i < sizeof(ConvShape) / 4; ++i)
    name.append(" ").append(std::to_string(p[i]));
  return name;
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_CONV_PROBLEM_H_
