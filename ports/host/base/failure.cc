// Failure messages.
// Read failure.h first.
#include "ports/host/base/failure.h"

#include <fmt/format.h>

#include <system_error>

#include "models/files/limits.h"
#include "models/files/text.h"

namespace temper::host {
void Fail(ErrorKind kind, std::string_view what, std::string_view where,
          std::string_view why, std::string_view remedy) {
  std::string text = Shown(what);
  if (!where.empty()) text += ": " + Shown(where);
  if (!why.empty()) text += ": " + Shown(why);
  if (!remedy.empty()) text += "\n  " + Shown(remedy);
  throw Failure(kind, std::move(text));
}

void FailErrno(ErrorKind kind, int error, std::string_view what,
               std::string_view where, std::string_view remedy) {
  Fail(kind, what, where, std::generic_category().message(error), remedy);
}

std::string Printable(std::string_view text) {
  return Shown(text, {}, limits::kShownCharacters);
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
