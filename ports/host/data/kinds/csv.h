// Text tables: csv:FILE?label=COLUMN (classes), ?target=COLUMN,COLUMN (values),
// or neither (samples alone). ?label=COLUMN&normal=VALUE: samples alone, those of
// this class for training, the others as anomalies. Every other column is an input: one of numbers, or
// of texts, one input for each text (models/files/columns.h). A sample is
// 1 x 1 x inputs, f32.
//
// What a column holds is decided by all its rows: numbers alone, or texts alone.
// One that holds both is refused with its line: a typing error must not make
// classes of a thousand numbers.
//
// Labels, targets, numbers and texts are missing by one rule: an empty field, NA,
// N/A, #N/A, NaN, null, ?; in columns of numbers also none, - and infinities. Refuse
// names the line and the column; drop leaves the row out before classes and texts
// are gathered; mean puts the mean of the training rows, which the model's columns
// keep, in the place of numbers, and none of its texts' inputs is 1. There is no
// mean of labels and targets.
//
// A model's own columns, if they are given, take the place of that: columns are
// found by name, those that the model lacks are left out with a note, one that
// the data lack is kMismatch, a text that the model does not know kBadData.
//
// The file is read twice, so that limit=200 costs the memory of 200 rows, and a
// number per row.
// Next: csv_format.h (records and fields).
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_CSV_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_CSV_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/files/columns.h"
#include "ports/host/data/dataset.h"
#include "ports/host/os/byte_source.h"

namespace temper::host {

// A column of texts has at most so many different ones.
inline constexpr size_t kMaxCategories = 1000;

struct CsvOptions {
  enum class Header : uint8_t { kChecked, kYes, kNo };
  enum class Missing : uint8_t { kRefuse, kMean, kDrop };
  std::string label;                     // "": none
  std::string normal;                    // the class to learn alone; "": all
  std::vector<std::string> target;       // columns of values
  std::vector<std::string> ignore;       // columns that are no inputs
  std::vector<std::string> categorical;  // columns of numbers that are names
  std::vector<std::string>
      keep_na;  // columns in which NA and the like are texts
  Header header = Header::kChecked;
  std::optional<char> delimiter = {};  // ',', or what a model's columns say
  std::optional<char> decimal = {};    // '.', likewise (csv_guess.h)
  // Nothing: kMean for a model whose columns keep means, else kRefuse.
  std::optional<Missing> missing = {};
  bool by_row = false;  // with a model's columns: DataSpec::by_row
};

// `open` opens the file from its beginning; it is called up to three times.
using OpenSource = std::function<std::unique_ptr<ByteSource>()>;
std::unique_ptr<DataReader> OpenCsv(OpenSource open, const CsvOptions& options,
                                    std::vector<TableColumn> columns = {});

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_CSV_H_
