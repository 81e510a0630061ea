// The catalogue of update hooks: what a training step does besides gradients
// and updates. Before the update, with all gradients: their norms, clipping.
// After it, with all new weights: constraints, averages. The
// names follow PyTorch's step hooks of optimizers. One parameter struct each
// and the one list; how one is added: runtime/update_hook.h.
#ifndef TEMPER_UPDATE_HOOKS_H_
#define TEMPER_UPDATE_HOOKS_H_

#include <cassert>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace temper {

// All gradients times min(1, max_norm / (norm + 1e-6)), with one norm over the
// gradients of all trained weights (torch.nn.utils.clip_grad_norm_). Usual: 1,
// 10.
struct ClipNormParams {
  float max_norm = 1.0f;  // > 0
};
// Every gradient into [-value, value] (torch.nn.utils.clip_grad_value_).
struct ClipValueParams {
  float value = 0.5f;  // > 0
};
// The proximal step of the penalty strength * |w| on dense and convolution
// weights: after the update w moves toward 0 by rate * strength, and is exactly
// 0 where it is no larger.
struct L1Params {
  float strength = 1e-4f;  // >= 0
};
// Of dense and convolution weights: after the update, the weights of each output
// (of depthwise ones, of each channel) whose norm is above max_norm are scaled
// down to it (Srebro et al. 2005; Hinton et al. 2012).
struct MaxNormParams {
  float max_norm = 3.0f;  // > 0
};

// The state that holds an average of the weights, of ema and swa.
inline constexpr const char* kAverageState = "average";

// average = average + (1 - decay) * (w - average) after every update; the first
// one is w.
struct EmaParams {
  float decay = 0.999f;  // [0, 1)
};
// The mean of the weights after step `start` of the run, `start` + `every`, ...
struct SwaParams {
  uint32_t start = 0;  // steps; in a spec, epochs. 0: the first
  uint32_t every = 1;  // steps; in a spec, epochs
};

// HOOK(Name, file) for each.
#define TEMPER_UPDATE_HOOKS(HOOK) \
  HOOK(ClipValue, clip_value)     \
  HOOK(ClipNorm, clip_norm)       \
  HOOK(L1, l1)                    \
  HOOK(MaxNorm, max_norm)         \
  HOOK(Ema, ema)                  \
  HOOK(Swa, swa)

enum class UpdateHookKind : uint32_t {
#define TEMPER_UPDATE_HOOK_ENUM(Name, file) k##Name,
  TEMPER_UPDATE_HOOKS(TEMPER_UPDATE_HOOK_ENUM)
#undef TEMPER_UPDATE_HOOK_ENUM
      kCount
};

template <class Params>
struct UpdateHookKindOf;
template <class Params>
inline constexpr bool kIsUpdateHookParams = false;
#define TEMPER_UPDATE_HOOK_KIND(Name, file)                          \
  template <>                                                        \
  struct UpdateHookKindOf<Name##Params> {                            \
    static constexpr UpdateHookKind value = UpdateHookKind::k##Name; \
  };                                                                 \
  template <>                                                        \
  inline constexpr bool kIsUpdateHookParams<Name##Params> = true;
TEMPER_UPDATE_HOOKS(TEMPER_UPDATE_HOOK_KIND)
#undef TEMPER_UPDATE_HOOK_KIND

// A hook with its parameters, as plain data.
struct UpdateHook {
  UpdateHookKind kind = UpdateHookKind::kCount;
  alignas(4) uint8_t params[32] = {};

  UpdateHook() = default;
  template <class Params, class = std::enable_if_t<kIsUpdateHookParams<Params>>>
  UpdateHook(const Params& p) : kind(UpdateHookKindOf<Params>::value) {
    static_assert(std::is_trivially_copyable_v<Params>);
    static_assert(sizeof(Params) <= sizeof(params));
    std::memcpy(params, &p, sizeof(p));
  }

  // The parameters of a hook of this kind. Another kind's: an assertion.
  template <class Params>
  const Params& As() const {
    static_assert(kIsUpdateHookParams<Params>);
    assert(kind == UpdateHookKindOf<Params>::value);
    return *reinterpret_cast<const Params*>(params);
  }
};

}  // namespace temper

#endif  // TEMPER_UPDATE_HOOKS_H_
