// Report: what a verb has to say, once: facts, tables, notes, an error, the
// commands that come next. Output (output.h) makes of it the text of at most 80
// columns, or the JSON document that docs/json.md describes. Keys are the
// document's: one key means one thing in all verbs. Labels, headings and lines
// are the text's.
//
//   Report report("plan");
//   report.Fact("arena_bytes", "arena", plan.arena_bytes, kBytes);
//   report.Next({"train", "--model", model});
//   return cli.output.Print(report);
// Next: report_text.h (how values are written), output.h.
#ifndef TEMPER_PORTS_CLI_REPORT_H_
#define TEMPER_PORTS_CLI_REPORT_H_

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ports/host/base/value.h"

namespace temper::host {

// How a value stands in the text. In JSON it is the exact number.
struct Format {
  enum Kind : uint8_t {
    kPlain,     // digits that matter, names, "yes", lists with commas
    kFixed,     // `digits` decimals
    kBytes,     // KiB, MiB or GiB, rounded up
    kShare,     // of 1, as percent with two decimals
    kVerbatim,  // a path, a hash: never broken into lines
  } kind = kPlain;
  int digits = 0;
};
inline constexpr Format kBytes = {Format::kBytes};
inline constexpr Format kShare = {Format::kShare};
inline constexpr Format kVerbatim = {Format::kVerbatim};
inline constexpr Format kLoss = {Format::kFixed, 4};

struct Column {
  enum Kind : uint8_t {
    kNumber,  // to the right
    kText,    // to the left, never cut: few words, or where a value is from
    kName,    // to the left, and cut where the line would be too long
    kPath,    // likewise, but its end stays: that is what differs
  };
  std::string key;      // empty: in the text alone
  std::string heading;  // empty: in JSON alone
  Kind kind = kNumber;
  Format format = {};
};

struct Table {
  std::string key;  // of the array of objects; empty: in the text alone
  std::vector<Column> columns;
  std::vector<std::vector<Value>> rows;
  std::vector<bool> in_text;  // of each row; JSON has them all
  std::string more;           // how to see the others: "use --all"

  void Add(std::vector<Value> row, bool text = true) {
    rows.push_back(std::move(row));
    in_text.push_back(text);
  }
};

struct ReportItem {
  enum Kind : uint8_t { kFact, kLine, kTable } kind = kFact;
  std::string key, label, text;
  Value value;
  Format format;
  bool has_text = false;  // `text` stands for the value
  Table table;
};

struct ReportError {
  int exit_code = 0;  // 0: there is none
  std::string message, hint;
};

class Report {
 public:
  explicit Report(std::string_view name) : verb(name) {}

  // `key`: dots lead into objects, "folder.free_bytes". A value of null is "not
  // known" in the text.
  void Fact(std::string_view key, std::string_view label, Value value,
            Format format = {});
  // The same with a text of its own.
  void Fact(std::string_view key, std::string_view label, Value value,
            std::string text);
  void Data(std::string_view key, Value value);  // in JSON alone
  // In the text alone.
  void Text(std::string_view label, std::string text, Format format = {});
  void Line(std::string text);  // broken at 80 columns; empty: a blank line
  Table& AddTable(std::string_view key, std::vector<Column> columns);

  void Note(std::string note) { notes.push_back({std::move(note), false}); }
  void Notes(const std::vector<std::string>& notes);
  // One that the user has been told already.
  void SaidNote(std::string note) { notes.push_back({std::move(note), true}); }
  // A command that works as printed: "temper" and these words, quoted.
  void Next(const std::vector<std::string>& words);
  // `message`: that of a Failure, its remedy in a line of its own.
  void Error(int exit_code, std::string_view message);
  int exit_code() const { return error.exit_code; }

  struct NoteText {
    std::string text;
    bool said = false;
  };
  std::string verb;
  std::deque<ReportItem> items;  // in the order of the output
  std::vector<NoteText> notes;
  std::vector<std::string> next;
  ReportError error;
};

// {exit_code, message, hint}: of a failed verb, or of one sample.
Value ErrorValue(const ReportError& error);
// What a Failure says and what to do about it.
ReportError MakeError(int exit_code, std::string_view message);

// The words as a shell takes them.
std::string ShellLine(const std::vector<std::string>& words);
// How this command was called: first word of what Report::Next prints.
void SetProgram(std::string name);
const std::string& Program();

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_REPORT_H_
