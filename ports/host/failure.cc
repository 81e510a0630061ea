// Failure messages and the search for the nearest name.
// Read failure.h first.
#include "ports/host/failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <system_error>
#include <vector>

namespace temper::host {
namespace {

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// Edits (insert, delete, replace, swap of neighbours) from a to b.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1),
      row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = Lower(a[i - 1]) == Lower(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + !same});
      if (i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) &&
          Lower(a[i - 2]) == Lower(b[j - 1])) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

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

std::string_view NearestName(std::string_view word,
                             std::span<const std::string_view> candidates) {
  // A long word is no typing error; the bound keeps the search small.
  if (word.empty() || word.size() > 256) return {};
  size_t best = std::max<size_t>(1, word.size() / 3) + 1;
  std::string_view nearest;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > 256) continue;
    const size_t distance = EditDistance(word, candidate);
    // One edit turns every one-letter word into any other: that is no hint.
    if (distance < best && distance < candidate.size()) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
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
