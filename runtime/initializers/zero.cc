// Zero. All units of a layer stay alike: only for layers that are meant to.
#include <algorithm>

#include "runtime/initializer.h"

namespace temper {

extern const InitializerOp kZeroInitializer;
const InitializerOp kZeroInitializer = {
    .name = "zero",
    .help = "0",
    .fill =
        [](const InitializeCall& call) {
          std::fill_n(call.out, call.spec.Count(), 0.0f);
        },
};

}  // namespace temper
