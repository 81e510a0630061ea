// He normal: N(0, 2 / fan_in). Half of the signal is lost in a ReLU; the 2
// makes up for it (He, Zhang, Ren, Sun 2015).
#include <cmath>

#include "runtime/initializer.h"

namespace temper {

extern const InitializerOp kHeNormalInitializer;
const InitializerOp kHeNormalInitializer = {
    "he_normal", [](const Draws& draws, uint32_t fan_in, uint32_t fan_out,
                    uint64_t count, float* out) {
      static_cast<void>(fan_out);
      FillNormal(draws, std::sqrt(2.0 / fan_in), 0, count, out);
    }};

}  // namespace temper
