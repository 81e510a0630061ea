// Losses, sums to one number and column sums. Contract: loss.h. How a row is
// summed: softmax-inl.h.
#ifndef TEMPER_SIMD_LOSS_ONCE_
#define TEMPER_SIMD_LOSS_ONCE_
#include <cstddef>

namespace temper::simd {

// Columns of ColumnSums handed out together.
inline constexpr size_t kColumnGroup = 64;

}  // namespace temper::simd
#endif  // TEMPER_SIMD_LOSS_ONCE_

#if defined(TEMPER_SIMD_LOSS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_LOSS_INL_H_
#undef TEMPER_SIMD_LOSS_INL_H_
#else
#define TEMPER_SIMD_LOSS_INL_H_
#endif

#include <cstdint>
#include <limits>
#include <type_traits>

#include "hwy/highway.h"
#include "simd/channels-inl.h"
#include "simd/flush-inl.h"
#include "simd/lanes-inl.h"
#include "simd/math-inl.h"
#include "simd/rows.h"
#include "simd/softmax-inl.h"
#include "simd/sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

float SumAll(size_t n, const float* x) {
  return SumToOne(n, [&](auto access, size_t i, auto sum)
                         HWY_ATTR { return hn::Add(access.Load(x + i), sum); });
}

float SumOfSquaresAll(size_t n, const float* x) {
  return SumToOne(n, [&](auto access, size_t i, auto sum) HWY_ATTR {
    const auto v = access.Load(x + i);
    return hn::MulAdd(v, v, sum);
  });
}

float SumOfDistancesAll(size_t n, const float* a, const float* b) {
  return SumToOne(n, [&](auto access, size_t i, auto sum) HWY_ATTR {
    return hn::Add(
        hn::Abs(FlushTiny(hn::Sub(access.Load(a + i), access.Load(b + i)))),
        sum);
  });
}

void MeanSquaredErrorRows(size_t begin, size_t end, size_t n,
                          const float* prediction, const float* target,
                          float* row_loss) {
  for (size_t r = begin; r < end; ++r) {
    const float* p = prediction + r * n;
    const float* t = target + r * n;
    const float sum =
        SumToOne(n, [&](auto access, size_t i, auto acc) HWY_ATTR {
          const auto difference =
              FlushTiny(hn::Sub(access.Load(p + i), access.Load(t + i)));
          return hn::MulAdd(difference, difference, acc);
        });
    row_loss[r] = sum / static_cast<float>(n);
  }
}

void MeanSquaredErrorBackwardRange(size_t begin, size_t end,
                                   const float* prediction, const float* target,
                                   float factor, bool accumulate, float* out) {
  const Lanes16 d;
  const auto v_factor = hn::Set(d, factor);
  const auto loop = [&](auto add) HWY_ATTR {
    ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
      const auto difference = FlushTiny(
          hn::Sub(access.Load(prediction + i), access.Load(target + i)));
      auto g = hn::Mul(difference, v_factor);
      if constexpr (add) {
        g = hn::MulAdd(difference, v_factor, access.Load(out + i));
      }
      access.Store(FlushTiny(g), out + i);
    });
  };
  accumulate ? loop(std::true_type()) : loop(std::false_type());
}

// The difference, cut to [-delta, delta]; NaN stays.
HWY_INLINE hn::Vec<Lanes16> CutDifference(hn::Vec<Lanes16> difference,
                                          float delta) {
  const Lanes16 d;
  const auto most = hn::Set(d, delta), least = hn::Set(d, -delta);
  const auto v = hn::IfThenElse(hn::Gt(difference, most), most, difference);
  return hn::IfThenElse(hn::Lt(v, least), least, v);
}

void HuberRows(size_t begin, size_t end, size_t n, const float* prediction,
               const float* target, float delta, float* row_loss) {
  const auto half = hn::Set(Lanes16(), 0.5f);
  for (size_t r = begin; r < end; ++r) {
    const float* p = prediction + r * n;
    const float* t = target + r * n;
    const float sum =
        SumToOne(n, [&](auto access, size_t i, auto acc) HWY_ATTR {
          const auto difference =
              FlushTiny(hn::Sub(access.Load(p + i), access.Load(t + i)));
          // c (d - c / 2) is both cases: c is d or the nearer end.
          const auto c = CutDifference(difference, delta);
          return hn::MulAdd(c, hn::NegMulAdd(half, c, difference), acc);
        });
    row_loss[r] = sum / static_cast<float>(n);
  }
}

