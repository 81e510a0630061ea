// Samples from text tables. See csv.h.
#include "ports/host/data/kinds/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "models/files/limits.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/data_option.h"
#include "ports/host/data/kinds/csv_facts.h"
#include "ports/host/data/kinds/csv_format.h"

namespace temper::host {
namespace {

enum class Role : uint8_t { kInput, kLabel, kTarget, kIgnored };

struct Cell {
  enum class Kind : uint8_t { kNumber, kMissing, kText, kTooLarge };
  Kind kind;
  double value = 0;
};

struct TableField {
  std::string name;
  Role role = Role::kInput;
  bool texts = false;  // an input of texts
  Facts facts;
};

class CsvTable final : public DataReader {
 public:
  CsvTable(OpenSource open, const CsvOptions& options,
           std::vector<TableColumn> columns)
      : open_(std::move(open)),
        options_(options),
        columns_(std::move(columns)),
        given_(!columns_.empty()) {}

  Index ReadIndex() override {
    ReadHeader();
    ForEachRow([&](uint64_t, const CsvReader& row) { Look(row); });
    if (rows_ == 0) Refuse("there are no rows", "");
    Decide();
    if (options_.missing == CsvOptions::Missing::kDrop) DropRows();
    Index index;
    index.shape = {1, 1, static_cast<uint32_t>(inputs_), ElementType::kF32};
    index.notes = notes_;
    if (label_ != kNone) {
      const std::vector<int32_t> place = classes_.Sort();
      for (int32_t& label : labels_) label = place[static_cast<size_t>(label)];
      index.labels = std::move(labels_);
      index.class_names = classes_.names();
    } else {
      index.targets = {
          targets_.empty() ? TargetKind::kNone : TargetKind::kValues,
          static_cast<uint32_t>(targets_.size())};
      index.samples = kept_;
    }
    return index;
  }

  Missing ReadSamples(std::span<const Placement> wanted) override {
    std::vector<double> sums(columns_.size(), 0.0);
    std::vector<uint64_t> counts(columns_.size(), 0);
    const bool none_to_train =
        std::all_of(wanted.begin(), wanted.end(),
                    [](const Placement& place) { return place.held_out; });
    size_t next = 0;
    uint64_t rows = 0, kept = 0;
    ForEachRow([&](uint64_t row, const CsvReader& record) {
      rows = row + 1;
      if (row < dropped_.size() && dropped_[static_cast<size_t>(row)]) return;
      const uint64_t sample = kept++;
      if (next == wanted.size() || wanted[next].sample != sample) return;
      const Placement& place = wanted[next++];
      Encode(record, place, none_to_train, &sums, &counts);
    });
    if (rows != rows_ || next != wanted.size()) {
      Refuse("the file has changed while it was read", "Try again.");
    }
    Fill(wanted, sums, counts);
    return {};
  }

  std::vector<TableColumn> Columns() const override { return columns_; }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);

  [[noreturn]] void Refuse(std::string_view why,
                           std::string_view remedy) const {
    Fail(ErrorKind::kBadData, "cannot read the table", file_, why, remedy);
  }

  // ---- the header

  void ReadHeader() {
    const std::unique_ptr<ByteSource> source = open_();
    file_ = source->name();
    CsvReader reader(*source, options_.delimiter);
    if (!reader.Next()) Refuse("it is empty", "");
    const bool header = options_.header != CsvOptions::Header::kNo;
    for (size_t i = 0; i < reader.size(); ++i) {
      TableField field;
      field.name = header ? std::string(reader[i]) : std::to_string(i + 1);
      if (options_.header == CsvOptions::Header::kChecked &&
          ParseCsvNumber(reader[i], options_.decimal).kind !=
              CsvNumber::Kind::kText) {
        reader.Refuse(reader.line(),
                      fmt::format("the header {} looks like a value",
                                  Printable(reader[i])),
                      "If the first line is data, use header=no: columns are "
                      "called 1, 2, ... then; else header=yes.");
      }
      if (field.name.empty()) {
        field.name = std::to_string(i + 1);
        notes_.push_back(
            fmt::format("column {} has no name in {}; ignore={} leaves it out",
                        i + 1, Printable(file_), i + 1));
      }
      if (field.name.size() > limits::kNameBytes) {
        reader.Refuse(
            reader.line(),
            fmt::format("the name of column {} has more than {} bytes", i + 1,
                        limits::kNameBytes),
            "Shorten it.");
      }
      const auto [other, is_new] = index_.emplace(field.name, i);
      if (!is_new) {
        reader.Refuse(
            reader.line(),
            fmt::format("columns {} and {} are both called '{}'",
                        other->second + 1, i + 1, Printable(field.name)),
            "Rename one of them.");
      }
      fields_.push_back(std::move(field));
    }
    CheckDelimiter();
    GiveRoles();
  }

