// Xavier: deviation gain * sqrt(2 / (fan_in + fan_out)) keeps the scale of
// outputs and gradients about alike (Glorot and Bengio 2010).
#include "runtime/initializer.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(XavierUniformParams, gain, 1e-6, 1e6,
                     "factor; 5/3 for tanh"),
};

}  // namespace

extern const InitializerOp kXavierUniformInitializer;
const InitializerOp kXavierUniformInitializer = {
    .name = "xavier_uniform",
    .help = "bound sqrt(6 / (fan_in + fan_out))",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<XavierUniformParams>,
    .fill =
        [](const InitializeCall& call) {
          call.Uniform(
              XavierRoot(6.0, call.As<XavierUniformParams>(), call.spec));
        },
};

}  // namespace temper
