// Normalized gradient descent (Nesterov 1984; Hazan, Levy, Shalev-Shwartz
// 2015):
//   w = w - lr * g / (|g| + eps)
// with one norm over the gradients of all trained weights. Only the direction
// counts: every step has the length lr, near a minimum too, so that the rate
// must fall for it to settle. (AdaGrad is something else: adagrad.cc.)
// Kernel: simd/update.h. Reference: tests/reference/update.h.
#include <cmath>

#include "runtime/optimizer.h"
#include "runtime/table.h"
#include "simd/update.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(NgdParams, eps, 1e-30, 1.0, "added to the norm"),
};

uint32_t States(const Optimizer&, const char**) { return 0; }

float Decay(const Optimizer&, WeightRole) { return 0.0f; }

float Scale(const GradientsCall& call) {
  double sum = 0.0;
  for (const TensorView& view : call.tensors) {
    if (view.gradient == nullptr) continue;
    sum += simd::SumOfSquaresDouble(view.count, view.gradient);
  }
  const double scale = double{call.gradient_scale};
  const double norm = std::sqrt(sum) * std::fabs(scale);
  return static_cast<float>(
      scale / (norm + double{call.optimizer.As<NgdParams>().eps}));
}

bool Update(const UpdateCall& call) {
  return simd::SgdUpdate(
      call.count, {call.learning_rate, 0.0f, 0.0f, false, call.gradient_scale},
      call.g, call.w, nullptr, call.w_shared, call.parallel);
}

}  // namespace

extern const OptimizerOp kNgdOptimizer;
const OptimizerOp kNgdOptimizer = {
    .name = "ngd",
    .help = "normalized gradient descent: steps of length lr, whatever |g|",
    .learning_rate = 0.2,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<NgdParams>,
    .states = States,
    .update = Update,
    .decay = Decay,
    .unit = UpdateUnit::kModel,
    .scale = Scale,
};

}  // namespace temper
