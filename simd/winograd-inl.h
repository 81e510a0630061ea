// The transforms of F(2x2, 3x3), lanes over channels. Contract: winograd.h.
//
//   B^T = | 1  0 -1  0 |   G = |  1   0   0 |   A^T = | 1  1  1  0 |
//         | 0  1  1  0 |       | 1/2 1/2 1/2|         | 0  1 -1 -1 |
//         | 0 -1  1  0 |       | 1/2-1/2 1/2|
//         | 0  1  0 -1 |       |  0   0   1 |
//
// Every transform acts on columns first, then on rows. The order of additions
// is part of the contract. Positions are (row, column) of the 4x4 tile.
// Next: winograd.cc, winograd_weights.cc.
#if defined(TEMPER_SIMD_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_WINOGRAD_INL_H_
#undef TEMPER_SIMD_WINOGRAD_INL_H_
#else
#define TEMPER_SIMD_WINOGRAD_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/channels-inl.h"
#include "simd/winograd_tiles.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One row of t B to four positions.
template <class V>
HWY_INLINE void StoreInputRow(V t0, V t1, V t2, V t3, float* to, size_t step) {
  const hn::DFromV<V> d;
  hn::StoreU(hn::Sub(t0, t2), d, to);
  hn::StoreU(hn::Add(t1, t2), d, to + step);
  hn::StoreU(hn::Sub(t2, t1), d, to + 2 * step);
  hn::StoreU(hn::Sub(t1, t3), d, to + 3 * step);
}

template <bool kAll>
HWY_INLINE void InputTiles(const InputTransformArgs& args) {
  const Lanes16 d;
  const size_t N = hn::Lanes(d);
  const size_t channels = args.channels, step = args.position_step;
  const size_t first = args.first, last = args.last;
  for (size_t t = 0; t < args.tiles; ++t) {
    const float* HWY_RESTRICT x0 = args.from + 2 * t * channels;
    const float* HWY_RESTRICT x1 = x0 + args.row_floats;
    const float* HWY_RESTRICT x2 = x1 + args.row_floats;
    const float* HWY_RESTRICT x3 = x2 + args.row_floats;
    float* HWY_RESTRICT to = args.to + t * args.tile_step;
    for (size_t c = 0; c < channels; c += N) {
      const size_t c1 = c + channels, c2 = c1 + channels, c3 = c2 + channels;
      float* o = to + c;
      if (kAll || first == 0) {
        StoreInputRow(hn::Sub(hn::LoadU(d, x0 + c), hn::LoadU(d, x2 + c)),
                      hn::Sub(hn::LoadU(d, x0 + c1), hn::LoadU(d, x2 + c1)),
                      hn::Sub(hn::LoadU(d, x0 + c2), hn::LoadU(d, x2 + c2)),
                      hn::Sub(hn::LoadU(d, x0 + c3), hn::LoadU(d, x2 + c3)), o,
                      step);
        o += 4 * step;
      }
      if (kAll || (first <= 1 && last > 1)) {
        StoreInputRow(hn::Add(hn::LoadU(d, x1 + c), hn::LoadU(d, x2 + c)),
                      hn::Add(hn::LoadU(d, x1 + c1), hn::LoadU(d, x2 + c1)),
                      hn::Add(hn::LoadU(d, x1 + c2), hn::LoadU(d, x2 + c2)),
                      hn::Add(hn::LoadU(d, x1 + c3), hn::LoadU(d, x2 + c3)), o,
                      step);
        o += 4 * step;
      }
      if (kAll || (first <= 2 && last > 2)) {
        StoreInputRow(hn::Sub(hn::LoadU(d, x2 + c), hn::LoadU(d, x1 + c)),
                      hn::Sub(hn::LoadU(d, x2 + c1), hn::LoadU(d, x1 + c1)),
                      hn::Sub(hn::LoadU(d, x2 + c2), hn::LoadU(d, x1 + c2)),
                      hn::Sub(hn::LoadU(d, x2 + c3), hn::LoadU(d, x1 + c3)), o,
                      step);
        o += 4 * step;
      }
      if (kAll || last == 4) {
        StoreInputRow(hn::Sub(hn::LoadU(d, x1 + c), hn::LoadU(d, x3 + c)),
                      hn::Sub(hn::LoadU(d, x1 + c1), hn::LoadU(d, x3 + c1)),
                      hn::Sub(hn::LoadU(d, x1 + c2), hn::LoadU(d, x3 + c2)),
                      hn::Sub(hn::LoadU(d, x1 + c3), hn::LoadU(d, x3 + c3)), o,
                      step);
      }
    }
  }
}

