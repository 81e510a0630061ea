// The catalogue of optimizers: one parameter struct each and the one list.
// Formulas are at the top of runtime/optimizers/<name>.cc. The learning rate is
// not among the parameters: it comes with every step (schedules.h).
#ifndef TEMPER_OPTIMIZERS_H_
#define TEMPER_OPTIMIZERS_H_

#include <cassert>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace temper {

// PyTorch's SGD: g += weight_decay * w; v = momentum * v + g;
// w -= lr * (nesterov ? g + momentum * v : v). momentum 0: no state.
struct SgdParams {
  float momentum = 0.9f;       // [0, 1)
  float weight_decay = 5e-4f;  // >= 0; the penalty is 1/2 weight_decay |w|^2
  uint32_t nesterov = 0;
  // 0: only dense and convolution weights decay. 1: biases and batch norm too,
  // as in torch.optim.SGD without parameter groups.
  uint32_t decay_all = 0;
};

// PyTorch's RMSprop: v = alpha * v + (1 - alpha) g^2, and w moves by
// lr * g / (sqrt(v) + eps). A usual rate is a tenth of SGD's or less.
struct RmspropParams {
  float alpha = 0.99f;        // [0, 1)
  float eps = 1e-8f;          // > 0
  float momentum = 0.0f;      // [0, 1); 0: no state of it
  float weight_decay = 0.0f;  // >= 0; added to the gradient, as in PyTorch
  uint32_t centered = 0;      // 1: v less the square of the mean gradient
  uint32_t decay_all = 0;     // as SgdParams
};

// Momentum as it is often taught (Sutskever et al. 2013): v = momentum * v -
// lr * g; w += v. With a constant rate the weights are SgdParams'; when the rate
// changes, this velocity still holds the rates of the past.
struct ClassicalMomentumParams {
  float momentum = 0.9f;       // [0, 1)
  float weight_decay = 5e-4f;  // as SgdParams
  uint32_t decay_all = 0;      // as SgdParams
};

// Normalized gradient descent: w -= lr * g / (|g| + eps), with one norm over
// all trained weights: each step has the length lr. Needs whole gradients.
struct NgdParams {
  float eps = 1e-8f;  // > 0
};

// PyTorch's Adagrad: s += g^2; w -= lr / (1 + (step - 1) * lr_decay) * g /
// (sqrt(initial + s) + eps).
struct AdagradParams {
  float eps = 1e-10f;         // > 0
  float lr_decay = 0.0f;      // >= 0
  float initial = 0.0f;       // >= 0: PyTorch's initial_accumulator_value
  float weight_decay = 0.0f;  // as RmspropParams
  uint32_t decay_all = 0;     // as SgdParams
};

// PyTorch's Adam: m = beta1 * m + (1 - beta1) g; v = beta2 * v + (1 - beta2)
// g^2; both divided by 1 - beta^step; w -= lr * m / (sqrt(v) + eps).
struct AdamParams {
  float beta1 = 0.9f;         // [0, 1)
  float beta2 = 0.999f;       // [0, 1)
  float eps = 1e-8f;          // > 0
  float weight_decay = 0.0f;  // >= 0; added to the gradient, as in PyTorch
  uint32_t amsgrad = 0;       // 1: the largest v so far in the place of v
  uint32_t decay_all = 0;     // as SgdParams
};

// PyTorch's AdamW: the same, with weights that shrink by lr * weight_decay of
// themselves before the step.
struct AdamwParams {
  float beta1 = 0.9f, beta2 = 0.999f;  // [0, 1)
  float eps = 1e-8f;                   // > 0
  float weight_decay = 0.01f;          // >= 0
  uint32_t amsgrad = 0;                // as AdamParams
  uint32_t decay_all = 0;              // as SgdParams
};

// Muon (Jordan 2024): of dense and convolution weights, as matrices of one row
// an output, the momentum is made nearly orthogonal by Newton-Schulz steps; all
// other weights (and depthwise ones) follow SGD with the same momentum. Needs
// whole gradients.
struct MuonParams {
  float momentum = 0.95f;      // [0, 1)
  float weight_decay = 0.01f;  // >= 0; decoupled, as AdamwParams
  uint32_t nesterov = 1;
  uint32_t ns_steps = 5;  // Newton-Schulz steps, 1 to 10
  float other_rate =
      1.0f;                // the rate of other weights is the step's times this
  uint32_t decay_all = 0;  // as SgdParams
};

#define TEMPER_OPTIMIZERS(OPTIMIZER)               \
  OPTIMIZER(Sgd, sgd)                              \
  OPTIMIZER(Rmsprop, rmsprop)                      \
  OPTIMIZER(ClassicalMomentum, classical_momentum) \
  OPTIMIZER(Ngd, ngd)                              \
  OPTIMIZER(Adagrad, adagrad)                      \
  OPTIMIZER(Adam, adam)                            \
  OPTIMIZER(Adamw, adamw)                          \
  OPTIMIZER(Muon, muon)

enum class OptimizerKind : uint32_t {
#define TEMPER_OPTIMIZER_ENUM(Name, file) k##Name,
  TEMPER_OPTIMIZERS(TEMPER_OPTIMIZER_ENUM)
#undef TEMPER_OPTIMIZER_ENUM
      kCount
};

template <class Params>
struct OptimizerKindOf;
template <class Params>
inline constexpr bool kIsOptimizerParams = false;
#define TEMPER_OPTIMIZER_KIND(Name, file)                          \
  template <>                                                      \
  struct OptimizerKindOf<Name##Params> {                           \
    static constexpr OptimizerKind value = OptimizerKind::k##Name; \
  };                                                               \
  template <>                                                      \
  inline constexpr bool kIsOptimizerParams<Name##Params> = true;
TEMPER_OPTIMIZERS(TEMPER_OPTIMIZER_KIND)
#undef TEMPER_OPTIMIZER_KIND

// An optimizer with its parameters, as plain data.
struct Optimizer {
  OptimizerKind kind = OptimizerKind::kSgd;
  alignas(4) uint8_t params[32] = {};

  Optimizer() : Optimizer(SgdParams{}) {}
  template <class Params, class = std::enable_if_t<kIsOptimizerParams<Params>>>
  Optimizer(const Params& p) : Optimizer(OptimizerKindOf<Params>::value, p) {}

  // The parameters of an optimizer of this kind. Another kind's: an assertion.
  template <class Params>
  const Params& As() const {
    static_assert(kIsOptimizerParams<Params>,
                  "not the parameters of an optimizer");
    assert(kind == OptimizerKindOf<Params>::value);
    return *reinterpret_cast<const Params*>(params);
  }

 private:
  template <class Params>
  Optimizer(OptimizerKind k, const Params& p) : kind(k) {
    static_assert(std::is_trivially_copyable_v<Params>);
    static_assert(sizeof(Params) <= sizeof(params));
    std::memcpy(params, &p, sizeof(p));
  }
};

// The rate that an optimizer usually starts with.
double UsualLearningRate(OptimizerKind kind);

// A sentence about a parameter that has no effect, for a note to the user; null
// if all have one.
const char* UnusedParameter(const Optimizer& optimizer);

}  // namespace temper

#endif  // TEMPER_OPTIMIZERS_H_
