// See steps_log.h.
#include "ports/host/run/steps_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "ports/host/data/data_option.h"

namespace temper::host {
namespace {

constexpr std::string_view kHeader = "step,loss,lr,gradient_norm,update_ratio";

}  // namespace

StepsLog::StepsLog(const FilePlace& place, bool resume, uint64_t step)
    : file_(place,
            resume ? AppendFile::Mode::kResume : AppendFile::Mode::kNew) {
  bool first = true, ours = false;
  uint64_t last = 0;
  AppendFile::Lines lines;
  if (resume) {
    lines = file_.ReadLines([&](std::string_view line) {
      if (first) {
        first = false;
        return ours = line == kHeader;
      }
      const std::optional<uint64_t> at =
          ParseCount(line.substr(0, line.find(',')), UINT64_MAX);
      if (!at || *at <= last || *at > step) return false;
      last = *at;
      return true;
    });
  }
  if (ours) {
    file_.Truncate(lines.end);
    return;
  }
  // Of an earlier version, or damaged: nothing depends on it.
  file_.Truncate(0);
  file_.Append(kHeader.data(), kHeader.size());
  file_.Append("\n", 1);
}

void StepsLog::Append(const StepsRow& row) {
  char line[160];
  const auto end =
      fmt::format_to_n(line, sizeof(line), "{},{},{},{:.4g},{:.4g}\n", row.step,
                       row.loss, row.rate, row.gradient_norm, row.update_ratio);
  file_.Append(line, std::min(sizeof(line), end.size));
}

}  // namespace temper::host
