// See number_table.h.
#include "ports/host/run/number_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "ports/files/files.h"
#include "ports/host/base/lines.h"

namespace temper::host {
namespace {

constexpr uint64_t kMostBytes = uint64_t{64} << 20;

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const size_t comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma == line.npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

const std::vector<double>* NumberTable::Column(std::string_view name) const {
  const auto at = columns.find(name);
  if (at == columns.end()) return nullptr;
  const bool any = std::any_of(at->second.begin(), at->second.end(),
                               [](double v) { return !std::isnan(v); });
  return any ? &at->second : nullptr;
}

std::optional<double> NumberTable::At(std::string_view name, size_t row) const {
  const auto at = columns.find(name);
  if (at == columns.end() || std::isnan(at->second[row])) return {};
  return at->second[row];
}

std::optional<double> NumberTable::Last(std::string_view name) const {
  const std::vector<double>* const values = Column(name);
  if (values == nullptr) return {};
  for (size_t i = values->size(); i-- > 0;) {
    if (!std::isnan((*values)[i])) return (*values)[i];
  }
  return {};
}

NumberTable ParseNumbers(std::string_view text, size_t most_rows) {
  NumberTable table;
  const std::optional<std::string_view> header = NextLine(&text);
  if (!header || header->empty()) return table;
  std::vector<std::vector<double>*> order;
  for (const std::string_view name : Fields(*header)) {
    std::vector<double>& column = table.columns[std::string(name)];
    if (std::find(order.begin(), order.end(), &column) != order.end()) {
      return {};  // a name twice: no table of ours
    }
    order.push_back(&column);
    table.names.emplace_back(name);
  }
  std::vector<double> row(order.size());
  while (table.rows < most_rows) {
    const std::optional<std::string_view> line = NextLine(&text);
    if (!line) break;
    const std::vector<std::string_view> fields = Fields(*line);
    if (fields.size() != order.size()) break;
    bool good = true;
    for (size_t i = 0; i < fields.size() && good; ++i) {
      row[i] = std::numeric_limits<double>::quiet_NaN();
      if (fields[i].empty()) continue;
      const char* const end = fields[i].data() + fields[i].size();
      const auto parsed = std::from_chars(fields[i].data(), end, row[i]);
      good = parsed.ec == std::errc() && parsed.ptr == end;
    }
    if (!good) break;
    for (size_t i = 0; i < order.size(); ++i) order[i]->push_back(row[i]);
    ++table.rows;
  }
  return table;
}

NumberTable ReadNumbers(const std::string& path) {
  std::vector<uint8_t> bytes;
  if (!ReadWholeFile(path, kMostBytes, &bytes).ok()) return {};
  return ParseNumbers(
      {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace temper::host
