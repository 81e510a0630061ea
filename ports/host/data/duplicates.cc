// See duplicates.h.
#include "ports/host/data/duplicates.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

namespace temper::host {
namespace {

struct Hashed {
  uint64_t hash;
  SampleRef at;
};

bool Before(const SampleRef& a, const SampleRef& b) {
  return a.set != b.set ? a.set < b.set : a.index < b.index;
}

template <class F>
void ForEachSample(std::span<const Dataset* const> sets, F&& f) {
  for (uint32_t s = 0; s < sets.size(); ++s) {
    for (uint32_t i = 0; i < sets[s]->size(); ++i) f(SampleRef{s, i});
  }
}

// Sums of blocks of a picture, all channels together, as 8-bit levels. Block k of
// n begins at k * size / n.
template <uint32_t kRows, uint32_t kColumns>
std::array<uint8_t, kRows * kColumns> Reduce(const uint8_t* sample,
                                             const Shape& shape) {
  std::array<uint8_t, kRows * kColumns> out;
  for (uint32_t y = 0; y < kRows; ++y) {
    const uint32_t top = y * shape.h / kRows,
                   bottom = (y + 1) * shape.h / kRows;
    for (uint32_t x = 0; x < kColumns; ++x) {
      const uint32_t left = x * shape.w / kColumns;
      const uint32_t right = std::max(left + 1, (x + 1) * shape.w / kColumns);
      uint64_t sum = 0, count = 0;
      for (uint32_t r = top; r < std::max(top + 1, bottom); ++r) {
        const size_t begin = (size_t{r} * shape.w + left) * shape.c;
        const size_t end = (size_t{r} * shape.w + right) * shape.c;
        for (size_t i = begin; i < end; ++i) sum += sample[i];
        count += end - begin;
      }
      out[y * kColumns + x] = static_cast<uint8_t>((sum + count / 2) / count);
    }
  }
  return out;
}

// 0: a picture without structure.
uint64_t DifferenceHash(const uint8_t* sample, const Shape& shape) {
  constexpr uint32_t kRows = 8, kColumns = 9;
  // Fewer levels between its brightest and darkest block: noise decides.
  constexpr int kContrast = 16;
  const auto small = Reduce<kRows, kColumns>(sample, shape);
  const auto [low, high] = std::minmax_element(small.begin(), small.end());
  if (*high - *low < kContrast) return 0;
  uint64_t hash = 0;
  for (uint32_t y = 0; y < kRows; ++y) {
    for (uint32_t x = 0; x + 1 < kColumns; ++x) {
      hash =
          hash << 1 | (small[y * kColumns + x] < small[y * kColumns + x + 1]);
    }
  }
  return hash == 0 ? 1 : hash;
}

// True if the pictures, reduced to 16 x 16, differ by less than 3 levels on
// average after the same brightness was given to both.
bool LookAlike(const uint8_t* a, const uint8_t* b, const Shape& shape) {
  constexpr int kSide = 16, kBlocks = kSide * kSide, kLevels = 3;
  const auto x = Reduce<kSide, kSide>(a, shape),
             y = Reduce<kSide, kSide>(b, shape);
  int offset = 0;
  for (size_t i = 0; i < kBlocks; ++i) offset += x[i] - y[i];
  offset /= kBlocks;
  int sum = 0;
  for (size_t i = 0; i < kBlocks; ++i) sum += std::abs(x[i] - y[i] - offset);
  return sum < kLevels * kBlocks;
}

class Finder {
 public:
  explicit Finder(std::span<const Dataset* const> sets) : sets_(sets) {
    uint64_t total = 0;
    for (const Dataset* const set : sets) {
      start_.push_back(total);
      total += set->size();
    }
    copied_.assign(static_cast<size_t>(total), false);
  }

  void Exact() {
    std::vector<Hashed> all;
    all.reserve(copied_.size());
    ForEachSample(sets_, [&](SampleRef at) { all.push_back({Hash(at), at}); });
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return a.hash < b.hash;
    });
    for (size_t i = 0; i < all.size();) {
      size_t end = i + 1;
      while (end < all.size() && all[end].hash == all[i].hash) ++end;
      for (size_t k = i + 1; k < end; ++k) {
        // Equal hashes are equal samples but for one case in 2^64.
        const Dataset& a = *sets_[all[i].at.set];
        const Dataset& b = *sets_[all[k].at.set];
        if (a.shape == b.shape &&
            Equal(a.shape, Bytes(all[i].at), Bytes(all[k].at))) {
          Add(all[i].at, all[k].at, true);
        }
      }
      i = end;
    }
  }

