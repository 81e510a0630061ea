// The address range that XNNPACK works in (temper/backend.h): reserved once in
// the life of the process, in use only as far as something was written to it.
#ifndef TEMPER_PORTS_HOST_OS_REGION_H_
#define TEMPER_PORTS_HOST_OS_REGION_H_

#include <cstdint>

namespace temper::host {

// Reserves the range and hands it to the backend; later calls do nothing. As
// much as the system lets a process have of 64 GiB (1 GiB on 32 bits), at least
// 64 MiB: kDoesNotFit otherwise.
void ReserveBackendRegion();

// Gives the memory of what is not in use any more back to the system.
void TrimBackendRegion();

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_REGION_H_
