// What an augmentation is: one file in augment/ fills in one AugmentOp.
// Arithmetic is one rounded operation after the other (no contraction, no
// transcendental functions, sums in the order of memory), so that all machines
// agree.
#ifndef TEMPER_RUNTIME_AUGMENT_H_
#define TEMPER_RUNTIME_AUGMENT_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "runtime/table.h"
#include "temper/augment.h"
#include "temper/random.h"

namespace temper {

struct AugmentCall {
  const Augmentation& augmentation;
  const Shape& shape;
  std::array<uint32_t, 4> random;  // this sample's, in this epoch
  void* sample;
  uint64_t seed = 0;
  std::array<uint32_t, 4> counter = {};  // that gave `random`

  // The words that follow: Random(0) is `random`.
  std::array<uint32_t, 4> Random(uint32_t k) const {
    return Philox(seed, {counter[0] + k, counter[1], counter[2], counter[3]});
  }

  template <class Params>
  const Params& As() const {
    return augmentation.As<Params>();
  }
};

struct AugmentOp {
  const char* name = "";
  const char* help = "";  // one line
  FieldList fields = {};  // in pixels: at most the sample's height and width
  void (*defaults)(void* params) = nullptr;
  // In place; or
  void (*apply)(const AugmentCall& call) = nullptr;
  // to call.sample from a copy of it; or
  void (*remap)(const AugmentCall& call, const void* from) = nullptr;
  // from a sample of another size (u8, 1 or 3 channels) to call.sample. `scratch`:
  // what resampling the whole of it needs.
  void (*resize)(const AugmentCall& call, const Shape& stored, const void* from,
                 void* scratch) = nullptr;
};

inline constexpr const char* kPixels = "pixels";  // the unit

const AugmentOp& OpOf(AugmentKind kind);

// Calls body(T* sample) with the sample's element type.
template <class Body>
void WithElements(const AugmentCall& call, Body&& body) {
  if (call.shape.type == ElementType::kU8) {
    body(static_cast<uint8_t*>(call.sample));
  } else {
    body(static_cast<float*>(call.sample));
  }
}

// Uniform in [0, n).
inline uint32_t Below(uint32_t word, uint32_t n) {
  return static_cast<uint32_t>((uint64_t{word} * n) >> 32);
}
// Uniform in [max(0, 1 - amount), 1 + amount).
inline float Factor(uint32_t word, float amount) {
  const float low = amount < 1.0f ? 1.0f - amount : 0.0f;
  const float unit = static_cast<float>(word >> 8) * 0x1p-24f;
  const float width = (1.0f + amount) - low;
  return low + unit * width;
}
// True with probability p.
inline bool Happens(uint32_t word, float p) {
  return static_cast<double>(word) < static_cast<double>(p) * 0x1p32;
}

// Left and right swapped.
template <class T>
void FlipColumns(const Shape& s, T* x) {
  for (uint32_t i = 0; i < s.h; ++i, x += size_t{s.w} * s.c) {
    for (uint32_t left = 0, right = s.w - 1; left < right; ++left, --right) {
      std::swap_ranges(x + size_t{left} * s.c, x + size_t{left + 1} * s.c,
                       x + size_t{right} * s.c);
    }
  }
}

// A computed value as an element: u8 clamped and truncated, as torchvision
// does.
template <class T>
T Element(float value) {
  if constexpr (std::is_same_v<T, uint8_t>) {
    return static_cast<uint8_t>(value <= 0.0f     ? 0.0f
                                : value >= 255.0f ? 255.0f
                                                  : value);
  } else {
    return value;
  }
}

}  // namespace temper

#endif  // TEMPER_RUNTIME_AUGMENT_H_
