// Records and fields of text tables. See csv_format.h.
#include "ports/host/data/kinds/csv_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include "models/files/text.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/file_format.h"

namespace temper::host {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

bool StartsWith(std::span<const uint8_t> bytes, std::string_view start) {
  return bytes.size() >= start.size() &&
         std::equal(
             start.begin(), start.end(), bytes.begin(),
             [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

}  // namespace

CsvReader::CsvReader(ByteSource& source, char delimiter)
    : source_(source), delimiter_(delimiter), buffer_(kBufferBytes) {
  const std::span<const uint8_t> start = source_.Peek(kFormatBytes);
  if (StartsWith(start, "\xff\xfe") || StartsWith(start, "\xfe\xff")) {
    Refuse(1, "the text is UTF-16", "Save the table as UTF-8.");
  }
  switch (RecognizeFormat(start).kind) {
    case FormatKind::kText:
    case FormatKind::kUnknown:
    case FormatKind::kPnm:  // a header may begin with "P1"
      break;
    default:
      RefuseFormat(source_, "a text table (CSV)");
  }
  constexpr size_t kMark = 3;
  const bool marked = StartsWith(start, "\xef\xbb\xbf");
  SkipDelimiterLine(start.subspan(marked ? kMark : 0));
  if (marked) source_.Skip(kMark, "the mark");
}

void CsvReader::SkipDelimiterLine(std::span<const uint8_t> start) {
  constexpr std::string_view kSays = "sep=";
  if (!StartsWith(start, kSays) || start.size() < kSays.size() + 2) return;
  const char mark = static_cast<char>(start[kSays.size()]);
  const uint8_t end = start[kSays.size() + 1];
  if (end != '\r' && end != '\n') return;
  if (mark != delimiter_) {
    Refuse(1, fmt::format("'sep={}' says what stands between fields", mark),
           fmt::format("Use delimiter={}.", DelimiterName(mark)));
  }
  skip_first_ = true;
}

void CsvReader::Refuse(uint64_t line, std::string_view why,
                       std::string_view remedy) const {
  Fail(ErrorKind::kBadData, "cannot read the table",
       fmt::format("{}, line {}", source_.name(), line), why, remedy);
}

int CsvReader::Look() {
  if (at_ == end_) {
    if (over_) return kEnd;
    end_ = source_.Read(buffer_.data(), buffer_.size());
    at_ = 0;
    if (end_ == 0) {
      over_ = true;
      return kEnd;
    }
  }
  return buffer_[at_];
}

int CsvReader::Take() {
  const int c = Look();
  if (c == kEnd) return c;
  ++at_;
  if (c == 0) {
    Refuse(line_,
           record_line_ == 1 && line_ == 1
               ? "a zero byte: this is not a text, or it is UTF-16"
               : "a zero byte: this is not a text",
           "Save the table as UTF-8 text.");
  }
  return c;
}

void CsvReader::Append(int c) {
  if (text_.size() == kMaxCsvRecord) {
    Refuse(record_line_,
           fmt::format("the record is longer than {} bytes", kMaxCsvRecord),
           "Look for a quote that is never closed.");
  }
  text_ += static_cast<char>(c);
}

// `c` is CR or LF, taken; counts the line, whatever ends it.
void CsvReader::TakeLineEnd(int c) {
  if (c == '\r' && Look() == '\n') ++at_;
  ++line_;
}

// What stands after the opening quote, up to the closing one and the blanks
// that follow it.
void CsvReader::ReadQuoted(Field* field) {
  const uint64_t opened = line_;
  for (;;) {
    const int c = Take();
    if (c == kEnd) {
      Refuse(
          opened, "the quote that opens a field here is never closed",
          "Close it; a quote inside a quoted field is written twice (\"\").");
    }
    if (c == '"') {
      if (Look() != '"') break;
      ++at_;
      Append('"');
      continue;
    }
    if (c == '\r' || c == '\n') {
      const bool both = c == '\r' && Look() == '\n';
      TakeLineEnd(c);
      Append(c);
      if (both) Append('\n');
      continue;
    }
    Append(c);
  }
  field->size = text_.size() - field->begin;
  while (IsBlank(Look())) ++at_;
  const int next = Look();
  if (next != kEnd && next != '\r' && next != '\n' && !IsDelimiter(next)) {
    Refuse(line_, "text follows the closing quote of a field",
           "A quote inside a quoted field is written twice (\"\").");
  }
}

void CsvReader::ReadPlain(Field* field) {
  for (int c = Look(); c != kEnd && c != '\r' && c != '\n' && !IsDelimiter(c);
       c = Look()) {
    Append(Take());
  }
  size_t size = text_.size() - field->begin;
  while (size > 0 && IsBlank(text_[field->begin + size - 1])) --size;
  field->size = size;
}

void CsvReader::ReadField() {
  if (fields_.size() == kMaxCsvFields) {
    Refuse(record_line_,
           fmt::format("the record has more than {} fields", kMaxCsvFields),
           "Check the delimiter.");
  }
  while (IsBlank(Look())) ++at_;
  Field field;
  field.begin = text_.size();
  if (Look() == '"') {
    ++at_;
    ReadQuoted(&field);
  } else {
    ReadPlain(&field);
  }
  fields_.push_back(field);
}

void CsvReader::CheckText() const {
  for (size_t i = 0; i < text_.size();) {
    const size_t length = Utf8Length(text_, i);
    if (length == 0) {
      Refuse(record_line_,
             fmt::format("0x{:02x} is not UTF-8; the text may be Latin-1",
                         static_cast<unsigned char>(text_[i])),
             "Save the table as UTF-8.");
    }
    i += length;
  }
}

bool CsvReader::Next() {
  text_.clear();
  fields_.clear();
  if (skip_first_) {
    skip_first_ = false;
    int c = Take();
    while (c != '\r' && c != '\n' && c != kEnd) c = Take();
    if (c != kEnd) TakeLineEnd(c);
  }
  // Empty lines, and lines of blanks: no records.
  for (;;) {
    while (IsBlank(Look()) || (delimiter_ == ' ' && IsDelimiter(Look()))) {
      ++at_;
    }
    const int c = Look();
    if (c == kEnd) return false;
    if (c != '\r' && c != '\n') break;
    TakeLineEnd(Take());
  }
  record_line_ = line_;
  for (;;) {
    ReadField();
    const int c = Look();
    if (c == kEnd) break;
    if (!IsDelimiter(c)) {  // a line end
      TakeLineEnd(Take());
      break;
    }
    ++at_;
    if (delimiter_ != ' ') continue;
    while (IsDelimiter(Look())) ++at_;
    const int after = Look();
    if (after == '\r' || after == '\n') {
      TakeLineEnd(Take());
      break;
    }
    if (after == kEnd) break;
  }
  CheckText();
  return true;
}

CsvNumber ParseCsvNumber(std::string_view field, char decimal) {
  // from_chars reads "inf", "nan" and no '+'; the characters are checked first.
  constexpr size_t kMost = 512;
  if (field.empty() || field.size() > kMost) return {};
  if (field[0] == '+') {
    field.remove_prefix(1);
    if (field.empty() || field[0] == '-') return {};
  }
  char text[kMost];
  for (size_t i = 0; i < field.size(); ++i) {
    const char c = field[i];
    const bool mark = c == decimal;
    if (!mark && (c < '0' || c > '9') && c != '-' && c != '+' && c != 'e' &&
        c != 'E') {
      return {};
    }
    text[i] = mark ? '.' : c;
  }
  CsvNumber number;
  const char* const end = text + field.size();
  const auto [stop, error] = std::from_chars(text, end, number.value);
  if (stop != end) return {};
  number.kind = CsvNumber::Kind::kNumber;
  if (error == std::errc::result_out_of_range) {
    // Too large or too small: the value is one without an exponent or has one
    // with a sign that tells.
    const std::string_view digits(text, field.size());
    const size_t e = digits.find_first_of("eE");
    const bool small = e == digits.npos
                           ? digits.find_first_of("123456789") >
                                 std::min(digits.find('.'), digits.size())
                           : digits.substr(e + 1, 1) == "-";
    number.value = 0;
    if (!small) number.kind = CsvNumber::Kind::kTooLarge;
  } else if (error != std::errc()) {
    return {};
  }
  return number;
}

namespace {

// `words` are in small letters.
bool IsOneOf(std::string_view field, std::span<const std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return std::equal(word.begin(), word.end(), field.begin(), field.end(),
                      [](char a, char b) {
                        return a == (b >= 'A' && b <= 'Z' ? b + 32 : b);
                      });
  });
}

}  // namespace

bool IsMissing(std::string_view field) {
  constexpr std::string_view kWords[] = {"",    "na",   "n/a", "#n/a",
                                         "nan", "null", "?"};
  return IsOneOf(field, kWords);
}

bool IsNoNumber(std::string_view field) {
  constexpr std::string_view kWords[] = {
      "none", "-", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"};
  return IsOneOf(field, kWords);
}

bool LooksLikeNumber(std::string_view field) {
  constexpr std::string_view kUnits[] = {"%", "$", "\xe2\x82\xac", "\xc2\xa3"};
  for (const std::string_view unit : kUnits) {
    if (field.starts_with(unit)) field.remove_prefix(unit.size());
    if (field.ends_with(unit)) field.remove_suffix(unit.size());
  }
  bool digit = false;
  for (size_t i = 0; i < field.size(); ++i) {
    const char c = field[i];
    const bool sign = i == 0 && (c == '-' || c == '+');
    digit |= c >= '0' && c <= '9';
    if ((c < '0' || c > '9') && !sign && c != '.' && c != ',' && c != ' ' &&
        c != '\'') {
      return false;
    }
  }
  return digit;
}

std::string DelimiterName(char delimiter) {
  return delimiter == ';'    ? "semicolon"
         : delimiter == '\t' ? "tab"
         : delimiter == ','  ? "comma"
         : delimiter == '|'  ? "pipe"
         : delimiter == ' '  ? "space"
                             : std::string(1, delimiter);
}

}  // namespace temper::host