// B^T d B.
void InputTransformTiles(const InputTransformArgs& args) {
  if (args.first == 0 && args.last == 4) {
    InputTiles<true>(args);
  } else {
    InputTiles<false>(args);
  }
}

// A^T m A of a row of tiles, to y.
void OutputTransformTiles(const OutputTransformArgs& args) {
  const size_t step = args.position_step;
  const size_t pixel = args.pixel_floats, row = args.row_floats;
  for (size_t t = 0; t < args.tiles; ++t) {
    const float* HWY_RESTRICT from = args.from + t * args.tile_step;
    float* HWY_RESTRICT to = args.to + 2 * t * pixel;
    const bool right = 2 * t + 1 < args.cols;
    const auto body = [&](auto access, size_t c) HWY_ATTR {
      using V = typename decltype(access)::V;
      const float* m = from + c;
      const auto across = [&](V& even, V& odd) HWY_ATTR {
        const V m0 = access.LoadAll(m);
        const V m1 = access.LoadAll(m + step);
        const V m2 = access.LoadAll(m + 2 * step);
        const V m3 = access.LoadAll(m + 3 * step);
        even = hn::Add(hn::Add(m0, m1), m2);
        odd = hn::Sub(hn::Sub(m1, m2), m3);
        m += 4 * step;
      };
      V e0, o0, e1, o1, e2, o2, e3, o3;
      across(e0, o0);
      across(e1, o1);
      across(e2, o2);
      across(e3, o3);
      V y00 = hn::Add(hn::Add(e0, e1), e2), y01 = hn::Add(hn::Add(o0, o1), o2);
      V y10 = hn::Sub(hn::Sub(e1, e2), e3), y11 = hn::Sub(hn::Sub(o1, o2), o3);
      float* const y = to + c;
      if (args.bias != nullptr) {
        const V bias = access.Load(args.bias + c);
        y00 = hn::Add(y00, bias), y01 = hn::Add(y01, bias);
        y10 = hn::Add(y10, bias), y11 = hn::Add(y11, bias);
      }
      const auto put = [&](V v, float* p) HWY_ATTR {
        if (args.accumulate) v = hn::Add(access.Load(p), v);
        access.Store(v, p);
      };
      put(y00, y);
      if (right) put(y01, y + pixel);
      if (args.bottom) {
        put(y10, y + row);
        if (right) put(y11, y + row + pixel);
      }
    };
    ForEachChannelVector(0, args.channels, body);
  }
}

// G g G^T of `rows` rows of a panel: tap i of row r lies at taps + (i * rows +
// r) * kPanel, position p of it goes to u + p * position_step + r * kPanel.
void WeightTransformRows(size_t rows, const float* HWY_RESTRICT taps,
                         float* HWY_RESTRICT u, size_t position_step) {
  const Lanes16 d;
  using V = hn::Vec<Lanes16>;
  const size_t N = hn::Lanes(d);
  const V half = hn::Set(d, 0.5f);
  const size_t n = rows * kPanel;
  for (size_t i = 0; i < n; i += N) {
    const auto tap = [&](size_t k)
                         HWY_ATTR { return hn::LoadU(d, taps + k * n + i); };
    const auto across = [&](V b0, V b1, V b2, float* to) HWY_ATTR {
      const V outer = hn::Add(b0, b2);
      hn::StoreU(b0, d, to);
      hn::StoreU(hn::Mul(half, hn::Add(outer, b1)), d, to + position_step);
      hn::StoreU(hn::Mul(half, hn::Sub(outer, b1)), d, to + 2 * position_step);
      hn::StoreU(b2, d, to + 3 * position_step);
    };
    float* const to = u + i;
    across(tap(0), tap(1), tap(2), to);
    const V o0 = hn::Add(tap(0), tap(6)), o1 = hn::Add(tap(1), tap(7)),
            o2 = hn::Add(tap(2), tap(8));
    across(hn::Mul(half, hn::Add(o0, tap(3))),
           hn::Mul(half, hn::Add(o1, tap(4))),
           hn::Mul(half, hn::Add(o2, tap(5))), to + 4 * position_step);
    across(hn::Mul(half, hn::Sub(o0, tap(3))),
           hn::Mul(half, hn::Sub(o1, tap(4))),
           hn::Mul(half, hn::Sub(o2, tap(5))), to + 8 * position_step);
    across(tap(6), tap(7), tap(8), to + 12 * position_step);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
