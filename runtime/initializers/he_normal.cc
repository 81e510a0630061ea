// He normal: N(0, 2 / fan_in). Half of the signal is lost in a ReLU; the 2
// makes up for it (He, Zhang, Ren, Sun 2015).
#include <cmath>

#include "runtime/initializer.h"

namespace temper {

extern const InitializerOp kHeNormalInitializer;
const InitializerOp kHeNormalInitializer = {
    .name = "he_normal",
    .help = "N(0, 2 / fan_in): where a ReLU follows",
    .fill =
        [](const InitializeCall& call) {
          FillNormal(call.draws, std::sqrt(2.0 / call.fan_in), 0, call.count,
                     call.out);
        },
};

}  // namespace temper
