// How FileErrors (temper/model_file.h) are made: what failed, where (tensor,
// field, byte), why, and what to do about it.
//
// Strings that come from a file pass through Quoted(): control characters and
// bytes that are not UTF-8 are escaped (text.h), long ones cut, so that a
// hostile file can neither drive the terminal nor fill the log.
#ifndef TEMPER_MODELS_FILES_ERROR_H_
#define TEMPER_MODELS_FILES_ERROR_H_

#include <concepts>
#include <span>
#include <string>
#include <string_view>

#include "models/files/nearest.h"
#include "temper/model_file.h"

namespace temper {

// `untrusted` in double quotes, escaped, at most limits::kShownCharacters
// columns of it.
std::string Quoted(std::string_view untrusted);

// `; did you mean "x"?` of a nearest name, or nothing if it is empty.
std::string DidYouMean(std::string_view nearest);
// For a word that is none of the known names: `; did you mean "x"?` if one is
// near, then `; there are: a, b, c` with at most 40 of them.
std::string Suggestion(std::string_view word,
                       std::span<const std::string_view> known);

inline void AppendText(std::string* out, std::string_view part) {
  out->append(part);
}
template <std::integral T>
void AppendText(std::string* out, T part) {
  out->append(std::to_string(part));
}

// The parts, one after the other: Text("byte ", 12, ": ", Quoted(name)).
template <class... Parts>
std::string Text(const Parts&... parts) {
  std::string out;
  (AppendText(&out, parts), ...);
  return out;
}

}  // namespace temper

#define TEMPER_RETURN_IF_FILE_ERROR(expression)              \
  do {                                                       \
    ::temper::FileError temper_file_error_ = (expression);   \
    if (!temper_file_error_.ok()) return temper_file_error_; \
  } while (false)

#endif  // TEMPER_MODELS_FILES_ERROR_H_
