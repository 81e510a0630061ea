// Text for errors. See error.h.
#include "models/error.h"

#include "models/limits.h"
#include "models/nearest.h"

namespace temper {

std::string Quoted(std::string_view untrusted) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  size_t shown = 0;
  for (const char c : untrusted) {
    if (shown++ == limits::kShownCharacters) {
      out += "...";
      break;
    }
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
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
