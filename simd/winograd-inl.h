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

// B^T d B. Neighbouring tiles share two columns: their B^T d is carried on in
// a<row> and b<row>.
template <bool kAll>
HWY_INLINE void InputTiles(const InputTransformArgs& args) {
  const Lanes16 d;
  using V = hn::Vec<Lanes16>;
  const size_t N = hn::Lanes(d);
  const size_t channels = args.channels, tiles = args.tiles;
  const size_t step = args.position_step, tile_step = args.tile_step;
  const bool row0 = kAll || args.first == 0;
  const bool row1 = kAll || (args.first <= 1 && args.last > 1);
  const bool row2 = kAll || (args.first <= 2 && args.last > 2);
  const bool row3 = kAll || args.last == 4;
  for (size_t c = 0; c < channels; c += N) {
    const float* HWY_RESTRICT x0 = args.x[0] + c;
    const float* HWY_RESTRICT x1 = args.x[1] + c;
    const float* HWY_RESTRICT x2 = args.x[2] + c;
    const float* HWY_RESTRICT x3 = args.x[3] + c;
    float* HWY_RESTRICT to = args.to + c;
    // B^T d of the column at `at`.
    const auto down = [&](size_t at, V& t0, V& t1, V& t2, V& t3) HWY_ATTR {
      const V v1 = hn::LoadU(d, x1 + at), v2 = hn::LoadU(d, x2 + at);
      t0 = hn::Sub(hn::LoadU(d, x0 + at), v2);
      t1 = hn::Add(v1, v2);
      t2 = hn::Sub(v2, v1);
      t3 = hn::Sub(v1, hn::LoadU(d, x3 + at));
    };
    V a0, b0, a1, b1, a2, b2, a3, b3;
    down(0, a0, a1, a2, a3);
    down(channels, b0, b1, b2, b3);
    size_t at = 2 * channels;
    for (size_t t = 0; t < tiles; ++t) {
      V c0, c1, c2, c3, d0, d1, d2, d3;
      down(at, c0, c1, c2, c3);
      down(at + channels, d0, d1, d2, d3);
      float* o = to;
      const auto across = [&](V& a, V& b, V e, V f) HWY_ATTR {
        hn::StoreU(hn::Sub(a, e), d, o);
        hn::StoreU(hn::Add(b, e), d, o + step);
        hn::StoreU(hn::Sub(e, b), d, o + 2 * step);
        hn::StoreU(hn::Sub(b, f), d, o + 3 * step);
        o += 4 * step;
      };
      if (row0) across(a0, b0, c0, d0);
      if (row1) across(a1, b1, c1, d1);
      if (row2) across(a2, b2, c2, d2);
      if (row3) across(a3, b3, c3, d3);
      a0 = c0, a1 = c1, a2 = c2, a3 = c3;
      b0 = d0, b1 = d1, b2 = d2, b3 = d3;
      at += 2 * channels;
      to += tile_step;
    }
  }
}

void InputTransformTiles(const InputTransformArgs& args) {
  if (args.first == 0 && args.last == 4) {
    InputTiles<true>(args);
  } else {
    InputTiles<false>(args);
  }
}

// A^T m A of a row of tiles, to y.
void OutputTransformTiles(const OutputTransformArgs& args) {
  const size_t step = args.position_step, tile_step = args.tile_step;
  const size_t pixel = args.pixel_floats, row = args.row_floats;
  const size_t whole = args.cols / 2 < args.tiles ? args.cols / 2 : args.tiles;
  const bool accumulate = args.accumulate, bottom = args.bottom;
  ForEachChannelVector(0, args.channels, [&](auto access, size_t c) HWY_ATTR {
    using V = typename decltype(access)::V;
    const bool with_bias = args.bias != nullptr;
    const V bias = with_bias ? access.Load(args.bias + c) : access.Zero();
    const float* HWY_RESTRICT m = args.from + c;
    float* HWY_RESTRICT y = args.to + c;
    for (size_t t = 0; t < args.tiles; ++t) {
      const auto down = [&](size_t j, V& upper, V& lower) HWY_ATTR {
        const float* const p = m + j * step;
        const V m0 = access.LoadAll(p);
        const V m1 = access.LoadAll(p + 4 * step);
        const V m2 = access.LoadAll(p + 8 * step);
        const V m3 = access.LoadAll(p + 12 * step);
        upper = hn::Add(hn::Add(m0, m1), m2);
        lower = hn::Sub(hn::Sub(m1, m2), m3);
      };
      V u0, l0, u1, l1, u2, l2, u3, l3;
      down(0, u0, l0);
      down(1, u1, l1);
      down(2, u2, l2);
      down(3, u3, l3);
      const auto put = [&](V v, float* p) HWY_ATTR {
        if (with_bias) v = hn::Add(v, bias);
        if (accumulate) v = hn::Add(access.Load(p), v);
        access.Store(v, p);
      };
      put(hn::Add(hn::Add(u0, u1), u2), y);
      if (t < whole) put(hn::Sub(hn::Sub(u1, u2), u3), y + pixel);
      if (bottom) {
        put(hn::Add(hn::Add(l0, l1), l2), y + row);
        if (t < whole) put(hn::Sub(hn::Sub(l1, l2), l3), y + row + pixel);
      }
      m += tile_step;
      y += 2 * pixel;
    }
  });
}

