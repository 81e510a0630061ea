// Text files as editors leave them: lists of class names, graphs, a run's
// config.json, device profiles. All of them are read here, so that the same
// holds for each: a byte order mark is no text, UTF-16 with one is converted,
// and what is not UTF-8 is refused with its line and byte, when it is read.
// Next: byte_source.h (files of samples).
#ifndef TEMPER_PORTS_HOST_DATA_TEXT_FILE_H_
#define TEMPER_PORTS_HOST_DATA_TEXT_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace temper::host {

// `bytes` as UTF-8 without a byte order mark. Throws kBadData with `where`.
std::string DecodeText(std::string_view bytes, const std::string& where);

// The same of a file of at most max_bytes bytes. Throws Failure.
std::string ReadTextFile(const std::string& path, uint64_t max_bytes);

// The lines of a decoded text, whatever ends them (LF, CRLF or CR), without
// blanks at their ends; empty lines at the end of the text are none.
std::vector<std::string> Lines(std::string_view text);
// `text` without blanks and tabs at its ends.
std::string_view Trimmed(std::string_view text);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_TEXT_FILE_H_
