// See temper/mixup.h. A Beta(a, a) number is x / (x + y) of two Gamma(a) ones
// (Marsaglia and Tsang 2000), which take normal ones (Box and Muller).
#include "temper/mixup.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "runtime/exact_math.h"
#include "temper/random.h"

namespace temper {
namespace {

// Words for one share; a Gamma number takes a block of them a trial.
struct Words {
  uint64_t seed;
  std::array<uint32_t, 4> counter;

  std::array<uint32_t, 4> Next() {
    const std::array<uint32_t, 4> words = Philox(seed, counter);
    ++counter[0];
    return words;
  }
};

// In (0, 1].
double Positive(uint32_t word) {
  return (static_cast<double>(word) + 1.0) * 0x1p-32;
}

// The logarithm of a Gamma(shape) number: for small shapes the number itself may be
// below the least double.
double LogGamma(double shape, Words* words) {
  const double above = shape < 1.0 ? shape + 1.0 : shape;
  const double d = above - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const std::array<uint32_t, 4> word = words->Next();
    const double radius = std::sqrt(-2.0 * exact::Log(Positive(word[0])));
    const double turns = static_cast<double>(word[1]) * 0x1p-32;
    const double x = radius * exact::SinCosTurns(turns).cos;
    const double root = 1.0 + c * x;
    if (root <= 0.0) continue;
    const double v = root * root * root;
    const double log_v = exact::Log(v);
    const double most = (0.5 * x * x + d) - (d * v - d * log_v);
    if (exact::Log(Positive(word[2])) >= most) continue;
    const double log = exact::Log(d) + log_v;
    return shape < 1.0 ? log + exact::Log(Positive(word[3])) / shape : log;
  }
}

template <class T>
T Element(float value) {
  return static_cast<T>(value);
}
template <>
uint8_t Element<uint8_t>(float value) {
  return static_cast<uint8_t>(std::min(value + 0.5f, 255.0f));
}

template <class T>
void MixPair(float share, size_t count, T* a, T* b) {
  const float other = 1.0f - share;
  for (size_t i = 0; i < count; ++i) {
    const auto x = static_cast<float>(a[i]), y = static_cast<float>(b[i]);
    a[i] = Element<T>(share * x + other * y);
    b[i] = Element<T>(share * y + other * x);
  }
}

}  // namespace

float MixupShare(const Mixup& mixup, uint32_t epoch, uint64_t sample_index) {
  Words words = {mixup.seed,
                 {0, static_cast<uint32_t>(sample_index), epoch,
                  RandomStream(RandomUse::kMixup, 0)}};
  const double alpha = mixup.alpha;
  const double x = LogGamma(alpha, &words), y = LogGamma(alpha, &words);
  // e^x / (e^x + e^y); far apart, one of them is all.
  const double apart = std::clamp(y - x, -600.0, 600.0);
  return static_cast<float>(1.0 / (1.0 + exact::Exp(apart)));
}

void MixBatch(const Mixup& mixup, uint32_t epoch, uint32_t rows,
              const uint64_t* sample_indices, const Shape& shape, void* samples,
              uint32_t width, float* targets) {
  const auto count = static_cast<size_t>(shape.Count());
  for (uint32_t a = 0, b = rows; a + 1 < b; ++a) {
    --b;
    if (a == b) break;
    const float share = MixupShare(mixup, epoch, sample_indices[a]);
    if (shape.type == ElementType::kU8) {
      auto* const x = static_cast<uint8_t*>(samples);
      MixPair(share, count, x + a * count, x + b * count);
    } else {
      auto* const x = static_cast<float*>(samples);
      MixPair(share, count, x + a * count, x + b * count);
    }
    MixPair(share, width, targets + size_t{a} * width,
            targets + size_t{b} * width);
  }
}

}  // namespace temper
