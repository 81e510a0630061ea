// Sums to one number in 16 virtual lanes: element i goes to lane i mod 16, then
// the tree 8-4-2-1. Next: loss-inl.h, layer_norm-inl.h.
#if defined(TEMPER_SIMD_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_SUM_INL_H_
#undef TEMPER_SIMD_SUM_INL_H_
#else
#define TEMPER_SIMD_SUM_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"
#include "simd/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// combine over 16 lanes by the tree 8-4-2-1. Written out: in a loop over
// `lanes` every level would wait for the stores of the one before.
template <class Combine>
HWY_INLINE float FoldLanes(const float* l, Combine&& f) {
  const float a0 = f(l[0], l[8]), a1 = f(l[1], l[9]);
  const float a2 = f(l[2], l[10]), a3 = f(l[3], l[11]);
  const float a4 = f(l[4], l[12]), a5 = f(l[5], l[13]);
  const float a6 = f(l[6], l[14]), a7 = f(l[7], l[15]);
  const float b0 = f(a0, a4), b1 = f(a1, a5), b2 = f(a2, a6), b3 = f(a3, a7);
  return f(f(b0, b2), f(b1, b3));
}
HWY_INLINE float AddLanes(const float* lanes) {
  return FoldLanes(lanes, [](float a, float b) HWY_ATTR { return a + b; });
}

// Sums n terms to one number. term(access, i, sum) returns sum plus the term of
// the elements at i; it must leave lanes that load as zero unchanged.
template <class Term>
HWY_INLINE float SumToOne(size_t n, Term&& term) {
  constexpr size_t kInCache = 4096;  // a multiple of 16
  const Lanes16 d;
  const size_t N = hn::Lanes(d);
  if (n == 0) return 0.0f;
  HWY_ALIGN float lanes[16];
  for (size_t begin = 0; begin < n; begin += kInCache) {
    const size_t end = n - begin < kInCache ? n : begin + kInCache;
    for (size_t lane = 0; lane < 16; lane += N) {
      auto sum = hn::Zero(d);
      if (begin != 0) sum = hn::Load(d, lanes + lane);
      size_t i = begin + lane;
      for (; i + N <= end; i += 16) sum = term(FullAccess(), i, sum);
      if (i < end) sum = term(PartAccess{end - i}, i, sum);
      hn::Store(sum, d, lanes + lane);
    }
  }
  return AddLanes(lanes);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
