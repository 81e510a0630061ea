// Gradients of the double-precision twins against central differences.
#ifndef TEMPER_TESTS_TESTING_GRADIENT_H_
#define TEMPER_TESTS_TESTING_GRADIENT_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "tests/testing/kernel_test.h"

namespace temper::testing {

inline std::vector<double> Doubles(const Buffer& x) {
  return std::vector<double>(x.data(), x.data() + x.size());
}

// Checks that gradient[i] = d loss / d x[i] for every i, loss(const double*)
// being the sum to differentiate. h = 6e-6 * max(1, |x|) balances truncation
// and rounding for losses of order one.
template <class Loss>
void ExpectGradient(std::vector<double> x, const std::vector<double>& gradient,
                    Loss&& loss, double rtol = 1e-6, double atol = 1e-8) {
  ASSERT_EQ(x.size(), gradient.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    const double h = 6e-6 * std::max(1.0, std::fabs(at));
    x[i] = at + h;
    const double above = loss(x.data());
    x[i] = at - h;
    const double below = loss(x.data());
    x[i] = at;
    EXPECT_TRUE(Near(gradient[i], (above - below) / (2 * h), rtol, atol)) << i;
  }
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_GRADIENT_H_
