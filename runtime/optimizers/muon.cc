// Muon (Jordan 2024), in PyTorch's form with adjust_lr "original", in float in
// the place of bfloat16. Of a matrix of one row an output (dense and convolution
// weights):
//   g = gradient_scale * g
//   b = b + (1 - momentum) * (g - b)
//   u = nesterov ? g + momentum * (b - g) : b
//   X = u / max(|u|, 1e-7), then ns_steps times (Newton-Schulz), X the tall one
//   of X and its transpose:
//     A = X^T X, X = p X + X (q A + r A A), p, q, r = 3.4445, -4.775, 2.0315
//   w = (1 - lr * weight_decay) * w - lr * sqrt(max(1, rows / columns)) * X
// All other weights: v = momentum * v + g, w = w - lr * other_rate * v, with the
// same decay, if any.
// Kernels: simd/gemm.h, simd/update.h. Reference: tests/runtime/muon_test.cc.
#include <algorithm>
#include <cmath>

#include "runtime/optimizer.h"
#include "runtime/table.h"
#include "simd/elementwise.h"
#include "simd/gemm.h"
#include "simd/update.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(MuonParams, momentum, 0.0, 0.99999,
                     "share of the mean gradient that is kept", "",
                     kNoFriction),
    TEMPER_FIELD_F32(MuonParams, weight_decay, 0.0, 1e6,
                     "lr times it of dense and convolution weights is taken "
                     "off"),
    TEMPER_FIELD_U32(MuonParams, nesterov, 0, 1, "Nesterov's momentum"),
    TEMPER_FIELD_U32(MuonParams, ns_steps, 1, 10, "Newton-Schulz steps"),
    TEMPER_FIELD_F32(MuonParams, other_rate, 0.0, 1e6,
                     "factor of the rate of weights that are no matrices"),
    TEMPER_FIELD_U32(MuonParams, decay_all, 0, 1,
                     "decay of biases and batch norm, too"),
};

uint32_t States(const Optimizer&, const char** names) {
  names[0] = "momentum_buffer";
  return 1;
}

float Decay(const Optimizer& optimizer, WeightRole role) {
  const MuonParams& p = optimizer.As<MuonParams>();
  return role == WeightRole::kKernel || p.decay_all ? p.weight_decay : 0.0f;
}

// Two matrices of the weight's size, three of its smaller side's square.
struct Places {
  uint64_t tall, low, matrix, square;  // floats
};
Places PlacesOf(uint64_t rows, uint64_t length) {
  Places p;
  p.tall = std::max(rows, length);
  p.low = std::min(rows, length);
  p.matrix = (rows * length + 15) / 16 * 16;
  p.square = (p.low * p.low + 15) / 16 * 16;
  return p;
}

uint64_t Scratch(const Optimizer&, const WeightSpec& spec) {
  // Depthwise kernels (rank 3) have their outputs in columns of single taps.
  const bool matrix =
      spec.role == WeightRole::kKernel && (spec.rank == 2 || spec.rank == 4);
  if (!matrix) return 0;
  const RowGeometry shape = RowsOf(spec);
  const Places p = PlacesOf(shape.rows, shape.length);
  return (2 * p.matrix + 3 * p.square) * sizeof(float);
}

// x (p.tall, p.low) becomes nearly orthogonal, with `other` as its equal and
// `squares` as scratch. Returns where it is then.
float* Orthogonalize(const Places& p, uint32_t steps, float* x, float* other,
                     float* squares, const ParallelRunner& parallel) {
  constexpr float kP = 3.4445f, kQ = -4.775f, kR = 2.0315f;
  const size_t m = p.low, n = p.low * p.low, count = p.tall * p.low;
  float *a = squares, *scaled = squares + p.square, *b = scaled + p.square;
  for (uint32_t s = 0; s < steps; ++s) {
    simd::Fill(n, 0.0f, a, parallel);
    simd::MatMulTransposed(p.tall, m, m, x, m, x, m, a, m, nullptr, parallel);
    simd::Scale(n, kQ, a, b, parallel);
    simd::Scale(n, kR, a, scaled, parallel);
    simd::MatMulUnpacked(m, m, m, scaled, m, a, m, true, b, m, parallel);
    simd::Scale(count, kP, x, other, parallel);
    simd::MatMulUnpacked(p.tall, m, m, x, m, b, m, true, other, m, parallel);
    std::swap(x, other);
  }
  return x;
}

bool UpdateMatrix(const UpdateCall& call, const MuonParams& p) {
  constexpr double kLeastNorm = 1e-7;
  const uint64_t rows = call.shape.rows, columns = call.shape.length;
  const size_t count = call.count;
  const Places places = PlacesOf(rows, columns);
  float *x = call.scratch, *other = x + places.matrix;
  float* const squares = other + places.matrix;
  float* const buffer = call.state[0];
  simd::Scale(count, call.gradient_scale, call.g, x, call.parallel);
  simd::MoveToward(count, static_cast<float>(1.0 - double{p.momentum}), x,
                   buffer, call.parallel);
  if (p.nesterov) {
    simd::MoveToward(count, p.momentum, buffer, x, call.parallel);
  } else {
    simd::Copy(count, buffer, x, call.parallel);
  }
  const double norm = std::sqrt(simd::SumOfSquaresDouble(count, x));
  // An infinite norm makes a factor of 0, and 0 * infinity is NaN, which the
  // update reports.
  const float factor = static_cast<float>(1.0 / std::max(norm, kLeastNorm));
  simd::Scale(count, factor, x, x, call.parallel);
  const bool wide = rows < columns;
  if (wide) {
    simd::Transpose(rows, columns, x, other);
    std::swap(x, other);
  }
  float* const made =
      Orthogonalize(places, p.ns_steps, x, other, squares, call.parallel);
  const float* step = made;
  if (wide) {
    float* const back = made == x ? other : x;
    simd::Transpose(columns, rows, made, back);
    step = back;
  }
  const double ratio = static_cast<double>(rows) / static_cast<double>(columns);
  const double rate =
      double{call.learning_rate} * std::sqrt(std::max(1.0, ratio));
  const double decay = double{Decay(call.optimizer, call.role)} *
                       std::sqrt(1.0 / std::max(1.0, ratio));
  return simd::SgdUpdate(
      count,
      {static_cast<float>(rate), 0.0f, static_cast<float>(decay), false, 1.0f},
      step, call.w, nullptr, call.w_shared, call.parallel);
}

bool Update(const UpdateCall& call) {
  const MuonParams& p = call.optimizer.As<MuonParams>();
  if (call.role == WeightRole::kKernel && call.scratch != nullptr) {
    return UpdateMatrix(call, p);
  }
  return simd::SgdUpdate(
      call.count,
      {call.learning_rate * p.other_rate, p.momentum,
       Decay(call.optimizer, call.role), false, call.gradient_scale},
      call.g, call.w, call.state[0], call.w_shared, call.parallel);
}

}  // namespace

extern const OptimizerOp kMuonOptimizer;
const OptimizerOp kMuonOptimizer = {
    .name = "muon",
    .help = "orthogonal steps of dense and convolution weights, SGD of others",
    .learning_rate = 0.02,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<MuonParams>,
    .states = States,
    .update = Update,
    .decay = Decay,
    .unit = UpdateUnit::kModel,
    .momentum = "momentum",
    .scratch = Scratch,
};

}  // namespace temper
