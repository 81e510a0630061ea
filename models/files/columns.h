// The columns of a table (TableColumn, temper/model_file.h) as text. They travel
// inside the model file, so that a later table may have its columns in another
// order and others beside them, and still means the same.
// Next: model_file.h, ports/host/data/kinds/csv.h.
#ifndef TEMPER_MODELS_FILES_COLUMNS_H_
#define TEMPER_MODELS_FILES_COLUMNS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/files/error.h"
#include "temper/graph.h"

namespace temper {

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
