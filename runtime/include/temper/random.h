// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011). There is no state: a number is a
// function of what it is for, so order, threads, resume and freezing cannot
// change it.
//
//   key     = seed (64 bits)
//   counter = (element / 4, sample index in the data set, epoch,
//              use * 2^16 + graph layer index)
//   number  = output word element % 4
//
// Sample indices are 32-bit here; a data set of more is refused where it is
// read.
#ifndef TEMPER_RANDOM_H_
#define TEMPER_RANDOM_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace temper {

enum class RandomUse : uint32_t {
  kInitialize = 1,  // sample = index of the weight within the layer
  kDropout = 2,
  kShuffle = 3,  // element = sample index; sample = layer = 0
  kAugment = 4,
  kSplit = 5,    // like kShuffle, epoch 0
  kNewHead = 6,  // rows of a replaced head
  kMixup = 7,
  kTest = 9,     // tests/golden/pytorch_reference.py says what for
};

constexpr std::array<uint32_t, 4> Philox(uint64_t seed,
                                         std::array<uint32_t, 4> counter) {
  uint32_t k0 = static_cast<uint32_t>(seed);
  uint32_t k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ k0,
               static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ k1,
               static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return counter;
}

// Fourth counter word of a stream.
constexpr uint32_t RandomStream(RandomUse use, uint32_t layer) {
  return (static_cast<uint32_t>(use) << 16) + layer;
}

// The 32-bit word for one element.
constexpr uint32_t RandomWord(uint64_t seed, uint32_t element, uint32_t sample,
                              uint32_t epoch, uint32_t stream) {
  return Philox(seed, {element / 4, sample, epoch, stream})[element % 4];
}

}  // namespace temper

#endif  // TEMPER_RANDOM_H_
