// See row_file.h.
#include "ports/host/run/row_file.h"

#include <optional>

#include "ports/host/data/data_option.h"

namespace temper::host {

void BeginRows(AppendFile& file, std::string_view header, bool resume,
               uint64_t last) {
  bool first = true, ours = false;
  uint64_t before = 0;
  AppendFile::Lines lines;
  if (resume) {
    lines = file.ReadLines([&](std::string_view line) {
      if (first) {
        first = false;
        return ours = line == header;
      }
      const std::optional<uint64_t> at =
          ParseCount(line.substr(0, line.find(',')), UINT64_MAX);
      if (!at || *at <= before || *at > last) return false;
      before = *at;
      return true;
    });
  }
  if (ours) {
    file.Truncate(lines.end);
    return;
  }
  file.Truncate(0);
  file.Append(header.data(), header.size());
  file.Append("\n", 1);
}

}  // namespace temper::host
