// See version.h. The build system states both.
#include "ports/host/base/version.h"

namespace temper::host {

const char* Version() { return TEMPER_VERSION; }
const char* Compiler() { return TEMPER_COMPILER; }

}  // namespace temper::host
