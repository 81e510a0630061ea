// Fuzz target: the PGM and PPM reader.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "ports/host/base/failure.h"
#include "ports/host/data/decoders/pnm.h"
#include "ports/host/os/byte_source.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  try {
    const auto source = temper::host::OpenMemory({bytes, size}, "fuzz");
    const temper::host::Image image = temper::host::ReadPnm(*source);
    const uint64_t count = uint64_t{image.h} * image.w * image.c;
    // No more pixels than bytes to make them from.
    if (image.pixels.size() != count || count == 0 || count > size) abort();
  } catch (const temper::host::Failure& failure) {
    if (failure.kind != temper::host::ErrorKind::kBadData &&
        failure.kind != temper::host::ErrorKind::kUnsupported) {
      abort();
    }
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds;
  for (const std::string text :
       {"P2\n# gray\n3 2\n15\n0 1 2 3 4 15\n", "P3 1 2 255\n1 2 3 4 5 6\n",
        "P5 3 2 255\nabcdef", "P6 1 2 255\nabcdef", "P5 1 1 7\n\x03"}) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {"P2",    "P3",    "P5",         "P6", "P1", "P7", "255", "65535",
          "16384", "16385", "4294967296", "#",  "\n", "0",  "-1"};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
