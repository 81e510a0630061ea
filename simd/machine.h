// The machine's peak, with which other times are compared: a loop of fused
// multiply-adds on registers alone. ports/host/machine/machine.h times it.
#ifndef TEMPER_SIMD_MACHINE_H_
#define TEMPER_SIMD_MACHINE_H_

#include <cstddef>

namespace temper::simd {

// Runs `steps` times 12 independent multiply-adds of whole vectors on the
// calling thread with the current target; returns the floating-point operations
// done, two per lane and multiply-add. 12 chains hide the latency of two units.
double RunFmaLoop(size_t steps);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_MACHINE_H_
