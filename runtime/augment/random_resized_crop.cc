// A part of the sample at random, resized to the sample's size: its area is
// uniform between scale_min and scale_max of the whole, its width over its height
// log-uniform between ratio_min and ratio_max, its place uniform. Parts that do
// not fit are drawn again, ten times at most; then the largest part in the
// middle is taken whose proportions are allowed (torchvision: RandomResizedCrop,
// with antialiasing).
#include <algorithm>
#include <cmath>

#include "runtime/augment.h"
#include "runtime/exact_math.h"
#include "runtime/resample.h"

namespace temper {
namespace {

constexpr uint32_t kAttempts = 10;

struct Box {
  uint32_t y, x, h, w;
};

// Uniform in [low, high).
double Between(uint32_t word, double low, double high) {
  return low + static_cast<double>(word) * 0x1p-32 * (high - low);
}

// The nearest whole number, of two the even one (Python's round); x >= 0.
uint32_t Nearest(double x) {
  const double whole = std::floor(x), rest = x - whole;
  const bool up =
      rest > 0.5 || (rest == 0.5 && whole / 2 != std::floor(whole / 2));
  return static_cast<uint32_t>(whole) + (up ? 1 : 0);
}

Box Middle(const Shape& s, double ratio_min, double ratio_max) {
  uint32_t h = s.h, w = s.w;
  const double ratio = static_cast<double>(w) / static_cast<double>(h);
  if (ratio < ratio_min) h = Nearest(w / ratio_min);
  if (ratio > ratio_max) w = Nearest(h * ratio_max);
  h = std::clamp(h, 1u, s.h), w = std::clamp(w, 1u, s.w);
  return {(s.h - h) / 2, (s.w - w) / 2, h, w};
}

Box Draw(const AugmentCall& call, const Shape& s) {
  const auto& p = call.As<RandomResizedCropParams>();
  // "From 1 to 0.5" means the same as "from 0.5 to 1".
  const double scale_min = std::min(p.scale_min, p.scale_max);
  const double scale_max = std::max(p.scale_min, p.scale_max);
  const double ratio_min = std::min(p.ratio_min, p.ratio_max);
  const double ratio_max = std::max(p.ratio_min, p.ratio_max);
  const double area = static_cast<double>(uint64_t{s.h} * s.w);
  const double log_min = exact::Log(ratio_min), log_max = exact::Log(ratio_max);
  for (uint32_t k = 0; k < kAttempts; ++k) {
    const std::array<uint32_t, 4> random = call.Random(k);
    const double part = area * Between(random[0], scale_min, scale_max);
    const double ratio = exact::Exp(Between(random[1], log_min, log_max));
    const Box box = {0, 0, Nearest(std::sqrt(part / ratio)),
                     Nearest(std::sqrt(part * ratio))};
    if (box.h == 0 || box.w == 0 || box.h > s.h || box.w > s.w) continue;
    return {Below(random[2], s.h - box.h + 1),
            Below(random[3], s.w - box.w + 1), box.h, box.w};
  }
  return Middle(s, ratio_min, ratio_max);
}

void Apply(const AugmentCall& call, const Shape& stored, const void* from,
           void* scratch) {
  const Box box = Draw(call, stored);
  const size_t row = size_t{stored.w} * stored.c;
  const Shape& s = call.shape;
  Resample({.in_h = box.h,
            .in_w = box.w,
            .c = s.c,
            .out_h = s.h,
            .out_w = s.w,
            .window = {0, 0, s.h, s.w},
            .from = static_cast<const uint8_t*>(from) + box.y * row +
                    size_t{box.x} * stored.c,
            .from_row_bytes = row,
            .to = static_cast<uint8_t*>(call.sample),
            .to_row_bytes = size_t{s.w} * s.c},
           scratch);
}

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(RandomResizedCropParams, scale_min, 0.001, 1,
                     "the least area of the part"),
    TEMPER_FIELD_F32(RandomResizedCropParams, scale_max, 0.001, 1,
                     "the largest area"),
    TEMPER_FIELD_F32(RandomResizedCropParams, ratio_min, 0.01, 100,
                     "the least width over height"),
    TEMPER_FIELD_F32(RandomResizedCropParams, ratio_max, 0.01, 100,
                     "the largest"),
};

}  // namespace

extern const AugmentOp kRandomResizedCropAugment;
const AugmentOp kRandomResizedCropAugment = {
    .name = "random_resized_crop",
    .help = "a part of random size and place, resized; only first in a list",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<RandomResizedCropParams>,
    .resize = Apply,
};

}  // namespace temper
