// Binary cross-entropy from logits and its focal form. Contract: sigmoid_loss.h.
#if defined(TEMPER_SIMD_SIGMOID_LOSS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_SIGMOID_LOSS_INL_H_
#undef TEMPER_SIMD_SIGMOID_LOSS_INL_H_
#else
#define TEMPER_SIMD_SIGMOID_LOSS_INL_H_
#endif

#include <limits>

#include "hwy/highway.h"
#include "simd/class_targets-inl.h"
#include "simd/flush-inl.h"
#include "simd/sigmoid_loss.h"
#include "simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// log(1 + e) for e in [0, 1]: what 1 + e rounds away is given back.
HWY_INLINE hn::Vec<Lanes16> LogOnePlus(hn::Vec<Lanes16> e) {
  const Lanes16 d;
  const auto one = hn::Set(d, 1.0f);
  const auto u = hn::Add(one, e);
  const auto kept = hn::Sub(u, one);  // exact
  return hn::IfThenElse(hn::Eq(u, one), e,
                        hn::Div(hn::Mul(Log(d, u), e), kept));
}

// p = sigmoid(z) and 1 - p, both to all their digits; e = e^-|z|, for Softplus.
// (Vectors of SVE cannot be members of a struct.)
template <class V>
HWY_INLINE void SigmoidOf(V z, V& p, V& rest, V& e) {
  const Lanes16 d;
  const auto one = hn::Set(d, 1.0f);
  const auto up = hn::Ge(z, hn::Zero(d));
  e = ExpOrZero(hn::Neg(hn::Abs(z)));
  const auto large = hn::Div(one, hn::Add(one, e));
  const auto small = hn::Mul(e, large);
  p = hn::IfThenElse(up, large, small);
  rest = hn::IfThenElse(up, small, large);
}
// log(1 + e^z), with e = e^-|z|.
template <class V>
HWY_INLINE V Softplus(V z, V e) {
  return hn::Add(hn::ZeroIfNegative(z), LogOnePlus(e));
}

void SigmoidsRange(size_t begin, size_t end, const float* logits, float* p) {
  ForEachVector(Lanes16(), begin, end, [&](auto access, size_t i) HWY_ATTR {
    const auto z = access.Load(logits + i);
    auto y = z, rest = z, e = z;
    SigmoidOf(z, y, rest, e);
    access.Store(y, p + i);
  });
}

// What the outputs of a row are multiplied by: positive t', negative (1 - t').
class BinaryRow {
 public:
  HWY_INLINE BinaryRow(const BinaryTargets& t, size_t n, size_t row)
      : t_(t),
        targets_(t.labels == nullptr ? t.targets + row * n : nullptr),
        label_(LabelOf(t, n, row)) {}

  template <class Access>
  HWY_INLINE void At(Access access, size_t i, hn::Vec<Lanes16>& there,
                     hn::Vec<Lanes16>& not_there) const {
    const Lanes16 d;
    const auto one = hn::Set(d, 1.0f);
    auto t = targets_ != nullptr ? access.Load(targets_ + i) : OneAt(label_, i);
    const auto part = hn::Set(d, 1.0f - t_.smoothing);
    if (t_.positive == nullptr && t_.negative == nullptr) {
      there = hn::MulAdd(t, part, hn::Set(d, 0.5f * t_.smoothing));
      not_there = hn::Sub(one, there);
      there = hn::Mul(Inside(access), there);
      not_there = hn::Mul(Inside(access), not_there);
      return;
    }
    // What the output counts as it is counts for its smoothing, too.
    const auto yes = hn::Mul(LoadOrOnes(access, t_.positive, i), t);
    const auto no =
        hn::Mul(LoadOrOnes(access, t_.negative, i), hn::Sub(one, t));
    const auto both =
        hn::Mul(hn::Add(yes, no), hn::Set(d, 0.5f * t_.smoothing));
    there = hn::MulAdd(yes, part, both);
    not_there = hn::MulAdd(no, part, both);
  }

