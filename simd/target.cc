// Target selection on top of Highway's dispatch. See target.h.
#include "simd/target.h"

#include <cstring>

#include "hwy/targets.h"

namespace temper::simd {
namespace {

struct Known {
  int64_t bit;
  Target target;
};

// Best first within each family. Names are the ones users type; several
// Highway targets may share one.
constexpr Known kKnown[] = {
#ifdef HWY_AVX3_SPR
    {HWY_AVX3_SPR, {"avx3_spr", true}},
#endif
#ifdef HWY_AVX3_ZEN4
    {HWY_AVX3_ZEN4, {"avx3_zen4", true}},
#endif
    {HWY_AVX3_DL, {"avx3_dl", true}},
    {HWY_AVX3, {"avx3", true}},
    {HWY_AVX2, {"avx2", true}},
    {HWY_SSE4, {"sse4", false}},
    {HWY_SSSE3, {"ssse3", false}},
    {HWY_SVE2_128, {"sve", true}},
    {HWY_SVE_256, {"sve", true}},
    {HWY_SVE2, {"sve", true}},
    {HWY_SVE, {"sve", true}},
#ifdef HWY_NEON_WITHOUT_AES
    {HWY_NEON_WITHOUT_AES, {"neon", HWY_ARCH_ARM_A64 != 0}},
#endif
    {HWY_NEON, {"neon", HWY_ARCH_ARM_A64 != 0}},
    {HWY_EMU128, {"scalar", false}},
    {HWY_SCALAR, {"scalar", false}},
};

// Compiled in and runnable here. The static baseline needs no detection.
int64_t Usable() {
  return (hwy::SupportedTargets() | HWY_STATIC_TARGET) & HWY_TARGETS;
}

int64_t UsableWithoutForce() {
  hwy::SetSupportedTargetsForTest(0);
  return Usable();
}

int64_t forced = 0;  // 0: the best

}  // namespace

size_t SupportedTargets(Target* targets, size_t capacity) {
  const int64_t usable = UsableWithoutForce();
  hwy::SetSupportedTargetsForTest(forced);
  size_t count = 0;
  for (const Known& known : kKnown) {
    if ((usable & known.bit) == 0) continue;
    if (count < capacity) targets[count] = known.target;
    ++count;
  }
  return count;
}

bool ForceTarget(const char* name) {
  if (name == nullptr || *name == '\0') {
    forced = 0;
    hwy::SetSupportedTargetsForTest(0);
    return true;
  }
  if (std::strcmp(name, "avx512") == 0) name = "avx3";
  const int64_t usable = UsableWithoutForce();
  int64_t wanted = 0;
  for (const Known& known : kKnown) {
    if ((usable & known.bit) != 0 && std::strcmp(known.target.name, name) == 0)
      wanted |= known.bit;
  }
  if (wanted != 0) forced = wanted;
  hwy::SetSupportedTargetsForTest(forced);
  return wanted != 0;
}

Target CurrentTarget() {
  const int64_t usable = Usable();
  for (const Known& known : kKnown) {
    if ((usable & known.bit) != 0) return known.target;
  }
  return {"unknown", false};
}

bool FloatEnvironmentIsExact() {
  // volatile: the arithmetic must happen here and now, in this thread's mode.
  volatile float smallest_normal = 1.17549435e-38f;
  volatile float half = 0.5f;
  volatile float subnormal = smallest_normal * half;  // 0 if flushed
  volatile float doubled = subnormal + subnormal;     // 0 if read as 0
  volatile float one = 1.0f;
  volatile float half_ulp = 5.9604644775390625e-8f;  // 2^-24
  volatile float up = one + half_ulp;                // ties to even: 1
  volatile float down = -one - half_ulp;             // ties to even: -1
  volatile float above = one + 1.5f * half_ulp;      // nearest: 1 + 2^-23
  return doubled == smallest_normal && up == 1.0f && down == -1.0f &&
         above > 1.0f;
}

}  // namespace temper::simd
