// A scanner that knows strings, comments, brackets and dots. See
// toml_nesting.h. Wherever it could read a text in another way than a parser,
// the parser finds an error at that very place and goes no further.
#include "ports/sim/toml_nesting.h"

#include <cstddef>

namespace temper::sim {
namespace {

// The end of the string that begins at text[at]; a one-line string ends with
// its line at the latest.
size_t SkipString(std::string_view text, size_t at, uint32_t* line) {
  const char quote = text[at];
  const bool escapes = quote == '"';
  const auto run = [&](size_t from) {
    size_t n = 0;
    while (from + n < text.size() && text[from + n] == quote) ++n;
    return n;
  };
  const size_t opening = run(at);
  if (opening == 2) return at + 2;  // empty
  const bool lines = opening >= 3;
  for (at += lines ? 3 : 1; at < text.size(); ++at) {
    if (text[at] == '\n') {
      if (!lines) return at;
      ++*line;
    } else if (text[at] == '\\' && escapes) {
      if (at + 1 < text.size() && text[at + 1] != '\n') ++at;
    } else if (text[at] == quote) {
      if (!lines) return at + 1;
      // Up to two quotes may stand before the three that close.
      const size_t closing = run(at);
      if (closing >= 3) return at + (closing < 5 ? closing : 5);
      at += closing - 1;
    }
  }
  return at;
}

}  // namespace

uint32_t LineNestedDeeperThan(std::string_view text, uint32_t most) {
  uint32_t line = 1, open = 0, dots = 0;
  for (size_t at = 0; at < text.size();) {
    switch (text[at]) {
      case '"':
      case '\'':
        at = SkipString(text, at, &line);
        continue;
      case '#':
        while (at < text.size() && text[at] != '\n') ++at;
        continue;
      case '\n':
        ++line;
        dots = 0;
        break;
      case '=':
      case ',':
        dots = 0;
        break;
      case '[':
      case '{':
        dots = 0;
        if (++open > most) return line;
        break;
      case ']':
      case '}':
        dots = 0;
        if (open != 0) --open;
        break;
      case '.':
        if (++dots > most) return line;
        break;
      default:
        break;
    }
    ++at;
  }
  return 0;
}

}  // namespace temper::sim
