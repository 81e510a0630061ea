// Scalar double functions for numbers that become weights or learning rates.
// The C library's differ between machines (glibc has variants with and without
// FMA); these use only + - * / sqrt in a fixed order and are accurate to a few
// units in the last place of a double.
#ifndef TEMPER_RUNTIME_EXACT_MATH_H_
#define TEMPER_RUNTIME_EXACT_MATH_H_

#include <bit>
#include <cstdint>

namespace temper::exact {

inline constexpr double kPi = 3.14159265358979323846;

// Natural logarithm of a normal x > 0: x = m 2^e with m in [sqrt(1/2),
// sqrt(2)), log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172.
inline double Log(double x) {
  uint64_t bits = std::bit_cast<uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
  double m = std::bit_cast<double>(bits);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double s2 = s * s;
  double sum = 0.0;
  for (int k = 23; k >= 1; k -= 2) sum = sum * s2 + 1.0 / k;
  // ln 2 in two parts, the first exact in any product with an exponent.
  constexpr double kLn2High = 6.93147180369123816490e-01;
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  return exponent * kLn2High + (2.0 * s * sum + exponent * kLn2Low);
}

// e^x for |x| < 700: x = k ln 2 + r, |r| <= ln 2 / 2, Taylor series of e^r.
inline double Exp(double x) {
  constexpr double kLn2High = 6.93147180369123816490e-01;
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr double kInverse = 1.44269504088896338700e+00;  // 1 / ln 2
  const int k = static_cast<int>(x * kInverse + (x < 0 ? -0.5 : 0.5));
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 1.0;
  for (int n = 17; n >= 1; --n) sum = 1.0 + sum * r / n;
  const uint64_t bits = static_cast<uint64_t>(k + 1023) << 52;
  return sum * std::bit_cast<double>(bits);
}

// x^n by repeated squaring, always in the same order.
inline double Power(double x, uint64_t n) {
  double power = 1.0;
  for (; n > 0; n /= 2) {
    if (n % 2 == 1) power *= x;
    x *= x;
  }
  return power;
}

// sin and cos of 2 pi u for u in [0, 1].
struct SinCos {
  double sin, cos;
};
inline SinCos SinCosTurns(double u) {
  // Nearest quarter turn, then Taylor series on [-pi/4, pi/4].
  const int quarter = static_cast<int>(u * 4.0 + 0.5);
  const double x = (u - quarter * 0.25) * (2.0 * kPi);
  const double x2 = x * x;
  double s = 0.0, c = 0.0;
  for (int k = 19; k >= 3; k -= 2) s = (s + 1.0) * (-x2 / (k * (k - 1)));
  for (int k = 20; k >= 2; k -= 2) c = (c + 1.0) * (-x2 / (k * (k - 1)));
  s = x * (s + 1.0);
  c = c + 1.0;
  switch (quarter & 3) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

}  // namespace temper::exact

#endif  // TEMPER_RUNTIME_EXACT_MATH_H_
