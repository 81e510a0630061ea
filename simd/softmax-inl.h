// Sums to one number by 16 virtual lanes, and the softmax of a row: what the
// losses share. Contract: loss.h.
// A row is handled in blocks of 16 virtual lanes: each vector of the block
// keeps its own accumulator in a register while it strides over the row, then
// all meet in `lanes[16]`. Classes past the last whole block are copied into a
// padded buffer, so that 10 classes cost one block.
// A buffer that vectors store to is never initialised or written by scalars
// too: GCC 12 forwards such values past SVE's predicated stores.
// Next: loss-inl.h, focal-inl.h.
#if defined(TEMPER_SIMD_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_SOFTMAX_INL_H_
#undef TEMPER_SIMD_SOFTMAX_INL_H_
#else
#define TEMPER_SIMD_SOFTMAX_INL_H_
#endif

#include <cstddef>
#include <limits>

#include "hwy/highway.h"
#include "simd/lanes-inl.h"
#include "simd/math-inl.h"
#include "simd/sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The partial last vector of an input with a readable tail. Not for outputs:
// another thread may be writing past their end.
struct InputTail {
  HWY_INLINE hn::Vec<Lanes16> Load(const float* p) const {
    return hn::LoadU(Lanes16(), p);
  }
};

// The largest of the row; NaN is passed over (Exp meets it again).
HWY_INLINE float RowMax(size_t whole, const float* x, const float* tail) {
  const Lanes16 d;
  const size_t N = hn::Lanes(d);
  HWY_ALIGN float lanes[16];
  for (size_t lane = 0; lane < 16; lane += N) {
    auto top = hn::Load(d, tail + lane);
    top = hn::IfThenElse(hn::Eq(top, top), top,
                         hn::Set(d, -std::numeric_limits<float>::infinity()));
    for (size_t i = lane; i < whole; i += 16) {
      const auto v = hn::LoadU(d, x + i);
      top = hn::IfThenElse(hn::Gt(v, top), v, top);
    }
    hn::Store(top, d, lanes + lane);
  }
  return FoldLanes(lanes,
                   [](float a, float b) HWY_ATTR { return b > a ? b : a; });
}

// tail[16] = the last `rest` < 16 elements at x, then minus infinity.
HWY_INLINE void PadTail(size_t rest, const float* x, float* tail) {
  const Lanes16 d;
  const size_t N = hn::Lanes(d);
  const auto padding = hn::Set(d, -std::numeric_limits<float>::infinity());
  for (size_t lane = 0; lane < 16; lane += N) {
    auto v = padding;
    if (lane < rest) {
      v = hn::IfThenElse(hn::FirstN(d, rest - lane), hn::LoadU(d, x + lane), v);
    }
    hn::Store(v, d, tail + lane);
  }
}

// e^x for x <= 0, +0 where that is less than 1e-30: exp and the division by the
// sum would otherwise work on subnormals in every step of a sure model. NaN
// compares false and is kept.
template <class V>
HWY_INLINE V ExpOrZero(V x) {
  const Lanes16 d;
  const auto zero = hn::Lt(x, hn::Set(d, -69.0f));  // e^-69 = 1.1e-30
  return hn::IfThenZeroElse(zero, Exp(d, hn::IfThenZeroElse(zero, x)));
}

// probabilities of one row; returns the sum of exp(x - top).
HWY_INLINE float SoftmaxRow(size_t classes, const float* x, float* tail,
                            float top, float* p) {
  const Lanes16 d;
  const size_t N = hn::Lanes(d);
  const size_t whole = classes / 16 * 16;
  const size_t rest = classes - whole;
  const auto v_top = hn::Set(d, top);
  HWY_ALIGN float lanes[16];
  for (size_t lane = 0; lane < 16; lane += N) {
    auto sum = hn::Zero(d);
    for (size_t i = lane; i < whole; i += 16) {
      const auto e = ExpOrZero(hn::Sub(hn::LoadU(d, x + i), v_top));
      hn::StoreU(e, d, p + i);
      sum = hn::Add(sum, e);
    }
    if (lane < rest) {
      // The padding is minus infinity and adds exp(-infinity) = 0.
      const auto e = ExpOrZero(hn::Sub(hn::Load(d, tail + lane), v_top));
      hn::Store(e, d, tail + lane);
      sum = hn::Add(sum, e);
    }
    hn::Store(sum, d, lanes + lane);
  }
  const float total = AddLanes(lanes);
  const auto v_total = hn::Set(d, total);
  for (size_t i = 0; i < whole; i += N) {
    hn::StoreU(hn::Div(hn::LoadU(d, p + i), v_total), d, p + i);
  }
  for (size_t lane = 0; lane < rest; lane += N) {
    hn::Store(hn::Div(hn::Load(d, tail + lane), v_total), d, tail + lane);
  }
  for (size_t i = 0; i < rest; ++i) p[whole + i] = tail[i];
  return total;
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
