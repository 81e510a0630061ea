// Dirac: the identity. Output i of a convolution is input i at its centre, of a
// dense layer input i; outputs without such an input are 0. Of a depthwise kernel
// the centre tap is 1.
#include <algorithm>

#include "runtime/initializer.h"

namespace temper {
namespace {

void Fill(const InitializeCall& call) {
  const WeightSpec& spec = call.spec;
  std::fill_n(call.out, spec.Count(), 0.0f);
  const uint32_t* const d = spec.dims;
  if (spec.rank == 3) {  // (kh, kw, c)
    const uint64_t centre = uint64_t{d[0] / 2} * d[1] + d[1] / 2;
    std::fill_n(call.out + centre * d[2], d[2], 1.0f);
    return;
  }
  // (out, in), or (out, kh, kw, in of a group)
  const uint64_t inputs = d[spec.rank - 1];
  const uint64_t taps = spec.Count() / (inputs * d[0]);
  const uint64_t centre =
      spec.rank == 4 ? uint64_t{d[1] / 2} * d[2] + d[2] / 2 : 0;
  // fan_out is taps times the outputs of a group.
  const uint64_t outputs = std::max<uint64_t>(1, spec.fan_out / taps);
  for (uint64_t o = 0; o < d[0]; ++o) {
    const uint64_t i = o % outputs;
    if (i < inputs) call.out[(o * taps + centre) * inputs + i] = 1.0f;
  }
}

}  // namespace

extern const InitializerOp kDiracInitializer;
const InitializerOp kDiracInitializer = {
    .name = "dirac",
    .help = "output i is input i: the identity",
    .defaults = DefaultsOf<DiracParams>,
    .fill = Fill,
};

}  // namespace temper
