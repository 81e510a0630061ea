// Column sums of products. Contract: column_products.h.
#if defined(TEMPER_SIMD_COLUMN_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_COLUMN_PRODUCTS_INL_H_
#undef TEMPER_SIMD_COLUMN_PRODUCTS_INL_H_
#else
#define TEMPER_SIMD_COLUMN_PRODUCTS_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"
#include "simd/channels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// sums[0, count) = chain over rows; sums are padded to 16 floats.
template <class Term>
HWY_INLINE void ProductsOf(size_t rows, size_t stride, size_t count,
                           float* HWY_RESTRICT sums, Term&& term) {
  const Lanes16 d;
  for (size_t j = 0; j < count; j += hn::Lanes(d)) {
    hn::StoreU(hn::Zero(d), d, sums + j);
  }
  ReduceRows(rows, stride, count, sums,
             [&](auto access, auto sum, size_t i, size_t)
                 HWY_ATTR { return term(access, i, sum); });
}

void PlainProducts(size_t rows, size_t stride, size_t count,
                   const float* HWY_RESTRICT a, const float* HWY_RESTRICT b,
                   float* HWY_RESTRICT sums) {
  ProductsOf(rows, stride, count, sums,
             [&](auto access, size_t i, auto sum) HWY_ATTR {
               return hn::MulAdd(access.Load(a + i), access.Load(b + i), sum);
             });
}

void NegativeProducts(size_t rows, size_t stride, size_t count,
                      const float* HWY_RESTRICT a, const float* HWY_RESTRICT b,
                      float* HWY_RESTRICT sums) {
  ProductsOf(rows, stride, count, sums,
             [&](auto access, size_t i, auto sum) HWY_ATTR {
               const auto v = access.Load(a + i);
               const auto low = hn::IfThenZeroElse(hn::Gt(v, access.Zero()), v);
               return hn::MulAdd(low, access.Load(b + i), sum);
             });
}

// Rows one after the other: mean and rstd change with each.
void NormalizedProducts(size_t rows, size_t stride, size_t count,
                        const float* HWY_RESTRICT a,
                        const float* HWY_RESTRICT mean,
                        const float* HWY_RESTRICT rstd,
                        const float* HWY_RESTRICT b, float* HWY_RESTRICT sums) {
  const Lanes16 d;
  for (size_t j = 0; j < count; j += hn::Lanes(d)) {
    hn::StoreU(hn::Zero(d), d, sums + j);
  }
  for (size_t r = 0; r < rows; ++r) {
    const float* HWY_RESTRICT from = a + r * stride;
    const float* HWY_RESTRICT with = b + r * stride;
    ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
      const auto centred = hn::Sub(access.Load(from + j), access.Set(mean[r]));
      const auto normal = hn::Mul(centred, access.Set(rstd[r]));
      access.StoreAll(
          hn::MulAdd(normal, access.Load(with + j), access.LoadAll(sums + j)),
          sums + j);
    });
  }
}

// out += sums.
void AddSums(size_t count, const float* sums, float* out) {
  ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
    access.Store(hn::Add(access.Load(out + j), access.LoadAll(sums + j)),
                 out + j);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
