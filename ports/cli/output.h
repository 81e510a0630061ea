// Output: the way of a report to the user: text, or with --json one document on
// stdout, on every exit.
#ifndef TEMPER_PORTS_CLI_OUTPUT_H_
#define TEMPER_PORTS_CLI_OUTPUT_H_

#include <string>
#include <string_view>

#include "ports/cli/report.h"

namespace temper::host {

// Of all documents. It rises when a key changes its meaning or goes away; new
// keys may appear at any time.
inline constexpr int kJsonSchema = 1;

class Output {
 public:
  bool json = false;

  // All of it: results to stdout, notes and the error to stderr. Returns the
  // exit code.
  int Print(const Report& report);

  // What a text has to say before the rest is known: a run that takes hours. The
  // report goes on to Print().
  void Show(const Report& report);

  // For rows that may be more than there is memory for: what the report has so
  // far, then rows of the array `key` as they come, in the text a line each;
  // End() prints what has been added since, and the rest. Until then a failure
  // ends the document (Fail).
  void Begin(const Report& report, std::string_view key);
  void Row(const Value& row, std::string_view line);
  int End(const Report& report);
  bool open() const { return open_; }

  // A verb that failed; "" if it is not known which. Returns the code.
  int Fail(std::string_view verb, int exit_code, std::string_view message);

 private:
  void PrintMembers(const Value& members);

  bool open_ = false, rows_ = false;
  bool printed_ = false;  // the one document
  size_t items_ = 0;      // that were printed before the rest
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_OUTPUT_H_
