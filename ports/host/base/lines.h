// Lines of a text that may be cut at its end.
#ifndef TEMPER_PORTS_HOST_BASE_LINES_H_
#define TEMPER_PORTS_HOST_BASE_LINES_H_

#include <optional>
#include <string_view>

namespace temper::host {

// Takes the next line off the text, without its end; nothing after the last whole one.
inline std::optional<std::string_view> NextLine(std::string_view* text) {
  const size_t end = text->find('\n');
  if (end == text->npos) return {};
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_BASE_LINES_H_
