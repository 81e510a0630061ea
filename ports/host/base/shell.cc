// See shell.h.
#include "ports/host/base/shell.h"

namespace temper::host {
namespace {

bool NeedsNoQuotes(std::string_view word) {
  constexpr std::string_view kPlainMarks = "_@%+=:,./-";
  if (word.empty()) return false;
  for (const char c : word) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') ||
                       kPlainMarks.find(c) != kPlainMarks.npos;
    if (!plain) return false;
  }
  return true;
}

}  // namespace

std::string ShellWord(std::string_view word) {
  if (NeedsNoQuotes(word)) return std::string(word);
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace temper::host