void HuberBackwardRange(size_t begin, size_t end, const float* prediction,
                        const float* target, float delta, float factor,
                        bool accumulate, float* out) {
  const Lanes16 d;
  const auto v_factor = hn::Set(d, factor);
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    const auto c = CutDifference(FlushTiny(hn::Sub(access.Load(prediction + i),
                                                   access.Load(target + i))),
                                 delta);
    auto g = hn::Mul(c, v_factor);
    if (accumulate) g = hn::MulAdd(c, v_factor, access.Load(out + i));
    access.Store(FlushTiny(g), out + i);
  });
}

// sum_j (x_j - top).
HWY_INLINE float ShiftedSum(size_t classes, const float* x, float top) {
  const Lanes16 d;
  const size_t N = hn::Lanes(d);
  const size_t whole = classes / 16 * 16;
  const auto v_top = hn::Set(d, top);
  HWY_ALIGN float lanes[16];
  for (size_t lane = 0; lane < 16; lane += N) {
    auto sum = hn::Zero(d);
    size_t i = lane;
    for (; i < whole; i += 16) {
      sum = hn::Add(sum, hn::Sub(hn::LoadU(d, x + i), v_top));
    }
    if (i < classes) {
      const auto v = hn::Sub(hn::LoadU(d, x + i), v_top);
      sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, classes - i), v));
    }
    hn::Store(sum, d, lanes + lane);
  }
  return AddLanes(lanes);
}

// What a row's targets add to its loss, mass * log(total) - on - off, where
// total is the sum of exponentials.
struct TargetTerms {
  float on = 0.0f;  // the targets times (logit - top), without smoothing's part
  float off = 0.0f;    // smoothing's part
  float mass = 1.0f;   // the sum of q
  bool known = false;  // else there is no loss: infinity
};

// Softmax of each row, and its loss where terms(row, logits, top) are wanted.
template <bool kLoss, class Terms>
HWY_INLINE void CrossEntropyRows(size_t begin, size_t end, size_t classes,
                                 const float* logits, float* probabilities,
                                 float* row_loss, Terms&& terms) {
  const Lanes16 d;
  const size_t whole = classes / 16 * 16;
  HWY_ALIGN float tail[16];
  // Of up to 16 rows, whose logarithms are taken together: the sums of
  // exponentials, and the terms of the label and of all classes.
  HWY_ALIGN float totals[16] = {};
  HWY_ALIGN float logs[16];
  TargetTerms t[16];
  for (size_t first = begin; first < end; first += 16) {
    const size_t count = end - first < 16 ? end - first : 16;
    for (size_t k = 0; k < count; ++k) {
      const size_t r = first + k;
      const float* x = logits + r * classes;
      PadTail(classes - whole, x + whole, tail);
      const float top = RowMax(whole, x, tail);
      if constexpr (kLoss) t[k] = terms(r, x, top);
      totals[k] =
          SoftmaxRow(classes, x, tail, top, probabilities + r * classes);
      if (!t[k].known) totals[k] = std::numeric_limits<float>::infinity();
    }
    if constexpr (!kLoss) continue;
    for (size_t k = 0; k < count; k += hn::Lanes(d)) {
      hn::Store(Log(d, hn::Load(d, totals + k)), d, logs + k);
    }
    for (size_t k = 0; k < count; ++k) {
      row_loss[first + k] = t[k].mass * logs[k] - t[k].on - t[k].off;
    }
  }
}

// Smoothing's part of the loss: every class with the same weight.
HWY_INLINE float SmoothedTerm(size_t classes, const float* x, float top,
                              float smoothing) {
  if (smoothing == 0.0f) return 0.0f;
  return smoothing / static_cast<float>(classes) * ShiftedSum(classes, x, top);
}

void SoftmaxCrossEntropyRows(size_t begin, size_t end, size_t classes,
                             const float* logits, const int32_t* labels,
                             float smoothing, float* probabilities,
                             float* row_loss) {
  const auto terms = [&](size_t r, const float* x, float top) HWY_ATTR {
    TargetTerms t;
    t.known = labels[r] >= 0 && static_cast<size_t>(labels[r]) < classes;
    if (!t.known) return t;
    // logsumexp - sum q logit with the maximum taken from every logit: q sums
    // to one. A class with q = 0 does not enter, whatever its logit.
    t.on = (1.0f - smoothing) * (x[labels[r]] - top);
    t.off = SmoothedTerm(classes, x, top, smoothing);
    return t;
  };
  labels == nullptr ? CrossEntropyRows<false>(begin, end, classes, logits,
                                              probabilities, row_loss, terms)
                    : CrossEntropyRows<true>(begin, end, classes, logits,
                                             probabilities, row_loss, terms);
}