 private:
  // The output that is there, or -1.
  static int64_t LabelOf(const BinaryTargets& t, size_t n, size_t row) {
    if (t.labels == nullptr) return -1;
    const int64_t label = t.labels[row];
    return n > 1 ? label : label == 1 ? 0 : -1;
  }

  const BinaryTargets& t_;
  const float* const targets_;
  const int64_t label_;
};

HWY_INLINE bool IsBadLabel(const BinaryTargets& t, size_t n, size_t row) {
  if (t.labels == nullptr) return false;
  const int64_t most = n > 1 ? static_cast<int64_t>(n) : 2;
  return t.labels[row] < 0 || t.labels[row] >= most;
}

void SigmoidFocalRows(size_t begin, size_t end, size_t n, const float* logits,
                      const BinaryTargets& targets, float* row_loss) {
  const auto zero = hn::Zero(Lanes16());
  for (size_t r = begin; r < end; ++r) {
    if (IsBadLabel(targets, n, r)) {
      row_loss[r] = std::numeric_limits<float>::infinity();
      continue;
    }
    const float* const x = logits + r * n;
    const BinaryRow row(targets, n, r);
    const float sum =
        SumToOne(n, [&](auto access, size_t i, auto acc) HWY_ATTR {
          auto there = zero, not_there = zero;
          row.At(access, i, there, not_there);
          const auto z = access.Load(x + i);
          auto p = z, rest = z, e = z;
          SigmoidOf(z, p, rest, e);
          // 0 times infinity is 0 here. What is past the row has no weight.
          const auto up = hn::IfThenZeroElse(
              hn::Eq(there, zero),
              hn::Mul(PowerOf(rest, targets.gamma), Softplus(hn::Neg(z), e)));
          const auto down = hn::IfThenZeroElse(
              hn::Eq(not_there, zero),
              hn::Mul(PowerOf(p, targets.gamma), Softplus(z, e)));
          const auto inside = Inside(access);
          acc = hn::MulAdd(hn::Mul(inside, there), up, acc);
          return hn::MulAdd(hn::Mul(inside, not_there), down, acc);
        });
    row_loss[r] = sum / static_cast<float>(n);
  }
}

void SigmoidFocalBackwardRows(size_t begin, size_t end, size_t n,
                              const float* logits, const BinaryTargets& targets,
                              float factor, bool accumulate, float* dlogits) {
  const Lanes16 d;
  const auto zero = hn::Zero(d);
  const auto v_gamma = hn::Set(d, targets.gamma);
  const auto v_factor = hn::Set(d, factor);
  for (size_t r = begin; r < end; ++r) {
    const BinaryRow row(targets, n, r);
    const float* const x = logits + r * n;
    float* const out = dlogits + r * n;
    ForEachVector(d, 0, n, [&](auto access, size_t i) HWY_ATTR {
      auto there = zero, not_there = zero;
      row.At(access, i, there, not_there);
      const auto z = access.Load(x + i);
      auto p = z, rest = z, e = z;
      SigmoidOf(z, p, rest, e);
      auto down = p, up = rest;
      if (targets.gamma != 0.0f) {
        down = hn::MulAdd(v_gamma, hn::Mul(rest, Softplus(z, e)), down);
        down = hn::Mul(PowerOf(p, targets.gamma), down);
        up = hn::MulAdd(v_gamma, hn::Mul(p, Softplus(hn::Neg(z), e)), up);
        up = hn::Mul(PowerOf(rest, targets.gamma), up);
      }
      const auto slope = hn::NegMulAdd(there, up, hn::Mul(not_there, down));
      auto g = hn::Mul(slope, v_factor);
      if (accumulate) {
        g = hn::MulAdd(slope, v_factor, access.Load(out + i));
      }
      access.Store(FlushTiny(g), out + i);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
