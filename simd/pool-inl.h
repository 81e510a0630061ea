// Pooling loops. Contract: pool.h. Helpers: channels-inl.h.
//
// Max-pool backward finds the winner of each window again and adds dy where it
// won; average backward gathers. A thread owns some input rows and visits every
// window that touches them, windows in ascending order, so an element's sum
// does not depend on the split.
#if defined(TEMPER_SIMD_POOL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_POOL_INL_H_
#undef TEMPER_SIMD_POOL_INL_H_
#else
#define TEMPER_SIMD_POOL_INL_H_
#endif

#include <cstring>
#include <limits>

#include "hwy/highway.h"
#include "simd/activation-inl.h"
#include "simd/channels-inl.h"
#include "simd/pool_window.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Whether v replaces the maximum so far: it is larger, or the first NaN.
template <class V>
HWY_INLINE auto Beats(V v, V best) {
  // !(v <= best) holds for larger v and for NaN on either side; best == best
  // leaves out a NaN that is there already.
  return hn::And(hn::Not(hn::Le(v, best)), hn::Eq(best, best));
}

// Output rows [begin, end) of the flattened (n, oh).
void MaxForwardRows(const ConvShape& s, size_t begin, size_t end,
                    const float* HWY_RESTRICT x, float* HWY_RESTRICT y) {
  const size_t channels = s.in_c;
  for (size_t i = begin; i < end; ++i) {
    const Span rows =
        WindowSpan(i % s.out_h, s.kernel_h, s.stride_h, s.pad_top, s.in_h);
    const float* HWY_RESTRICT image =
        x + i / s.out_h * s.in_h * s.in_w * channels;
    for (size_t ow = 0; ow < s.out_w; ++ow) {
      const Span cols =
          WindowSpan(ow, s.kernel_w, s.stride_w, s.pad_left, s.in_w);
      float* HWY_RESTRICT out = y + (i * s.out_w + ow) * channels;
      ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
        auto best = access.Set(-std::numeric_limits<float>::infinity());
        for (size_t ih = rows.begin; ih < rows.end; ++ih) {
          const float* HWY_RESTRICT p = image + ih * s.in_w * channels + c;
          for (size_t iw = cols.begin; iw < cols.end; ++iw) {
            const auto v = access.Load(p + iw * channels);
            best = hn::IfThenElse(Beats(v, best), v, best);
          }
        }
        access.Store(best, out + c);
      });
    }
  }
}

// Adds the gradients of one window to the part of it that lies in the input
// rows [first, last). The winner is kept as the tap's number in a float lane.
HWY_INLINE void GiveToWinner(Span rows, Span cols, size_t first, size_t last,
                             size_t width, size_t channels,
                             const float* HWY_RESTRICT image,
                             const float* HWY_RESTRICT dy,
                             float* HWY_RESTRICT dx) {
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    // A window of nothing but -inf belongs to its first tap, number 0.
    auto best = access.Set(-std::numeric_limits<float>::infinity());
    auto winner = access.Zero();
    const auto one = access.Set(1.0f);
    auto tap = access.Zero();
    for (size_t ih = rows.begin; ih < rows.end; ++ih) {
      const float* HWY_RESTRICT p = image + ih * width * channels + c;
      for (size_t iw = cols.begin; iw < cols.end; ++iw) {
        const auto v = access.Load(p + iw * channels);
        const auto beats = Beats(v, best);
        best = hn::IfThenElse(beats, v, best);
        winner = hn::IfThenElse(beats, tap, winner);
        tap = hn::Add(tap, one);
      }
    }
    const auto gradient = access.Load(dy + c);
    for (size_t ih = rows.begin; ih < rows.end; ++ih) {
      if (ih < first || ih >= last) continue;
      tap = access.Set(
          static_cast<float>((ih - rows.begin) * (cols.end - cols.begin)));
      float* HWY_RESTRICT p = dx + ih * width * channels + c;
      for (size_t iw = cols.begin; iw < cols.end; ++iw) {
        const auto old = access.Load(p + iw * channels);
        access.Store(
            hn::IfThenElse(hn::Eq(tap, winner), hn::Add(old, gradient), old),
            p + iw * channels);
        tap = hn::Add(tap, one);
      }
    }
  });
}