// A dy A^T of a row of tiles.
void GradientTransformTiles(const GradientTransformArgs& args) {
  const Lanes16 d;
  using V = hn::Vec<Lanes16>;
  const size_t N = hn::Lanes(d);
  const size_t step = args.position_step, pixel = args.pixel_floats;
  const size_t whole = args.cols / 2 < args.tiles ? args.cols / 2 : args.tiles;
  const bool row0 = args.first == 0, row3 = args.last == 4;
  const bool row1 = args.first <= 1 && args.last > 1;
  const bool row2 = args.first <= 2 && args.last > 2;
  for (size_t c = 0; c < args.channels; c += N) {
    const float* HWY_RESTRICT y = args.dy + c;
    float* HWY_RESTRICT to = args.to + c;
    for (size_t t = 0; t < args.tiles; ++t) {
      const float* const below = y + args.row_floats;
      V left0 = hn::LoadU(d, y), left1 = hn::Zero(d);
      V right0 = left1, right1 = left1;
      if (t < whole) right0 = hn::LoadU(d, y + pixel);
      if (args.bottom) left1 = hn::LoadU(d, below);
      if (args.bottom && t < whole) right1 = hn::LoadU(d, below + pixel);
      float* o = to;
      const auto across = [&](V left, V right) HWY_ATTR {
        hn::StoreU(left, d, o);
        hn::StoreU(hn::Add(left, right), d, o + step);
        hn::StoreU(hn::Sub(left, right), d, o + 2 * step);
        hn::StoreU(hn::Neg(right), d, o + 3 * step);
        o += 4 * step;
      };
      if (row0) across(left0, right0);
      if (row1) across(hn::Add(left0, left1), hn::Add(right0, right1));
      if (row2) across(hn::Sub(left0, left1), hn::Sub(right0, right1));
      if (row3) across(hn::Neg(left1), hn::Neg(right1));
      y += 2 * pixel;
      to += args.tile_step;
    }
  }
}

// dw += G^T q G of one filter.
void WeightGradientRows(const float* HWY_RESTRICT q, size_t step,
                        size_t channels, float* HWY_RESTRICT dw) {
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    using V = typename decltype(access)::V;
    const V half = access.Set(0.5f);
    // G^T q of one column.
    const auto down = [&](size_t j, V& r0, V& r1, V& r2) HWY_ATTR {
      const float* const p = q + j * step + c;
      const V q0 = access.LoadAll(p), q1 = access.LoadAll(p + 4 * step);
      const V q2 = access.LoadAll(p + 8 * step);
      const V q3 = access.LoadAll(p + 12 * step);
      const V mean = hn::Mul(half, hn::Add(q1, q2));
      r0 = hn::Add(q0, mean);
      r1 = hn::Mul(half, hn::Sub(q1, q2));
      r2 = hn::Add(mean, q3);
    };
    const auto across = [&](V r0, V r1, V r2, V r3, float* w) HWY_ATTR {
      const auto add = [&](V v, float* p) HWY_ATTR {
        access.Store(hn::Add(access.Load(p), v), p);
      };
      const V mean = hn::Mul(half, hn::Add(r1, r2));
      add(hn::Add(r0, mean), w);
      add(hn::Mul(half, hn::Sub(r1, r2)), w + channels);
      add(hn::Add(mean, r3), w + 2 * channels);
    };
    V a0, a1, a2, b0, b1, b2, c0, c1, c2, d0, d1, d2;
    down(0, a0, a1, a2);
    down(1, b0, b1, b2);
    down(2, c0, c1, c2);
    down(3, d0, d1, d2);
    across(a0, b0, c0, d0, dw + c);
    across(a1, b1, c1, d1, dw + 3 * channels + c);
    across(a2, b2, c2, d2, dw + 6 * channels + c);
  });
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
