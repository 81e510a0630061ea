// A word as a shell takes it, for commands that are printed.
#ifndef TEMPER_PORTS_HOST_BASE_SHELL_H_
#define TEMPER_PORTS_HOST_BASE_SHELL_H_

#include <string>
#include <string_view>

namespace temper::host {

// The word, in single quotes where a POSIX shell would not take it as it is.
std::string ShellWord(std::string_view word);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_BASE_SHELL_H_
