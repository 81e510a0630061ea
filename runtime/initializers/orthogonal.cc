// Orthogonal: gain times a matrix whose rows are orthonormal, or its columns if
// those are fewer (Saxe, McClelland, Ganguli 2014). A normal draw, made
// orthonormal by Gram and Schmidt twice over, in double and in a fixed order; as
// the draw has no preferred direction, neither has the result.
#include "runtime/initializer.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(OrthogonalParams, gain, 1e-6, 1e6, "factor"),
};

// Vector i of the matrix: a row, or a column.
struct Vectors {
  float* x;
  uint64_t count, length;         // vectors, and elements of one
  uint64_t step, element_stride;  // between vectors, and elements of one

  float& At(uint64_t i, uint64_t k) const {
    return x[i * step + k * element_stride];
  }
  double Dot(uint64_t i, uint64_t j) const {
    double sum = 0.0;
    for (uint64_t k = 0; k < length; ++k) {
      sum += double{At(i, k)} * double{At(j, k)};
    }
    return sum;
  }
};

void Fill(const InitializeCall& call) {
  const WeightSpec& spec = call.spec;
  call.Normal(1.0);
  // A depthwise kernel (kh, kw, c) is a matrix of its taps by its channels.
  const uint64_t rows =
      spec.rank == 3 ? uint64_t{spec.dims[0]} * spec.dims[1] : spec.dims[0];
  const uint64_t columns = spec.Count() / rows;
  const Vectors v = rows <= columns
                        ? Vectors{call.out, rows, columns, columns, 1}
                        : Vectors{call.out, columns, rows, 1, columns};
  for (uint64_t i = 0; i < v.count; ++i) {
    // The second time takes off what rounding has left of the first.
    for (int time = 0; time < 2; ++time) {
      for (uint64_t j = 0; j < i; ++j) {
        const double share = v.Dot(i, j);
        for (uint64_t k = 0; k < v.length; ++k) {
          v.At(i, k) = static_cast<float>(v.At(i, k) - share * v.At(j, k));
        }
      }
      const double norm = std::sqrt(v.Dot(i, i));
      for (uint64_t k = 0; k < v.length; ++k) {
        v.At(i, k) = static_cast<float>(v.At(i, k) / norm);
      }
    }
  }
  const float gain = call.As<OrthogonalParams>().gain;
  for (uint64_t i = 0; i < spec.Count(); ++i) call.out[i] *= gain;
}

}  // namespace

extern const InitializerOp kOrthogonalInitializer;
const InitializerOp kOrthogonalInitializer = {
    .name = "orthogonal",
    .help = "orthonormal rows (columns, if fewer) times gain",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<OrthogonalParams>,
    .fill = Fill,
};

}  // namespace temper
