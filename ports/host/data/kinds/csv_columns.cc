// What the columns of a table are, by all that its rows hold. See csv_table.h.
#include <fmt/format.h>

#include <algorithm>

#include "ports/host/base/failure.h"
#include "ports/host/data/kinds/csv_table.h"

namespace temper::host {

void CsvTable::RefuseField(const TableField& field, uint64_t line,
                           std::string_view why,
                           std::string_view remedy) const {
  Fail(ErrorKind::kBadData, "cannot read the table",
       fmt::format("{}, line {}, column '{}'", file_, line,
                   Printable(field.name)),
       why, remedy);
}

void CsvTable::CheckNumbers(const TableField& field) const {
  const Facts& f = field.facts;
  const bool text_first =
      f.texts > 0 && (f.large_line == 0 || f.text_line < f.large_line);
  if (text_first) {
    const char other = options_.decimal == '.' ? ',' : '.';
    const bool comma =
        ParseCsvNumber(f.text, other).kind == CsvNumber::Kind::kNumber;
    RefuseField(
        field, f.text_line,
        fmt::format("'{}' is not a number", Printable(f.text)),
        comma ? fmt::format("If it is one, use decimal={}.",
                            other == ',' ? "comma" : "point")
        : field.role == Role::kInput && !given_
            ? fmt::format("Correct it, leave the column out (ignore={0}), or "
                          "take all of it as names (categorical={0}).",
                          Printable(field.name))
            : "Correct it.");
  }
  if (f.large_line != 0) {
    RefuseField(
        field, f.large_line,
        fmt::format("{} is larger than a 32-bit float can hold", f.large),
        "Correct it, or give the column in another unit.");
  }
}

bool CsvTable::IsFilled(const TableField& field, bool has_fill) const {
  return field.role == Role::kInput &&
         (has_fill || options_.missing == CsvOptions::Missing::kMean);
}

void CsvTable::CheckMissing(const TableField& field, bool has_fill) const {
  const uint64_t line =
      field.texts ? field.facts.empty_line : field.facts.missing_line;
  if (line == 0 || options_.missing == CsvOptions::Missing::kDrop ||
      IsFilled(field, has_fill)) {
    return;
  }
  RefuseField(field, line,
              field.texts || field.facts.missing.empty()
                  ? std::string("it is empty")
                  : fmt::format("'{}' is no value", field.facts.missing),
              field.role == Role::kInput
                  ? "missing=mean puts the column's mean there, missing=drop "
                    "leaves such rows out."
                  : "missing=drop leaves such rows out.");
}

void CsvTable::CheckField(const TableField& field, bool has_fill) const {
  const Facts& f = field.facts;
  const uint64_t wrong = f.text_line == 0 ? f.large_line
                         : f.large_line == 0
                             ? f.text_line
                             : std::min(f.text_line, f.large_line);
  // The first line decides what is said.
  const bool missing_first = f.missing_line != 0 && f.missing_line < wrong;
  if (!field.texts && !missing_first) CheckNumbers(field);
  CheckMissing(field, has_fill);
  if (!field.texts) CheckNumbers(field);
}

void CsvTable::NoteRounded(const TableField& field) {
  if (field.facts.rounded == 0) return;
  notes_.push_back(fmt::format(
      "column '{}': {} whole numbers are rounded, a 32-bit float holds them "
      "up to 16777216",
      Printable(field.name), field.facts.rounded));
}

void CsvTable::Decide() {
  for (const size_t i : targets_) {
    CheckField(fields_[i], false);
    if (fields_[i].facts.numbers == 0) {
      Refuse(
          fmt::format("column '{}' has no number", Printable(fields_[i].name)),
          "Classes are label=, not target=.");
    }
    NoteRounded(fields_[i]);
  }
  if (!given_) DecideColumns();
  for (size_t c = 0; c < columns_.size(); ++c) {
    const TableField& field = fields_[sources_[c]];
    CheckField(field, field.texts || columns_[c].fill.has_value());
    if (!field.texts) NoteRounded(field);
    first_.push_back(inputs_);
    inputs_ += columns_[c].Inputs();
  }
  kept_ = rows_;
  if (inputs_ == 0) {
    Refuse("no column is left as an input", "Check label=, target=, ignore=.");
  }
  if (inputs_ > kMaxDimension) {
    Fail(ErrorKind::kUnsupported, "cannot use the table", file_,
         fmt::format("its columns are {} inputs, {} at most", inputs_,
                     kMaxDimension),
         "Leave columns out with ignore=.");
  }
}

void CsvTable::DecideColumns() {
  for (size_t i = 0; i < fields_.size(); ++i) {
    TableField& field = fields_[i];
    if (field.role != Role::kInput) continue;
    const Facts& f = field.facts;
    if (f.numbers == 0 && f.texts == 0 && f.categories.size() == 0) {
      Refuse(fmt::format("column '{}' is empty", Printable(field.name)),
             fmt::format("Leave it out: ignore={}.", Printable(field.name)));
    }
    field.texts = field.texts || f.numbers == 0;
    TableColumn column;
    column.name = field.name;
    if (field.texts) {
      if (f.too_many) {
        Refuse(fmt::format("column '{}' has more than {} different texts",
                           Printable(field.name), kMaxCategories),
               fmt::format("Leave it out: ignore={}.", Printable(field.name)));
      }
      field.facts.categories.Sort();
      column.values = f.categories.names();
    }
    columns_.push_back(std::move(column));
    sources_.push_back(i);
  }
}

void CsvTable::DropRows() {
  dropped_.assign(static_cast<size_t>(rows_), false);
  std::vector<int32_t> labels;
  kept_ = 0;
  ForEachRow([&](uint64_t row, const CsvReader& record) {
    const size_t r = static_cast<size_t>(row);
    if (r >= dropped_.size()) return;  // it grows; ReadSamples refuses
    bool lacks = false;
    for (size_t i = 0; i < fields_.size(); ++i) {
      const TableField& field = fields_[i];
      if (field.role == Role::kIgnored) continue;
      lacks |= field.texts || field.role == Role::kLabel
                   ? record[i].empty()
                   : CellOf(record[i]).kind == Cell::Kind::kMissing;
    }
    dropped_[r] = lacks;
    if (lacks) return;
    ++kept_;
    if (label_ != kNone) labels.push_back(labels_[r]);
  });
  labels_ = std::move(labels);
  if (kept_ == rows_) return;
  if (kept_ == 0) Refuse("every row lacks a value", "Use missing=mean.");
  notes_.push_back(fmt::format("{} of {} rows lack a value and are left out",
                               rows_ - kept_, rows_));
}

}  // namespace temper::host
