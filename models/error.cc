// Text for errors. See error.h.
#include "models/error.h"

#include <algorithm>
#include <array>

#include "models/limits.h"

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

size_t EditDistance(std::string_view a, std::string_view b) {
  constexpr size_t kMost = 64;
  a = a.substr(0, kMost);
  b = b.substr(0, kMost);
  std::array<size_t, kMost + 1> row;
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1,
                         diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// A guess is worth showing if about a third of the word is wrong at most.
Nearest::Nearest(std::string_view word)
    : word_(word), distance_(std::max<size_t>(word.size() / 3, 1) + 1) {}

void Nearest::Offer(std::string_view candidate) {
  const size_t distance = EditDistance(word_, candidate);
  if (distance < distance_) {
    distance_ = distance;
    best_ = candidate;
  }
}

std::string Nearest::Suggestion() const {
  return best_.empty() ? "" : Text("; did you mean ", Quoted(best_), "?");
}

}  // namespace temper
