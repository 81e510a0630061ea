// See report_text.h.
#include "ports/cli/report_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/files/text.h"
#include "ports/cli/help.h"

namespace temper::host {
namespace {

constexpr size_t kLeastName = 12;  // columns that a cut name keeps
constexpr size_t kMostLabel = 20;

std::string Number(double value, const Format& format) {
  if (!std::isfinite(value)) return "-";
  switch (format.kind) {
    case Format::kFixed:
      return fmt::format("{:.{}f}", value, format.digits);
    case Format::kBytes:
      return BytesText(static_cast<uint64_t>(value));
    case Format::kShare:
      return fmt::format("{:.2f} %", 100 * value);
    case Format::kPlain:
    case Format::kVerbatim:
      break;
  }
  return fmt::format("{:.6g}", value);
}

// `text` in `width` columns; dots stand for what is cut where there is room.
std::string Cut(const std::string& text, size_t width, Column::Kind kind) {
  if (Columns(text) <= width) return text;
  if (width < 8) return LeftCell(text, width, width);
  if (kind != Column::kPath) return Shown(text, {}, width - 3);
  std::string_view end = text;
  while (!end.empty() && Columns(end) > width - 3) {
    end.remove_prefix(std::max<size_t>(1, Utf8Length(end, 0)));
  }
  return "..." + std::string(end);
}

bool MayBeCut(Column::Kind kind) {
  return kind == Column::kName || kind == Column::kPath;
}

std::string Trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

// Lines of at most 80 columns, all as far indented as the text.
std::string Paragraph(const std::string& text) {
  if (Columns(text) <= kTextColumns) return text + "\n";
  const size_t indent = text.find_first_not_of(' ');
  if (indent >= 2) return Wrapped("", text.substr(indent), indent);
  return Wrapped("", text, 0).substr(1);  // it begins below a head
}

std::string TableText(const Table& table) {
  TextTable text(table.columns);
  std::vector<TextTable::Cells> rows;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    if (!table.in_text[i]) continue;
    rows.push_back(text.CellsOf(table.rows[i]));
    text.Widen(rows.back());
  }
  text.Fit();
  if (rows.empty()) return "";
  std::string out = text.Header();
  for (const auto& row : rows) out += text.Row(row);
  const size_t left = table.rows.size() - rows.size();
  if (left > 0) out += fmt::format("({} more: {})\n", left, table.more);
  if (text.left_out() > 0) {
    out += fmt::format("({} more columns: use --json)\n", text.left_out());
  }
  return out;
}

}  // namespace

std::string BytesText(uint64_t bytes) {
  const auto up = [&](int shift, double digits) {
    return std::ceil(std::ldexp(static_cast<double>(bytes), -shift) * digits) /
           digits;
  };
  if (bytes >= uint64_t{10} << 30) {
    return fmt::format("{:.2f} GiB", up(30, 100));
  }
  if (bytes >= uint64_t{1} << 20) return fmt::format("{:.2f} MiB", up(20, 100));
  if (bytes >= uint64_t{1} << 10) return fmt::format("{:.1f} KiB", up(10, 10));
  return fmt::format("{} B", bytes);
}

std::string DurationText(double seconds) {
  if (seconds < 120) return fmt::format("{:.3g} s", seconds);
  if (seconds < 7200) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::string Counted(uint64_t count, const char* one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

std::string FormatValue(const Value& value, const Format& format) {
  std::string text;
  switch (value.kind()) {
    case Value::Kind::kNull:
      return "-";
    case Value::Kind::kBool:
      return value.AsBool() ? "yes" : "no";
    case Value::Kind::kText:
      return Shown(value.AsText());
    case Value::Kind::kUnsigned:
    case Value::Kind::kSigned:
      text = format.kind != Format::kPlain && format.kind != Format::kVerbatim
                 ? Number(value.AsDouble(), format)
             : value.kind() == Value::Kind::kSigned
                 ? fmt::to_string(value.AsSigned())
                 : fmt::to_string(value.AsUnsigned());
      break;
    case Value::Kind::kNumber:
      text = Number(value.AsDouble(), format);
      if (text == "-") return text;
      break;
    case Value::Kind::kArray:
      for (const Value& item : value) {
        text += (text.empty() ? "" : ", ") + FormatValue(item, format);
      }
      return text;
    case Value::Kind::kObject:
      return "";
  }
  return text;
}

TextTable::TextTable(const std::vector<Column>& columns) {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].heading.empty()) continue;
    columns_.push_back({columns[i], i, Columns(Shown(columns[i].heading))});
  }
  shown_ = columns_.size();
}

TextTable::Cells TextTable::CellsOf(const std::vector<Value>& row) const {
  Cells cells;
  for (const Place& place : columns_) {
    cells.push_back(place.from < row.size()
                        ? FormatValue(row[place.from], place.column.format)
                        : "");
  }
  return cells;
}

void TextTable::Widen(const Cells& cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    columns_[i].width = std::max(columns_[i].width, Columns(cells[i]));
  }
}

size_t TextTable::Total() const {
  size_t total = 0;
  for (size_t i = 0; i < shown_; ++i) {
    total += columns_[i].width + (i == 0 ? 0 : gap_);
  }
  return total;
}

void TextTable::Fit() {
  if (Total() <= kTextColumns) return;
  gap_ = 1;
  const auto shrink = [&](size_t least) {
    while (Total() > kTextColumns) {
      Place* widest = nullptr;
      for (size_t i = 0; i < shown_; ++i) {
        Place& place = columns_[i];
        if (!MayBeCut(place.column.kind) || place.width <= least) continue;
        if (widest == nullptr || place.width > widest->width) widest = &place;
      }
      if (widest == nullptr) return;
      --widest->width;
    }
  };
  shrink(kLeastName);
  while (Total() > kTextColumns && shown_ > 1 &&
         columns_[shown_ - 1].column.kind == Column::kNumber) {
    --shown_;
  }
}

std::string TextTable::Row(const Cells& cells) const {
  std::string line;
  for (size_t i = 0; i < shown_; ++i) {
    const Place& place = columns_[i];
    if (i > 0) line.append(gap_, ' ');
    const std::string cell = Cut(cells[i], place.width, place.column.kind);
    line += place.column.kind == Column::kNumber ? RightCell(cell, place.width)
                                                 : LeftCell(cell, place.width);
  }
  return Trimmed(line);
}

std::string TextTable::Header() const {
  Cells cells;
  for (const Place& place : columns_) {
    cells.push_back(Shown(place.column.heading));
  }
  return Row(cells);
}

std::string ReportText(const Report& report, size_t first) {
  size_t label = 0;
  for (const ReportItem& item : report.items) {
    label = std::max(label, std::min(item.label.size(), kMostLabel));
  }
  std::string out;
  for (size_t i = first; i < report.items.size(); ++i) {
    const ReportItem& item = report.items[i];
    if (item.kind == ReportItem::kTable) {
      out += TableText(item.table);
    } else if (item.kind == ReportItem::kLine) {
      out += Paragraph(Shown(item.text));
    } else if (!item.label.empty()) {
      const std::string text = item.has_text ? Shown(item.text)
                               : item.value.is_null()
                                   ? "not known"
                                   : FormatValue(item.value, item.format);
      out += item.format.kind == Format::kVerbatim
                 ? LeftCell(item.label, label + 2) + text + "\n"
                 : Wrapped(item.label, text, label + 2);
    }
  }
  return out;
}

}  // namespace temper::host
