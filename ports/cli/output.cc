// See output.h.
#include "ports/cli/output.h"

#include <cstdio>
#include <string>

#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/json_text.h"

namespace temper::host {
namespace {

Value TableValue(const Table& table) {
  Value rows = Value::array();
  for (const std::vector<Value>& cells : table.rows) {
    Value row = Value::object();
    for (size_t i = 0; i < table.columns.size() && i < cells.size(); ++i) {
      if (!table.columns[i].key.empty()) row[table.columns[i].key] = cells[i];
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void AddItems(const Report& report, size_t first, Value* to) {
  for (size_t i = first; i < report.items.size(); ++i) {
    const ReportItem& item = report.items[i];
    if (item.kind == ReportItem::kTable) {
      if (!item.table.key.empty()) {
        to->At(item.table.key) = TableValue(item.table);
      }
    } else if (!item.key.empty()) {
      to->At(item.key) = item.value;
    }
  }
}

void AddEnd(const Report& report, Value* to) {
  Value& notes = (*to)["notes"] = Value::array();
  for (const auto& note : report.notes) notes.push_back(note.text);
  (*to)["next"] = report.next;
  (*to)["error"] =
      report.error.exit_code == 0 ? Value() : ErrorValue(report.error);
}

Value Beginning(std::string_view verb) {
  return {{"schema", kJsonSchema}, {"verb", verb.empty() ? Value() : verb}};
}

// The lines between the braces.
std::string Members(const Value& object) {
  const std::string text = JsonText(object);
  return text.size() < 4 ? "" : text.substr(2, text.size() - 4);
}

void PrintError(const ReportError& error) {
  MessageLine("temper: " + error.message +
              (error.hint.empty() ? "" : "\n  " + error.hint));
}

}  // namespace

int Output::Print(const Report& report) {
  if (json) {
    Value document = Beginning(report.verb);
    AddItems(report, 0, &document);
    AddEnd(report, &document);
    PrintResult(JsonText(document) + "\n");
    printed_ = true;
    std::fflush(stdout);
    if (report.error.exit_code != 0) PrintError(report.error);
    return report.exit_code();
  }
  return End(report);
}

void Output::Show(const Report& report) {
  if (json) return;
  PrintResult(ReportText(report, items_));
  std::fflush(stdout);
  items_ = report.items.size();
}

void Output::Begin(const Report& report, std::string_view key) {
  items_ = report.items.size();
  open_ = true;
  rows_ = false;
  if (!json) {
    PrintResult(ReportText(report));
    return;
  }
  Value head = Beginning(report.verb);
  AddItems(report, 0, &head);
  PrintResult("{\n" + Members(head) + ",\n \"" + std::string(key) + "\": [");
}

void Output::Row(const Value& row, std::string_view line) {
  if (json) {
    PrintResult((rows_ ? ",\n" : "\n") + JsonText(row));
  } else if (!line.empty()) {
    PrintResult(line);
  }
  rows_ = true;
}

int Output::End(const Report& report) {
  const size_t from = items_;
  if (json) {
    Value rest = Value::object();
    AddItems(report, from, &rest);
    AddEnd(report, &rest);
    PrintResult((rows_ ? "\n ],\n" : "],\n") + Members(rest) + "\n}\n");
    printed_ = true;
  } else {
    PrintResult(ReportText(report, from));
  }
  open_ = false;
  // After what they are about.
  std::fflush(stdout);
  for (const auto& note : report.notes) {
    if (!json && !note.said) MessageLine("note: " + note.text);
  }
  if (!json) {
    for (const std::string& line : report.next) {
      PrintResult("next: " + line + "\n");
    }
    std::fflush(stdout);
  }
  if (report.error.exit_code != 0) PrintError(report.error);
  return report.exit_code();
}

int Output::Fail(std::string_view verb, int exit_code,
                 std::string_view message) {
  Report report(verb);
  report.Error(exit_code, message);
  if (open_) {
    items_ = 0;
    return End(report);
  }
  if (json && !printed_) return Print(report);
  PrintError(report.error);
  return exit_code;
}

}  // namespace temper::host
