// Fuzz target: the PGM and PPM reader.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "ports/host/byte_source.h"
#include "ports/host/failure.h"
#include "ports/host/pnm.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  try {
    const auto source = temper::host::OpenMemory({bytes, size}, "fuzz");
    const temper::host::Image image = temper::host::ReadPnm(*source);
    const uint64_t count = uint64_t{image.h} * image.w * image.c;
    // No more pixels than bytes to make them from.
    if (image.pixels.size() != count || count == 0 || count > size) abort();
  } catch (const temper::host::Failure& failure) {
    if (failure.exit_code != temper::host::kExitBadData &&
        failure.exit_code != temper::host::kExitUnsupported) {
      abort();
    }
  }
  return 0;
}
