// Device profiles on the command line: a built-in one by its name, or a TOML
// file; and the profile of this machine, measured (`temper bench --profile`).
// Next: ports/sim/profile.h.
#ifndef TEMPER_PORTS_HOST_MACHINE_DEVICES_H_
#define TEMPER_PORTS_HOST_MACHINE_DEVICES_H_

#include <cstdint>
#include <functional>
#include <string>

#include "ports/sim/profile.h"

namespace temper::host {

// A name (pi-4) or a file (anything with a / or ending in .toml). kNotFound
// with the nearest name, kBadData with the line that is wrong.
sim::DeviceProfile LoadDevice(const std::string& name_or_file);

// Measures kernels with the current target on 1 to `threads` threads, and the
// storage under the current folder. About a minute. `progress` is told what is
// measured next.
sim::DeviceProfile MeasureThisMachine(
    uint32_t threads, const std::function<void(const char*)>& progress);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_MACHINE_DEVICES_H_
