// The catalogue of update hooks: what a training step does besides gradients
// and updates. Before the update, with all gradients: their norms, clipping.
// After it, with all new weights: constraints, averages. The
// names follow PyTorch's step hooks of optimizers. One parameter struct each
// and the one list, which is empty so far; how one is added:
// runtime/update_hook.h.
#ifndef TEMPER_UPDATE_HOOKS_H_
#define TEMPER_UPDATE_HOOKS_H_

#include <cstdint>
#include <type_traits>

namespace temper {

// HOOK(Name, file) for each.
#define TEMPER_UPDATE_HOOKS(HOOK)

enum class UpdateHookKind : uint32_t {
#define TEMPER_UPDATE_HOOK_ENUM(Name, file) k##Name,
  TEMPER_UPDATE_HOOKS(TEMPER_UPDATE_HOOK_ENUM)
#undef TEMPER_UPDATE_HOOK_ENUM
      kCount
};

// A hook with its parameters, as plain data.
struct UpdateHook {
  UpdateHookKind kind = UpdateHookKind::kCount;
  alignas(4) uint8_t params[32] = {};

  // The parameters of a hook of this kind.
  template <class Params>
  const Params& As() const {
    static_assert(std::is_trivially_copyable_v<Params>);
    static_assert(sizeof(Params) <= sizeof(params));
    return *reinterpret_cast<const Params*>(params);
  }
};

}  // namespace temper

#endif  // TEMPER_UPDATE_HOOKS_H_