// The sum of q for targets that add up to `sum`: exactly 1 for 1.
HWY_INLINE float TargetMass(float sum, float smoothing) {
  return sum + smoothing * (1.0f - sum);
}

void SoftmaxCrossEntropySoftRows(size_t begin, size_t end, size_t classes,
                                 const float* logits, const float* targets,
                                 float smoothing, float* probabilities,
                                 float* row_loss) {
  const auto v_zero = hn::Zero(Lanes16());
  const auto terms = [&](size_t r, const float* x, float top) HWY_ATTR {
    const float* const q = targets + r * classes;
    const auto v_top = hn::Set(Lanes16(), top);
    TargetTerms t;
    t.known = true;
    t.mass = TargetMass(SumAll(classes, q), smoothing);
    t.on = (1.0f - smoothing) *
           SumToOne(classes, [&](auto access, size_t i, auto sum) HWY_ATTR {
             const auto weight = access.Load(q + i);
             // 0 times infinity is 0 here.
             const auto distance = hn::IfThenZeroElse(
                 hn::Eq(weight, v_zero), hn::Sub(access.Load(x + i), v_top));
             return hn::MulAdd(weight, distance, sum);
           });
    t.off = SmoothedTerm(classes, x, top, smoothing);
    return t;
  };
  CrossEntropyRows<true>(begin, end, classes, logits, probabilities, row_loss,
                         terms);
}

template <bool kAccumulate>
void SoftBackwardLoop(size_t begin, size_t end, size_t classes,
                      const float* probabilities, const float* targets,
                      float smoothing, float factor, float* dlogits) {
  const Lanes16 d;
  const auto q_others = hn::Set(d, smoothing / static_cast<float>(classes));
  const auto part = hn::Set(d, 1.0f - smoothing);
  const auto v_factor = hn::Set(d, factor);
  for (size_t r = begin; r < end; ++r) {
    const float* const p = probabilities + r * classes;
    const float* const t = targets + r * classes;
    float* const out = dlogits + r * classes;
    const auto mass = hn::Set(d, TargetMass(SumAll(classes, t), smoothing));
    ForEachVector(d, 0, classes, [&](auto access, size_t i) HWY_ATTR {
      const auto q = hn::MulAdd(access.Load(t + i), part, q_others);
      const auto difference = hn::MulSub(mass, access.Load(p + i), q);
      auto g = hn::Mul(difference, v_factor);
      if constexpr (kAccumulate) {
        g = hn::MulAdd(difference, v_factor, access.Load(out + i));
      }
      access.Store(FlushTiny(g), out + i);
    });
  }
}

void SoftmaxCrossEntropySoftBackwardRows(size_t begin, size_t end,
                                         size_t classes,
                                         const float* probabilities,
                                         const float* targets, float smoothing,
                                         float factor, bool accumulate,
                                         float* dlogits) {
  accumulate ? SoftBackwardLoop<true>(begin, end, classes, probabilities,
                                      targets, smoothing, factor, dlogits)
             : SoftBackwardLoop<false>(begin, end, classes, probabilities,
                                       targets, smoothing, factor, dlogits);
}

template <bool kAccumulate>
void SoftmaxBackwardLoop(size_t begin, size_t end, size_t classes,
                         const float* probabilities, const int32_t* labels,
                         float smoothing, float factor, float* dlogits) {
  const Lanes16 d;
  const hn::RebindToSigned<Lanes16> di;
  const float others = smoothing / static_cast<float>(classes);
  const auto q_others = hn::Set(d, others);
  const auto q_label = hn::Set(d, others + (1.0f - smoothing));
  const auto v_factor = hn::Set(d, factor);
  const auto iota = hn::Iota(di, 0);
  const size_t N = hn::Lanes(d);
  for (size_t r = begin; r < end; ++r) {
    const float* p = probabilities + r * classes;
    float* out = dlogits + r * classes;
    // The column of the label, relative to this vector. A label outside
    // [0, classes) matches none.
    int64_t label = labels[r];
    if (label < 0 || label >= static_cast<int64_t>(classes)) label = -1;
    const auto step = [&](auto in, auto access, size_t i) HWY_ATTR {
      const int64_t lane = label - static_cast<int64_t>(i);
      const auto at_label =
          hn::Eq(iota, hn::Set(di, static_cast<int32_t>(lane)));
      const auto q =
          hn::IfThenElse(hn::RebindMask(d, at_label), q_label, q_others);
      const auto difference = hn::Sub(in.Load(p + i), q);
      auto g = hn::Mul(difference, v_factor);
      if constexpr (kAccumulate) {
        g = hn::MulAdd(difference, v_factor, access.Load(out + i));
      }
      access.Store(FlushTiny(g), out + i);
    };
    size_t i = 0;
    for (; i + N <= classes; i += N) step(FullAccess(), FullAccess(), i);
    if (i < classes) step(InputTail(), PartAccess{classes - i}, i);
  }
}

