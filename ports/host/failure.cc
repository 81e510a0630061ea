// Failure messages.
// Read failure.h first.
#include "ports/host/failure.h"

#include <fmt/format.h>

#include <cstring>
#include <system_error>

namespace temper::host {
namespace {

// A path may hold anything but must not steer the terminal: C0 and C1 controls
// (in UTF-8: C2 80 to C2 9F) become \xNN, everything else stays.
std::string WithoutControls(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next =
        static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte < 0x20 || byte == 0x7f ||
        (byte == 0xc2 && next >= 0x80 && next < 0xa0)) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

void Fail(ExitCode code, std::string_view what, std::string_view where,
          std::string_view why, std::string_view remedy) {
  std::string text = WithoutControls(what);
  if (!where.empty()) text += ": " + WithoutControls(where);
  if (!why.empty()) text += ": " + WithoutControls(why);
  if (!remedy.empty()) text += "\n  " + WithoutControls(remedy);
  throw Failure(code, std::move(text));
}

void FailErrno(ExitCode code, int error, std::string_view what,
               std::string_view where, std::string_view remedy) {
  Fail(code, what, where, std::generic_category().message(error), remedy);
}

std::string Printable(std::string_view text) {
  constexpr size_t kMost = 64;
  std::string out;
  for (const char c : text) {
    if (out.size() >= kMost) return out + "...";
    if (c >= 0x20 && c < 0x7f) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string Suggest(std::string_view word,
                    std::span<const std::string_view> candidates) {
  const std::string_view nearest = NearestName(word, candidates);
  if (!nearest.empty()) {
    return fmt::format("Did you mean '{}'?", Printable(nearest));
  }
  std::string text = "Known:";
  size_t shown = 0;
  for (const std::string_view candidate : candidates) {
    if (shown == 32) return text + ", ...";
    text += fmt::format("{} {}", shown++ == 0 ? "" : ",", Printable(candidate));
  }
  return text + ".";
}

}  // namespace temper::host
