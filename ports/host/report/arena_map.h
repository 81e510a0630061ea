// The arena over the steps of a program as a picture: which tensor lies where,
// from its first step to its last. Next: svg_chart.h.
#ifndef TEMPER_PORTS_HOST_REPORT_ARENA_MAP_H_
#define TEMPER_PORTS_HOST_REPORT_ARENA_MAP_H_

#include <string>

#include "ports/host/base/value.h"

namespace temper::host {

// SVG text from the plan.json of a run; "" if that holds no map. Of very many
// tensors the largest are drawn, and the picture says so.
std::string ArenaMapSvg(const Value& plan);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_REPORT_ARENA_MAP_H_
