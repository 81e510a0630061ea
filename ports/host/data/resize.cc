// See resize.h.
#include "ports/host/data/resize.h"

#include <algorithm>

#include "ports/host/data/colour.h"

namespace temper::host {
namespace {

constexpr int kWeightBits = 22;

// The weights of `count` output pixels from number `first` on, when `in` pixels
// become `out`.
class Weights {
 public:
  Weights(uint32_t in, uint32_t out, uint32_t first, uint32_t count) {
    // Lengths are counted in 1/(2 out) of an input pixel, and weights in
    // 1/(2 wide): input pixel x has its middle at (2 x + 1) out, the triangle of
    // output pixel i at (2 i + 1) in, and it reaches 2 wide to each side.
    const int64_t n = in, m = out, wide = std::max(n, m);
    taps_.reserve(count);
    for (int64_t i = first; i < int64_t{first} + count; ++i) {
      const int64_t middle = (2 * i + 1) * n;
      const int64_t begin = std::max<int64_t>(middle - 2 * wide + m, 0);
      const int64_t from = begin / (2 * m);
      const int64_t to = std::min((middle + 2 * wide + m) / (2 * m), n);
      int64_t sum = 0;
      const size_t at = weights_.size();
      for (int64_t x = from; x < to; ++x) {
        const int64_t away = (2 * x + 1) * m - middle;
        const int64_t weight =
            std::max<int64_t>(2 * wide - (away < 0 ? -away : away), 0);
        sum += weight;
        scratch_.push_back(weight);
      }
      for (const int64_t weight : scratch_) {
        weights_.push_back(static_cast<int32_t>(
            ((weight << (kWeightBits + 1)) + sum) / (2 * sum)));
      }
      scratch_.clear();
      taps_.push_back(
          {static_cast<uint32_t>(from), static_cast<uint32_t>(to - from), at});
    }
  }

  struct Taps {
    uint32_t from, count;
    size_t at;
  };
  const Taps& taps(size_t i) const { return taps_[i]; }
  const int32_t* of(const Taps& taps) const { return &weights_[taps.at]; }
  // The input pixels that are needed at all.
  uint32_t begin() const { return taps_.front().from; }
  uint32_t end() const { return taps_.back().from + taps_.back().count; }

 private:
  std::vector<Taps> taps_;
  std::vector<int32_t> weights_;
  std::vector<int64_t> scratch_;
};

// Weights add up to about 2^22 and are not negative: no sum leaves 32 bits, and
// none needs more than this bound from above.
uint8_t Rounded(int32_t sum) {
  return static_cast<uint8_t>(std::min(sum >> kWeightBits, 255));
}
constexpr int32_t kHalf = 1 << (kWeightBits - 1);

template <uint32_t c>
void ResizeRow(const uint8_t* row, const Weights& weights, uint32_t count,
               uint8_t* to) {
  for (uint32_t i = 0; i < count; ++i) {
    const Weights::Taps& taps = weights.taps(i);
    const int32_t* const w = weights.of(taps);
    const uint8_t* from = row + size_t{taps.from} * c;
    int32_t sums[c];
    for (uint32_t k = 0; k < c; ++k) sums[k] = kHalf;
    for (uint32_t x = 0; x < taps.count; ++x) {
      for (uint32_t k = 0; k < c; ++k) sums[k] += w[x] * *from++;
    }
    for (uint32_t k = 0; k < c; ++k) *to++ = Rounded(sums[k]);
  }
}

uint64_t HalfToEven(uint64_t difference) {
  const uint64_t half = difference / 2;
  return difference % 2 == 0 ? half : half + half % 2;
}

// The whole number nearest to a * b / c, of two the even one; at least 1.
uint32_t Proportion(uint64_t a, uint64_t b, uint64_t c) {
  const uint64_t whole = a * b / c, rest = a * b % c;
  const bool up = 2 * rest > c || (2 * rest == c && whole % 2 == 1);
  return static_cast<uint32_t>(std::max<uint64_t>(whole + up, 1));
}

}  // namespace

void Resize(const ImageView& image, uint32_t h, uint32_t w,
            const Window& window, uint8_t* to, size_t row_bytes) {
  const Weights across(image.w, w, window.x, window.w);
  const Weights down(image.h, h, window.y, window.h);
  const size_t row = size_t{window.w} * image.c;
  const uint32_t first = down.begin();
  std::vector<uint8_t> rows(row * (down.end() - first));
  for (uint32_t y = first; y < down.end(); ++y) {
    const uint8_t* const from = image.pixels + size_t{y} * image.row_bytes;
    uint8_t* const out = &rows[size_t{y - first} * row];
    if (image.c == 1) {
      ResizeRow<1>(from, across, window.w, out);
    } else {
      ResizeRow<3>(from, across, window.w, out);
    }
  }
  std::vector<int32_t> sums(row);
  for (uint32_t i = 0; i < window.h; ++i) {
    const Weights::Taps& taps = down.taps(i);
    const int32_t* const weights = down.of(taps);
    std::fill(sums.begin(), sums.end(), kHalf);
    for (uint32_t y = 0; y < taps.count; ++y) {
      const uint8_t* const from = &rows[size_t{taps.from + y - first} * row];
      for (size_t x = 0; x < row; ++x) sums[x] += weights[y] * from[x];
    }
    uint8_t* const out = to + i * row_bytes;
    for (size_t x = 0; x < row; ++x) out[x] = Rounded(sums[x]);
  }
}

void FitPicture(const ImageView& image, const PictureFit& fit, uint32_t h,
                uint32_t w, uint8_t* to) {
  const size_t row = size_t{w} * image.c;
  const bool wider = uint64_t{image.w} * h >= uint64_t{w} * image.h;
  switch (fit.mode) {
    case PictureFit::Mode::kStretch:
      Resize(image, h, w, {0, 0, h, w}, to, row);
      return;
    case PictureFit::Mode::kCrop: {
      const uint32_t rh =
          wider ? h : static_cast<uint32_t>(uint64_t{image.h} * w / image.w);
      const uint32_t rw =
          wider ? static_cast<uint32_t>(uint64_t{image.w} * h / image.h) : w;
      Resize(image, rh, rw,
             {static_cast<uint32_t>(HalfToEven(rh - h)),
              static_cast<uint32_t>(HalfToEven(rw - w)), h, w},
             to, row);
      return;
    }
    case PictureFit::Mode::kPad: {
      const uint32_t rh = wider ? Proportion(image.h, w, image.w) : h;
      const uint32_t rw = wider ? w : Proportion(image.w, h, image.h);
      const uint8_t* const colour = fit.background;
      const uint8_t gray = Luma(colour[0], colour[1], colour[2]);
      for (size_t i = 0; i < size_t{h} * row; ++i) {
        to[i] = image.c == 1 ? gray : colour[i % 3];
      }
      const size_t top = static_cast<size_t>(HalfToEven(h - rh));
      const size_t left = static_cast<size_t>(HalfToEven(w - rw));
      Resize(image, rh, rw, {0, 0, rh, rw}, to + top * row + left * image.c,
             row);
      return;
    }
  }
}

}  // namespace temper::host
