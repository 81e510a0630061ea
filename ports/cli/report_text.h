// The text of a report: values with their units, facts with labels, tables, in
// lines of at most 80 columns. A path, a hash or a command is never broken; its
// line may be longer.
#ifndef TEMPER_PORTS_CLI_REPORT_TEXT_H_
#define TEMPER_PORTS_CLI_REPORT_TEXT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "ports/cli/report.h"

namespace temper::host {

inline constexpr size_t kTextColumns = 80;

// "12.35 MiB", "92.61 %", "3.2 min"; "-" of null. No control characters.
std::string FormatValue(const Value& value, const Format& format = {});
// A number of bytes, as kBytes.
std::string BytesText(uint64_t bytes);
std::string DurationText(double seconds);
// "1 thread", "4 threads".
std::string Counted(uint64_t count, const char* one);

// Columns that are as wide as what stands in them. Numbers are right-aligned.
// Where that is more than a line, columns of names are cut, and then the last
// columns left out if they are numbers.
class TextTable {
 public:
  using Cells = std::vector<std::string>;

  explicit TextTable(const std::vector<Column>& columns);
  // Of one row, JSON's own columns left out.
  Cells CellsOf(const std::vector<Value>& row) const;
  void Widen(const Cells& cells);  // for each row, or the widest ones
  void Fit();                      // after all of them

  std::string Header() const;
  std::string Row(const Cells& cells) const;
  size_t left_out() const { return columns_.size() - shown_; }

 private:
  struct Place {
    Column column;
    size_t from, width;  // index in a row
  };
  size_t Total() const;

  std::vector<Place> columns_;
  size_t gap_ = 2, shown_ = 0;
};

// Items `first` to the end.
std::string ReportText(const Report& report, size_t first = 0);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_REPORT_TEXT_H_
