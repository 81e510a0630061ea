// Xavier normal: N(0, 2 / (fan_in + fan_out)), for symmetric activations such
// as tanh (Glorot and Bengio 2010).
#include <cmath>

#include "runtime/initializer.h"

namespace temper {

extern const InitializerOp kXavierNormalInitializer;
const InitializerOp kXavierNormalInitializer = {
    .name = "xavier_normal",
    .help = "N(0, 2 / (fan_in + fan_out)): where tanh or nothing follows",
    .fill =
        [](const InitializeCall& call) {
          FillNormal(call.draws,
                     std::sqrt(2.0 / (double{1} * call.fan_in + call.fan_out)),
                     0, call.count, call.out);
        },
};

}  // namespace temper
