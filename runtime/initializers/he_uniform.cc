// He: deviation sqrt(2 / ((1 + slope^2) fan)). Half of the signal is lost in a
// ReLU; the 2 makes up for it (He, Zhang, Ren, Sun 2015).
#include "runtime/initializer.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(HeUniformParams, slope, 0.0, 100.0,
                     "of the leaky ReLU that follows"),
    TEMPER_FIELD_U32(HeUniformParams, fan_out, 0, 1,
                     "keep the scale of gradients, not of outputs"),
};

}  // namespace

extern const InitializerOp kHeUniformInitializer;
const InitializerOp kHeUniformInitializer = {
    .name = "he_uniform",
    .help = "bound sqrt(6 / fan_in): where a ReLU follows",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<HeUniformParams>,
    .fill =
        [](const InitializeCall& call) {
          call.Uniform(HeRoot(6.0, call.As<HeUniformParams>(), call.spec));
        },
};

}  // namespace temper
