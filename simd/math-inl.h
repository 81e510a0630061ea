// exp, expm1, log, log1p, tanh, sigmoid, the normal distribution's tail, sin, cos
// of float vectors: our own polynomials, so that the bits depend neither on libm
// nor on the installed Highway. Only operations
// that IEEE 754 defines to the bit, in a fixed order: equal bits on every
// target with fused multiply-add. Contract and errors: math.h.
//
// Each function reduces its argument to a small r and evaluates a polynomial:
//   exp   x = n ln2 + r          e^x = 2^n (1 + r + r^2 P(r))
//   expm1 as exp                 e^x - 1 = 2^n (r + r^2 P(r)) + (2^n - 1)
//   log   x = 2^e (1 + f)        log x = e ln2 + f - f^2/2 + f^3 Q(f)
//   log1p u = fl(1 + x)          log u + (what the sum has lost) / u
//   tanh  t = e^(2|x|) - 1       tanh |x| = t / (t + 2)
//   tail  u = 1 / (1 + x/4)      e^(-x^2/2) u R(u - 0.64)
//   sin   |x| = n pi/2 + r       sin r or cos r by n mod 4
// Coefficients are minimax for the relative error (Remez), rounded to float.
// The leading parts of ln2 and pi/2 have 9 and 11 bits: n times them is exact
// even without FMA. Tests: tests/simd/math_test.cc.
#if defined(TEMPER_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_MATH_INL_H_
#undef TEMPER_SIMD_MATH_INL_H_
#else
#define TEMPER_SIMD_MATH_INL_H_
#endif

#include <cstdint>
#include <limits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

namespace math {

template <class D>
using Int = hn::RebindToSigned<D>;

// Adding 1.5 * 2^23 leaves round-to-nearest-even(x) in the low mantissa bits,
// for |x| < 2^22: no conversion, hence nothing undefined for NaN.
inline constexpr float kRounder = 12582912.0f;

// 2^n for n in [-126, 127]; elsewhere some float.
template <class D>
HWY_INLINE hn::Vec<D> PowerOfTwo(D d, hn::Vec<Int<D>> n) {
  const Int<D> di;
  return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127))));
}

// x = n ln2 + r; leaves r in x and returns n. |x| <= 104; NaN gives any n.
template <class D>
HWY_INLINE hn::Vec<Int<D>> ReduceByLn2(D d, hn::Vec<D>& x) {
  const Int<D> di;
  const auto rounder = hn::Set(d, kRounder);
  const auto biased = hn::MulAdd(x, hn::Set(d, 0x1.715476p+0f), rounder);
  const auto n = hn::Sub(biased, rounder);
  x = hn::NegMulAdd(n, hn::Set(d, 0x1.63p-1f), x);
  x = hn::NegMulAdd(n, hn::Set(d, -0x1.bd0106p-13f), x);
  return hn::Sub(hn::BitCast(di, biased), hn::BitCast(di, rounder));
}

// (e^r - 1 - r) / r^2 for |r| <= ln2 / 2.
template <class D>
HWY_INLINE hn::Vec<D> ExpPolynomial(D d, hn::Vec<D> r) {
  auto p = hn::Set(d, 0x1.6d9a5cp-10f);
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.1228f4p-7f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.555486p-5f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.5554aep-3f));
  return hn::MulAdd(p, r, hn::Set(d, 0.5f));
}

// |x| = n pi/2 + r; leaves r in x and returns n. From 2^20 on (and for NaN) n
// and r are some values: the callers answer such arguments themselves.
template <class D>
HWY_INLINE hn::Vec<Int<D>> ReduceByHalfPi(D d, hn::Vec<D>& x) {
  const Int<D> di;
  const auto rounder = hn::Set(d, kRounder);
  const auto biased = hn::MulAdd(x, hn::Set(d, 0x1.45f306p-1f), rounder);
  const auto n = hn::Sub(biased, rounder);
  x = hn::NegMulAdd(n, hn::Set(d, 0x1.92p+0f), x);
  x = hn::NegMulAdd(n, hn::Set(d, 0x1.fb4p-12f), x);
  x = hn::NegMulAdd(n, hn::Set(d, 0x1.4442d2p-24f), x);
  x = hn::NegMulAdd(n, hn::Set(d, -0x1.ee59dap-50f), x);
  return hn::BitCast(di, biased);
}

