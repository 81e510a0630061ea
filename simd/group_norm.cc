// Group normalisation: what is done for each sample, dispatch and threads.
// Contract: group_norm.h.
#include "simd/group_norm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/grain.h"
#include "simd/loss.h"
#include "simd/norm.h"
#include "simd/prologue.h"
#include "simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/group_norm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/channels-inl.h"
#include "simd/flush-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// dx = (accumulate ? dx : 0) + dy * scale - plain - (x - mean) * product, with
// four vectors of `channels` in `tables`, `stride` floats apart: mean, scale,
// plain, product.
void GroupBackwardRows(size_t rows, size_t channels, const float* x,
                       const float* tables, size_t stride, const float* dy,
                       bool accumulate, float* dx) {
  ForEachColumn<4>(
      0, rows, channels,
      [&](size_t first, size_t count, float* own) HWY_ATTR {
        for (size_t k = 0; k < 4; ++k) {
          std::memcpy(own + k * kTableLength, tables + k * stride + first,
                      count * sizeof(float));
        }
      },
      [&](auto access, size_t i, size_t step, size_t count,
          const float* table) HWY_ATTR {
        const auto mean = access.LoadAll(table);
        const auto scale = access.LoadAll(table + kTableLength);
        const auto plain = access.LoadAll(table + 2 * kTableLength);
        const auto product = access.LoadAll(table + 3 * kTableLength);
        for (const size_t end = i + count * step; i != end; i += step) {
          const auto g = hn::MulSub(access.Load(dy + i), scale, plain);
          auto v = hn::NegMulAdd(hn::Sub(access.Load(x + i), mean), product, g);
          if (accumulate) v = hn::Add(access.Load(dx + i), v);
          access.Store(FlushTiny(v), dx + i);
        }
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(GroupBackwardRows);

namespace {

// Floats of one vector of channels, with a readable tail.
size_t Padded(size_t channels) { return RoundUp(channels, 16) + 16; }
size_t Floats(size_t bytes) { return RoundUp(bytes / sizeof(float) + 1, 16); }

// Of one thread, in floats: vectors of channels, then batch norm's own.
constexpr size_t kForwardVectors = 4, kBackwardVectors = 6;
size_t ForwardFloats(const GroupNormShape& s) {
  return kForwardVectors * Padded(s.channels) +
         Floats(BatchStatsScratch(s.pixels, s.channels));
}
size_t BackwardFloats(const GroupNormShape& s) {
  return kBackwardVectors * Padded(s.channels) +
         Floats(BatchNormSumsScratch(s.pixels, s.channels));
}
// Of all: the sums of every sample, and those over samples.
size_t SumFloats(const GroupNormShape& s) {
  return 2 * RoundUp(s.batch * s.channels + 16, 16) +
         Floats(ColumnSumsScratch(s.batch, s.channels));
}

size_t SampleGrain(const GroupNormShape& s) {
  const size_t work = s.pixels * s.channels;
  return (kElementGrain + work - 1) / work;
}

}  // namespace

size_t GroupNormForwardScratch(const GroupNormShape& s, uint32_t threads) {
  return threads * ForwardFloats(s) * sizeof(float);
}

void GroupNormForward(const GroupNormShape& s, const float* x,
                      const float* gamma, const float* beta, float eps,
                      float* stats, float* y, void* scratch,
                      const ParallelRunner& parallel) {
  const size_t c = s.channels, in_group = c / s.groups;
  const size_t count = s.pixels * c, padded = Padded(c);
  ParallelFor(parallel, s.batch, SampleGrain(s), Split::kWhole,
              [&](size_t begin, size_t end, size_t slot) {
                float* const own =
                    static_cast<float*>(scratch) + slot * ForwardFloats(s);
                float* const mean = own;
                float* const variance = mean + padded;
                float* const scale = variance + padded;
                float* const shift = scale + padded;
                for (size_t n = begin; n < end; ++n) {
                  BatchStats(s.pixels, {0, s.pixels}, c, x + n * count, mean,
                             variance, shift + padded, {});
                  for (size_t g = 0; g < s.groups; ++g) {
                    const size_t first = g * in_group;
                    double sum = 0, square = 0;
                    for (size_t i = 0; i < in_group; ++i)
                      sum += mean[first + i];
                    const double m = sum / static_cast<double>(in_group);
                    for (size_t i = 0; i < in_group; ++i) {
                      const double off = mean[first + i] - m;
                      square += variance[first + i];
                      square += off * off;
                    }
                    const double v = square / static_cast<double>(in_group);
                    const double r = 1.0 / std::sqrt(v + double{eps});
                    float* const stat = stats + 2 * (n * s.groups + g);
                    stat[0] = static_cast<float>(m);
                    stat[1] = static_cast<float>(r);
                    for (size_t i = first; i < first + in_group; ++i) {
                      const double factor = double{gamma[i]} * r;
                      scale[i] = static_cast<float>(factor);
                      shift[i] =
                          static_cast<float>(double{beta[i]} - m * factor);
                    }
                  }
                  ApplyPrologue(s.pixels, c, x + n * count, {scale, shift, {}},
                                y + n * count);
                }
              });
}

size_t GroupNormBackwardScratch(const GroupNormShape& s, uint32_t threads) {
  return (SumFloats(s) + threads * BackwardFloats(s)) * sizeof(float);
}

void GroupNormBackward(const GroupNormShape& s, const float* x,
                       const float* gamma, const float* stats, const float* dy,
                       float* dgamma, float* dbeta, bool accumulate, float* dx,
                       void* scratch, const ParallelRunner& parallel) {
  const size_t c = s.channels, in_group = c / s.groups;
  const size_t count = s.pixels * c, padded = Padded(c);
  // (batch, channels) each.
  float* const gammas = static_cast<float*>(scratch);
  float* const betas = gammas + RoundUp(s.batch * c + 16, 16);
  float* const sums = betas + RoundUp(s.batch * c + 16, 16);
  float* const threads = gammas + SumFloats(s);
  ParallelFor(parallel, s.batch, SampleGrain(s), Split::kWhole,
              [&](size_t begin, size_t end, size_t slot) {
                float* const own = threads + slot * BackwardFloats(s);
                float* const mean = own;  // and the other three tables of dx
                float* const scale = mean + padded;
                float* const plain = scale + padded;
                float* const product = plain + padded;
                float* const rstd = product + padded;
                float* const rest = rstd + 2 * padded;
                for (size_t n = begin; n < end; ++n) {
                  const float* const stat = stats + 2 * n * s.groups;
                  for (size_t i = 0; i < c; ++i) {
                    mean[i] = stat[2 * (i / in_group)];
                    rstd[i] = stat[2 * (i / in_group) + 1];
                  }
                  float* const own_gamma = gammas + n * c;
                  float* const own_beta = betas + n * c;
                  BatchNormSums(s.pixels, {0, s.pixels}, c, x + n * count, {},
                                dy + n * count, mean, rstd, own_gamma, own_beta,
                                rest, {});
                  if (dx == nullptr) continue;
                  const double elements =
                      static_cast<double>(s.pixels * in_group);
                  for (size_t g = 0; g < s.groups; ++g) {
                    const size_t first = g * in_group;
                    double a = 0, b = 0;
                    for (size_t i = first; i < first + in_group; ++i) {
                      a += double{gamma[i]} * double{own_beta[i]};
                      b += double{gamma[i]} * double{own_gamma[i]};
                    }
                    const double r = rstd[first];
                    for (size_t i = first; i < first + in_group; ++i) {
                      scale[i] = static_cast<float>(double{gamma[i]} * r);
                      plain[i] = static_cast<float>(r * a / elements);
                      product[i] = static_cast<float>(r * r * b / elements);
                    }
                  }
                  HWY_DYNAMIC_DISPATCH(GroupBackwardRows)
                  (s.pixels, c, x + n * count, own, padded, dy + n * count,
                   accumulate, dx + n * count);
                }
              });
  if (dgamma != nullptr) {
    ColumnSums(s.batch, c, gammas, dgamma, sums, parallel);
  }
  if (dbeta != nullptr) ColumnSums(s.batch, c, betas, dbeta, sums, parallel);
}

}  // namespace temper::simd
#endif  // HWY_ONCE
