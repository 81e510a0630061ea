// LeCun: deviation sqrt(1 / fan_in) keeps mean 0 and deviation 1 of what comes
// in (LeCun, Bottou, Orr, Mueller 1998). Xavier's first form is the same.
#include "runtime/initializer.h"

namespace temper {
extern const InitializerOp kLecunUniformInitializer;
const InitializerOp kLecunUniformInitializer = {
    .name = "lecun_uniform",
    .help = "bound sqrt(3 / fan_in)",
    .defaults = DefaultsOf<LecunUniformParams>,
    .fill =
        [](const InitializeCall& call) {
          call.Uniform(std::sqrt(3.0 / call.spec.fan_in));
        },
};

}  // namespace temper
