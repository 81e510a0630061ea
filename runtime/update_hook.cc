// The table of TEMPER_UPDATE_HOOKS.
#include "runtime/update_hook.h"

#include <iterator>

namespace temper {

#define TEMPER_DECLARE(Name, file) extern const UpdateHookOp k##Name##Hook;
TEMPER_UPDATE_HOOKS(TEMPER_DECLARE)
#undef TEMPER_DECLARE

const UpdateHookOp& OpOf(UpdateHookKind kind) { return *FindOp(kind); }

const UpdateHookOp* FindOp(UpdateHookKind kind) {
  static const UpdateHookOp* const kOps[] = {
#define TEMPER_POINTER(Name, file) &k##Name##Hook,
      TEMPER_UPDATE_HOOKS(TEMPER_POINTER)
#undef TEMPER_POINTER
          nullptr};
  const auto index = static_cast<size_t>(kind);
  return index < std::size(kOps) ? kOps[index] : nullptr;
}

}  // namespace temper
