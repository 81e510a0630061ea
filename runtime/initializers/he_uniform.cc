// He uniform: U(-b, b) with b = sqrt(6 / fan_in): the same variance 2 / fan_in.
#include <cmath>

#include "runtime/initializer.h"

namespace temper {

extern const InitializerOp kHeUniformInitializer;
const InitializerOp kHeUniformInitializer = {
    .name = "he_uniform",
    .help = "U(-b, b), b = sqrt(6 / fan_in)",
    .fill =
        [](const InitializeCall& call) {
          FillUniform(call.draws, std::sqrt(6.0 / call.fan_in), call.count,
                      call.out);
        },
};

}  // namespace temper
