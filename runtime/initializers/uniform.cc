// Uniform: U(-bound, bound), whatever the layer.
#include "runtime/initializer.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(UniformParams, bound, 1e-30, 1e6,
                     "values lie between -bound and bound"),
};

}  // namespace

extern const InitializerOp kUniformInitializer;
const InitializerOp kUniformInitializer = {
    .name = "uniform",
    .help = "U(-bound, bound), whatever the layer",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<UniformParams>,
    .fill =
        [](const InitializeCall& call) {
          call.Uniform(call.As<UniformParams>().bound);
        },
};

}  // namespace temper
