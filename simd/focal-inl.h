// Weighted and focal softmax cross-entropy. Contract: focal.h.
#if defined(TEMPER_SIMD_FOCAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_FOCAL_INL_H_
#undef TEMPER_SIMD_FOCAL_INL_H_
#else
#define TEMPER_SIMD_FOCAL_INL_H_
#endif

#include <limits>

#include "hwy/highway.h"
#include "simd/class_targets-inl.h"
#include "simd/flush-inl.h"
#include "simd/focal.h"
#include "simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// What the outputs of a row count: v_j (focal.h).
class RowTargets {
 public:
  HWY_INLINE RowTargets(const ClassTargets& t, size_t classes, size_t row)
      : weights_(t.weights),
        targets_(t.labels == nullptr ? t.targets + row * classes : nullptr),
        label_(t.labels == nullptr ? -1 : t.labels[row]),
        others_(WeightOf(t, classes) * t.smoothing /
                static_cast<float>(classes)),
        part_(1.0f - t.smoothing) {}

  template <class Access>
  HWY_INLINE hn::Vec<Lanes16> At(Access access, size_t i) const {
    const Lanes16 d;
    const auto t =
        targets_ != nullptr ? access.Load(targets_ + i) : OneAt(label_, i);
    return hn::MulAdd(hn::Mul(LoadOrOnes(access, weights_, i), t),
                      hn::Set(d, part_),
                      hn::Mul(Inside(access), hn::Set(d, others_)));
  }

 private:
  // W of the row.
  HWY_INLINE float WeightOf(const ClassTargets& t, size_t classes) const {
    if (weights_ == nullptr || t.smoothing == 0.0f) return 1.0f;
    if (targets_ == nullptr) {
      const bool known = label_ >= 0 && static_cast<size_t>(label_) < classes;
      return known ? weights_[label_] : 0.0f;
    }
    return SumToOne(classes, [&](auto access, size_t i, auto sum) HWY_ATTR {
      return hn::MulAdd(access.Load(weights_ + i), access.Load(targets_ + i),
                        sum);
    });
  }

  const float* const weights_;
  const float* const targets_;
  const int64_t label_;
  const float others_, part_;
};

void SoftmaxFocalRows(size_t begin, size_t end, size_t classes,
                      const float* logits, const ClassTargets& targets,
                      float* probabilities, float* row_loss) {
  const Lanes16 d;
  const size_t whole = classes / 16 * 16;
  const auto zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  HWY_ALIGN float tail[16];
  for (size_t r = begin; r < end; ++r) {
    const float* const x = logits + r * classes;
    float* const p = probabilities + r * classes;
    PadTail(classes - whole, x + whole, tail);
    const float top = RowMax(whole, x, tail);
    const float total = SoftmaxRow(classes, x, tail, top, p);
    if (targets.labels != nullptr &&
        (targets.labels[r] < 0 ||
         static_cast<size_t>(targets.labels[r]) >= classes)) {
      row_loss[r] = std::numeric_limits<float>::infinity();
      continue;
    }
    const RowTargets row(targets, classes, r);
    const auto v_top = hn::Set(d, top);
    const auto log_total = Log(d, hn::Set(d, total));
    row_loss[r] =
        SumToOne(classes, [&](auto access, size_t i, auto sum) HWY_ATTR {
          const auto q = row.At(access, i);
          // -log p, from the logits: no digit is lost where p is small.
          const auto distance =
              hn::Sub(log_total, hn::Sub(access.Load(x + i), v_top));
          const auto hard =
              PowerOf(hn::Sub(one, access.Load(p + i)), targets.gamma);
          // 0 times infinity is 0 here.
          const auto term =
              hn::IfThenZeroElse(hn::Eq(q, zero), hn::Mul(hard, distance));
          return hn::MulAdd(q, term, sum);
        });
  }
}

void SoftmaxFocalBackwardRows(size_t begin, size_t end, size_t classes,
                              const float* probabilities,
                              const ClassTargets& targets, float factor,
                              bool accumulate, float* dlogits) {
  const Lanes16 d;
  const auto zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  const auto v_gamma = hn::Set(d, targets.gamma);
  const auto v_factor = hn::Set(d, factor);
  for (size_t r = begin; r < end; ++r) {
    const RowTargets row(targets, classes, r);
    const float* const p = probabilities + r * classes;
    float* const out = dlogits + r * classes;
    const auto a = [&](auto access, size_t i) HWY_ATTR {
      const auto probability = access.Load(p + i);
      const auto rest = hn::Sub(one, probability);
      const auto power = PowerOf(rest, targets.gamma);
      // gamma (1 - p)^(gamma - 1) p log p: 0 at both ends.
      const auto slope = hn::IfThenZeroElse(
          hn::Or(hn::Eq(probability, zero), hn::Eq(rest, zero)),
          hn::Div(hn::Mul(hn::Mul(v_gamma, power),
                          hn::Mul(probability, Log(d, probability))),
                  rest));
      return hn::Mul(row.At(access, i), hn::Sub(slope, power));
    };
    const auto sum = hn::Set(
        d, SumToOne(classes, [&](auto access, size_t i, auto acc) HWY_ATTR {
          return hn::Add(a(access, i), acc);
        }));
    ForEachVector(d, 0, classes, [&](auto access, size_t i) HWY_ATTR {
      const auto difference =
          hn::NegMulAdd(access.Load(p + i), sum, a(access, i));
      auto g = hn::Mul(difference, v_factor);
      if (accumulate) {
        g = hn::MulAdd(difference, v_factor, access.Load(out + i));
      }
      access.Store(FlushTiny(g), out + i);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
