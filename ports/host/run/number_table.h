// NumberTable: the numbers that a run has written, metrics.csv, steps.csv and
// layers.csv, by the names of their columns. Read only; who writes them: metrics_log.h,
// steps_log.h, layers_log.h.
#ifndef TEMPER_PORTS_HOST_RUN_NUMBER_TABLE_H_
#define TEMPER_PORTS_HOST_RUN_NUMBER_TABLE_H_

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper::host {

// An empty field is NaN.
struct NumberTable {
  std::map<std::string, std::vector<double>, std::less<>> columns;
  std::vector<std::string> names;  // in the order of the file
  size_t rows = 0;

  // Null without such a column, or if it has no value.
  const std::vector<double>* Column(std::string_view name) const;
  // The value in a row; nothing without one.
  std::optional<double> At(std::string_view name, size_t row) const;
  // The last value that is there; nothing without one.
  std::optional<double> Last(std::string_view name) const;
};

// A table of numbers as text: a header, then rows. Lines that are cut or hold
// anything but numbers end it. At most `most_rows` rows are kept.
NumberTable ParseNumbers(std::string_view text, size_t most_rows = 1u << 20);
// Of a file; no rows if it is not there, cannot be read, or is larger than 64 MiB.
NumberTable ReadNumbers(const std::string& path);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RUN_NUMBER_TABLE_H_
