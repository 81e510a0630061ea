// Xavier normal: N(0, 2 / (fan_in + fan_out)), for symmetric activations such
// as tanh (Glorot and Bengio 2010).
#include <cmath>

#include "runtime/initializer.h"

namespace temper {

extern const InitializerOp kXavierNormalInitializer;
const InitializerOp kXavierNormalInitializer = {
    "xavier_normal", [](const Draws& draws, uint32_t fan_in, uint32_t fan_out,
                        uint64_t count, float* out) {
      FillNormal(draws, std::sqrt(2.0 / (double{1} * fan_in + fan_out)), 0,
                 count, out);
    }};

}  // namespace temper