  // A table of one column whose header holds another delimiter.
  void CheckDelimiter() const {
    if (fields_.size() != 1) return;
    for (const char c : {';', '\t', ',', '|'}) {
      if (c == options_.delimiter ||
          fields_[0].name.find(c) == std::string::npos) {
        continue;
      }
      const std::string_view name = c == ';'    ? "semicolon"
                                    : c == '\t' ? "tab"
                                    : c == ','  ? "comma"
                                                : "pipe";
      Refuse(fmt::format("its only column is '{}'", Printable(fields_[0].name)),
             fmt::format(
                 "If columns are separated by a {0}, use "
                 "delimiter={0}{1}.",
                 name, c == ';' ? "; numbers as 1,5 need decimal=comma" : ""));
    }
  }

  size_t ColumnNamed(std::string_view option, const std::string& name) const {
    const auto found = index_.find(name);
    if (found != index_.end()) return found->second;
    std::vector<std::string_view> names;
    for (const TableField& field : fields_) names.push_back(field.name);
    Fail(ErrorKind::kMismatch, "cannot find a column",
         fmt::format("{}, {}=", file_, option),
         fmt::format("there is no column '{}'", Printable(name)),
         Suggest(name, names));
  }

  void GiveRole(std::string_view option, const std::string& name, Role role) {
    const size_t i = ColumnNamed(option, name);
    if (fields_[i].role != Role::kInput) {
      BadOption(option,
                fmt::format("column '{}' is used twice", Printable(name)),
                "A column is an input, the label, a target, or ignored.");
    }
    fields_[i].role = role;
    if (role == Role::kLabel) label_ = i;
    if (role == Role::kTarget) targets_.push_back(i);
  }

  void GiveRoles() {
    if (!options_.label.empty())
      GiveRole("label", options_.label, Role::kLabel);
    for (const std::string& name : options_.target) {
      GiveRole("target", name, Role::kTarget);
    }
    for (const std::string& name : options_.ignore) {
      GiveRole("ignore", name, Role::kIgnored);
    }
    for (const std::string& name : options_.categorical) {
      TableField& field = fields_[ColumnNamed("categorical", name)];
      if (field.role != Role::kInput) {
        BadOption("categorical",
                  fmt::format("column '{}' is no input", Printable(name)),
                  "Leave it out.");
      }
      field.texts = true;
    }
    if (given_) TakeModelColumns();
  }

  // Which fields are the model's columns; the others are left out.
  void TakeModelColumns() {
    std::string others;
    for (const TableColumn& column : columns_) {
      const auto found = index_.find(column.name);
      if (found == index_.end()) {
        Fail(
            ErrorKind::kMismatch, "the data do not fit the model", file_,
            fmt::format("the model reads a column '{}', and there is none",
                        Printable(column.name)),
            "Give a table with the columns that it was trained on; their order "
            "does not matter.");
      }
      TableField& field = fields_[found->second];
      if (field.role != Role::kInput) {
        BadOption(field.role == Role::kLabel    ? "label"
                  : field.role == Role::kTarget ? "target"
                                                : "ignore",
                  fmt::format("column '{}' is an input of the model",
                              Printable(column.name)),
                  "");
      }
      field.texts = !column.values.empty();
      sources_.push_back(found->second);
    }
    for (size_t i = 0; i < fields_.size(); ++i) {
      if (fields_[i].role != Role::kInput ||
          std::find(sources_.begin(), sources_.end(), i) != sources_.end()) {
        continue;
      }
      fields_[i].role = Role::kIgnored;
      others += fmt::format("{}{}", others.empty() ? "" : ", ",
                            Printable(fields_[i].name));
    }
    if (!others.empty()) {
      notes_.push_back(
          fmt::format("columns that the model does not read: {}", others));
    }
  }

  // ---- all rows, once

  template <class F>
  void ForEachRow(F&& f) {
    const std::unique_ptr<ByteSource> source = open_();
    CsvReader reader(*source, options_.delimiter);
    if (options_.header != CsvOptions::Header::kNo) reader.Next();
    uint64_t row = 0;
    for (; reader.Next(); ++row) {
      if (reader.size() != fields_.size()) {
        reader.Refuse(
            reader.line(),
            fmt::format("{} fields, but the table has {} columns",
                        reader.size(), fields_.size()),
            "Put a field that holds the delimiter in quotes, or choose another "
            "delimiter=.");
      }
      f(row, reader);
    }
    rows_ = row;
  }

