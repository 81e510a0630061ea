// See layers_log.h.
#include "ports/host/run/layers_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "ports/host/data/data_option.h"

namespace temper::host {

LayersLog::LayersLog(const FilePlace& place,
                     const std::vector<std::string>& columns, bool resume,
                     uint32_t epochs)
    : file_(place, resume ? AppendFile::Mode::kResume : AppendFile::Mode::kNew),
      line_(kMostLine) {
  std::string header = "epoch";
  const size_t most = (kMostLine - kMostField) / kMostField;
  while (columns_ < std::min(columns.size(), most) &&
         header.size() + 1 + columns[columns_].size() < kMostLine) {
    header += "," + columns[columns_++];
  }
  bool first = true, ours = false;
  uint64_t last = 0;
  AppendFile::Lines lines;
  if (resume) {
    lines = file_.ReadLines([&](std::string_view line) {
      if (first) {
        first = false;
        return ours = line == header;
      }
      const std::optional<uint64_t> at =
          ParseCount(line.substr(0, line.find(',')), UINT64_MAX);
      if (!at || *at <= last || *at > epochs) return false;
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
  header += "\n";
  file_.Append(header.data(), header.size());
}

void LayersLog::Append(uint32_t epoch, std::span<const double> values) {
  char* end = fmt::format_to_n(line_.data(), kMostField - 1, "{}", epoch).out;
  for (size_t i = 0; i < std::min(columns_, values.size()); ++i) {
    *end++ = ',';
    if (!std::isfinite(values[i])) continue;
    end = fmt::format_to_n(end, kMostField - 1, "{:.4g}", values[i]).out;
  }
  *end++ = '\n';
  file_.Append(line_.data(), static_cast<size_t>(end - line_.data()));
}

}  // namespace temper::host
