// Measures a DeviceProfile of this machine: each class of kernels alone, at a
// few sizes, never a whole model. The caller fills in what kernels cannot
// measure (name, memory, caches, storage: ports/host/machine/devices.h). Next:
// profile.h, runtime/kernel_classes.h.
#ifndef TEMPER_PORTS_SIM_MEASURE_H_
#define TEMPER_PORTS_SIM_MEASURE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "ports/sim/profile.h"
#include "temper/parallel.h"

namespace temper::sim {

// How much memory the measurement works in, for a device of which programs may
// have `device_bytes`: enough to leave every cache if there is so much.
size_t MeasureBytes(uint64_t device_bytes);

// Fills cpu.peak_gflops, overhead, threads and rates, with the current SIMD
// target and 1 to parallel.threads threads. `memory`: MeasureBytes bytes,
// aligned to 64. `progress` gets the name of each class as it begins.
void MeasureKernels(const ParallelRunner& parallel, void* memory, size_t bytes,
                    const std::function<void(const char*)>& progress,
                    DeviceProfile* profile);

}  // namespace temper::sim

#endif  // TEMPER_PORTS_SIM_MEASURE_H_
