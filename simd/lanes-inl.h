// The one place where vector width and remainders are handled: at most 16 lanes
// (kPanel), loops over ranges, and partial loads and stores.
// Next: any *-inl.h that includes this.
#if defined(TEMPER_SIMD_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_LANES_INL_H_
#undef TEMPER_SIMD_LANES_INL_H_
#else
#define TEMPER_SIMD_LANES_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"
#include "simd/grain.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Vectors of at most 16 floats, whatever the CPU has.
using Lanes16 = hn::CappedTag<float, 16>;

// Whole vectors.
struct FullAccess {
  HWY_INLINE hn::Vec<Lanes16> Load(const float* p) const {
    return hn::LoadU(Lanes16(), p);
  }
  HWY_INLINE void Store(hn::Vec<Lanes16> v, float* p) const {
    hn::StoreU(v, Lanes16(), p);
  }
};

// The first `count` lanes; the others load as zero and are not stored. Goes
// through a buffer, so that no byte past `count` is touched on any target.
struct PartAccess {
  size_t count;
  HWY_INLINE hn::Vec<Lanes16> Load(const float* p) const {
    HWY_ALIGN float lanes[16] = {};
    for (size_t i = 0; i < count; ++i) lanes[i] = p[i];
    return hn::Load(Lanes16(), lanes);
  }
  HWY_INLINE void Store(hn::Vec<Lanes16> v, float* p) const {
    HWY_ALIGN float lanes[16];
    hn::Store(v, Lanes16(), lanes);
    for (size_t i = 0; i < count; ++i) p[i] = lanes[i];
  }
};

// Calls body(access, i) for vectors that cover [begin, end).
template <class Body>
HWY_INLINE void ForEachVector(Lanes16 d, size_t begin, size_t end,
                              Body&& body) {
  const size_t N = hn::Lanes(d);
  size_t i = begin;
  for (; i + N <= end; i += N) body(FullAccess(), i);
  if (i < end) body(PartAccess{end - i}, i);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
