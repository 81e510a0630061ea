// Fuzz target: text files in any encoding, their lines, formats by content, and
// what of a text is printed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "models/files/text.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/file_format.h"
#include "ports/host/data/text_file.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

void Require(bool condition) { temper::fuzz::Require(condition, "text_file"); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const std::string shown = temper::Shown(text);
  Require(temper::IsUtf8(shown) && temper::IsShowable(shown));
  Require(temper::Columns(shown) <= shown.size());
  const std::string cell = temper::LeftCell(text, 12, 12);
  Require(temper::IsShowable(cell) && temper::Columns(cell) == 12);
  Require(temper::Columns(temper::RightCell(text, 12, 12)) == 12);
  (void)temper::host::RecognizeFormat({bytes, size});
  try {
    const std::string decoded = temper::host::DecodeText(text, "fuzz");
    Require(temper::IsUtf8(decoded));
    Require(decoded.find('\0') == std::string::npos);
    for (const std::string& line : temper::host::Lines(decoded)) {
      Require(line.find_first_of("\r\n") == std::string::npos);
      Require(temper::host::Trimmed(line) == line);
    }
  } catch (const temper::host::Failure& failure) {
    Require(failure.kind == temper::host::ErrorKind::kBadData);
    Require(temper::IsShowable(failure.message, "\n"));
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  using namespace std::string_literals;
  std::vector<Bytes> seeds;
  for (const std::string& text :
       {"shirt\ncoat\n"s,
        "\xef\xbb\xbf"
        "a\r\nb \r\n\r\n"s,
        "\xff\xfe"
        "a\0\n\0\xd8\x7f"s,
        "\xfe\xff\0a\xd8\x3c\xdf\x89"s, "\xe7\xbf\x98\xcc\x81\xf0\x9f\x8e\x89"s,
        "St\xf6vel"s, "\x89PNG\r\n\x1a\n"s, "<!DOCTYPE html>"s,
        "P5 1 1 255\na"s}) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}
std::vector<std::string> Words() {
  using namespace std::string_literals;
  return {"\xff\xfe"s, "\xfe\xff"s,    "\xef\xbb\xbf"s, "\r\n"s,
          "\xc2\x9b"s, "\x1b["s,       "\xe2\x80\xae"s, "\0"s,
          "ftyp"s,     "\xd8\0\xdc\0"s};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