  void Near() {
    std::vector<Hashed> all;
    ForEachSample(sets_, [&](SampleRef at) {
      if (copied_[Number(at)]) return;
      const uint64_t hash = DifferenceHash(Bytes(at), sets_[at.set]->shape);
      if (hash != 0) all.push_back({hash, at});
    });
    // Hashes that differ in at most 3 bits agree in one of four parts.
    constexpr int kParts = 4, kBits = 16, kMostApart = 3;
    constexpr size_t kNeighbours = 48;
    for (int part = 0; part < kParts; ++part) {
      const int turn = part * kBits;
      std::sort(all.begin(), all.end(), [&](const auto& a, const auto& b) {
        const uint64_t x = std::rotl(a.hash, turn), y = std::rotl(b.hash, turn);
        return x != y ? x < y : Before(a.at, b.at);
      });
      for (size_t i = 0; i < all.size(); ++i) {
        const uint64_t own = std::rotl(all[i].hash, turn) >> (64 - kBits);
        for (size_t k = i + 1; k < all.size() && k <= i + kNeighbours; ++k) {
          if (std::rotl(all[k].hash, turn) >> (64 - kBits) != own) break;
          if (std::popcount(all[i].hash ^ all[k].hash) > kMostApart) continue;
          const bool order = Before(all[i].at, all[k].at);
          // Of a copy that is the first of others, the first one.
          const SampleRef first = FirstOf(order ? all[i].at : all[k].at);
          const SampleRef copy = order ? all[k].at : all[i].at;
          const Shape& shape = sets_[first.set]->shape;
          if (copied_[Number(copy)] || shape != sets_[copy.set]->shape ||
              !LookAlike(Bytes(first), Bytes(copy), shape)) {
            continue;
          }
          Add(first, copy, false);
        }
      }
    }
  }

  std::vector<Duplicate> Take() {
    // A copy that was found before the first one of its own was known.
    for (Duplicate& d : found_) {
      if (d.exact) continue;
      SampleRef first = FirstOf(d.first);
      while (FirstOf(first) != first) first = FirstOf(first);
      if (first != d.first &&
          LookAlike(Bytes(first), Bytes(d.copy), sets_[first.set]->shape)) {
        d.first = first;
      }
    }
    std::sort(found_.begin(), found_.end(),
              [](const Duplicate& a, const Duplicate& b) {
                return Before(a.copy, b.copy);
              });
    return std::move(found_);
  }

 private:
  const uint8_t* Bytes(SampleRef at) const {
    return sets_[at.set]->Sample(at.index);
  }
  size_t Number(SampleRef at) const {
    return static_cast<size_t>(start_[at.set] + at.index);
  }
  SampleRef FirstOf(SampleRef at) const {
    const auto found = near_first_.find(Number(at));
    return found == near_first_.end() ? at : found->second;
  }
  // Of floats, 0 and -0 are the same number.
  uint64_t Hash(SampleRef at) {
    const Dataset& data = *sets_[at.set];
    if (data.shape.type == ElementType::kU8) {
      return XXH3_64bits(Bytes(at), data.SampleBytes());
    }
    floats_.resize(static_cast<size_t>(data.shape.Count()));
    std::memcpy(floats_.data(), Bytes(at), data.SampleBytes());
    for (float& v : floats_) v = v == 0.0f ? 0.0f : v;
    return XXH3_64bits(floats_.data(), data.SampleBytes());
  }
  static bool Equal(const Shape& shape, const uint8_t* a, const uint8_t* b) {
    const size_t count = static_cast<size_t>(shape.Count());
    if (shape.type == ElementType::kU8) return std::memcmp(a, b, count) == 0;
    for (size_t i = 0; i < count; ++i) {
      float x, y;
      std::memcpy(&x, a + i * sizeof(x), sizeof(x));
      std::memcpy(&y, b + i * sizeof(y), sizeof(y));
      if (x != y) return false;
    }
    return true;
  }
  void Add(SampleRef first, SampleRef copy, bool exact) {
    copied_[Number(copy)] = true;
    if (!exact) near_first_.emplace(Number(copy), first);
    found_.push_back({first, copy, exact});
  }

  const std::span<const Dataset* const> sets_;
  std::vector<uint64_t> start_;  // number of each set's first sample
  std::vector<bool> copied_;     // it is a copy of another
  std::unordered_map<size_t, SampleRef> near_first_;  // by number of the copy
  std::vector<float> floats_;                         // of one sample
  std::vector<Duplicate> found_;
};

}  // namespace

std::vector<Duplicate> FindDuplicates(std::span<const Dataset* const> sets,
                                      bool near) {
  constexpr uint32_t kSmallest = 8;
  Finder finder(sets);
  finder.Exact();
  const bool pictures =
      std::all_of(sets.begin(), sets.end(), [](const Dataset* set) {
        return set->shape.type == ElementType::kU8 &&
               set->shape.h >= kSmallest && set->shape.w >= kSmallest;
      });
  if (near && pictures) finder.Near();
  return finder.Take();
}

}  // namespace temper::host
