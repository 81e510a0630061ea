// Peak rates of this machine, measured now, with which step times are
// compared (`temper bench`, bench/).
#ifndef TEMPER_PORTS_HOST_MACHINE_MACHINE_H_
#define TEMPER_PORTS_HOST_MACHINE_MACHINE_H_

#include <string>

#include "temper/parallel.h"

namespace temper::host {

// Billions of floating-point operations per second, of all threads of the
// runner together while all of them run, in a loop of fused multiply-adds on
// registers with the current SIMD target. Takes about 0.1 s.
double FmaPeakGflops(const ParallelRunner& parallel);

// Billions of bytes read plus bytes written per second when the runner's
// threads copy between buffers that no cache holds. Takes two buffers of 64 to
// 256 MiB while it runs; kDoesNotFit if there is no such memory.
double CopyGbytesPerSecond(const ParallelRunner& parallel);

// The processor's name as the system gives it; may be empty.
std::string CpuName();

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_MACHINE_MACHINE_H_
