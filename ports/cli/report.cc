// See report.h.
#include "ports/cli/report.h"

#include <utility>

#include "ports/host/base/shell.h"

namespace temper::host {
namespace {

std::string program = "temper";

}  // namespace

void SetProgram(std::string name) { program = std::move(name); }
const std::string& Program() { return program; }

std::string ShellLine(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    line += ShellWord(word);
  }
  return line;
}

void Report::Fact(std::string_view key, std::string_view label, Value value,
                  Format format) {
  ReportItem& item = items.emplace_back();
  item.key = key, item.label = label;
  item.value = std::move(value);
  item.format = format;
}

void Report::Fact(std::string_view key, std::string_view label, Value value,
                  std::string text) {
  Fact(key, label, std::move(value));
  items.back().text = std::move(text);
  items.back().has_text = true;
}

void Report::Data(std::string_view key, Value value) {
  Fact(key, "", std::move(value));
}

void Report::Text(std::string_view label, std::string text, Format format) {
  Fact("", label, Value(), std::move(text));
  items.back().format = format;
}

void Report::Line(std::string text) {
  ReportItem& item = items.emplace_back();
  item.kind = ReportItem::kLine;
  item.text = std::move(text);
}

Table& Report::AddTable(std::string_view key, std::vector<Column> columns) {
  ReportItem& item = items.emplace_back();
  item.kind = ReportItem::kTable;
  item.table.key = key;
  item.table.columns = std::move(columns);
  return item.table;
}

void Report::Notes(const std::vector<std::string>& several) {
  for (const std::string& note : several) Note(note);
}

void Report::Next(const std::vector<std::string>& words) {
  std::vector<std::string> line = {program};
  line.insert(line.end(), words.begin(), words.end());
  next.push_back(ShellLine(line));
}

void Report::Error(int exit_code, std::string_view message) {
  error = MakeError(exit_code, message);
}

ReportError MakeError(int exit_code, std::string_view message) {
  ReportError error = {exit_code, std::string(message), ""};
  // failure.h: the remedy has a line of its own.
  const size_t line = message.find("\n  ");
  if (line != message.npos) {
    error.message = message.substr(0, line);
    error.hint = message.substr(line + 3);
  }
  return error;
}

Value ErrorValue(const ReportError& error) {
  return {{"exit_code", error.exit_code},
          {"message", error.message},
          {"hint", error.hint.empty() ? Value() : Value(error.hint)}};
}

}  // namespace temper::host
