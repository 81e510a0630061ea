// DataKind: one kind of data on disk, and the one list of them. A kind is a file
// in kinds/ that ends in its record, and a line in kinds/kinds.cc; specs, help,
// `temper list data` and the reading of data go by the record.
// Next: data_spec.h (the grammar), kinds/idx.cc (an example).
#ifndef TEMPER_PORTS_HOST_DATA_DATA_KIND_H_
#define TEMPER_PORTS_HOST_DATA_DATA_KIND_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "ports/host/data/data_option.h"
#include "ports/host/data/data_spec.h"

namespace temper::host {

class DataReader;
struct ModelInput;

struct DataKind {
  std::string_view name;
  std::string_view usage;                    // "idx:DIR"
  std::string_view help;                     // one line
  std::span<const DataOption> options = {};  // beside the common ones
  uint32_t most_paths = 1;                   // 1: the path is no list
  // True if the data on disk have this part of their own: "test", or "val"
  // where no val= holds one out. Null: never. Throws kIo.
  bool (*has_split)(const DataSpec& spec, std::string_view split) = nullptr;
  // True if split=val may be asked for without val=.
  bool own_validation = false;
  // Finds the files that the spec names.
  std::unique_ptr<DataReader> (*open)(const DataSpec& spec,
                                      const ModelInput& defaults);
};

std::span<const DataKind* const> DataKinds();
// Null for an unknown name.
const DataKind* FindDataKind(std::string_view name);
// Options that every kind has.
std::span<const DataOption> CommonDataOptions();

// The options of its kind that a spec gives, over the defaults.
template <class Options>
Options ReadOptions(const DataSpec& spec, std::span<const DataOption> table,
                    Options options = {}) {
  for (const DataOption& option : table) {
    const auto given = spec.kind_options.find(std::string(option.name));
    if (given == spec.kind_options.end()) continue;
    option.read(option, given->second, &options);
  }
  return options;
}

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_DATA_KIND_H_
