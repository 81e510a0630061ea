// See warp.h. Where an output pixel comes from: its distance from the middle, less
// the shift, turned back and divided by the scale (torchvision's
// _get_inverse_affine_matrix without shear).
#include "runtime/augment/warp.h"

#include <algorithm>
#include <cmath>

#include "runtime/exact_math.h"

namespace temper {
namespace {

// Uniform in [low, high).
double Between(uint32_t word, double low, double high) {
  return low + static_cast<double>(word) * 0x1p-32 * (high - low);
}

template <class T>
T Rounded(double value) {
  if constexpr (std::is_same_v<T, uint8_t>) {
    return static_cast<uint8_t>(std::min(255.0, std::floor(value + 0.5)));
  } else {
    return static_cast<float>(value);
  }
}

template <class T>
void Resample(const Shape& s, const T* from, const double (&turn)[4],
              double shift_y, double shift_x, T* to) {
  const double middle_y = (s.h - 1) * 0.5, middle_x = (s.w - 1) * 0.5;
  const auto h = static_cast<int64_t>(s.h), w = static_cast<int64_t>(s.w);
  for (int64_t i = 0; i < h; ++i) {
    for (int64_t j = 0; j < w; ++j, to += s.c) {
      const double away_y = (static_cast<double>(i) - middle_y) - shift_y;
      const double away_x = (static_cast<double>(j) - middle_x) - shift_x;
      const double y = (turn[0] * away_y + turn[1] * away_x) + middle_y;
      const double x = (turn[2] * away_y + turn[3] * away_x) + middle_x;
      const double top = std::floor(y), left = std::floor(x);
      if (top < -1 || left < -1 || top >= static_cast<double>(h) ||
          left >= static_cast<double>(w)) {
        std::fill_n(to, s.c, T{0});
        continue;
      }
      const auto row = static_cast<int64_t>(top);
      const auto column = static_cast<int64_t>(left);
      const double down = y - top, right = x - left;
      const double weights[4] = {(1 - down) * (1 - right), (1 - down) * right,
                                 down * (1 - right), down * right};
      for (uint32_t c = 0; c < s.c; ++c) {
        double sum = 0;
        for (int corner = 0; corner < 4; ++corner) {
          const int64_t r = row + corner / 2, k = column + corner % 2;
          if (r < 0 || r >= h || k < 0 || k >= w) continue;
          sum = sum + weights[corner] *
                          static_cast<double>(from[(r * w + k) * s.c + c]);
        }
        to[c] = Rounded<T>(sum);
      }
    }
  }
}

}  // namespace

void WarpSample(const AugmentCall& call, const void* from, const Warp& warp) {
  const std::array<uint32_t, 4>& random = call.random;
  const double turns = Between(random[0], -warp.degrees, warp.degrees) / 360.0;
  const double scale =
      Between(random[1], std::min(warp.scale_min, warp.scale_max),
              std::max(warp.scale_min, warp.scale_max));
  const Shape& s = call.shape;
  const double most_y = double{1} * warp.translate * s.h;
  const double most_x = double{1} * warp.translate * s.w;
  const double shift_y = std::floor(Between(random[2], -most_y, most_y) + 0.5);
  const double shift_x = std::floor(Between(random[3], -most_x, most_x) + 0.5);
  const exact::SinCos angle = exact::SinCosTurns(turns < 0 ? turns + 1 : turns);
  const double turn[4] = {angle.cos / scale, -angle.sin / scale,
                          angle.sin / scale, angle.cos / scale};
  if (s.type == ElementType::kU8) {
    Resample(s, static_cast<const uint8_t*>(from), turn, shift_y, shift_x,
             static_cast<uint8_t*>(call.sample));
  } else {
    Resample(s, static_cast<const float*>(from), turn, shift_y, shift_x,
             static_cast<float*>(call.sample));
  }
}

}  // namespace temper
