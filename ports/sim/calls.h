// From a plan to the kernels it calls: every call of one training step (or of
// one evaluation) with its size, its work and the memory it touches. It mirrors
// the trainer's loop (runtime/trainer.cc); each layer states its own calls
// (runtime/cost.h). Next: cache_model.h, estimate.h.
#ifndef TEMPER_PORTS_SIM_CALLS_H_
#define TEMPER_PORTS_SIM_CALLS_H_

#include <cstdint>
#include <vector>

#include "ports/sim/kernel_axes.h"
#include "runtime/cost.h"
#include "temper/plan.h"

namespace temper::sim {

inline constexpr uint32_t kMaxTouches = 2 + kMaxStates;

struct KernelCall {
  Kernel kernel = Kernel::kCopy;
  StepKind kind = StepKind::kForward;
  uint32_t node = 0;
  double x[kMaxAxes] = {1, 1, 1};  // place in the kernel's grid
  double work = 0;                 // operations or bytes
  double parts = 1;                // number of threads that its grain allows
  uint32_t small_calls = 0;  // further kernels on vectors of a few channels
  uint32_t touch_count = 0;  // 0: its data are in the L1 cache
  Touch touches[kMaxTouches];

  // A range that is touched twice (read and written) is listed once.
  void Add(Touch touch) {
    for (uint32_t i = 0; i < touch_count; ++i) {
      if (touches[i].begin == touch.begin) return;
    }
    if (touch.bytes != 0 && touch_count < kMaxTouches) {
      touches[touch_count++] = touch;
    }
  }
};

// The calls of a step over `rows` samples. `training` false: forward and loss
// alone.
std::vector<KernelCall> CallsOf(const Plan& plan, uint32_t rows, bool training);

}  // namespace temper::sim

#endif  // TEMPER_PORTS_SIM_CALLS_H_
