// Samples that are there twice: the same values, and pictures that look alike.
#include "ports/host/data/duplicates.h"

#include <cstring>

#include "tests/host/host_test.h"

namespace temper::host {
namespace {

Dataset Floats(const std::vector<float>& values) {
  Dataset data;
  data.shape = {1, 1, 2, ElementType::kF32};
  data.samples = SampleBlock(values.size() * sizeof(float));
  std::memcpy(data.samples.data(), values.data(), data.samples.size());
  for (uint64_t i = 0; i < values.size() / 2; ++i) data.ids.push_back(i);
  return data;
}

TEST(Duplicates, MinusZeroIsZero) {
  const Dataset data = Floats({0.0f, 1, 0, -1, -0.0f, 1});
  const Dataset* const sets[] = {&data};
  const std::vector<Duplicate> found = FindDuplicates(sets, true);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].first, (SampleRef{0, 0}));
  EXPECT_EQ(found[0].copy, (SampleRef{0, 2}));
}

// Each picture differs from the one before by two of the bits by which near ones
// are found, so that the last is found through the others.
TEST(Duplicates, NearOnesRepeatTheFirst) {
  constexpr uint32_t kSide = 16, kCopies = 4;
  Dataset data;
  data.shape = {kSide, kSide, 1, ElementType::kU8};
  data.samples = SampleBlock(kCopies * kSide * kSide);
  for (uint32_t i = 0; i < kCopies; ++i) {
    data.ids.push_back(i);
    for (uint32_t k = 0; k < kSide * kSide; ++k) {
      const uint32_t x = k % kSide, y = k / kSide;
      const bool raised = (x == 1 || x == 2) && y < 4 * i;
      data.samples.data()[i * kSide * kSide + k] =
          static_cast<uint8_t>((x < kSide / 2 ? 100 : 140) + (raised ? 2 : 0));
    }
  }
  const Dataset* const sets[] = {&data};
  const std::vector<Duplicate> found = FindDuplicates(sets, true);
  ASSERT_EQ(found.size(), kCopies - 1);
  for (const Duplicate& d : found) {
    EXPECT_EQ(d.first, (SampleRef{0, 0})) << d.copy.index;
    EXPECT_FALSE(d.exact);
  }
}

}  // namespace
}  // namespace temper::host
