// Scalar twin of simd/winograd.h in its own arithmetic: F(2x2, 3x3) tile by
// tile. In float it is the promised order of operations (bits). With
// kMagnitudes every minus is a plus: given magnitudes it computes M of the
// error bound. What the results must be says reference/conv.h.
#ifndef TEMPER_TESTS_REFERENCE_WINOGRAD_H_
#define TEMPER_TESTS_REFERENCE_WINOGRAD_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "simd/conv.h"
#include "simd/rows.h"
#include "tests/testing/flops.h"

namespace temper::reference {

template <class T, bool kMagnitudes>
struct Winograd {
  static T Minus(T a, T b) { return kMagnitudes ? a + b : a - b; }
  static T Negative(T a) { return kMagnitudes ? a : -a; }
  static T Fma(T a, T b, T c) { return std::fma(a, b, c); }

  // Applies f (n values to m) to the columns of an n x n matrix, then to the
  // rows of the m x n result.
  template <size_t n, size_t m, class F>
  static void Twice(const T* in, T* out, F&& f) {
    T down[m * n], column[n], result[m];
    for (size_t j = 0; j < n; ++j) {
      for (size_t i = 0; i < n; ++i) column[i] = in[i * n + j];
      f(column, result);
      for (size_t i = 0; i < m; ++i) down[i * n + j] = result[i];
    }
    for (size_t i = 0; i < m; ++i) f(down + i * n, out + i * m);
  }
  static void Input(const T* d, T* v) {
    Twice<4, 4>(d, v, [](const T* a, T* b) {
      b[0] = Minus(a[0], a[2]);
      b[1] = a[1] + a[2];
      b[2] = Minus(a[2], a[1]);
      b[3] = Minus(a[1], a[3]);
    });
  }
  static void Weights(const T* g, T* u) {
    Twice<3, 4>(g, u, [](const T* a, T* b) {
      b[0] = a[0];
      b[1] = T(0.5) * ((a[0] + a[2]) + a[1]);
      b[2] = T(0.5) * Minus(a[0] + a[2], a[1]);
      b[3] = a[2];
    });
  }
  static void Output(const T* m, T* y) {
    Twice<4, 2>(m, y, [](const T* a, T* b) {
      b[0] = (a[0] + a[1]) + a[2];
      b[1] = Minus(Minus(a[1], a[2]), a[3]);
    });
  }
  static void Gradient(const T* dy, T* z) {
    Twice<2, 4>(dy, z, [](const T* a, T* b) {
      b[0] = a[0];
      b[1] = a[0] + a[1];
      b[2] = Minus(a[0], a[1]);
      b[3] = Negative(a[1]);
    });
  }
  static void WeightGradient(const T* q, T* g) {
    Twice<4, 3>(q, g, [](const T* a, T* b) {
      const T mean = T(0.5) * (a[1] + a[2]);
      b[0] = a[0] + mean;
      b[1] = T(0.5) * Minus(a[1], a[2]);
      b[2] = mean + a[3];
    });
  }

  // One image batch of (h, w, c) with zeros outside.
  struct Image {
    const T* at;
    int64_t h, w;
    size_t c;
    T Get(size_t n, int64_t row, int64_t col, size_t channel) const {
      if (row < 0 || row >= h || col < 0 || col >= w) return T(0);
      return at[((n * static_cast<size_t>(h) + static_cast<size_t>(row)) *
                     static_cast<size_t>(w) +
                 static_cast<size_t>(col)) *
                    c +
                channel];
    }
    // The transformed tile whose top left pixel is (row, col).
    void Tile(size_t n, int64_t row, int64_t col, size_t channel, T* v) const {
      T d[16];
      for (int64_t i = 0; i < 16; ++i)
        d[i] = Get(n, row + i / 4, col + i % 4, channel);
      Input(d, v);
    }
  };

