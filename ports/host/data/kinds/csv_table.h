// A text table as samples (csv.h): its header, what all rows hold, what the columns
// are by that, and the rows as samples.
// Next: csv_table.cc (header and rows), csv_columns.cc, csv_samples.cc.
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_CSV_TABLE_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_CSV_TABLE_H_

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ports/host/data/kinds/csv.h"
#include "ports/host/data/kinds/csv_facts.h"
#include "ports/host/data/kinds/csv_format.h"

namespace temper::host {

class CsvTable final : public DataReader {
 public:
  CsvTable(OpenSource open, const CsvOptions& options,
           std::vector<TableColumn> columns)
      : open_(std::move(open)),
        options_(options),
        columns_(std::move(columns)),
        given_(!columns_.empty()) {
    SettleMissing();
  }

  Index ReadIndex() override;
  Missing ReadSamples(const Wanted& wanted) override;
  std::vector<TableColumn> Columns() const override { return columns_; }
  std::vector<uint64_t> Holes() const override;

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);

  enum class Role : uint8_t { kInput, kLabel, kTarget, kIgnored };

  struct Cell {
    enum class Kind : uint8_t { kNumber, kMissing, kText, kTooLarge };
    Kind kind;
    double value = 0;
  };

  struct TableField {
    std::string name;
    Role role = Role::kInput;
    bool texts = false;                  // an input of texts
    bool told = false;                   // by categorical=
    bool keep_na = false;                // NA and the like are texts
    const TableColumn* known = nullptr;  // the model's
    Facts facts;
    uint64_t holes = 0;
  };

  [[noreturn]] void Refuse(std::string_view why, std::string_view remedy) const;

  // ---- the header (csv_table.cc)
  void ReadHeader();
  // A table of one column whose header holds another delimiter.
  void CheckDelimiter() const;
  size_t ColumnNamed(std::string_view option, const std::string& name) const;
  void GiveRole(std::string_view option, const std::string& name, Role role);
  void GiveRoles();
  // Which fields are the model's columns; the others are left out.
  void TakeModelColumns();

  // ---- all rows, once (csv_table.cc)
  template <class F>
  void ForEachRow(F&& f) {
    const std::unique_ptr<ByteSource> source = open_();
    CsvReader reader(*source, *options_.delimiter);
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
  Cell CellOf(std::string_view text) const;
  // A text, or a label, that is missing.
  bool IsGap(const TableField& field, std::string_view text) const;
  // Gathers what the columns hold; `all`: their texts and classes, too.
  void Look(const CsvReader& row, bool all);
  void LookAtText(const CsvReader& row, TableField& field,
                  std::string_view text);
  // The line of the next sample.
  void AddLine(uint64_t line);
  // The class of a row: whole numbers are called by their shortest digits.
  std::string ClassName(std::string_view text) const;
  void LookAtLabel(const CsvReader& row, std::string_view text);
  // normal=: samples without targets, and which of them are anomalies.
  void TakeNormal(Index* index) const;
  void NoteLabels(Index* index) const;

  // ---- what the columns are (csv_columns.cc)
  [[noreturn]] void RefuseField(const TableField& field, uint64_t line,
                                std::string_view why,
                                std::string_view remedy) const;
  void CheckNumbers(const TableField& field) const;
  // What is done about missing values, by the spec and the model.
  void SettleMissing();
  // `column`: null for a target.
  void CheckMissing(const TableField& field, const TableColumn* column) const;
  // Both, in the order of the lines.
  void CheckField(const TableField& field, const TableColumn* column) const;
  void NoteRounded(const TableField& field);
  // Of texts: numbers in another form, names of single rows.
  void NoteTexts(const TableField& field);
  // Which inputs are texts.
  void ChooseTexts();
  // Leaves out the rows that lack a value; what the others hold is gathered anew.
  void DropRows();
  bool Lacks(const CsvReader& row) const;
  void Decide();
  void DecideColumns();

  // ---- samples (csv_samples.cc)
  void Encode(const CsvReader& record, const Placement& place,
              bool none_to_train, std::vector<double>* sums,
              std::vector<uint64_t>* counts);
  std::optional<BadRow> WhyNot(const CsvReader& record) const;
  [[noreturn]] void UnknownText(const CsvReader& record,
                                const TableColumn& column,
                                std::string_view text) const;
  // The mean of the training rows takes the place of what is missing.
  void Fill(const Wanted& wanted, const std::vector<double>& sums,
            const std::vector<uint64_t>& counts);
  // "3 missing values in 2 rows have ...", or "".
  std::string FillNote() const;

  const OpenSource open_;
  CsvOptions options_;  // its header is settled when it is read
  std::vector<TableColumn> columns_;
  const bool given_;  // columns_ are a model's
  CsvOptions::Missing missing_ = CsvOptions::Missing::kRefuse;
  bool keeps_means_ = true;  // a model's columns do, or there is no model
  std::string file_;
  std::vector<TableField> fields_;
  std::map<std::string, size_t, std::less<>> index_;  // of fields_, by name
  std::vector<size_t> sources_;                       // of columns_, in fields_
  std::vector<size_t> first_;  // input of each of columns_
  size_t inputs_ = 0;
  size_t label_ = kNone;
  std::vector<size_t> targets_;
  Texts classes_;
  std::string zeros_;  // a label that begins with 0, and is called otherwise
  std::vector<int32_t> labels_;  // of all rows
  std::vector<bool> dropped_;    // of all rows; empty: none is
  uint64_t rows_ = 0, kept_ = 0;
  // Lines of samples: first_line_ + number, or, once that is not so, lines_.
  uint64_t first_line_ = 0;
  std::vector<uint64_t> lines_;
  std::vector<uint64_t> fills_;  // missing values that are filled, by column
  uint64_t filled_rows_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_CSV_TABLE_H_