// sin(quadrant * pi/2 + r), |r| <= pi/4; only the low two bits count.
template <class D>
HWY_INLINE hn::Vec<D> SinOfQuadrant(D d, hn::Vec<Int<D>> quadrant,
                                    hn::Vec<D> r) {
  const Int<D> di;
  const auto z = hn::Mul(r, r);
  auto s = hn::Set(d, -0x1.992d9ap-13f);
  s = hn::MulAdd(s, z, hn::Set(d, 0x1.110702p-7f));
  s = hn::MulAdd(s, z, hn::Set(d, -0x1.555544p-3f));
  const auto sine = hn::MulAdd(hn::Mul(s, z), r, r);
  auto c = hn::Set(d, 0x1.99e79p-16f);
  c = hn::MulAdd(c, z, hn::Set(d, -0x1.6c0c34p-10f));
  c = hn::MulAdd(c, z, hn::Set(d, 0x1.55554ap-5f));
  const auto half = hn::NegMulAdd(hn::Set(d, 0.5f), z, hn::Set(d, 1.0f));
  const auto cosine = hn::MulAdd(hn::Mul(z, z), c, half);
  const auto one = hn::Set(di, 1);
  const auto odd = hn::Eq(hn::And(quadrant, one), one);
  const auto value = hn::IfThenElse(hn::RebindMask(d, odd), cosine, sine);
  const auto sign = hn::ShiftLeft<30>(hn::And(quadrant, hn::Set(di, 2)));
  return hn::Xor(value, hn::BitCast(d, sign));
}

// NaN where |x| >= 2^20 or x is NaN.
template <class D>
HWY_INLINE hn::Vec<D> OnlyInRange(D d, hn::Vec<D> magnitude, hn::Vec<D> value) {
  return hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 1048576.0f)), value,
                        hn::Set(d, std::numeric_limits<float>::quiet_NaN()));
}

}  // namespace math

template <class D>
HWY_INLINE hn::Vec<D> Exp(D d, hn::Vec<D> x) {
  // Beyond these the result is infinity or +0 anyhow; NaN compares false.
  const auto high = hn::Set(d, 89.0f);
  const auto low = hn::Set(d, -104.0f);
  auto r = hn::IfThenElse(hn::Gt(x, high), high, x);
  r = hn::IfThenElse(hn::Lt(r, low), low, r);
  const auto n = math::ReduceByLn2(d, r);
  const auto q = hn::MulAdd(math::ExpPolynomial(d, r), hn::Mul(r, r), r);
  const auto p = hn::Add(q, hn::Set(d, 1.0f));
  // 2^n in two steps: the first is exact, so subnormal results round once.
  const auto half = hn::ShiftRight<1>(n);
  return hn::Mul(hn::Mul(p, math::PowerOfTwo(d, half)),
                 math::PowerOfTwo(d, hn::Sub(n, half)));
}