  Cell CellOf(std::string_view text) const {
    const CsvNumber n = ParseCsvNumber(text, options_.decimal);
    if (n.kind == CsvNumber::Kind::kTooLarge ||
        std::fabs(n.value) > double{std::numeric_limits<float>::max()}) {
      return {Cell::Kind::kTooLarge, 0};
    }
    if (n.kind == CsvNumber::Kind::kNumber)
      return {Cell::Kind::kNumber, n.value};
    return {IsMissing(text) ? Cell::Kind::kMissing : Cell::Kind::kText, 0};
  }

  // Gathers what the columns hold.
  void Look(const CsvReader& row) {
    for (size_t i = 0; i < fields_.size(); ++i) {
      TableField& field = fields_[i];
      if (field.role == Role::kIgnored) continue;
      const std::string_view text = row[i];
      if (field.role == Role::kLabel) {
        LookAtLabel(row, text);
        continue;
      }
      Facts& facts = field.facts;
      const Cell cell = CellOf(text);
      if (text.empty() && facts.empty_line == 0) facts.empty_line = row.line();
      switch (cell.kind) {
        case Cell::Kind::kNumber:
          ++facts.numbers;
          facts.rounded += cell.value == std::floor(cell.value) &&
                           double{static_cast<float>(cell.value)} != cell.value;
          break;
        case Cell::Kind::kTooLarge:
          ++facts.numbers;
          if (facts.large_line == 0) {
            facts.large_line = row.line();
            facts.large = Printable(text);
          }
          break;
        case Cell::Kind::kMissing:
          if (facts.missing_line == 0) {
            facts.missing_line = row.line();
            facts.missing = Printable(text);
          }
          break;
        case Cell::Kind::kText:
          ++facts.texts;
          if (facts.text_line == 0) {
            facts.text_line = row.line();
            facts.text = std::string(text);
          }
          break;
      }
      // Texts, unless numbers show that it is none of theirs.
      const bool texts = field.texts || (!given_ && facts.numbers == 0);
      if (field.role != Role::kInput || !texts || text.empty()) continue;
      if (text.size() > limits::kNameBytes) {
        row.Refuse(row.line(),
                   fmt::format("column '{}': a text of more than {} bytes",
                               Printable(field.name), limits::kNameBytes),
                   fmt::format("Leave the column out: ignore={}.",
                               Printable(field.name)));
      }
      if (facts.categories.size() < kMaxCategories ||
          facts.categories.Find(text) != nullptr) {
        facts.categories.Add(text);
      } else {
        facts.too_many = true;
      }
    }
  }

  // The class of a row: whole numbers are called by their shortest digits.
  std::string ClassName(std::string_view text) const {
    const std::optional<int64_t> whole = Texts::Whole(text);
    return whole ? std::to_string(*whole) : std::string(text);
  }

  void LookAtLabel(const CsvReader& row, std::string_view text) {
    if (text.empty()) {
      if (options_.missing == CsvOptions::Missing::kDrop) {
        labels_.push_back(0);  // the row is dropped
        return;
      }
      row.Refuse(row.line(),
                 fmt::format("the label, column '{}', is empty",
                             Printable(fields_[label_].name)),
                 "missing=drop leaves such rows out.");
    }
    const Cell cell = CellOf(text);
    if (cell.kind == Cell::Kind::kNumber &&
        cell.value != std::floor(cell.value)) {
      row.Refuse(row.line(),
                 fmt::format("the label, column '{}', is {}: a value, not a "
                             "class",
                             Printable(fields_[label_].name), Printable(text)),
                 fmt::format("To learn values, use target={}.",
                             Printable(fields_[label_].name)));
    }
    if (text.size() > limits::kNameBytes ||
        (classes_.size() == limits::kClasses &&
         classes_.Find(ClassName(text)) == nullptr)) {
      row.Refuse(
          row.line(),
          fmt::format("the label, column '{}', has more than {} classes, "
                      "or a name of more than {} bytes",
                      Printable(fields_[label_].name), limits::kClasses,
                      limits::kNameBytes),
          "Check that it is the right column.");
    }
    labels_.push_back(static_cast<int32_t>(classes_.Add(ClassName(text))));
  }

  // ---- what the columns are

  [[noreturn]] void RefuseField(const TableField& field, uint64_t line,
                                std::string_view why,
                                std::string_view remedy) const {
    Fail(ErrorKind::kBadData, "cannot read the table",
         fmt::format("{}, line {}, column '{}'", file_, line,
                     Printable(field.name)),
         why, remedy);
  }

