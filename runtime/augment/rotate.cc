// Turned by a random angle.
#include "runtime/augment/warp.h"

namespace temper {
namespace {

void Remap(const AugmentCall& call, const void* from) {
  WarpSample(call, from, {.degrees = call.As<RotateParams>().degrees});
}

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(RotateParams, degrees, 0, 180,
                     "the angle is drawn from -degrees to degrees"),
};

}  // namespace

extern const AugmentOp kRotateAugment;
const AugmentOp kRotateAugment = {
    .name = "rotate",
    .help = "turned by a random angle; zeros come in",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<RotateParams>,
    .remap = Remap,
};

}  // namespace temper
