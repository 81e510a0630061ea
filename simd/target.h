// Which instruction set the kernels use. Highway picks the best one at run
// time; tests and `--target` force another.
#ifndef TEMPER_SIMD_TARGET_H_
#define TEMPER_SIMD_TARGET_H_

#include <cstddef>
#include <cstdint>

namespace temper::simd {

struct Target {
  const char* name;  // "avx2", "avx3", "neon", "sve", "sse4", "scalar", ...
  bool exact;  // has fused multiply-add: gives the same bits as the others
};

// Targets compiled in that this CPU can run, best first. Returns the count,
// writes at most `capacity` of them.
size_t SupportedTargets(Target* targets, size_t capacity);

// Forces a target by name ("avx512" is an alias of "avx3"; "neon" matches any
// NEON target); null or "" returns to the best. False if it is unknown or this
// CPU lacks it. Not thread-safe: call before any kernel runs.
bool ForceTarget(const char* name);

// The target that the next kernel call will use.
Target CurrentTarget();

// Version of the Highway that the kernels are compiled with, such as "1.0.3".
const char* HighwayVersion();

// The floating-point environment exactness needs: round to nearest, subnormals
// kept (neither flushed nor read as zero). Checks the calling thread.
bool FloatEnvironmentIsExact();

}  // namespace temper::simd

#endif  // TEMPER_SIMD_TARGET_H_
