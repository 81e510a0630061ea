// See manual.h. Text that is not about verbs and options stands here as roff.
#include "ports/cli/manual.h"

#include <fmt/format.h>

#include <string_view>

#include "ports/cli/help.h"

namespace temper::host {
namespace {

constexpr const char* kBegin = R"(.\" Made by `temper help --man`; do not edit.
.TH TEMPER 1 "" "temper" "User Commands"
.SH NAME
temper \- train and fine-tune neural networks on the CPU, inside fixed memory
.SH SYNOPSIS
.B temper
.I VERB
.RI [ options ]
.SH DESCRIPTION
temper trains and fine-tunes neural networks on the machine that uses them.
Before a job runs, it prints the exact number of bytes that the job will use: its
arena, whose size is never exceeded, and the memory outside the arena.
A run that was stopped, or interrupted by a power failure, can be resumed; the
result is the same, bit for bit.
.SH COMMON OPTIONS
.TP
.BR \-h ", " \-\-help
Print the options of a verb, or all verbs.
.TP
.B \-\-json
Of every verb: print one JSON document on standard output, and everything else on
standard error.
.TP
.B \-\-version
Print the version and how it was built.
)";

constexpr const char* kEnd = R"(.SH SIGNALS
While training, Ctrl-C (130), SIGTERM and SIGHUP (75) save the state after the
current batch; the next Ctrl-C or SIGTERM ends the process at once.
A SIGHUP that was ignored at the start stays ignored, and so does SIGPIPE: messages
that cannot be written are dropped.
.SH EXIT STATUS
.nf
  0  done                         69  unsupported
 10  a check failed               70  a bug in temper
 11  does not fit the memory      73  cannot create an output
 12  diverged                     74  I/O error
 13  things that must agree       75  stopped, resumable (signal)
     differ                       78  configuration
 64  wrong usage                 130  Ctrl-C, state saved
 65  bad data
 66  not found
.fi
.SH FILES
.TP
.I /usr/share/temper
Models to fine-tune.
.TP
.I /var/lib/temper/runs
Runs that
.B temper@.service
resumes at every boot:
.B systemctl enable \-\-now temper@NAME
.SH SEE ALSO
.I /usr/share/doc/temper
)";

// `text` as roff: a minus that can be copied, no escapes, no requests.
std::string Roff(std::string_view text) {
  std::string out;
  if (!text.empty() && (text[0] == '.' || text[0] == '\'')) out += "\\&";
  for (const char c : text) {
    if (c == '-') {
      out += "\\-";
    } else if (c == '\\') {
      out += "\\e";
    } else {
      out += c;
    }
  }
  return out;
}

std::string OptionText(const Option& option) {
  std::string head;
  if (option.IsPositional()) {
    head = "\\fI" + Roff(option.value) + "\\fR";
  } else {
    for (size_t i = option.names.size(); i-- > 0;) {
      head += "\\fB" + Roff(option.names[i]) + (i == 0 ? "\\fR" : "\\fR, ");
    }
    if (!option.IsFlag()) head += " \\fI" + Roff(option.value) + "\\fR";
  }
  return ".TP\n" + head + "\n" + Roff(AboutOption(option)) + ".\n";
}

std::string VerbText(const Verb& verb) {
  std::string text =
      fmt::format(".SS {}\n{}.\n", Roff(verb.name), Roff(verb.help));
  if (!verb.example.empty()) {
    text += ".PP\n.nf\n    " + Roff(verb.example) + "\n.fi\n";
  }
  for (const Option& option : verb.options) {
    if (option.Key() != "json") text += OptionText(option);
  }
  return text;
}

}  // namespace

std::string ManualPage(const std::deque<Verb>& verbs) {
  std::string page = kBegin;
  page += ".SH VERBS\n";
  for (const Verb& verb : verbs) page += VerbText(verb);
  return page + kEnd;
}

}  // namespace temper::host
