// He: deviation sqrt(2 / ((1 + slope^2) fan)). Half of the signal is lost in a
// ReLU; the 2 makes up for it (He, Zhang, Ren, Sun 2015).
#include "runtime/initializer.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(HeNormalParams, slope, 0.0, 100.0,
                     "of the leaky ReLU that follows"),
    TEMPER_FIELD_U32(HeNormalParams, fan_out, 0, 1,
                     "keep the scale of gradients, not of outputs"),
};

}  // namespace

extern const InitializerOp kHeNormalInitializer;
const InitializerOp kHeNormalInitializer = {
    .name = "he_normal",
    .help = "deviation sqrt(2 / fan_in): where a ReLU follows",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<HeNormalParams>,
    .fill =
        [](const InitializeCall& call) {
          call.Normal(HeRoot(2.0, call.As<HeNormalParams>(), call.spec));
        },
};

}  // namespace temper
