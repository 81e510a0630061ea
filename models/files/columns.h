// Columns: how the rows of a table become the inputs of a model. They travel
// inside the model file, so that a later table may have its columns in another
// order and others beside them, and still means the same.
//
// A column of numbers is one input, a column of texts one input for each of its
// values: 1 for the value that a row has, 0 for the others (one-hot). Inputs
// stand in the order of the columns.
// Next: model_file.h, ports/host/data/kinds/csv.h.
#ifndef TEMPER_MODELS_FILES_COLUMNS_H_
#define TEMPER_MODELS_FILES_COLUMNS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/files/error.h"
#include "temper/graph.h"

namespace temper {

struct TableColumn {
  std::string name;
  // What a row may have here, in the order of their inputs; empty: numbers.
  std::vector<std::string> values;
  // Stands in for a number that is missing; none: a missing one is an error.
  std::optional<float> fill;

  uint32_t Inputs() const {
    return values.empty() ? 1 : static_cast<uint32_t>(values.size());
  }
  friend bool operator==(const TableColumn&, const TableColumn&) = default;
};

// Of all of them.
uint64_t InputsOf(const std::vector<TableColumn>& columns);

// [{"name":"age","fill":39.5},{"name":"colour","values":["blue","red"]}]
std::string WriteColumns(const std::vector<TableColumn>& columns);
// Takes from `*budget` what is allocated. kBadFile.
FileError ReadColumns(std::string_view json, uint64_t* budget,
                      std::vector<TableColumn>* columns);

// kMismatch unless a sample of the graph is one float for each input of the
// columns. Names and values: 1 to 255 bytes of UTF-8, none twice. No columns at
// all fit every graph.
FileError CheckColumns(const std::vector<TableColumn>& columns,
                       const Graph& graph);

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_COLUMNS_H_
