// What the losses of classes share: the targets of a vector of outputs, and
// powers. Next: focal-inl.h, sigmoid_loss-inl.h.
#if defined(TEMPER_SIMD_CLASS_TARGETS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_CLASS_TARGETS_INL_H_
#undef TEMPER_SIMD_CLASS_TARGETS_INL_H_
#else
#define TEMPER_SIMD_CLASS_TARGETS_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "simd/lanes-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 1 where the vector has elements, 0 past the last one.
HWY_INLINE hn::Vec<Lanes16> Inside(FullAccess) {
  return hn::Set(Lanes16(), 1.0f);
}
HWY_INLINE hn::Vec<Lanes16> Inside(PartAccess access) {
  const Lanes16 d;
  return hn::IfThenElseZero(hn::FirstN(d, access.count), hn::Set(d, 1.0f));
}

// The numbers at i, or 1 of a list that is not there.
template <class Access>
HWY_INLINE hn::Vec<Lanes16> LoadOrOnes(Access access, const float* list,
                                       size_t i) {
  return list == nullptr ? Inside(access) : access.Load(list + i);
}

// 1 in the lane of `label` (of the element at i), else 0. label -1: nowhere.
HWY_INLINE hn::Vec<Lanes16> OneAt(int64_t label, size_t i) {
  const Lanes16 d;
  const hn::RebindToSigned<Lanes16> di;
  const auto lane =
      hn::Set(di, static_cast<int32_t>(label - static_cast<int64_t>(i)));
  return hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(hn::Iota(di, 0), lane)),
                            hn::Set(d, 1.0f));
}

// x^gamma for x in [0, 1]; x^0 = 1.
HWY_INLINE hn::Vec<Lanes16> PowerOf(hn::Vec<Lanes16> x, float gamma) {
  const Lanes16 d;
  if (gamma == 0.0f) return hn::Set(d, 1.0f);
  return Exp(d, hn::Mul(hn::Set(d, gamma), Log(d, x)));
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
