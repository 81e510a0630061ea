// Target selection on top of Highway's dispatch. See target.h.
#include "simd/target.h"

#include <cstring>

#include "hwy/highway.h"
#include "hwy/targets.h"

#if HWY_ARCH_ARM && HWY_HAVE_RUNTIME_DISPATCH
#include <sys/auxv.h>
#endif

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

// What this CPU can run. On Arm we ask ourselves: Highway 1.0.3 takes a CPU for
// one without NEON if it lacks AES (as the Raspberry Pi 3 and 4 do), and says
// so on stderr. The static baseline needs no detection: everything is compiled
// for it.
int64_t Detect() {
#if HWY_ARCH_ARM && HWY_HAVE_RUNTIME_DISPATCH
  int64_t targets = HWY_STATIC_TARGET;
#if HWY_ARCH_ARM_A64
  constexpr unsigned long kHasSve = 1ul << 22;  // HWCAP_SVE of <asm/hwcap.h>
  static_assert((HWY_TARGETS & ~(HWY_STATIC_TARGET | HWY_SVE)) == 0,
                "say here how to detect the other targets");
  if ((getauxval(AT_HWCAP) & kHasSve) != 0) targets |= HWY_SVE;
#endif
#else
  hwy::SetSupportedTargetsForTest(0);
  const int64_t targets = hwy::SupportedTargets() | HWY_STATIC_TARGET;
#endif
  return targets & HWY_TARGETS;
}

// Tells Highway before any kernel runs, so that it never detects by itself.
int64_t DetectAndSet() {
  const int64_t targets = Detect();
  hwy::SetSupportedTargetsForTest(targets);
  return targets;
}

const int64_t usable = DetectAndSet();
int64_t current = usable;

}  // namespace

size_t SupportedTargets(Target* targets, size_t capacity) {
  size_t count = 0;
  for (const Known& known : kKnown) {
    if ((usable & known.bit) == 0) continue;
    if (count < capacity) targets[count] = known.target;
    ++count;
  }
  return count;
}

bool ForceTarget(const char* name) {
  int64_t wanted = 0;
  if (name == nullptr || *name == '\0') {
    wanted = usable;
  } else {
    if (std::strcmp(name, "avx512") == 0) name = "avx3";
    for (const Known& known : kKnown) {
      if ((usable & known.bit) != 0 &&
          std::strcmp(known.target.name, name) == 0)
        wanted |= known.bit;
    }
  }
  if (wanted != 0) current = wanted;
  hwy::SetSupportedTargetsForTest(current);
  return wanted != 0;
}

Target CurrentTarget() {
  for (const Known& known : kKnown) {
    if ((current & known.bit) != 0) return known.target;
  }
  return {"unknown", false};
}

#define TEMPER_TEXT_(x) #x
#define TEMPER_TEXT(x) TEMPER_TEXT_(x)
const char* HighwayVersion() {
  return TEMPER_TEXT(HWY_MAJOR) "." TEMPER_TEXT(HWY_MINOR) "." TEMPER_TEXT(
      HWY_PATCH);
}
#undef TEMPER_TEXT
#undef TEMPER_TEXT_

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
