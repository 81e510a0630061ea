// The header of a table, and what its rows hold. See csv_table.h.
#include "ports/host/data/kinds/csv_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "models/files/limits.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/data_option.h"

namespace temper::host {

DataReader::Index CsvTable::ReadIndex() {
  ReadHeader();
  const bool drop = missing_ == CsvOptions::Missing::kDrop;
  ForEachRow([&](uint64_t, const CsvReader& row) { Look(row, !drop); });
  if (rows_ == 0) Refuse("there are no rows", "");
  if (!given_) ChooseTexts();
  if (drop) DropRows();
  Decide();
  Index index;
  index.first_line = first_line_;
  index.lines = std::move(lines_);
  index.label_is_place = true;
  index.shape = {1, 1, static_cast<uint32_t>(inputs_), ElementType::kF32};
  index.notes = notes_;
  if (!options_.normal.empty()) {
    TakeNormal(&index);
  } else if (label_ != kNone) {
    const std::vector<int32_t> place = classes_.Sort();
    for (int32_t& label : labels_) label = place[static_cast<size_t>(label)];
    index.labels = std::move(labels_);
    index.class_names = classes_.names();
    NoteLabels(&index);
  } else {
    index.targets = {targets_.empty() ? TargetKind::kNone : TargetKind::kValues,
                     static_cast<uint32_t>(targets_.size())};
    index.samples = kept_;
  }
  return index;
}

void CsvTable::TakeNormal(Index* index) const {
  const size_t* const normal = classes_.Find(ClassName(options_.normal));
  if (normal == nullptr) {
    const std::vector<std::string_view> known(classes_.names().begin(),
                                              classes_.names().end());
    Fail(ErrorKind::kBadData, "cannot use the table",
         fmt::format("{}, normal=", file_),
         fmt::format("no row has '{}' in column '{}'",
                     Printable(options_.normal),
                     Printable(fields_[label_].name)),
         Suggest(options_.normal, known));
  }
  index->targets = {TargetKind::kNone, 0};
  index->samples = kept_;
  for (const int32_t label : labels_) {
    index->anomalies.push_back(static_cast<size_t>(label) != *normal);
  }
}

void CsvTable::Refuse(std::string_view why, std::string_view remedy) const {
  Fail(ErrorKind::kBadData, "cannot read the table", file_, why, remedy);
}

void CsvTable::ReadHeader() {
  const std::unique_ptr<ByteSource> source = open_();
  file_ = source->name();
  CsvReader reader(*source, *options_.delimiter);
  if (!reader.Next()) Refuse("it is empty", "");
  // A model whose columns are numbers was trained on a table without names.
  const auto is_number = [](const TableColumn& column) {
    return Texts::Whole(column.name).has_value();
  };
  if (given_ && options_.header == CsvOptions::Header::kChecked &&
      std::all_of(columns_.begin(), columns_.end(), is_number) &&
      std::any_of(columns_.begin(), columns_.end(),
                  [&](const TableColumn& column) {
                    for (size_t i = 0; i < reader.size(); ++i) {
                      if (reader[i] == column.name) return false;
                    }
                    return true;
                  })) {
    options_.header = CsvOptions::Header::kNo;
  }
  const bool header = options_.header != CsvOptions::Header::kNo;
  for (size_t i = 0; i < reader.size(); ++i) {
    TableField field;
    field.name = header ? std::string(reader[i]) : std::to_string(i + 1);
    if (options_.header == CsvOptions::Header::kChecked &&
        ParseCsvNumber(reader[i], *options_.decimal).kind !=
            CsvNumber::Kind::kText) {
      reader.Refuse(
          reader.line(),
          fmt::format("the header {} looks like a value", Printable(reader[i])),
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
      reader.Refuse(reader.line(),
                    fmt::format("the name of column {} has more than {} bytes",
                                i + 1, limits::kNameBytes),
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

void CsvTable::CheckDelimiter() const {
  if (fields_.size() != 1) return;
  for (const char c : {';', '\t', ',', '|'}) {
    if (c == *options_.delimiter ||
        fields_[0].name.find(c) == std::string::npos) {
      continue;
    }
    const std::string name = DelimiterName(c);
    Refuse(fmt::format("its only column is '{}'", Printable(fields_[0].name)),
           fmt::format("If columns are separated by a {0}, use "
                       "delimiter={0}{1}.",
                       name,
                       c == ';' ? "; numbers as 1,5 need decimal=comma" : ""));
  }
}

size_t CsvTable::ColumnNamed(std::string_view option,
                             const std::string& name) const {
  const auto found = index_.find(name);
  if (found != index_.end()) return found->second;
  std::vector<std::string_view> names;
  for (const TableField& field : fields_) names.push_back(field.name);
  Fail(ErrorKind::kMismatch, "cannot find a column",
       fmt::format("{}, {}=", file_, option),
       fmt::format("there is no column '{}'", Printable(name)),
       Suggest(name, names));
}

void CsvTable::GiveRole(std::string_view option, const std::string& name,
                        Role role) {
  const size_t i = ColumnNamed(option, name);
  if (fields_[i].role != Role::kInput) {
    BadOption(option, fmt::format("column '{}' is used twice", Printable(name)),
              "A column is an input, the label, a target, or ignored.");
  }
  fields_[i].role = role;
  if (role == Role::kLabel) label_ = i;
  if (role == Role::kTarget) targets_.push_back(i);
}

void CsvTable::GiveRoles() {
  if (!options_.label.empty()) GiveRole("label", options_.label, Role::kLabel);
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
    field.texts = field.told = true;
  }
  for (const std::string& name : options_.keep_na) {
    fields_[ColumnNamed("keep_na", name)].keep_na = true;
  }
  if (given_) TakeModelColumns();
}

void CsvTable::TakeModelColumns() {
  std::string others;
  for (const TableColumn& column : columns_) {
    const auto found = index_.find(column.name);
    if (found == index_.end()) {
      Fail(ErrorKind::kMismatch, "the data do not fit the model", file_,
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
    field.known = &column;
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

CsvTable::Cell CsvTable::CellOf(std::string_view text) const {
  const CsvNumber n = ParseCsvNumber(text, *options_.decimal);
  if (n.kind == CsvNumber::Kind::kTooLarge ||
      std::fabs(n.value) > double{std::numeric_limits<float>::max()}) {
    return {Cell::Kind::kTooLarge, 0};
  }
  if (n.kind == CsvNumber::Kind::kNumber) return {Cell::Kind::kNumber, n.value};
  const bool missing = IsMissing(text) || IsNoNumber(text);
  return {missing ? Cell::Kind::kMissing : Cell::Kind::kText, 0};
}

bool CsvTable::IsGap(const TableField& field, std::string_view text) const {
  if (text.empty()) return true;
  if (field.keep_na || !IsMissing(text)) return false;
  // A model that was trained on "NA" as a text knows it.
  return field.known == nullptr ||
         std::find(field.known->values.begin(), field.known->values.end(),
                   text) == field.known->values.end();
}

void CsvTable::AddLine(uint64_t line) {
  if (kept_ == 0) first_line_ = line;
  if (lines_.empty() && line != first_line_ + kept_) {
    lines_.resize(static_cast<size_t>(kept_));
    std::iota(lines_.begin(), lines_.end(), first_line_);
  }
  if (!lines_.empty()) lines_.push_back(line);
  ++kept_;
}

void CsvTable::Look(const CsvReader& row, bool all) {
  if (all) AddLine(row.line());
  for (size_t i = 0; i < fields_.size(); ++i) {
    TableField& field = fields_[i];
    if (field.role == Role::kIgnored) continue;
    const std::string_view text = row[i];
    if (field.role == Role::kLabel) {
      if (all) LookAtLabel(row, text);
      continue;
    }
    Facts& facts = field.facts;
    const Cell cell = CellOf(text);
    const bool gap = IsGap(field, text);
    facts.filled += !gap;
    if (gap && facts.gap_count++ == 0) {
      facts.gap_line = row.line();
      facts.gap = Printable(text);
    }
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
        if (facts.missing_count++ == 0) {
          facts.missing_line = row.line();
          facts.missing = Printable(text);
        }
        break;
      case Cell::Kind::kText:
        ++facts.texts;
        facts.number_like += LooksLikeNumber(text);
        if (facts.text_line == 0) {
          facts.text_line = row.line();
          facts.text = std::string(text);
        }
        break;
    }
    // Texts, unless numbers show that it is none of theirs.
    const bool texts = field.texts || (!given_ && facts.numbers == 0);
    if (all && field.role == Role::kInput && texts && !gap) {
      LookAtText(row, field, text);
    }
  }
}

void CsvTable::LookAtText(const CsvReader& row, TableField& field,
                          std::string_view text) {
  if (text.size() > limits::kNameBytes) {
    row.Refuse(
        row.line(),
        fmt::format("column '{}': a text of more than {} bytes",
                    Printable(field.name), limits::kNameBytes),
        fmt::format("Leave the column out: ignore={}.", Printable(field.name)));
  }
  Facts& facts = field.facts;
  if (facts.categories.size() < kMaxCategories ||
      facts.categories.Find(text) != nullptr) {
    facts.categories.Add(text);
  } else {
    facts.too_many = true;
  }
}

std::string CsvTable::ClassName(std::string_view text) const {
  const std::optional<int64_t> whole = Texts::Whole(text);
  return whole ? std::to_string(*whole) : std::string(text);
}

void CsvTable::LookAtLabel(const CsvReader& row, std::string_view text) {
  const std::string name = Printable(fields_[label_].name);
  if (IsGap(fields_[label_], text)) {
    row.Refuse(
        row.line(),
        text.empty() ? fmt::format("the label, column '{}', is empty", name)
                     : fmt::format("the label, column '{}', is '{}': no value",
                                   name, Printable(text)),
        text.empty()
            ? std::string("missing=drop leaves such rows out.")
            : fmt::format("missing=drop leaves such rows out; keep_na={} takes "
                          "it as a class.",
                          name));
  }
  const Cell cell = CellOf(text);
  if (cell.kind == Cell::Kind::kNumber &&
      cell.value != std::floor(cell.value)) {
    row.Refuse(row.line(),
               fmt::format("the label, column '{}', is {}: a value, not a "
                           "class",
                           name, Printable(text)),
               fmt::format("To learn values, use target={}.", name));
  }
  if (text.size() > limits::kNameBytes ||
      (classes_.size() == limits::kClasses &&
       classes_.Find(ClassName(text)) == nullptr)) {
    row.Refuse(row.line(),
               fmt::format("the label, column '{}', has more than {} classes, "
                           "or a name of more than {} bytes",
                           name, limits::kClasses, limits::kNameBytes),
               "Check that it is the right column.");
  }
  const std::string called = ClassName(text);
  if (called != text && text[0] == '0' && zeros_.empty()) zeros_ = text;
  labels_.push_back(static_cast<int32_t>(classes_.Add(called)));
}

// Classes that their owner may call otherwise, or may not mean as classes.
void CsvTable::NoteLabels(Index* index) const {
  if (!zeros_.empty()) {
    index->notes.push_back(
        fmt::format("labels such as {} are numbers: the class is called {}",
                    Printable(zeros_), ClassName(zeros_)));
  }
  constexpr size_t kFew = 20, kRows = 4;  // of a class
  const std::vector<std::string>& names = index->class_names;
  if (names.size() > kFew && index->labels.size() < kRows * names.size() &&
      std::all_of(names.begin(), names.end(), [](const std::string& name) {
        return Texts::Whole(name).has_value();
      })) {
    index->notes.push_back(fmt::format(
        "the label has {} different numbers in {} rows; if they are values, "
        "not classes, use target={}",
        names.size(), index->labels.size(), Printable(fields_[label_].name)));
  }
}

}  // namespace temper::host
