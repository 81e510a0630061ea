// What the rows of a table hold, column by column: the ground on which csv_columns.cc
// decides what each of them is.
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_CSV_FACTS_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_CSV_FACTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper::host {

// Different texts, numbered in the order in which they come.
class Texts {
 public:
  // The number of a text; new ones get the next.
  size_t Add(std::string_view text);
  // Null if there is none.
  const size_t* Find(std::string_view text) const;
  size_t size() const { return names_.size(); }
  const std::vector<std::string>& names() const { return names_; }

  // Whole numbers ascend, texts stand in the order of their bytes. Returns the
  // new number of each old one.
  std::vector<int32_t> Sort();

  static std::optional<int64_t> Whole(std::string_view text);

 private:
  std::map<std::string, size_t, std::less<>> numbers_;
  std::vector<std::string> names_;
};

// What the rows have in a column.
struct Facts {
  uint64_t numbers = 0, texts = 0;
  // Fields without a value: if the column is one of numbers, and if it is one of
  // texts.
  uint64_t missing_count = 0, gap_count = 0;
  uint64_t filled = 0;       // fields that are no gaps
  uint64_t number_like = 0;  // texts that look like numbers
  // Lines (0: none) of the first missing value, gap, text, and number that is too
  // large.
  uint64_t missing_line = 0, gap_line = 0, text_line = 0, large_line = 0;
  std::string missing, gap, text, large;  // what stands there
  uint64_t rounded = 0;  // whole numbers that a float does not hold
  Texts categories;
  bool too_many = false;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_CSV_FACTS_H_
