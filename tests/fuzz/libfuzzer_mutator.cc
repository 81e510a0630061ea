// Half of libFuzzer's mutations are repaired, so that they get past lengths and
// checksums.
#include <algorithm>

#include "tests/fuzz/fuzz_target.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size,
                                          size_t max_size, unsigned int seed) {
  temper::fuzz::Bytes input(data, data + size);
  if (seed % 4 == 0) {
    temper::fuzz::Mutate(&input, seed);
    if (input.size() > max_size) input.resize(max_size);
    std::copy(input.begin(), input.end(), data);
    return input.size();
  }
  const size_t mutated = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 2 == 0) return mutated;
  input.assign(data, data + mutated);
  temper::fuzz::Repair(
      &input, static_cast<int64_t>(mutated) - static_cast<int64_t>(size));
  const size_t n = std::min(input.size(), max_size);
  std::copy_n(input.begin(), n, data);
  return n;
}