  void CheckNumbers(const TableField& field) const {
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

  // True if a missing value of this column has something in its place.
  bool IsFilled(const TableField& field, bool has_fill) const {
    return field.role == Role::kInput &&
           (has_fill || options_.missing == CsvOptions::Missing::kMean);
  }

  void CheckMissing(const TableField& field, bool has_fill) const {
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

  void NoteRounded(const TableField& field) {
    if (field.facts.rounded == 0) return;
    notes_.push_back(fmt::format(
        "column '{}': {} whole numbers are rounded, a 32-bit float holds them "
        "up to 16777216",
        Printable(field.name), field.facts.rounded));
  }

  void Decide() {
    for (const size_t i : targets_) {
      CheckNumbers(fields_[i]);
      CheckMissing(fields_[i], false);
      if (fields_[i].facts.numbers == 0) {
        Refuse(fmt::format("column '{}' has no number",
                           Printable(fields_[i].name)),
               "Classes are label=, not target=.");
      }
      NoteRounded(fields_[i]);
    }
    if (!given_) DecideColumns();
    for (size_t c = 0; c < columns_.size(); ++c) {
      const TableField& field = fields_[sources_[c]];
      if (!field.texts) {
        CheckNumbers(field);
        NoteRounded(field);
      }
      CheckMissing(field, field.texts || columns_[c].fill.has_value());
      first_.push_back(inputs_);
      inputs_ += columns_[c].Inputs();
    }
    kept_ = rows_;
    if (inputs_ == 0) {
      Refuse("no column is left as an input",
             "Check label=, target=, ignore=.");
    }
    if (inputs_ > kMaxDimension) {
      Fail(ErrorKind::kUnsupported, "cannot use the table", file_,
           fmt::format("its columns are {} inputs, {} at most", inputs_,
                       kMaxDimension),
           "Leave columns out with ignore=.");
    }
  }

  void DecideColumns() {
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
          Refuse(
              fmt::format("column '{}' has more than {} different texts",
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

  // Rows that lack a value.
  void DropRows() {
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

  // ---- samples

  void Encode(const CsvReader& record, const Placement& place,
              bool none_to_train, std::vector<double>* sums,
              std::vector<uint64_t>* counts) {
    std::memset(place.to, 0, inputs_ * sizeof(float));
    const auto put = [&](size_t input, float value) {
      std::memcpy(place.to + input * sizeof(float), &value, sizeof(float));
    };
    for (size_t c = 0; c < columns_.size(); ++c) {
      const TableColumn& column = columns_[c];
      const TableField& field = fields_[sources_[c]];
      const std::string_view text = record[sources_[c]];
      if (field.texts) {
        if (text.empty()) continue;
        const auto value =
            std::find(column.values.begin(), column.values.end(), text);
        if (value == column.values.end()) UnknownText(record, column, text);
        put(first_[c] + static_cast<size_t>(value - column.values.begin()),
            1.0f);
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
        put(first_[c],
            column.fill.value_or(std::numeric_limits<float>::quiet_NaN()));
      }
    }
    for (size_t k = 0; k < targets_.size(); ++k) {
      place.values[k] = static_cast<float>(CellOf(record[targets_[k]]).value);
    }
  }

  [[noreturn]] void UnknownText(const CsvReader& record,
                                const TableColumn& column,
                                std::string_view text) const {
    std::vector<std::string_view> known(column.values.begin(),
                                        column.values.end());
    Fail(ErrorKind::kBadData, "the data do not fit the model",
         fmt::format("{}, line {}, column '{}'", file_, record.line(),
                     Printable(column.name)),
         fmt::format("the model does not know '{}'", Printable(text)),
         Suggest(text, known));
  }

  // The mean of the training rows takes the place of what is missing.
  void Fill(std::span<const Placement> wanted, const std::vector<double>& sums,
            const std::vector<uint64_t>& counts) {
    if (options_.missing != CsvOptions::Missing::kMean) return;
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

  const OpenSource open_;
  const CsvOptions options_;
  std::vector<TableColumn> columns_;
  const bool given_;  // columns_ are a model's
  std::string file_;
  std::vector<TableField> fields_;
  std::map<std::string, size_t, std::less<>> index_;  // of fields_, by name
  std::vector<size_t> sources_;                       // of columns_, in fields_
  std::vector<size_t> first_;  // input of each of columns_
  size_t inputs_ = 0;
  size_t label_ = kNone;
  std::vector<size_t> targets_;
  Texts classes_;
  std::vector<int32_t> labels_;  // of all rows
  std::vector<bool> dropped_;    // of all rows; empty: none is
  uint64_t rows_ = 0, kept_ = 0;
  std::vector<std::string> notes_;
};

// ---- the options of a spec

std::vector<std::string> ReadNames(std::string_view name,
                                   std::string_view value) {
  std::vector<std::string> names;
  for (;;) {
    const size_t comma = value.find(',');
    if (value.substr(0, comma).empty()) {
      BadOption(name, "the list has an empty item",
                "Write columns separated by single commas.");
    }
    names.emplace_back(value.substr(0, comma));
    if (comma == value.npos) return names;
    value.remove_prefix(comma + 1);
  }
}

std::string ReadName(std::string_view, std::string_view value) {
  return std::string(value);
}

char ReadMark(std::string_view name, std::string_view value,
              std::initializer_list<std::pair<std::string_view, char>> marks) {
  std::string known;
  for (const auto& [word, mark] : marks) {
    if (value == word || (value.size() == 1 && value[0] == mark)) return mark;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", word);
  }
  BadOption(name, fmt::format("there is no {} '{}'", name, Printable(value)),
            fmt::format("Use one of {}.", known));
}

char ReadDelimiter(std::string_view name, std::string_view value) {
  return ReadMark(name, value,
                  {{"comma", ','},
                   {"semicolon", ';'},
                   {"tab", '\t'},
                   {"space", ' '},
                   {"pipe", '|'}});
}
char ReadDecimal(std::string_view name, std::string_view value) {
  return ReadMark(name, value, {{"point", '.'}, {"comma", ','}});
}

CsvOptions::Header ReadHeaderOption(std::string_view name,
                                    std::string_view value) {
  if (value == "yes" || value == "1") return CsvOptions::Header::kYes;
  if (value == "no" || value == "0") return CsvOptions::Header::kNo;
  BadOption(name, fmt::format("'{}' is neither yes nor no", Printable(value)),
            "");
}

constexpr DataOption kOptions[] = {
    TextOption<&CsvOptions::label, ReadName>("label", "COLUMN", "none",
                                             "the column of the class"),
    TextOption<&CsvOptions::target, ReadNames>(
        "target", "COLUMN,COLUMN", "none", "the columns of values to learn"),
    TextOption<&CsvOptions::ignore, ReadNames>(
        "ignore", "COLUMN,COLUMN", "none", "columns that are no inputs"),
    TextOption<&CsvOptions::categorical, ReadNames>(
        "categorical", "COLUMN,COLUMN", "columns without a number",
        "columns whose numbers are names"),
    TextOption<&CsvOptions::header, ReadHeaderOption>(
        "header", "yes|no", "yes, unless it looks like values",
        "whether the first line names the columns; no: they are 1, 2, ..."),
    TextOption<&CsvOptions::delimiter, ReadDelimiter>(
        "delimiter", "comma|semicolon|tab|space|pipe", "comma",
        "what stands between fields"),
    TextOption<&CsvOptions::decimal, ReadDecimal>(
        "decimal", "point|comma", "point", "the mark in numbers"),
    ChoiceOption<&CsvOptions::missing>(
        "missing", "refuse|mean|drop", "refuse",
        "rows that lack a value: an error, the mean of the training rows, or "
        "left out"),
};

std::unique_ptr<DataReader> OpenFiles(const DataSpec& spec,
                                      const ModelInput& model) {
  const CsvOptions options = ReadOptions<CsvOptions>(spec, kOptions);
  if (!options.label.empty() && !options.target.empty()) {
    BadOption("target", "it contradicts label", "Use one of the two.");
  }
  if (options.delimiter == options.decimal) {
    BadOption("decimal", "it is the delimiter, too",
              "Choose another delimiter=.");
  }
  if (spec.split == "test") {
    Fail(ErrorKind::kUsage, "cannot find the test split", spec.text,
         "a table has none of its own",
         "Name the file of the test rows, without split=.");
  }
  return OpenCsv(
      [path = spec.paths[0]] {
        return path.ends_with(".gz") ? OpenGzip(OpenFile(path))
                                     : OpenFile(path);
      },
      options, model.columns);
}

}  // namespace

std::unique_ptr<DataReader> OpenCsv(OpenSource open, const CsvOptions& options,
                                    std::vector<TableColumn> columns) {
  return std::make_unique<CsvTable>(std::move(open), options,
                                    std::move(columns));
}

extern const DataKind kCsvData;
const DataKind kCsvData = {
    .name = "csv",
    .usage = "csv:FILE",
    .help = "text tables: numbers and names in columns",
    .options = kOptions,
    .open = OpenFiles,
};

}  // namespace temper::host
