// What the speed of each kind of kernel depends on, and what it is counted in.
// Next: runtime/kernel_classes.h (the classes), profile.h (the numbers).
#ifndef TEMPER_PORTS_SIM_KERNEL_AXES_H_
#define TEMPER_PORTS_SIM_KERNEL_AXES_H_

#include <cstdint>

#include "runtime/kernel_classes.h"

namespace temper::sim {

inline constexpr uint32_t kMaxAxes = 3;

struct KernelAxes {
  uint32_t count;
  const char* names[kMaxAxes];
  const char* unit;
};
constexpr KernelAxes AxesOf(KernelKind kind) {
  switch (kind) {
    case KernelKind::kProduct:
      return {3, {"rows", "in", "out"}, "gflops"};
    case KernelKind::kDepthwise:
      return {3, {"stride", "side", "channels"}, "gflops"};
    case KernelKind::kStream:
      break;
  }
  return {2, {"distance", "channels"}, "gbytes"};
}

}  // namespace temper::sim

#endif  // TEMPER_PORTS_SIM_KERNEL_AXES_H_
