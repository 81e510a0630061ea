// See layers_log.h.
#include "ports/host/run/layers_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ports/host/run/row_file.h"

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
  BeginRows(file_, header, resume, epochs);
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
