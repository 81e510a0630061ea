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
    const char other = *options_.decimal == '.' ? ',' : '.';
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

void CsvTable::SettleMissing() {
  bool numbers = false, means = false;
  for (const TableColumn& column : columns_) {
    numbers |= column.values.empty();
    means |= column.fill.has_value();
  }
  keeps_means_ = !given_ || means || !numbers;
  missing_ = options_.missing.value_or(means ? CsvOptions::Missing::kMean
                                             : CsvOptions::Missing::kRefuse);
}

void CsvTable::CheckMissing(const TableField& field,
                            const TableColumn* column) const {
  const Facts& f = field.facts;
  const uint64_t line = field.texts ? f.gap_line : f.missing_line;
  if (line == 0) return;
  const std::string& found = field.texts ? f.gap : f.missing;
  const std::string why = found.empty()
                              ? std::string("it is empty")
                              : fmt::format("'{}' is no value", found);
  std::string remedy = "missing=drop leaves such rows out";
  if (field.texts && !found.empty()) {
    remedy +=
        fmt::format(", keep_na={} takes it as a text", Printable(field.name));
  }
  const bool mean = missing_ == CsvOptions::Missing::kMean;
  if (column == nullptr) RefuseField(field, line, why, remedy + ".");
  const bool has_mean =
      !given_ || (field.texts ? keeps_means_ : column->fill.has_value());
  if (mean && has_mean) return;
  if (mean) {
    RefuseField(field, line,
                why +
                    ", and the model keeps no mean: it was trained without "
                    "missing=mean",
                remedy + "; or train with missing=mean.");
  }
  if (has_mean && keeps_means_) {
    remedy = "missing=mean puts the mean of the training rows there, " + remedy;
  }
  RefuseField(field, line, why, remedy + ".");
}

void CsvTable::CheckField(const TableField& field,
                          const TableColumn* column) const {
  // Each row is looked at when it is read.
  if (options_.by_row && given_ && column != nullptr) return;
  const Facts& f = field.facts;
  const uint64_t wrong = f.text_line == 0 ? f.large_line
                         : f.large_line == 0
                             ? f.text_line
                             : std::min(f.text_line, f.large_line);
  // The first line decides what is said.
  const bool missing_first = f.missing_line != 0 && f.missing_line < wrong;
  if (!field.texts && !missing_first) CheckNumbers(field);
  CheckMissing(field, column);
  if (!field.texts) CheckNumbers(field);
}

std::vector<uint64_t> CsvTable::Holes() const {
  std::vector<uint64_t> holes;
  for (const size_t i : sources_) holes.push_back(fields_[i].holes);
  return holes;
}

void CsvTable::NoteRounded(const TableField& field) {
  if (field.facts.rounded == 0) return;
  notes_.push_back(fmt::format(
      "column '{}': {} whole numbers are rounded, a 32-bit float holds them "
      "up to 16777216",
      Printable(field.name), field.facts.rounded));
}

void CsvTable::NoteTexts(const TableField& field) {
  const Facts& f = field.facts;
  const size_t different = f.categories.size();
  const std::string name = Printable(field.name);
  constexpr uint64_t kFew = 20;
  if (!field.told && f.texts > 0 && 10 * f.number_like >= 9 * f.texts) {
    const char other = *options_.decimal == '.' ? ',' : '.';
    const bool mark =
        ParseCsvNumber(f.text, other).kind == CsvNumber::Kind::kNumber;
    notes_.push_back(fmt::format(
        "column '{}': {} different texts look like numbers, such as '{}'; {}",
        name, different, Printable(f.text),
        mark ? fmt::format("decimal={}?", other == ',' ? "comma" : "point")
             : "write 1234.5 for a number"));
  } else if (different >= kFew && 10 * different >= 9 * f.filled) {
    notes_.push_back(fmt::format(
        "column '{0}': {1} different texts in {2} rows tell rows apart; "
        "ignore={0}?",
        name, different, f.filled));
  }
}

void CsvTable::Decide() {
  for (const size_t i : targets_) {
    CheckField(fields_[i], nullptr);
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
    CheckField(field, &columns_[c]);
    if (!field.texts) NoteRounded(field);
    if (field.texts && !given_) NoteTexts(field);
    first_.push_back(inputs_);
    inputs_ += columns_[c].Inputs();
  }
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

void CsvTable::ChooseTexts() {
  for (TableField& field : fields_) {
    if (field.role != Role::kInput) continue;
    if (field.facts.filled == 0) {
      Refuse(fmt::format("column '{}' is empty", Printable(field.name)),
             fmt::format("Leave it out: ignore={}.", Printable(field.name)));
    }
    field.texts = field.texts || field.facts.numbers == 0;
  }
}

void CsvTable::DecideColumns() {
  for (size_t i = 0; i < fields_.size(); ++i) {
    TableField& field = fields_[i];
    if (field.role != Role::kInput) continue;
    const Facts& f = field.facts;
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

bool CsvTable::Lacks(const CsvReader& row) const {
  for (size_t i = 0; i < fields_.size(); ++i) {
    const TableField& field = fields_[i];
    if (field.role == Role::kIgnored) continue;
    const bool lacks = field.texts || field.role == Role::kLabel
                           ? IsGap(field, row[i])
                           : CellOf(row[i]).kind == Cell::Kind::kMissing;
    if (lacks) return true;
  }
  return false;
}

void CsvTable::DropRows() {
  constexpr size_t kMostNamed = 8;
  const uint64_t rows = rows_;
  dropped_.assign(static_cast<size_t>(rows), false);
  for (TableField& field : fields_) {
    const Facts& f = field.facts;
    field.holes = field.texts ? f.gap_count : f.missing_count;
    field.facts = Facts();
  }
  std::string lines;
  size_t named = 0;
  ForEachRow([&](uint64_t row, const CsvReader& record) {
    const size_t r = static_cast<size_t>(row);
    if (r >= dropped_.size()) return;  // it grows; ReadSamples refuses
    dropped_[r] = Lacks(record);
    if (!dropped_[r]) {
      Look(record, true);
    } else if (named++ < kMostNamed) {
      lines += fmt::format("{}{}", named == 1 ? "" : ", ", record.line());
    }
  });
  rows_ = rows;
  if (kept_ == rows_) return;
  if (kept_ == 0) Refuse("every row lacks a value", "Use missing=mean.");
  notes_.push_back(
      fmt::format("{} of {} rows lack a value and are left out: "
                  "line{} {}{}",
                  rows_ - kept_, rows_, named == 1 ? "" : "s", lines,
                  named > kMostNamed ? ", ..." : ""));
}

}  // namespace temper::host