// Input rows [begin, end) of the flattened (n, ih).
void MaxBackwardRows(const ConvShape& s, size_t begin, size_t end,
                     bool accumulate, const float* HWY_RESTRICT x,
                     const float* HWY_RESTRICT dy, float* HWY_RESTRICT dx) {
  const size_t row_floats = size_t{s.in_w} * s.in_c;
  if (!accumulate) {
    std::memset(dx + begin * row_floats, 0,
                (end - begin) * row_floats * sizeof(float));
  }
  while (begin < end) {
    // The rows of one sample.
    const size_t n = begin / s.in_h;
    const size_t first = begin % s.in_h;
    const size_t stop = (n + 1) * s.in_h < end ? (n + 1) * s.in_h : end;
    const size_t last = stop - n * s.in_h;
    const float* HWY_RESTRICT image = x + n * s.in_h * row_floats;
    float* HWY_RESTRICT image_dx = dx + n * s.in_h * row_floats;
    const size_t oh_begin =
        WindowsCovering(first, s.kernel_h, s.stride_h, s.pad_top, s.out_h)
            .begin;
    const size_t oh_end =
        WindowsCovering(last - 1, s.kernel_h, s.stride_h, s.pad_top, s.out_h)
            .end;
    for (size_t oh = oh_begin; oh < oh_end; ++oh) {
      const Span rows =
          WindowSpan(oh, s.kernel_h, s.stride_h, s.pad_top, s.in_h);
      for (size_t ow = 0; ow < s.out_w; ++ow) {
        GiveToWinner(
            rows, WindowSpan(ow, s.kernel_w, s.stride_w, s.pad_left, s.in_w),
            first, last, s.in_w, s.in_c, image,
            dy + ((n * s.out_h + oh) * s.out_w + ow) * s.in_c, image_dx);
      }
    }
    begin = stop;
  }
}

// Output rows [begin, end) of the flattened (n, oh).
void AvgForwardRows(const ConvShape& s, const AvgPoolOptions& options,
                    size_t begin, size_t end, const float* HWY_RESTRICT x,
                    float* HWY_RESTRICT y) {
  const size_t channels = s.in_c;
  for (size_t i = begin; i < end; ++i) {
    const size_t oh = i % s.out_h;
    const Span rows = WindowSpan(oh, s.kernel_h, s.stride_h, s.pad_top, s.in_h);
    const float* HWY_RESTRICT image =
        x + i / s.out_h * s.in_h * s.in_w * channels;
    for (size_t ow = 0; ow < s.out_w; ++ow) {
      const Span cols =
          WindowSpan(ow, s.kernel_w, s.stride_w, s.pad_left, s.in_w);
      const float divisor = WindowDivisor(s, options, oh, ow);
      float* HWY_RESTRICT out = y + (i * s.out_w + ow) * channels;
      ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
        auto sum = access.Zero();
        for (size_t ih = rows.begin; ih < rows.end; ++ih) {
          const float* HWY_RESTRICT p = image + ih * s.in_w * channels + c;
          for (size_t iw = cols.begin; iw < cols.end; ++iw) {
            sum = hn::Add(sum, access.Load(p + iw * channels));
          }
        }
        access.Store(hn::Div(sum, access.Set(divisor)), out + c);
      });
    }
  }
}

// Input rows [begin, end) of the flattened (n, ih).
void AvgBackwardRows(const ConvShape& s, const AvgPoolOptions& options,
                     size_t begin, size_t end, bool accumulate,
                     const float* HWY_RESTRICT dy, float* HWY_RESTRICT dx) {
  const size_t channels = s.in_c;
  for (size_t i = begin; i < end; ++i) {
    const Span rows =
        WindowsCovering(i % s.in_h, s.kernel_h, s.stride_h, s.pad_top, s.out_h);
    const float* HWY_RESTRICT image =
        dy + i / s.in_h * s.out_h * s.out_w * channels;
    for (size_t iw = 0; iw < s.in_w; ++iw) {
      const Span cols =
          WindowsCovering(iw, s.kernel_w, s.stride_w, s.pad_left, s.out_w);
      float* HWY_RESTRICT out = dx + (i * s.in_w + iw) * channels;
      ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
        auto sum = accumulate ? access.Load(out + c) : access.Zero();
        for (size_t oh = rows.begin; oh < rows.end; ++oh) {
          const float* HWY_RESTRICT p = image + oh * s.out_w * channels + c;
          for (size_t ow = cols.begin; ow < cols.end; ++ow) {
            const auto divisor = access.Set(WindowDivisor(s, options, oh, ow));
            sum =
                hn::Add(sum, hn::Div(access.Load(p + ow * channels), divisor));
          }
        }
        access.Store(sum, out + c);
      });
    }
  }
}

