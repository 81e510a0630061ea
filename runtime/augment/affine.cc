// Turned, made larger or smaller, and moved, at random and in one resampling.
#include "runtime/augment/warp.h"

namespace temper {
namespace {

void Remap(const AugmentCall& call, const void* from) {
  const AffineParams& p = call.As<AffineParams>();
  WarpSample(call, from,
             {.degrees = p.degrees,
              .scale_min = p.scale_min,
              .scale_max = p.scale_max,
              .translate = p.translate});
}

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(AffineParams, degrees, 0, 180,
                     "the angle is drawn from -degrees to degrees"),
    TEMPER_FIELD_F32(AffineParams, scale_min, 0.05, 20, "the least size"),
    TEMPER_FIELD_F32(AffineParams, scale_max, 0.05, 20, "the largest"),
    TEMPER_FIELD_F32(AffineParams, translate, 0, 1,
                     "moved by up to this part of height and width"),
};

}  // namespace

extern const AugmentOp kAffineAugment;
const AugmentOp kAffineAugment = {
    .name = "affine",
    .help = "turned, resized and moved at random; zeros come in",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<AffineParams>,
    .remap = Remap,
};

}  // namespace temper
