// See steps_log.h.
#include "ports/host/run/steps_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "ports/host/run/row_file.h"

namespace temper::host {
namespace {

constexpr std::string_view kHeader = "step,loss,lr,gradient_norm,update_ratio";

}  // namespace

StepsLog::StepsLog(const FilePlace& place, bool resume, uint64_t step)
    : file_(place,
            resume ? AppendFile::Mode::kResume : AppendFile::Mode::kNew) {
  BeginRows(file_, kHeader, resume, step);
}

void StepsLog::Append(const StepsRow& row) {
  char line[160];
  const auto end =
      fmt::format_to_n(line, sizeof(line), "{},{},{},{:.4g},{:.4g}\n", row.step,
                       row.loss, row.rate, row.gradient_norm, row.update_ratio);
  file_.Append(line, std::min(sizeof(line), end.size));
}

}  // namespace temper::host
