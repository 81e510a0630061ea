// Messages: all output of the command except its result, on stderr. A message
// never stops a job: one that cannot be written (a full log, a reader that is
// gone, a terminal that hung up or is stopped) is dropped, and nothing else
// happens. Results of verbs that train go to stdout through Result: a result
// that could not be written is an error once everything else is done (cli.cc).
//
// All output to stderr and stdout passes through here, and here control
// characters and bytes that are not UTF-8 are escaped, whatever their source
// (models/files/text.h).
#ifndef TEMPER_PORTS_CLI_MESSAGES_H_
#define TEMPER_PORTS_CLI_MESSAGES_H_

#include <fmt/format.h>

#include <cstddef>
#include <iterator>
#include <string_view>

namespace temper::host {

// Writes all of it to a descriptor, or as much as can be written; waits at most
// `wait_ms` for a reader that does not read. Allocates nothing.
void WriteMessage(int fd, std::string_view text, int wait_ms);

// One line of at most 4 KiB on stderr; `text` lacks the newline.
void MessageLine(std::string_view text);

// The same with a format. Never throws, and allocates only to escape: a longer
// line is cut.
template <class... Args>
void Message(fmt::format_string<Args...> format, Args&&... args) {
  char line[4096];
  const auto end =
      fmt::format_to_n(line, sizeof(line), format, std::forward<Args>(args)...);
  MessageLine({line, end.size < sizeof(line) ? end.size : sizeof(line)});
}

// Writes to stdout, escaped. An error stays in the stream and is no exception.
void PrintResult(std::string_view text);
template <class... Args>
void Result(fmt::format_string<Args...> format, Args&&... args) {
  PrintResult(fmt::format(format, std::forward<Args>(args)...));
}

// Descriptors 0, 1 and 2 that are closed are opened on /dev/null: otherwise the
// next file that is opened would get the number, and messages would be written
// into it. Call first of all.
void OpenStandardDescriptors();

// SIGPIPE is ignored in all of the command: a reader of messages that is gone
// must not end it. Where the reader of results is gone, it ends as SIGPIPE
// would have ended it, unless this is off (training, whose results are files).
void EndWithReader(bool on);
// False if results could not be written.
bool FlushResults();

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_MESSAGES_H_
