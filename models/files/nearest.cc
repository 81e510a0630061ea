// Edit distance and the nearest name. See nearest.h.
#include "models/files/nearest.h"

#include <algorithm>
#include <array>

namespace temper {
namespace {

constexpr size_t kLeastPart = 4;

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool IsPart(std::string_view word, std::string_view whole) {
  return word.size() >= kLeastPart &&
         std::search(whole.begin(), whole.end(), word.begin(), word.end(),
                     [](char a, char b) { return Lower(a) == Lower(b); }) !=
             whole.end();
}

// Whether `distance` edits make `candidate` worth suggesting for `word`.
bool IsNear(std::string_view word, std::string_view candidate,
            size_t distance) {
  if (word.empty() || word.size() > kMostNameBytes ||
      candidate.size() > kMostNameBytes) {
    return false;
  }
  if (IsPart(word, candidate)) return true;
  // One edit turns every one-letter word into any other: that is no hint.
  return distance <= std::max<size_t>(1, word.size() / 3) &&
         distance < candidate.size();
}

}  // namespace

size_t EditDistance(std::string_view a, std::string_view b) {
  a = a.substr(0, kMostNameBytes);
  b = b.substr(0, kMostNameBytes);
  // Distances of a's first i characters to all beginnings of b: for i - 2, i -
  // 1 and i.
  using Row = std::array<size_t, kMostNameBytes + 1>;
  Row rows[3] = {};
  Row *before = &rows[0], *above = &rows[1], *row = &rows[2];
  for (size_t j = 0; j <= b.size(); ++j) (*above)[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    (*row)[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = Lower(a[i - 1]) == Lower(b[j - 1]);
      (*row)[j] = std::min(
          {(*above)[j] + 1, (*row)[j - 1] + 1, (*above)[j - 1] + !same});
      if (i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) &&
          Lower(a[i - 2]) == Lower(b[j - 1])) {
        (*row)[j] = std::min((*row)[j], (*before)[j - 2] + 1);
      }
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return (*above)[b.size()];
}

void Nearest::Offer(std::string_view candidate) {
  const size_t distance = EditDistance(word_, candidate);
  if (distance < distance_ && IsNear(word_, candidate, distance)) {
    distance_ = distance;
    best_ = candidate;
  }
}

std::string_view NearestName(std::string_view word,
                             std::span<const std::string_view> candidates) {
  Nearest nearest(word);
  for (const std::string_view candidate : candidates) nearest.Offer(candidate);
  return nearest.Best();
}

}  // namespace temper
