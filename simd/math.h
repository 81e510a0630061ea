// exp, log, tanh, ... of n floats, on the calling thread; y == x allowed.
// Equal bits on every exact target; the bits over the whole range are stored in
// tests/simd/math_hash.h and any change raises the arithmetic version.
//
// Error against double, on exact targets, subnormals included:
//   Exp   1.05 ULP    overflow gives +infinity, underflow rounds, down to +0
//   Log   0.85 ULP    log(+-0) = -infinity, log(x < 0) = NaN
//   Tanh  2.55 ULP    odd; +-1 beyond 9.02
//   Expm1 1.6 ULP     overflow gives +infinity; -1 below -30
//   Log1p 1.6 ULP     log1p(-1) = -infinity, log1p(x < -1) = NaN
//   Sigmoid 2.6 ULP   for |x| <= 80, beyond it as at 80
//   NormalTail 7 ULP  1 - Phi(|x|) for |x| <= 10, beyond it as at 10
//   Sin   1.6 ULP     for |x| <= 10000; NaN from |x| >= 2^20 on
//   Cos   1.6 ULP     likewise
// NaN gives NaN. Targets without FMA (SSE4, scalar): 2 ULP for Exp and Log, 4
// for the others, or 1e-9 where sin and cos are near zero.
// Next: math-inl.h (the polynomials; include it to use them inside a kernel).
#ifndef TEMPER_SIMD_MATH_H_
#define TEMPER_SIMD_MATH_H_

#include <cstddef>

namespace temper::simd {

void Exp(size_t n, const float* x, float* y);
void Log(size_t n, const float* x, float* y);
void Tanh(size_t n, const float* x, float* y);
void Expm1(size_t n, const float* x, float* y);
void Log1p(size_t n, const float* x, float* y);
void Sigmoid(size_t n, const float* x, float* y);
void NormalTail(size_t n, const float* x, float* y);
void Sin(size_t n, const float* x, float* y);
void Cos(size_t n, const float* x, float* y);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_MATH_H_
