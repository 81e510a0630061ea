// exp, log, tanh, ... over arrays: loops and dispatch. The polynomials are
// in math-inl.h, the contract in math.h.
#include "simd/math.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/math.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/lanes-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {

#define TEMPER_MATH_LOOP(Name)                                   \
  void Name##Array(size_t n, const float* x, float* y) {         \
    const Lanes16 d;                                             \
    ForEachVector(d, 0, n, [&](auto access, size_t i) HWY_ATTR { \
      access.Store(Name(d, access.Load(x + i)), y + i);          \
    });                                                          \
  }
TEMPER_MATH_LOOP(Exp)
TEMPER_MATH_LOOP(Log)
TEMPER_MATH_LOOP(Tanh)
TEMPER_MATH_LOOP(Expm1)
TEMPER_MATH_LOOP(Log1p)
TEMPER_MATH_LOOP(Sigmoid)
TEMPER_MATH_LOOP(NormalTail)
TEMPER_MATH_LOOP(Sin)
TEMPER_MATH_LOOP(Cos)
#undef TEMPER_MATH_LOOP

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(ExpArray);
HWY_EXPORT(LogArray);
HWY_EXPORT(TanhArray);
HWY_EXPORT(Expm1Array);
HWY_EXPORT(Log1pArray);
HWY_EXPORT(SigmoidArray);
HWY_EXPORT(NormalTailArray);
HWY_EXPORT(SinArray);
HWY_EXPORT(CosArray);

void Exp(size_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(ExpArray)(n, x, y);
}
void Log(size_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(LogArray)(n, x, y);
}
void Tanh(size_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(TanhArray)(n, x, y);
}
void Expm1(size_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(Expm1Array)(n, x, y);
}
void Log1p(size_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(Log1pArray)(n, x, y);
}
void Sigmoid(size_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(SigmoidArray)(n, x, y);
}
void NormalTail(size_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(NormalTailArray)(n, x, y);
}
void Sin(size_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(SinArray)(n, x, y);
}
void Cos(size_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(CosArray)(n, x, y);
}

}  // namespace temper::simd
#endif  // HWY_ONCE