// Channels [begin, end) of one sample, at most kGlobalBlock of them.
template <class Act>
void GlobalForwardLoop(Act act, size_t pixels, size_t channels, size_t begin,
                       size_t end, const float* HWY_RESTRICT x,
                       const Prologue& prologue, float* HWY_RESTRICT y) {
  const Lanes16 d;
  const size_t N = hn::Lanes(d);
  HWY_ALIGN float partial[kMaxChunks * kGlobalBlock];
  const size_t count = end - begin;
  const size_t chunks = ChunkCount(pixels), step = ChunkRows(pixels);
  for (size_t k = 0; k < chunks; ++k) {
    float* HWY_RESTRICT sums = partial + k * kGlobalBlock;
    for (size_t j = 0; j < count; j += N) hn::Store(hn::Zero(d), d, sums + j);
    const float* HWY_RESTRICT rows = x + k * step * channels + begin;
    const size_t n = pixels - k * step < step ? pixels - k * step : step;
    if (prologue.IsIdentity()) {
      ReduceRows(n, channels, count, sums,
                 [&](auto access, auto acc, size_t i, size_t)
                     HWY_ATTR { return hn::Add(acc, access.Load(rows + i)); });
      continue;
    }
    const float* HWY_RESTRICT scale = prologue.scale + begin;
    const float* HWY_RESTRICT shift = prologue.shift + begin;
    ReduceRows(n, channels, count, sums,
               [&](auto access, auto acc, size_t i, size_t j) HWY_ATTR {
                 const auto v =
                     hn::MulAdd(access.Load(rows + i), access.Load(scale + j),
                                access.Load(shift + j));
                 return hn::Add(acc, act.Forward(v));
               });
  }
  CombineTree(chunks, [&](size_t a, size_t b) HWY_ATTR {
    for (size_t j = 0; j < count; j += N) {
      float* p = partial + a * kGlobalBlock + j;
      const float* q = partial + b * kGlobalBlock + j;
      hn::Store(hn::Add(hn::Load(d, p), hn::Load(d, q)), d, p);
    }
  });
  ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
    access.Store(hn::Div(access.LoadAll(partial + j),
                         access.Set(static_cast<float>(pixels))),
                 y + begin + j);
  });
}

void GlobalForwardBlock(size_t pixels, size_t channels, size_t begin,
                        size_t end, const float* x, const Prologue& prologue,
                        float* y) {
  WithActivation(prologue.activation, [&](auto act) HWY_ATTR {
    GlobalForwardLoop(act, pixels, channels, begin, end, x, prologue, y);
  });
}

template <bool kAccumulate>
void GlobalBackwardLoop(size_t begin, size_t end, size_t total, size_t channels,
                        const float* HWY_RESTRICT dy, float* HWY_RESTRICT dx) {
  ForEachColumn<1>(
      begin, end, channels,
      [&](size_t first, size_t count, float* tables) HWY_ATTR {
        ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
          const auto divisor = access.Set(static_cast<float>(total));
          access.Store(hn::Div(access.Load(dy + first + j), divisor),
                       tables + j);
        });
      },
      [&](auto access, size_t i, size_t stride, size_t count,
          const float* table) HWY_ATTR {
        const auto share = access.LoadAll(table);
        for (const size_t stop = i + count * stride; i != stop; i += stride) {
          if constexpr (kAccumulate) {
            access.Store(hn::Add(access.Load(dx + i), share), dx + i);
          } else {
            access.Store(share, dx + i);
          }
        }
      });
}

// Pixels [begin, end) of one sample of `pixels`; dy and dx are the sample's.
void GlobalBackwardPixels(size_t begin, size_t end, size_t pixels,
                          size_t channels, const float* dy, bool accumulate,
                          float* dx) {
  if (accumulate) {
    GlobalBackwardLoop<true>(begin, end, pixels, channels, dy, dx);
  } else {
    GlobalBackwardLoop<false>(begin, end, pixels, channels, dy, dx);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
