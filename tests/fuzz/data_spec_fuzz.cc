// Fuzz target: the data spec parser and the selection on a small set of labels.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ports/host/dataset.h"
#include "ports/host/failure.h"
#include "ports/host/selection.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  try {
    temper::host::DataSpec spec = temper::host::ParseDataSpec(text);
    spec.names_file.clear();  // no file access here
    const auto selection = Select(spec, {0, 1, 2, 3, 0, 1, 2, 0, 1, 0}, {});
    if (selection.train.empty()) abort();
    if (selection.train.size() + selection.val.size() > 10) abort();
  } catch (const temper::host::Failure& failure) {
    if (failure.exit_code != temper::host::kExitUsage &&
        failure.exit_code != temper::host::kExitBadData) {
      abort();
    }
  }
  return 0;
}
