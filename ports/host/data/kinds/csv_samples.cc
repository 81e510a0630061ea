// Rows of a table become samples. See csv_table.h.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ports/host/base/failure.h"
#include "ports/host/data/kinds/csv_table.h"

namespace temper::host {

DataReader::Missing CsvTable::ReadSamples(const Wanted& wanted) {
  std::vector<double> sums(columns_.size(), 0.0);
  std::vector<uint64_t> counts(columns_.size(), 0);
  fills_.assign(columns_.size(), 0);
  const bool none_to_train =
      std::all_of(wanted.begin(), wanted.end(),
                  [](const Placement& place) { return place.held_out; });
  size_t next = 0;
  uint64_t rows = 0, kept = 0;
  Missing missing;
  ForEachRow([&](uint64_t row, const CsvReader& record) {
    rows = row + 1;
    if (row < dropped_.size() && dropped_[static_cast<size_t>(row)]) return;
    const uint64_t sample = kept++;
    if (next == wanted.size() || wanted[next].sample != sample) return;
    const Placement& place = wanted[next++];
    if (options_.by_row && given_) {
      if (std::optional<BadRow> bad = WhyNot(record)) {
        missing.samples.push_back(place.sample);
        missing.rows.push_back(*std::move(bad));
        return;
      }
    }
    Encode(record, place, none_to_train, &sums, &counts);
  });
  if (rows != rows_ || next != wanted.size()) {
    Refuse("the file has changed while it was read", "Try again.");
  }
  Fill(wanted, sums, counts);
  if (missing_ == CsvOptions::Missing::kMean) {
    for (size_t c = 0; c < columns_.size(); ++c) {
      fields_[sources_[c]].holes = fills_[c];
    }
  }
  if (filled_rows_ > 0) missing.notes.push_back(FillNote());
  return missing;
}

std::string CsvTable::FillNote() const {
  constexpr size_t kMost = 4;
  uint64_t all = 0;
  size_t columns = 0;
  std::string where;
  for (size_t c = 0; c < columns_.size(); ++c) {
    if (fills_[c] == 0) continue;
    all += fills_[c];
    if (++columns > kMost) continue;
    where += fmt::format("{}'{}' {}", columns == 1 ? "" : ", ",
                         Printable(columns_[c].name), fills_[c]);
  }
  return fmt::format(
      "{} missing, in {} row{}; means of the training rows "
      "stand there: {}{}",
      all == 1 ? "1 of the values is"
               : fmt::format("{} of the values are", all),
      filled_rows_, filled_rows_ == 1 ? "" : "s", where,
      columns > kMost ? ", ..." : "");
}

void CsvTable::Encode(const CsvReader& record, const Placement& place,
                      bool none_to_train, std::vector<double>* sums,
                      std::vector<uint64_t>* counts) {
  std::memset(place.to, 0, inputs_ * sizeof(float));
  bool filled = false;
  const auto put = [&](size_t input, float value) {
    std::memcpy(place.to + input * sizeof(float), &value, sizeof(float));
  };
  for (size_t c = 0; c < columns_.size(); ++c) {
    const TableColumn& column = columns_[c];
    const TableField& field = fields_[sources_[c]];
    const std::string_view text = record[sources_[c]];
    if (field.texts) {
      if (IsGap(field, text)) {
        ++fills_[c];
        filled = true;
        continue;
      }
      const auto value =
          std::find(column.values.begin(), column.values.end(), text);
      if (value == column.values.end()) UnknownText(record, column, text);
      put(first_[c] + static_cast<size_t>(value - column.values.begin()), 1.0f);
      continue;
    }
    const Cell cell = CellOf(text);
    if (cell.kind == Cell::Kind::kNumber) {
      put(first_[c], static_cast<float>(cell.value));
      if (!place.held_out || none_to_train) {
        (*sums)[c] += cell.value;
        ++(*counts)[c];
      }
    } else {
      ++fills_[c];
      filled = true;
      put(first_[c],
          column.fill.value_or(std::numeric_limits<float>::quiet_NaN()));
    }
  }
  filled_rows_ += filled;
  for (size_t k = 0; k < targets_.size(); ++k) {
    place.values[k] = static_cast<float>(CellOf(record[targets_[k]]).value);
  }
}

// What Decide and Encode would refuse the table for.
std::optional<BadRow> CsvTable::WhyNot(const CsvReader& record) const {
  const bool mean = missing_ == CsvOptions::Missing::kMean;
  for (size_t c = 0; c < columns_.size(); ++c) {
    const TableColumn& column = columns_[c];
    const TableField& field = fields_[sources_[c]];
    const std::string_view text = record[sources_[c]];
    BadRow bad = {record.line(), column.name, "", ""};
    const Cell cell = CellOf(text);
    const bool gap =
        field.texts ? IsGap(field, text) : cell.kind == Cell::Kind::kMissing;
    if (gap) {
      if (mean && (field.texts ? keeps_means_ : column.fill.has_value())) {
        continue;
      }
      bad.why = text.empty() ? "it is empty"
                             : fmt::format("'{}' is no value", Printable(text));
      bad.why += ", and the model keeps no mean";
      bad.remedy = "Train with missing=mean, to have means in such places.";
      return bad;
    }
    if (field.texts) {
      if (std::find(column.values.begin(), column.values.end(), text) !=
          column.values.end()) {
        continue;
      }
      const std::vector<std::string_view> known(column.values.begin(),
                                                column.values.end());
      bad.why = fmt::format("the model does not know '{}'", Printable(text));
      bad.remedy = Suggest(text, known);
      return bad;
    }
    if (cell.kind == Cell::Kind::kNumber) continue;
    bad.why = cell.kind == Cell::Kind::kText
                  ? fmt::format("'{}' is not a number", Printable(text))
                  : fmt::format("{} is larger than a 32-bit float can hold",
                                Printable(text));
    return bad;
  }
  return {};
}

void CsvTable::UnknownText(const CsvReader& record, const TableColumn& column,
                           std::string_view text) const {
  std::vector<std::string_view> known(column.values.begin(),
                                      column.values.end());
  Fail(ErrorKind::kBadData, "the data do not fit the model",
       fmt::format("{}, line {}, column '{}'", file_, record.line(),
                   Printable(column.name)),
       fmt::format("the model does not know '{}'", Printable(text)),
       Suggest(text, known));
}

void CsvTable::Fill(const Wanted& wanted, const std::vector<double>& sums,
                    const std::vector<uint64_t>& counts) {
  if (missing_ != CsvOptions::Missing::kMean) return;
  for (size_t c = 0; c < columns_.size(); ++c) {
    const TableField& field = fields_[sources_[c]];
    if (field.texts || columns_[c].fill) continue;
    if (counts[c] == 0) {
      Refuse(fmt::format("column '{}' has no value in the training rows, so "
                         "there is no mean",
                         Printable(field.name)),
             fmt::format("Leave it out: ignore={}.", Printable(field.name)));
    }
    const float mean =
        static_cast<float>(sums[c] / static_cast<double>(counts[c]));
    columns_[c].fill = mean;
    for (const Placement& place : wanted) {
      float value;
      uint8_t* const at = place.to + first_[c] * sizeof(float);
      std::memcpy(&value, at, sizeof(float));
      if (std::isnan(value)) std::memcpy(at, &mean, sizeof(float));
    }
  }
}

}  // namespace temper::host
