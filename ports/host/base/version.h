// What was built: for `temper --version`, reports and device profiles.
#ifndef TEMPER_PORTS_HOST_BASE_VERSION_H_
#define TEMPER_PORTS_HOST_BASE_VERSION_H_

namespace temper::host {

const char* Version();   // "0.1.0"
const char* Compiler();  // "GNU 12.2.0"

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_BASE_VERSION_H_
