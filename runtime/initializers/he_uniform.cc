// He uniform: U(-b, b) with b = sqrt(6 / fan_in): the same variance 2 / fan_in.
#include <cmath>

#include "runtime/initializer.h"

namespace temper {

extern const InitializerOp kHeUniformInitializer;
const InitializerOp kHeUniformInitializer = {
    "he_uniform", [](const Draws& draws, uint32_t fan_in, uint32_t fan_out,
                     uint64_t count, float* out) {
      static_cast<void>(fan_out);
      FillUniform(draws, std::sqrt(6.0 / fan_in), count, out);
    }};

}  // namespace temper
