// See csv_guess.h.
#include "ports/host/data/kinds/csv_guess.h"

#include <algorithm>
#include <memory>
#include <string>

#include "ports/host/base/failure.h"
#include "ports/host/data/kinds/csv_format.h"

namespace temper::host {
namespace {

// The fields of the record that the reader stands at.
std::vector<std::string> FieldsOf(const CsvReader& reader) {
  std::vector<std::string> fields;
  for (size_t i = 0; i < reader.size(); ++i) fields.emplace_back(reader[i]);
  return fields;
}

// Of each column, where it is in the header; nothing if one is missing.
std::vector<size_t> PlacesOf(const std::vector<TableColumn>& columns,
                             const std::vector<std::string>& header) {
  std::vector<size_t> places;
  for (const TableColumn& column : columns) {
    const auto at = std::find(header.begin(), header.end(), column.name);
    if (at == header.end()) return {};
    places.push_back(static_cast<size_t>(at - header.begin()));
  }
  return places;
}

// True if the decimal mark makes numbers of all that is there in a row.
bool AreNumbers(const std::vector<TableColumn>& columns,
                const std::vector<size_t>& places,
                const std::vector<std::string>& row, char decimal) {
  for (size_t k = 0; k < columns.size(); ++k) {
    if (!columns[k].values.empty() || places[k] >= row.size()) continue;
    const std::string& field = row[places[k]];
    if (!IsMissing(field) &&
        ParseCsvNumber(field, decimal).kind == CsvNumber::Kind::kText) {
      return false;
    }
  }
  return true;
}

}  // namespace

void GuessMarks(const OpenSource& open, const std::vector<TableColumn>& columns,
                CsvOptions* options) {
  if (options->header == CsvOptions::Header::kNo || columns.empty()) return;
  for (const char delimiter : {',', ';', '\t', '|'}) {
    if (options->delimiter.value_or(delimiter) != delimiter) continue;
    std::vector<std::string> header, row;
    try {
      const std::unique_ptr<ByteSource> source = open();
      CsvReader reader(*source, delimiter);
      if (reader.Next()) header = FieldsOf(reader);
      if (reader.Next()) row = FieldsOf(reader);
    } catch (const Failure&) {
      continue;  // with this delimiter it is no table
    }
    const std::vector<size_t> places = PlacesOf(columns, header);
    if (places.empty()) continue;
    options->delimiter = delimiter;
    if (options->decimal || delimiter == ',') return;
    if (!AreNumbers(columns, places, row, '.') &&
        AreNumbers(columns, places, row, ',')) {
      options->decimal = ',';
    }
    return;
  }
}

}  // namespace temper::host