void SoftmaxCrossEntropyBackwardRows(size_t begin, size_t end, size_t classes,
                                     const float* probabilities,
                                     const int32_t* labels, float smoothing,
                                     float factor, bool accumulate,
                                     float* dlogits) {
  accumulate ? SoftmaxBackwardLoop<true>(begin, end, classes, probabilities,
                                         labels, smoothing, factor, dlogits)
             : SoftmaxBackwardLoop<false>(begin, end, classes, probabilities,
                                          labels, smoothing, factor, dlogits);
}

// out[j] = chain over `rows` rows of x[r * stride + j], for kVectors vectors of
// columns.
template <int kVectors>
HWY_INLINE void ColumnChains(size_t rows, size_t stride, const float* x,
                             float* out) {
  const Lanes16 d;
  const size_t N = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  auto s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  for (size_t r = 0; r < rows; ++r, x += stride) {
    s0 = hn::Add(s0, hn::LoadU(d, x));
    if constexpr (kVectors >= 2) s1 = hn::Add(s1, hn::LoadU(d, x + N));
    if constexpr (kVectors >= 4) {
      s2 = hn::Add(s2, hn::LoadU(d, x + 2 * N));
      s3 = hn::Add(s3, hn::LoadU(d, x + 3 * N));
    }
    if constexpr (kVectors >= 8) {
      s4 = hn::Add(s4, hn::LoadU(d, x + 4 * N));
      s5 = hn::Add(s5, hn::LoadU(d, x + 5 * N));
      s6 = hn::Add(s6, hn::LoadU(d, x + 6 * N));
      s7 = hn::Add(s7, hn::LoadU(d, x + 7 * N));
    }
  }
  hn::StoreU(s0, d, out);
  if constexpr (kVectors >= 2) hn::StoreU(s1, d, out + N);
  if constexpr (kVectors >= 4) {
    hn::StoreU(s2, d, out + 2 * N);
    hn::StoreU(s3, d, out + 3 * N);
  }
  if constexpr (kVectors >= 8) {
    hn::StoreU(s4, d, out + 4 * N);
    hn::StoreU(s5, d, out + 5 * N);
    hn::StoreU(s6, d, out + 6 * N);
    hn::StoreU(s7, d, out + 7 * N);
  }
}

// One chunk of rows, columns [begin, end) of `columns`, begin a multiple of 16.
// Writes RoundUp(end - begin, 16) floats at most. Where loads can be masked it
// reads no column past the last: after the last row another thread may be
// writing.
void ColumnSumsChunk(size_t rows, size_t columns, size_t begin, size_t end,
                     const float* x, float* partial) {
  const size_t N = hn::Lanes(Lanes16());
  size_t j = begin;
  for (; j + 8 * N <= end; j += 8 * N) {
    ColumnChains<8>(rows, columns, x + j, partial + j);
  }
  for (; j + 4 * N <= end; j += 4 * N) {
    ColumnChains<4>(rows, columns, x + j, partial + j);
  }
  for (; j + 2 * N <= end; j += 2 * N) {
    ColumnChains<2>(rows, columns, x + j, partial + j);
  }
  for (; j + N <= end; j += N) {
    ColumnChains<1>(rows, columns, x + j, partial + j);
  }
  if (j == end) return;
  const TailVector<Lanes16> tail(end - j);
  auto sum = hn::Zero(Lanes16());
  for (size_t r = 0; r < rows; ++r) {
    sum = hn::Add(sum, tail.Load(x + r * columns + j));
  }
  hn::StoreU(sum, Lanes16(), partial + j);
}

void AddPartialRange(size_t n, const float* from, float* to) {
  ForEachVector(Lanes16(), 0, n, [&](auto access, size_t i) HWY_ATTR {
    access.Store(hn::Add(access.Load(to + i), access.Load(from + i)), to + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
