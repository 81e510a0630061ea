// Options of a verb as records: names, help, range, default, and the variable
// that takes the value. The parser, the help text, the man page, job files
// (job_file.h) and --dry-run all work on these. Only parser.cc knows the
// library that parses the command line.
#ifndef TEMPER_PORTS_CLI_OPTION_H_
#define TEMPER_PORTS_CLI_OPTION_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ports/host/base/failure.h"

namespace temper::host {

inline constexpr const char* kCommandLine = "command line";

class Option {
 public:
  std::vector<std::string> names;  // "--quiet", "-q"; a bare word: positional
  std::string value;               // as help calls it: "N"; empty: a flag
  std::string help;
  std::string group;         // heading in help
  std::string range;         // "1 to 64"; empty: any
  std::string default_text;  // empty: there is none
  std::string alone;         // the value if none is given; empty: one must be
  bool required = false;
  bool many = false;                  // takes several words (positional)
  bool repeats = false;               // a list that may be given in parts
  bool in_files = true;               // may stand in a job file
  std::vector<std::string> excludes;  // names of others
  // Reads a value; returns the error ("must be 1 to 64, not 0"), or nothing.
  std::function<std::string(const std::string&)> set;
  std::function<std::string()> text;  // of the present value; empty: none
  std::string from;  // "command line", "job.toml:3"; empty: default

  // "lr" for --lr: the key in a job file.
  std::string_view Key() const;
  const std::string& Name() const { return names.front(); }
  bool IsPositional() const { return names.front()[0] != '-'; }
  bool IsFlag() const { return value.empty(); }
  bool given() const { return !from.empty(); }
  // Of a wrong value: kUsage if it was typed, kConfiguration if a file
  // has it.
  ErrorKind Wrong() const;

  Option& Required();
  Option& Group(std::string heading);
  Option& Range(double min, double max);      // NaN is outside
  Option& Whole(uint64_t min, uint64_t max);  // decimal digits only
  Option& Default(std::string text);          // where that is no value
  Option& Alone(std::string value);           // given without a value
  Option& Check(std::function<std::string(const std::string&)> check);
  Option& NotInFiles();
  Option& Repeats();
  Option& Excludes(std::vector<std::string> names);
};

class Verb {
 public:
  Verb(std::string name, std::string help, std::function<int()> run);

  // `names`: "--batch", "-q,--quiet" or "model" (positional). The value that
  // the variable has now is the default.
  Option& Add(std::string_view names, std::string* to, std::string value,
              std::string help);
  Option& Add(std::string_view names, double* to, std::string value,
              std::string help);
  Option& Add(std::string_view names, std::optional<double>* to,
              std::string value, std::string help);
  Option& Add(std::string_view names, uint32_t* to, std::string value,
              std::string help);
  Option& Add(std::string_view names, uint64_t* to, std::string value,
              std::string help);
  // Separated by commas; a positional one takes several words.
  Option& Add(std::string_view names, std::vector<std::string>* to,
              std::string value, std::string help);
  Option& Add(std::string_view names, std::vector<uint32_t>* to,
              std::string value, std::string help);
  Option& Flag(std::string_view names, bool* to, std::string help);

  // The option with this name or key; it must exist.
  Option& At(std::string_view name);
  // Null for an unknown name.
  Option* Find(std::string_view name);

  std::string name, help;
  std::string example;  // of a command line, first in help
  std::function<int()> run;
  std::deque<Option> options;
  // Called in order when all values are in; they may throw Failure.
  std::vector<std::function<void()>> after;

 private:
  Option& New(std::string_view names, std::string value, std::string help);
  template <class T>
  Option& AddWhole(std::string_view names, T* to, std::string value,
                   std::string help);
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_OPTION_H_
