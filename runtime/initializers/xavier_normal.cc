// Xavier: deviation gain * sqrt(2 / (fan_in + fan_out)) keeps the scale of
// outputs and gradients about alike (Glorot and Bengio 2010).
#include "runtime/initializer.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(XavierNormalParams, gain, 1e-6, 1e6,
                     "factor; 5/3 for tanh"),
};

}  // namespace

extern const InitializerOp kXavierNormalInitializer;
const InitializerOp kXavierNormalInitializer = {
    .name = "xavier_normal",
    .help = "deviation sqrt(2 / (fan_in + fan_out))",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<XavierNormalParams>,
    .fill =
        [](const InitializeCall& call) {
          call.Normal(
              XavierRoot(2.0, call.As<XavierNormalParams>(), call.spec));
        },
};

}  // namespace temper
