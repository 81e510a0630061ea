// See resample.h.
#include "runtime/resample.h"

#include <algorithm>
#include <cassert>

namespace temper {
namespace {

constexpr int kWeightBits = 22;
constexpr int32_t kHalf = 1 << (kWeightBits - 1);

// The input pixels that an output pixel is made of.
struct Taps {
  uint32_t from, count;
};

// Lengths are counted in 1/(2 out) of an input pixel, and weights in 1/(2 wide):
// input pixel x has its middle at (2 x + 1) out, the triangle of output pixel i
// at (2 i + 1) in, and it reaches 2 wide to each side.
struct Axis {
  int64_t in, out;

  int64_t wide() const { return std::max(in, out); }
  int64_t middle(int64_t i) const { return (2 * i + 1) * in; }
  Taps taps(int64_t i) const {
    const int64_t m = middle(i), reach = 2 * wide();
    const int64_t from = std::max<int64_t>(m - reach + out, 0) / (2 * out);
    const int64_t to = std::min((m + reach + out) / (2 * out), in);
    return {static_cast<uint32_t>(from), static_cast<uint32_t>(to - from)};
  }
  int64_t weight(int64_t i, int64_t x) const {
    const int64_t away = (2 * x + 1) * out - middle(i);
    return std::max<int64_t>(2 * wide() - (away < 0 ? -away : away), 0);
  }
  // Of 22 bits, for taps(i).
  void Weigh(int64_t i, const Taps& taps, int32_t* weights) const {
    int64_t sum = 0;
    for (uint32_t k = 0; k < taps.count; ++k) {
      sum += weight(i, int64_t{taps.from} + k);
    }
    for (uint32_t k = 0; k < taps.count; ++k) {
      const int64_t w = weight(i, int64_t{taps.from} + k);
      weights[k] =
          static_cast<int32_t>(((w << (kWeightBits + 1)) + sum) / (2 * sum));
    }
  }
  // No output pixel has more.
  size_t most_taps() const {
    return static_cast<size_t>(std::min(in, 2 * ((in + out - 1) / out) + 2));
  }
};

// Weights add up to about 2^22 and are not negative: no sum leaves 32 bits, and
// none needs more than this bound from above.
uint8_t Rounded(int32_t sum) {
  return static_cast<uint8_t>(std::min(sum >> kWeightBits, 255));
}

// Across: output pixel i of the window has taps[i] and the weights from
// i * most on.
template <uint32_t c>
void ResizeRow(const uint8_t* row, const Taps* taps, const int32_t* weights,
               size_t most, uint32_t count, uint8_t* to) {
  for (uint32_t i = 0; i < count; ++i) {
    const int32_t* const w = weights + i * most;
    const uint8_t* from = row + size_t{taps[i].from} * c;
    int32_t sums[c];
    for (uint32_t k = 0; k < c; ++k) sums[k] = kHalf;
    for (uint32_t x = 0; x < taps[i].count; ++x) {
      for (uint32_t k = 0; k < c; ++k) sums[k] += w[x] * *from++;
    }
    for (uint32_t k = 0; k < c; ++k) *to++ = Rounded(sums[k]);
  }
}

// Where the parts of the scratch memory begin, in bytes.
struct Layout {
  size_t weights, down, sums, rows, end;

  explicit Layout(const Resampling& r) {
    const Axis across = {r.in_w, r.out_w}, vertical = {r.in_h, r.out_h};
    const size_t row = size_t{r.window.w} * r.c;
    weights = size_t{r.window.w} * sizeof(Taps);
    down = weights + r.window.w * across.most_taps() * sizeof(int32_t);
    sums = down + vertical.most_taps() * sizeof(int32_t);
    rows = sums + row * sizeof(int32_t);
    // Rows that the window needs: those between its first and its last.
    const int64_t last = int64_t{r.window.y} + r.window.h - 1;
    const Taps first = vertical.taps(r.window.y), end_of = vertical.taps(last);
    end = rows + row * (end_of.from + end_of.count - first.from);
  }
};

}  // namespace

size_t ResampleScratchBytes(const Resampling& r) { return Layout(r).end; }

void Resample(const Resampling& r, void* scratch) {
  const Layout layout(r);
  const Axis across = {r.in_w, r.out_w}, vertical = {r.in_h, r.out_h};
  auto* const memory = static_cast<uint8_t*>(scratch);
  assert(reinterpret_cast<uintptr_t>(memory) % alignof(int32_t) == 0);
  auto* const taps = reinterpret_cast<Taps*>(memory);
  auto* const weights = reinterpret_cast<int32_t*>(memory + layout.weights);
  auto* const down = reinterpret_cast<int32_t*>(memory + layout.down);
  auto* const sums = reinterpret_cast<int32_t*>(memory + layout.sums);
  uint8_t* const rows = memory + layout.rows;
  const size_t most = across.most_taps();
  for (uint32_t i = 0; i < r.window.w; ++i) {
    taps[i] = across.taps(int64_t{r.window.x} + i);
    across.Weigh(int64_t{r.window.x} + i, taps[i], weights + i * most);
  }
  const size_t row = size_t{r.window.w} * r.c;
  const Taps top = vertical.taps(r.window.y);
  const Taps bottom = vertical.taps(int64_t{r.window.y} + r.window.h - 1);
  const uint32_t first = top.from, end = bottom.from + bottom.count;
  for (uint32_t y = first; y < end; ++y) {
    const uint8_t* const from = r.from + size_t{y} * r.from_row_bytes;
    uint8_t* const to = rows + size_t{y - first} * row;
    if (r.c == 1) {
      ResizeRow<1>(from, taps, weights, most, r.window.w, to);
    } else {
      ResizeRow<3>(from, taps, weights, most, r.window.w, to);
    }
  }
  for (uint32_t i = 0; i < r.window.h; ++i) {
    const Taps t = vertical.taps(int64_t{r.window.y} + i);
    vertical.Weigh(int64_t{r.window.y} + i, t, down);
    std::fill_n(sums, row, kHalf);
    for (uint32_t y = 0; y < t.count; ++y) {
      const uint8_t* const from = rows + size_t{t.from + y - first} * row;
      for (size_t x = 0; x < row; ++x) sums[x] += down[y] * from[x];
    }
    uint8_t* const to = r.to + i * r.to_row_bytes;
    for (size_t x = 0; x < row; ++x) to[x] = Rounded(sums[x]);
  }
}

}  // namespace temper
