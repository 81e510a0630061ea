// Encodings and lines of text files. See text_file.h.
#include "ports/host/data/text_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/files/text.h"
#include "ports/host/base/failure.h"
#include "ports/host/os/file_io.h"

namespace temper::host {
namespace {

constexpr std::string_view kUtf8Mark = "\xef\xbb\xbf";

bool StartsWith(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

[[noreturn]] void BadText(const std::string& where, std::string_view why) {
  Fail(ErrorKind::kBadData, "cannot read the text", where, why,
       "Save the file as UTF-8.");
}

// The line that the byte lies on, from 1, and the byte, from 0.
std::string Place(const std::string& where, std::string_view text, size_t at) {
  const auto line =
      1 + std::count(text.begin(),
                     text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  return fmt::format("{}, line {}, byte {}", where, line, at);
}

// Without a mark nobody can know; but text in UTF-16 is full of zero bytes.
[[noreturn]] void ZeroByte(std::string_view bytes, const std::string& where,
                           size_t at) {
  const size_t zeros =
      static_cast<size_t>(std::count(bytes.begin(), bytes.end(), '\0'));
  BadText(Place(where, bytes, at),
          4 * zeros >= bytes.size()
              ? "a zero byte: it looks like UTF-16 or UTF-32 without a byte "
                "order mark"
              : "a zero byte: this is not a text");
}

std::string FromUtf16(std::string_view bytes, bool big_endian,
                      const std::string& where) {
  const auto fail = [&](size_t line, size_t at, std::string_view why) {
    BadText(fmt::format("{}, line {}, byte {}", where, line, at), why);
  };
  std::string out;
  out.reserve(bytes.size() / 2);
  size_t line = 1;
  const auto unit = [&](size_t i) {
    const uint32_t a = static_cast<unsigned char>(bytes[i]);
    const uint32_t b = static_cast<unsigned char>(bytes[i + 1]);
    return big_endian ? a << 8 | b : b << 8 | a;
  };
  for (size_t i = 2; i < bytes.size(); i += 2) {
    if (bytes.size() - i < 2) fail(line, i, "the UTF-16 text has half a unit");
    uint32_t code = unit(i);
    if (code >= 0xd800 && code < 0xe000) {
      const uint32_t low = bytes.size() - i >= 4 ? unit(i + 2) : 0;
      if (code >= 0xdc00 || low < 0xdc00 || low >= 0xe000) {
        fail(line, i, "the UTF-16 text has half a surrogate pair");
      }
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      i += 2;
    }
    if (code == 0) fail(line, i, "a zero character: this is not a text");
    line += code == '\n';
    char utf8[4];
    out.append(utf8, EncodeUtf8(code, utf8));
  }
  return out;
}

}  // namespace

std::string DecodeText(std::string_view bytes, const std::string& where) {
  using namespace std::string_view_literals;
  if (StartsWith(bytes, "\xff\xfe\0\0"sv) ||
      StartsWith(bytes, "\0\0\xfe\xff"sv)) {
    BadText(where, "the text is UTF-32");
  }
  if (StartsWith(bytes, "\xff\xfe")) return FromUtf16(bytes, false, where);
  if (StartsWith(bytes, "\xfe\xff")) return FromUtf16(bytes, true, where);
  for (size_t i = 0; i < bytes.size();) {
    const size_t length = Utf8Length(bytes, i);
    if (length == 0) {
      BadText(Place(where, bytes, i),
              fmt::format("0x{:02x} is not UTF-8; the text may be Latin-1",
                          static_cast<unsigned char>(bytes[i])));
    }
    if (bytes[i] == '\0') ZeroByte(bytes, where, i);
    i += length;
  }
  if (StartsWith(bytes, kUtf8Mark)) bytes.remove_prefix(kUtf8Mark.size());
  return std::string(bytes);
}

std::string ReadTextFile(const std::string& path, uint64_t max_bytes) {
  const std::vector<uint8_t> bytes = ReadFileOrFail(path, max_bytes);
  return DecodeText({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                    path);
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\r\n"), text.size());
    lines.emplace_back(Trimmed(text.substr(0, end)));
    const bool crlf = text.substr(end, 2) == "\r\n";
    text.remove_prefix(std::min(text.size(), end + (crlf ? 2 : 1)));
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace temper::host
