// Fuzz target: the parser of --augment; what it accepts runs on a sample.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ports/host/augment_spec.h"
#include "ports/host/failure.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const temper::Shape shape = {5, 7, 3, temper::ElementType::kU8};
  try {
    const auto list = temper::host::ParseAugmentations(text, shape);
    uint8_t sample[5 * 7 * 3];
    for (size_t i = 0; i < sizeof(sample); ++i) {
      sample[i] = static_cast<uint8_t>(i * 7);
    }
    for (uint64_t id = 0; id < 3; ++id) {
      temper::Augment(list.data(), static_cast<uint32_t>(list.size()), shape,
                      size, id, 0, sample);
    }
  } catch (const temper::host::Failure& failure) {
    if (failure.exit_code != temper::host::kExitUsage) abort();
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds;
  for (const std::string text :
       {"hflip", "hflip=0.3,vflip,crop=4", "brightness=0.2,contrast=0.9",
        "cutout=5,cutout=1,crop=5"}) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {"hflip", "vflip", "crop=", "brightness=", "contrast=", "cutout=",
          ",",     "=",     "0.5",   "1e9",         "nan",       "-1"};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