  // y (batch, h, w, out_c) from x; weight(in, out, tap) is a tap.
  template <class Weight>
  static void Convolve(const Image& x, size_t batch, int64_t pad_top,
                       int64_t pad_left, size_t h, size_t w, size_t out_c,
                       Weight&& weight, const T* bias, bool accumulate, T* y) {
    std::vector<T> u(x.c * out_c * 16), v(x.c * 16);
    for (size_t k = 0; k < x.c; ++k) {
      for (size_t co = 0; co < out_c; ++co) {
        T g[9];
        for (size_t tap = 0; tap < 9; ++tap) g[tap] = weight(k, co, tap);
        Weights(g, &u[(k * out_c + co) * 16]);
      }
    }
    for (size_t n = 0; n < batch; ++n)
      for (size_t row = 0; row < h; row += 2)
        for (size_t col = 0; col < w; col += 2) {
          for (size_t k = 0; k < x.c; ++k)
            x.Tile(n, static_cast<int64_t>(row) - pad_top,
                   static_cast<int64_t>(col) - pad_left, k, &v[k * 16]);
          for (size_t co = 0; co < out_c; ++co) {
            T m[16] = {}, out[4];
            testing::CountFlops(32 * x.c);
            for (size_t k = 0; k < x.c; ++k)
              for (size_t p = 0; p < 16; ++p)
                m[p] = Fma(v[k * 16 + p], u[(k * out_c + co) * 16 + p], m[p]);
            Output(m, out);
            for (size_t i = 0; i < 4; ++i) {
              if (row + i / 2 >= h || col + i % 2 >= w) continue;
              T& to = y[((n * h + row + i / 2) * w + col + i % 2) * out_c + co];
              if (bias != nullptr) out[i] += bias[co];
              to = accumulate ? to + out[i] : out[i];
            }
          }
        }
  }
  static void Forward(const simd::ConvShape& s, size_t batch, const T* x,
                      const T* w, const T* bias, T* y) {
    Convolve(
        {x, s.in_h, s.in_w, s.in_c}, batch, s.pad_top, s.pad_left, s.out_h,
        s.out_w, s.out_c,
        [&](size_t ci, size_t co, size_t tap) {
          return w[(co * 9 + tap) * s.in_c + ci];
        },
        bias, false, y);
  }
  static void BackwardData(const simd::ConvShape& s, size_t batch, const T* dy,
                           const T* w, bool accumulate, T* dx) {
    Convolve(
        {dy, s.out_h, s.out_w, s.out_c}, batch, 2 - int64_t{s.pad_top},
        2 - int64_t{s.pad_left}, s.in_h, s.in_w, s.in_c,
        [&](size_t co, size_t ci, size_t tap) {
          return w[(co * 9 + 8 - tap) * s.in_c + ci];
        },
        nullptr, accumulate, dx);
  }
  static void BackwardWeights(const simd::ConvShape& s, size_t batch,
                              const T* x, const T* dy, T* dw) {
    const Image in = {x, s.in_h, s.in_w, s.in_c};
    const Image out = {dy, s.out_h, s.out_w, s.out_c};
    const size_t tiles_h = (s.out_h + 1) / 2, tiles_w = (s.out_w + 1) / 2;
    const size_t tiles = batch * tiles_h * tiles_w;
    const size_t chunk = simd::ChunkRows(tiles);
    const size_t chunks = simd::ChunkCount(tiles);
    const size_t pairs = size_t{s.in_c} * s.out_c;
    std::vector<T> sums(chunks * pairs * 16);
    std::vector<T> v(s.in_c * 16), z(s.out_c * 16);
    for (size_t t = 0; t < tiles; ++t) {
      const size_t n = t / tiles_w / tiles_h;
      const int64_t row = static_cast<int64_t>(t / tiles_w % tiles_h * 2);
      const int64_t col = static_cast<int64_t>(t % tiles_w * 2);
      for (size_t ci = 0; ci < s.in_c; ++ci)
        in.Tile(n, row - s.pad_top, col - s.pad_left, ci, &v[ci * 16]);
      for (size_t co = 0; co < s.out_c; ++co) {
        const T d[4] = {out.Get(n, row, col, co), out.Get(n, row, col + 1, co),
                        out.Get(n, row + 1, col, co),
                        out.Get(n, row + 1, col + 1, co)};
        Gradient(d, &z[co * 16]);
      }
      T* q = &sums[t / chunk * pairs * 16];
      testing::CountFlops(32 * pairs);
      for (size_t co = 0; co < s.out_c; ++co)
        for (size_t ci = 0; ci < s.in_c; ++ci)
          for (size_t p = 0; p < 16; ++p, ++q)
            *q = Fma(z[co * 16 + p], v[ci * 16 + p], *q);
    }
    simd::CombineTree(chunks, [&](size_t into, size_t from) {
      for (size_t i = 0; i < pairs * 16; ++i)
        sums[into * pairs * 16 + i] += sums[from * pairs * 16 + i];
    });
    for (size_t i = 0; i < pairs; ++i) {
      T g[9];
      WeightGradient(&sums[i * 16], g);
      for (size_t tap = 0; tap < 9; ++tap)
        dw[(i / s.in_c * 9 + tap) * s.in_c + i % s.in_c] += g[tap];
    }
  }
};

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_WINOGRAD_H_
