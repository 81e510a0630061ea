// Fuzz target: the data spec parser and the selection on a small set of labels.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ports/host/base/failure.h"
#include "ports/host/data/dataset.h"
#include "ports/host/data/selection.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  try {
    temper::host::DataSpec spec = temper::host::ParseDataSpec(text);
    spec.names.file.clear();  // no file access here
    const auto selection = Select(spec, {0, 1, 2, 3, 0, 1, 2, 0, 1, 0}, {});
    if (selection.train.empty()) abort();
    if (selection.train.size() + selection.val.size() > 10) abort();
  } catch (const temper::host::Failure& failure) {
    if (failure.kind != temper::host::ErrorKind::kUsage &&
        failure.kind != temper::host::ErrorKind::kBadData) {
      abort();
    }
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds;
  for (const std::string text :
       {"idx:d", "idx:d?limit=3", "idx:d?classes=0-2,3&per_class=1&seed=1",
        "idx:d?names=a,b,c,d&val=0.25", "idx:d?per_class=0-1:2,3:1",
        "idx:d?split=test&classes=2,0"}) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {
      "idx:",   "?",    "&",     "classes=", "limit=", "per_class=",
      "names=", "val=", "seed=", "split=",   "0-3",    "18446744073709551616",
      "1e9",    "nan",  "-1",    ":",        ",",      "="};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