template <class D>
HWY_INLINE hn::Vec<D> Log(D d, hn::Vec<D> x) {
  const math::Int<D> di;
  const auto zero = hn::Zero(d);
  const auto one = hn::Set(d, 1.0f);
  const auto infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  // Subnormals are scaled by 2^23 first.
  const auto small = hn::Lt(x, hn::Set(d, 0x1p-126f));
  const auto scaled =
      hn::IfThenElse(small, hn::Mul(x, hn::Set(d, 0x1p+23f)), x);
  // e so that scaled = 2^e m with m in [sqrt(1/2), sqrt(2)).
  const auto bits = hn::BitCast(di, scaled);
  const auto e = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, 0x3f3504f3)));
  const auto m = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(e)));
  const auto exponent = hn::Add(
      hn::ConvertTo(d, e), hn::IfThenElse(small, hn::Set(d, -23.0f), zero));

  const auto f = hn::Sub(m, one);
  auto q = hn::Set(d, 0x1.1457c4p-4f);
  q = hn::MulAdd(q, f, hn::Set(d, -0x1.de3c1cp-4f));
  q = hn::MulAdd(q, f, hn::Set(d, 0x1.e6f062p-4f));
  q = hn::MulAdd(q, f, hn::Set(d, -0x1.fc2206p-4f));
  q = hn::MulAdd(q, f, hn::Set(d, 0x1.233768p-3f));
  q = hn::MulAdd(q, f, hn::Set(d, -0x1.555c4ep-3f));
  q = hn::MulAdd(q, f, hn::Set(d, 0x1.99a4b6p-3f));
  q = hn::MulAdd(q, f, hn::Set(d, -0x1.000006p-2f));
  q = hn::MulAdd(q, f, hn::Set(d, 0x1.555548p-2f));
  const auto f2 = hn::Mul(f, f);
  // Small terms first.
  auto y = hn::Mul(hn::Mul(f2, f), q);
  y = hn::MulAdd(exponent, hn::Set(d, -0x1.bd0106p-13f), y);
  y = hn::NegMulAdd(hn::Set(d, 0.5f), f2, y);
  y = hn::Add(y, f);
  y = hn::MulAdd(exponent, hn::Set(d, 0x1.63p-1f), y);

  // Not finite and positive: +infinity and NaN stay, 0 and below are replaced.
  y = hn::IfThenElse(hn::Lt(x, infinity), y, x);
  y = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity), y);
  return hn::IfThenElse(hn::Lt(x, zero),
                        hn::Set(d, std::numeric_limits<float>::quiet_NaN()), y);
}

template <class D>
HWY_INLINE hn::Vec<D> Tanh(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.0f);
  const auto limit = hn::Set(d, 10.0f);  // tanh rounds to 1 from 9.02 on
  const auto magnitude = hn::Abs(x);
  const auto clamped =
      hn::IfThenElse(hn::Gt(magnitude, limit), limit, magnitude);
  auto r = hn::Add(clamped, clamped);
  const auto n = math::ReduceByLn2(d, r);
  const auto q = hn::MulAdd(math::ExpPolynomial(d, r), hn::Mul(r, r), r);
  // e^(2|x|) - 1 = 2^n q + (2^n - 1): nothing cancels near zero, where n = 0.
  const auto power = math::PowerOfTwo(d, n);
  const auto t = hn::MulAdd(q, power, hn::Sub(power, one));
  const auto y = hn::Div(t, hn::Add(t, hn::Set(d, 2.0f)));
  return hn::Or(y, hn::Xor(x, magnitude));  // the sign of x
}

// e^x - 1 without loss near zero.
template <class D>
HWY_INLINE hn::Vec<D> Expm1(D d, hn::Vec<D> x) {
  // Beyond these the result is infinity or -1 anyhow; NaN compares false.
  const auto high = hn::Set(d, 89.0f);
  const auto low = hn::Set(d, -30.0f);
  auto r = hn::IfThenElse(hn::Gt(x, high), high, x);
  r = hn::IfThenElse(hn::Lt(r, low), low, r);
  const auto n = math::ReduceByLn2(d, r);
  const auto q = hn::MulAdd(math::ExpPolynomial(d, r), hn::Mul(r, r), r);
  // Half of it: 2^n itself may be too large for a float.
  const math::Int<D> di;
  const auto power = math::PowerOfTwo(d, hn::Sub(n, hn::Set(di, 1)));
  const auto half = hn::MulAdd(q, power, hn::Sub(power, hn::Set(d, 0.5f)));
  return hn::Add(half, half);
}

// log(1 + x) without loss near zero.
template <class D>
HWY_INLINE hn::Vec<D> Log1p(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.0f);
  const auto u = hn::Add(one, x);
  // What the sum has lost, exactly: of the smaller of the two.
  const auto lost = hn::IfThenElse(hn::Gt(x, one), hn::Sub(one, hn::Sub(u, x)),
                                   hn::Sub(x, hn::Sub(u, one)));
  const auto y = Log(d, u);
  const auto infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  const auto sum = hn::Add(y, hn::Div(lost, u));
  // 0, below it and infinity have no correction; NaN stays.
  return hn::IfThenElse(hn::And(hn::Gt(u, hn::Zero(d)), hn::Lt(u, infinity)),
                        sum, y);
}

