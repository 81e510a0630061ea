// Xavier uniform: U(-b, b) with b = sqrt(6 / (fan_in + fan_out)).
#include <cmath>

#include "runtime/initializer.h"

namespace temper {

extern const InitializerOp kXavierUniformInitializer;
const InitializerOp kXavierUniformInitializer = {
    .name = "xavier_uniform",
    .help = "U(-b, b), b = sqrt(6 / (fan_in + fan_out))",
    .fill =
        [](const InitializeCall& call) {
          FillUniform(call.draws,
                      std::sqrt(6.0 / (double{1} * call.fan_in + call.fan_out)),
                      call.count, call.out);
        },
};

}  // namespace temper
