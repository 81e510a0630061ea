// Text for errors. See error.h.
#include "models/files/error.h"

#include "models/files/limits.h"
#include "models/files/text.h"

namespace temper {

std::string Quoted(std::string_view untrusted) {
  std::string out = "\"";
  for (const char c : Shown(untrusted, {}, limits::kShownCharacters)) {
    if (c == '"') {
      out += "\\x22";
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

std::string DidYouMean(std::string_view nearest) {
  return nearest.empty() ? "" : Text("; did you mean ", Quoted(nearest), "?");
}

std::string Suggestion(std::string_view word,
                       std::span<const std::string_view> known) {
  constexpr size_t kMostListed = 40;
  std::string out = DidYouMean(NearestName(word, known));
  for (size_t i = 0; i < known.size(); ++i) {
    if (i == kMostListed) return out + ", ...";
    out += i == 0 ? "; there are: " : ", ";
    out += Shown(known[i]);
  }
  return out;
}

}  // namespace temper
