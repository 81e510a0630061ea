// What the tests of simd/winograd.h share: a case, its data, the kernels with
// scratch of the exact size between guards, and the bound of their error. Next:
// tests/simd/winograd_test.cc.
#ifndef TEMPER_TESTS_TESTING_WINOGRAD_PROBLEM_H_
#define TEMPER_TESTS_TESTING_WINOGRAD_PROBLEM_H_

#include <algorithm>
#include <string>
#include <vector>

#include "simd/winograd.h"
#include "tests/reference/winograd.h"
#include "tests/testing/conv_problem.h"

namespace temper::testing {

using simd::Prologue;
using WinogradTwin = reference::Winograd<float, false>;
using WinogradMagnitudes = reference::Winograd<double, true>;

struct WinogradCase {
  uint32_t batch, h, w, in_c, out_c;
  uint32_t top, left, bottom, right;  // padding
  ConvShape Shape() const {
    return {h,
            w,
            in_c,
            h + top + bottom - 2,
            w + left + right - 2,
            out_c,
            3,
            3,
            1,
            1,
            top,
            left,
            1,
            1,
            1};
  }
};

struct WinogradProblem {
  ConvShape s;
  uint32_t batch;
  size_t in, out, weights;
  Buffer x, w, bias, dy, dx, dw, scale, shift;
  explicit WinogradProblem(const WinogradCase& c)
      : s(c.Shape()),
        batch(c.batch),
        in(size_t{batch} * s.in_h * s.in_w * s.in_c),
        out(size_t{batch} * s.out_h * s.out_w * s.out_c),
        weights(size_t{9} * s.in_c * s.out_c),
        x(Buffer(in).Randomize(1)),
        w(Buffer(weights).Randomize(2)),
        bias(Buffer(s.out_c).Randomize(3)),
        dy(Buffer(out).Randomize(4)),
        dx(Buffer(in).Randomize(5)),
        dw(Buffer(weights).Randomize(6)),
        scale(Buffer(s.in_c).Randomize(7)),
        shift(Buffer(s.in_c).Randomize(8)) {}

  // The three directions, scratch and guards checked.
  Buffer Forward(const float* from, const Prologue& prologue, const float* b,
                 const ParallelRunner& parallel) const {
    Buffer y(out);
    Buffer scratch(simd::WinogradForwardScratch(s, batch, parallel.threads) /
                   4);
    simd::WinogradForward(s, batch, from, prologue, w, b, y, scratch.data(),
                          parallel);
    EXPECT_TRUE(y.GuardsIntact() && scratch.GuardsIntact());
    return y;
  }
  Buffer BackwardData(bool accumulate, const ParallelRunner& parallel) const {
    Buffer result(in);  // NaN: every element must be written
    if (accumulate) result = dx;
    Buffer scratch(
        simd::WinogradBackwardDataScratch(s, batch, parallel.threads) / 4);
    simd::WinogradBackwardData(s, batch, dy, w, accumulate, result,
                               scratch.data(), parallel);
    EXPECT_TRUE(result.GuardsIntact() && scratch.GuardsIntact());
    return result;
  }
  Buffer BackwardWeights(const float* from, const Prologue& prologue,
                         const ParallelRunner& parallel) const {
    Buffer result = dw;
    Buffer scratch(
        simd::WinogradBackwardWeightsScratch(s, batch, parallel.threads) / 4);
    simd::WinogradBackwardWeights(s, batch, from, prologue, dy, 0, s.out_c,
                                  result, scratch.data(), parallel);
    EXPECT_TRUE(result.GuardsIntact() && scratch.GuardsIntact());
    return result;
  }
  // The direct kernels.
  void Direct(Buffer& y, Buffer& dx_to, Buffer& dw_to, const float* b) const {
    Buffer scratch(
        std::max(
            {simd::direct::ConvForwardScratch(s, batch, 1, false),
             simd::direct::ConvBackwardDataScratch(s, batch, 1),
             simd::direct::ConvBackwardWeightsScratch(s, batch, 1, false)}) /
        4);
    simd::direct::ConvForward(s, batch, x, {}, w, b, y, scratch.data(), {});
    simd::direct::ConvBackwardData(s, batch, dy, w, false, dx_to,
                                   scratch.data(), {});
    simd::direct::ConvBackwardWeights(s, batch, x, {}, dy, 0, s.out_c, dw_to,
                                      scratch.data(), {});
  }
  // What they promise.
  Buffer TwinForward(const float* b) const {
    Buffer y(out);
    WinogradTwin::Forward(s, batch, x, w, b, y);
    return y;
  }
  Buffer TwinBackwardData(bool accumulate) const {
    Buffer result = dx;
    WinogradTwin::BackwardData(s, batch, dy, w, accumulate, result);
    return result;
  }
  Buffer TwinBackwardWeights() const {
    Buffer result = dw;
    WinogradTwin::BackwardWeights(s, batch, x, dy, result);
    return result;
  }
  size_t Tiles() const {
    return size_t{batch} * ((s.out_h + 1) / 2) * ((s.out_w + 1) / 2);
  }
};

// |actual - expected| <= (k + 12) * eps * M. Returns the largest part of that
// bound which is used.
inline double CheckBound(const Buffer& actual,
                         const std::vector<double>& expected,
                         const std::vector<double>& magnitudes, size_t k) {
  double most = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::fabs(actual[i] - expected[i]);
    const double bound =
        static_cast<double>(k + 12) * 0x1p-23 * magnitudes[i] + 1e-40;
    EXPECT_LE(error, bound)
        << actual[i] << " instead of " << expected[i] << " at " << i;
    if (!(error <= bound)) break;
    most = std::max(most, error / bound);
  }
  return most;
}

inline std::string Name(const WinogradCase& c) {
  const uint32_t* p = &c.batch;
  std::string name("case");
  for (size_t i = 0; i < sizeof(WinogradCase) / 4; ++i)
    name.append(" ").append(std::to_string(p[i]));
  return name;
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_WINOGRAD_PROBLEM_H_
