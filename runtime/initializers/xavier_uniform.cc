// Xavier uniform: U(-b, b) with b = sqrt(6 / (fan_in + fan_out)).
#include <cmath>

#include "runtime/initializer.h"

namespace temper {

extern const InitializerOp kXavierUniformInitializer;
const InitializerOp kXavierUniformInitializer = {
    "xavier_uniform", [](const Draws& draws, uint32_t fan_in, uint32_t fan_out,
                         uint64_t count, float* out) {
      FillUniform(draws, std::sqrt(6.0 / (double{1} * fan_in + fan_out)), count,
                  out);
    }};

}  // namespace temper
