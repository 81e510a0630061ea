// LeCun: deviation sqrt(1 / fan_in) keeps mean 0 and deviation 1 of what comes
// in (LeCun, Bottou, Orr, Mueller 1998). Xavier's first form is the same.
#include "runtime/initializer.h"

namespace temper {
extern const InitializerOp kLecunNormalInitializer;
const InitializerOp kLecunNormalInitializer = {
    .name = "lecun_normal",
    .help = "deviation sqrt(1 / fan_in)",
    .defaults = DefaultsOf<LecunNormalParams>,
    .fill =
        [](const InitializeCall& call) {
          call.Normal(std::sqrt(1.0 / call.spec.fan_in));
        },
};

}  // namespace temper
