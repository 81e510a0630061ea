// Normal and uniform draws from Philox, exact on every machine.
#include <cmath>

#include "runtime/exact_math.h"
#include "runtime/initializer.h"
#include "temper/random.h"

namespace temper {

void FillNormal(const Draws& draws, double std, uint64_t first_element,
                uint64_t count, float* out) {
  double z[4] = {};
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t element = first_element + i;
    if (i == 0 || element % 4 == 0) {
      const auto words = Philox(draws.seed, {static_cast<uint32_t>(element / 4),
                                             draws.tensor, 0, draws.stream});
      for (int pair = 0; pair < 2; ++pair) {
        // u1 in (0, 1], so that its logarithm is finite; u2 in [0, 1).
        const double u1 = (words[2 * pair] + 1.0) * 0x1p-32;
        const double u2 = words[2 * pair + 1] * 0x1p-32;
        const double radius = std::sqrt(-2.0 * exact::Log(u1));
        const exact::SinCos angle = exact::SinCosTurns(u2);
        z[2 * pair] = radius * angle.cos;
        z[2 * pair + 1] = radius * angle.sin;
      }
    }
    out[i] = static_cast<float>(std * z[element % 4]);
  }
}

void FillUniform(const Draws& draws, double bound, uint64_t count, float* out) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t word = RandomWord(draws.seed, static_cast<uint32_t>(i),
                                     draws.tensor, 0, draws.stream);
    out[i] = static_cast<float>(bound * (word * 0x1p-31 - 1.0));
  }
}

}  // namespace temper
