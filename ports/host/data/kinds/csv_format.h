// Text tables (CSV), record by record, as RFC 4180 has them and as spreadsheets
// write them: fields in quotes may hold delimiters, line ends and "" for one
// quote; a record ends with LF, CRLF or CR, the last one also at the end of the
// file; empty lines are no records; a byte order mark is no text. Beyond the
// RFC: another delimiter, a quote inside an unquoted field is a character,
// blanks around an unquoted field are none of it, and a first line "sep=;" only
// says the delimiter.
//
// Refused with the line: a zero byte, what is not UTF-8, a quote that is never
// closed, text after a closing quote, a record of more than kMaxCsvRecord bytes
// or kMaxCsvFields fields. UTF-16 is refused by its name.
// Next: csv.h, which makes samples of records.
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_CSV_FORMAT_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_CSV_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ports/host/os/byte_source.h"

namespace temper::host {

inline constexpr size_t kMaxCsvRecord = size_t{16} << 20;
inline constexpr size_t kMaxCsvFields = 65536;

class CsvReader {
 public:
  // `delimiter`: one ASCII character; ' ' means any run of blanks and tabs.
  // Looks at the first bytes: pictures, archives and pages are refused by name.
  CsvReader(ByteSource& source, char delimiter);

  // Reads the next record; false at the end of the file. Throws kBadData.
  bool Next();

  // Of the record that Next has read. Views are valid until the next call.
  size_t size() const { return fields_.size(); }
  std::string_view operator[](size_t i) const {
    return std::string_view(text_).substr(fields_[i].begin, fields_[i].size);
  }
  // The line that it begins on, from 1.
  uint64_t line() const { return record_line_; }

  const std::string& name() const { return source_.name(); }
  // Throws kBadData at a line of this file.
  [[noreturn]] void Refuse(uint64_t line, std::string_view why,
                           std::string_view remedy) const;

 private:
  struct Field {
    size_t begin = 0, size = 0;
  };
  static constexpr int kEnd = -1;
  int Take();
  int Look();
  void TakeLineEnd(int c);
  bool IsDelimiter(int c) const {
    return c == delimiter_ || (delimiter_ == ' ' && c == '\t');
  }
  bool IsBlank(int c) const {
    return (c == ' ' || c == '\t') && !IsDelimiter(c);
  }
  void Append(int c);
  void ReadField();
  void ReadQuoted(Field* field);
  void ReadPlain(Field* field);
  void CheckText() const;
  // A first line of Excel's, "sep=;".
  void SkipDelimiterLine(std::span<const uint8_t> start);

  ByteSource& source_;
  const char delimiter_;
  std::vector<uint8_t> buffer_;
  size_t at_ = 0, end_ = 0;
  bool over_ = false, skip_first_ = false;
  uint64_t line_ = 1, record_line_ = 1;
  std::string text_;
  std::vector<Field> fields_;
};

// A field as a number: an optional sign, digits with at most one `decimal` mark
// ('.' or ','), an optional exponent; nothing else (no 0x, no 1_000, no NaN).
// The locale plays no part. What is too small for a double is 0.
struct CsvNumber {
  enum class Kind : uint8_t { kNumber, kText, kTooLarge };
  Kind kind = Kind::kText;
  double value = 0;  // of kNumber; |value| may be above what a float holds
};
CsvNumber ParseCsvNumber(std::string_view field, char decimal);

// The words for "no value" in every column of a table: an empty field, NA, N/A,
// #N/A, NaN, null, ? (whatever case).
bool IsMissing(std::string_view field);
// Those that a column of numbers has beside them: none, -, and infinities. In one
// of texts they are texts.
bool IsNoNumber(std::string_view field);
// A text that a person reads as a number and ParseCsvNumber does not: 2,5 or
// 1,234.5 or 12 % or $5.
bool LooksLikeNumber(std::string_view field);

// "semicolon", as the option delimiter= has it; the character for others.
std::string DelimiterName(char delimiter);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_CSV_FORMAT_H_