// 1 / (1 + e^-x). From |x| = 80 on it is as at 80: 1, or 1.8e-35.
template <class D>
HWY_INLINE hn::Vec<D> Sigmoid(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.0f);
  const auto limit = hn::Set(d, 80.0f);
  const auto magnitude = hn::Abs(x);
  const auto e = Exp(
      d, hn::Neg(hn::IfThenElse(hn::Gt(magnitude, limit), limit, magnitude)));
  const auto top = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one);
  return hn::Div(top, hn::Add(one, e));
}

// The probability that a standard normal number is above |x|, 1 - Phi(|x|), and
// in `bell` e^(-x^2/2). From |x| = 10 on they are as at 10 (7.6e-24).
template <class D>
HWY_INLINE hn::Vec<D> NormalTail(D d, hn::Vec<D> x, hn::Vec<D>& bell) {
  const auto one = hn::Set(d, 1.0f);
  const auto half = hn::Set(d, 0.5f);
  const auto limit = hn::Set(d, 10.0f);
  auto t = hn::Abs(x);
  t = hn::IfThenElse(hn::Gt(t, limit), limit, t);
  // The square's own rounding would be 24 units of the result at 10.
  const auto square = hn::Mul(t, t);
  const auto lost = hn::MulSub(t, t, square);
  const auto e = Exp(d, hn::Neg(hn::Mul(half, square)));
  bell = hn::NegMulAdd(hn::Mul(e, half), lost, e);
  const auto u = hn::Div(one, hn::MulAdd(hn::Set(d, 0.25f), t, one));
  // Around the middle of its range, so that no terms cancel where it is large.
  const auto v = hn::Sub(u, hn::Set(d, 0.640625f));
  auto r = hn::Set(d, 0x1.fbfeb6p-6f);
  r = hn::MulAdd(r, v, hn::Set(d, -0x1.513c92p-6f));
  r = hn::MulAdd(r, v, hn::Set(d, -0x1.84a424p-4f));
  r = hn::MulAdd(r, v, hn::Set(d, -0x1.82306ep-8f));
  r = hn::MulAdd(r, v, hn::Set(d, 0x1.0d15f0p-2f));
  r = hn::MulAdd(r, v, hn::Set(d, 0x1.08c262p-1f));
  r = hn::MulAdd(r, v, hn::Set(d, 0x1.262190p-1f));
  r = hn::MulAdd(r, v, hn::Set(d, 0x1.c04082p-2f));
  r = hn::MulAdd(r, v, hn::Set(d, 0x1.ec3efcp-3f));
  return hn::Mul(bell, hn::Mul(r, u));
}
template <class D>
HWY_INLINE hn::Vec<D> NormalTail(D d, hn::Vec<D> x) {
  auto bell = hn::Zero(d);
  return NormalTail(d, x, bell);
}

template <class D>
HWY_INLINE hn::Vec<D> Sin(D d, hn::Vec<D> x) {
  const auto magnitude = hn::Abs(x);
  auto r = magnitude;
  const auto quadrant = math::ReduceByHalfPi(d, r);
  const auto y =
      hn::Xor(math::SinOfQuadrant(d, quadrant, r), hn::Xor(x, magnitude));
  return math::OnlyInRange(d, magnitude, y);
}

template <class D>
HWY_INLINE hn::Vec<D> Cos(D d, hn::Vec<D> x) {
  const math::Int<D> di;
  const auto magnitude = hn::Abs(x);
  auto r = magnitude;
  const auto quadrant = hn::Add(math::ReduceByHalfPi(d, r), hn::Set(di, 1));
  return math::OnlyInRange(d, magnitude, math::SinOfQuadrant(d, quadrant, r));
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
