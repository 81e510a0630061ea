// Text for errors. See error.h.
#include "models/files/error.h"

#include "models/files/limits.h"
#include "models/files/nearest.h"
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

Nearest::Nearest(std::string_view word)
    : word_(word), distance_(kMostNameBytes + 1) {}

void Nearest::Offer(std::string_view candidate) {
  const size_t distance = EditDistance(word_, candidate);
  if (distance < distance_ && IsNear(word_, candidate, distance)) {
    distance_ = distance;
    best_ = candidate;
  }
}

std::string Nearest::Suggestion() const {
  return best_.empty() ? "" : Text("; did you mean ", Quoted(best_), "?");
}

}  // namespace temper
