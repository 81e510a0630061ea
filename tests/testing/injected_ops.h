// Optimizers and update hooks that are in no list, for tests. The linker sends
// every look-up of the runtime here first (--wrap, tests/CMakeLists.txt), so
// that nothing of this is in the libraries. One test program, one use.
#ifndef TEMPER_TESTS_TESTING_INJECTED_OPS_H_
#define TEMPER_TESTS_TESTING_INJECTED_OPS_H_

#include <cmath>
#include <vector>

#include "runtime/optimizer.h"
#include "runtime/update_hook.h"

namespace temper::testing {

// In place of SGD, with its parameters, where it is not null.
inline const OptimizerOp* injected_optimizer = nullptr;
// Hook i of these is of the kind HookOf(i).
inline std::vector<const UpdateHookOp*> injected_hooks;

inline UpdateHook HookOf(uint32_t i) {
  UpdateHook hook;
  hook.kind = static_cast<UpdateHookKind>(i);
  return hook;
}

// Adam's formula in plain loops: two states, and bits that depend on the step.
inline bool CountingUpdate(const UpdateCall& call) {
  double power[2] = {1, 1};
  for (uint64_t t = 0; t < call.step; ++t) power[0] *= 0.9, power[1] *= 0.99;
  const auto first = static_cast<float>(1 / (1 - power[0]));
  const auto second = static_cast<float>(1 / (1 - power[1]));
  bool bad = false;
  for (uint64_t i = 0; i < call.count; ++i) {
    const float g = call.gradient_scale * call.g[i];
    float& m = call.state[0][i];
    float& v = call.state[1][i];
    m = 0.9f * m + 0.1f * g;
    v = 0.99f * v + 0.01f * g * g;
    call.w[i] -=
        0.1f * call.learning_rate * m * first / (std::sqrt(v * second) + 1e-6f);
    bad = bad || !std::isfinite(call.w[i]);
  }
  return bad;
}
inline const OptimizerOp kCountingOptimizer = {
    .name = "sgd",  // whose place it takes
    .fields = {nullptr, 0},
    .states =
        [](const Optimizer&, const char** names) {
          names[0] = "exp_avg";
          names[1] = "exp_avg_sq";
          return 2u;
        },
    .update = CountingUpdate,
    .decay = [](const Optimizer&, WeightRole) { return 0.0f; },
};

}  // namespace temper::testing

// OpOf(OptimizerKind) and FindOp(UpdateHookKind) as the linker names them.
extern "C" {
const temper::OptimizerOp& __real__ZN6temper4OpOfENS_13OptimizerKindE(
    temper::OptimizerKind kind);
const temper::OptimizerOp& __wrap__ZN6temper4OpOfENS_13OptimizerKindE(
    temper::OptimizerKind kind) {
  return temper::testing::injected_optimizer != nullptr
             ? *temper::testing::injected_optimizer
             : __real__ZN6temper4OpOfENS_13OptimizerKindE(kind);
}
const temper::UpdateHookOp* __real__ZN6temper6FindOpENS_14UpdateHookKindE(
    temper::UpdateHookKind kind);
const temper::UpdateHookOp* __wrap__ZN6temper6FindOpENS_14UpdateHookKindE(
    temper::UpdateHookKind kind) {
  const auto i = static_cast<size_t>(kind);
  if (temper::testing::injected_hooks.empty()) {
    return __real__ZN6temper6FindOpENS_14UpdateHookKindE(kind);
  }
  return i < temper::testing::injected_hooks.size()
             ? temper::testing::injected_hooks[i]
             : nullptr;
}
}

#endif  // TEMPER_TESTS_TESTING_INJECTED_OPS_H_
