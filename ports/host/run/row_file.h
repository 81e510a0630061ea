// Tables that a run writes for people and pages, steps.csv and layers.csv: each row
// begins with a number that grows. Nothing depends on them.
#ifndef TEMPER_PORTS_HOST_RUN_ROW_FILE_H_
#define TEMPER_PORTS_HOST_RUN_ROW_FILE_H_

#include <cstdint>
#include <string_view>

#include "ports/host/run/run_log.h"

namespace temper::host {

// Makes the file ready for more rows. With `resume` rows up to number `last` stay, if
// its header is this one; else, and where it is of an earlier version or damaged, it
// begins anew.
void BeginRows(AppendFile& file, std::string_view header, bool resume,
               uint64_t last);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RUN_ROW_FILE_H_
