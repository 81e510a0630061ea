// What a fuzz target provides. One source serves two drivers: libFuzzer
// (CMakeLists.txt here) and the plain one that runs in the unit tests
// (replay_main.cc). A target crashes on a broken promise: see Require().
#ifndef TEMPER_TESTS_FUZZ_FUZZ_TARGET_H_
#define TEMPER_TESTS_FUZZ_FUZZ_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace temper::fuzz {

using Bytes = std::vector<uint8_t>;

// Good inputs to start from, and words of the format.
std::vector<Bytes> Seeds();
std::vector<std::string> Words();
// How many inputs the plain driver tries, sanitized a quarter of them: 20,000, unless a
// target whose inputs take long (files that are made anew, searches) says otherwise.
uint64_t Mutations();

// Makes an input whole again after a mutation: length fields, checksums. Called
// for some mutations only. `grown` is by how many bytes the input has grown.
void Repair(Bytes* input, int64_t grown);

// Changes the input in a few places (mutate.cc).
void Mutate(Bytes* input, uint64_t seed);

inline void Require(bool promise, const char* what) {
  if (promise) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

}  // namespace temper::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#endif  // TEMPER_TESTS_FUZZ_FUZZ_TARGET_H_
