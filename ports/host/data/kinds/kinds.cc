// The one list of kinds of data. See data_kind.h.
#include <algorithm>

#include "ports/host/data/data_kind.h"

namespace temper::host {

#define TEMPER_DATA_KINDS(KIND) \
  KIND(kIdxData)                \
  KIND(kFolderData)             \
  KIND(kCifarData)              \
  KIND(kNpyData)                \
  KIND(kCsvData)                \
  KIND(kPackKind)

#define TEMPER_DATA_KIND_DECLARE(record) extern const DataKind record;
TEMPER_DATA_KINDS(TEMPER_DATA_KIND_DECLARE)
#undef TEMPER_DATA_KIND_DECLARE

std::span<const DataKind* const> DataKinds() {
#define TEMPER_DATA_KIND_ADDRESS(record) &record,
  static constexpr const DataKind* kKinds[] = {
      TEMPER_DATA_KINDS(TEMPER_DATA_KIND_ADDRESS)};
#undef TEMPER_DATA_KIND_ADDRESS
  return kKinds;
}

const DataKind* FindDataKind(std::string_view name) {
  const std::span<const DataKind* const> kinds = DataKinds();
  const auto found =
      std::find_if(kinds.begin(), kinds.end(),
                   [&](const DataKind* kind) { return kind->name == name; });
  return found == kinds.end() ? nullptr : *found;
}

}  // namespace temper::host
