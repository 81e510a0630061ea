// Gaussian: deviation std, whatever the layer. 1 makes the signal of a deep net
// explode, 0.01 makes it die: layers with n inputs multiply it by std * sqrt(n).
#include "runtime/initializer.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(GaussianParams, std, 1e-30, 1e6, "the deviation"),
};

}  // namespace

extern const InitializerOp kGaussianInitializer;
const InitializerOp kGaussianInitializer = {
    .name = "gaussian",
    .help = "deviation std, whatever the layer",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<GaussianParams>,
    .fill =
        [](const InitializeCall& call) {
          call.Normal(call.As<GaussianParams>().std);
        },
};

}  // namespace temper
