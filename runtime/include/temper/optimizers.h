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

#define TEMPER_OPTIMIZERS(OPTIMIZER) \
  OPTIMIZER(Sgd, sgd)                \
  OPTIMIZER(Rmsprop, rmsprop)

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

// A sentence about a parameter that has no effect, for a note to the user; null
// if all have one.
const char* UnusedParameter(const Optimizer& optimizer);

}  // namespace temper

#endif  // TEMPER_OPTIMIZERS_H_
