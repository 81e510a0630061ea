// The options of tables in a spec. See csv.h; the reader: csv_table.h.
#include "ports/host/data/kinds/csv.h"

#include <fmt/format.h>

#include <initializer_list>
#include <utility>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/data_option.h"
#include "ports/host/data/kinds/csv_guess.h"
#include "ports/host/data/kinds/csv_table.h"

namespace temper::host {
namespace {

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
    TextOption<&CsvOptions::normal, ReadName>(
        "normal", "VALUE", "all",
        "train on the rows of this class alone; the others are anomalies"),
    TextOption<&CsvOptions::target, ReadNames>(
        "target", "COLUMN,COLUMN", "none", "the columns of values to learn"),
    TextOption<&CsvOptions::ignore, ReadNames>(
        "ignore", "COLUMN,COLUMN", "none", "columns that are no inputs"),
    TextOption<&CsvOptions::categorical, ReadNames>(
        "categorical", "COLUMN,COLUMN", "columns without a number",
        "columns whose numbers are names"),
    TextOption<&CsvOptions::keep_na, ReadNames>(
        "keep_na", "COLUMN,COLUMN", "none",
        "columns whose NA, NaN, null and ? are texts"),
    TextOption<&CsvOptions::header, ReadHeaderOption>(
        "header", "yes|no", "yes, unless it looks like values",
        "whether the first line names the columns; no: they are 1, 2, ..."),
    TextOption<&CsvOptions::delimiter, ReadDelimiter>(
        "delimiter", "comma|semicolon|tab|space|pipe",
        "comma, or by which a model finds its columns",
        "what stands between fields"),
    TextOption<&CsvOptions::decimal, ReadDecimal>(
        "decimal", "point|comma", "point, likewise", "the mark in numbers"),
    ChoiceOption<&CsvOptions::missing>(
        "missing", "refuse|mean|drop", "refuse; mean of a model trained so",
        "rows that lack a value: an error, the mean of the training rows, or "
        "left out"),
};

std::unique_ptr<DataReader> OpenFiles(const DataSpec& spec,
                                      const ModelInput& model) {
  CsvOptions options = ReadOptions<CsvOptions>(spec, kOptions);
  options.by_row = spec.by_row;
  if (!options.label.empty() && !options.target.empty()) {
    BadOption("target", "it contradicts label", "Use one of the two.");
  }
  if (!options.normal.empty() && options.label.empty()) {
    BadOption("normal", "it is a class, and there is no label=",
              "Add label=COLUMN, the column that holds it.");
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
  CsvOptions with_marks = options;
  GuessMarks(open, columns, &with_marks);
  with_marks.delimiter = with_marks.delimiter.value_or(',');
  with_marks.decimal = with_marks.decimal.value_or('.');
  return std::make_unique<CsvTable>(std::move(open), with_marks,
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
