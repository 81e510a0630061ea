// The arena's sizes on machines with 32 and 64 bits: what cannot be mapped is
// refused, and no sum wraps around to a size that can.
#include "ports/host/os/arena.h"

#include <algorithm>
#include <cstdint>

#include "tests/host/host_test.h"

namespace temper::host {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kRoom = (uint64_t{2} << 20) + 2 * kPage;

TEST(Arena, SizesFitTheAddressSpace) {
  for (const uint64_t most : {uint64_t{UINT32_MAX}, UINT64_MAX}) {
    for (const uint64_t page : {kPage, 16 * kPage}) {
      const uint64_t largest = most - ((uint64_t{2} << 20) + 2 * page);
      uint64_t refused = 0, taken = 0;
      for (uint64_t below = 0; below < 2 * kRoom + 64 * page; below += 64) {
        const uint64_t bytes = most - below;
        ArenaSizes s;
        const bool fits = SizeArena(bytes, page, most, &s);
        ASSERT_EQ(fits, bytes / 64 * 64 <= largest) << below;
        ++(fits ? taken : refused);
        if (!fits) continue;
        ASSERT_EQ(s.size, bytes / 64 * 64);
        ASSERT_TRUE(s.size <= s.pages && s.pages < s.mapped &&
                    s.mapped < s.reserved && s.reserved <= most)
            << below;
      }
      EXPECT_GT(refused, 0u);
      EXPECT_GT(taken, 0u);
    }
  }
}

// A machine of 32 bits has no size_t for what one of 64 bits may try.
TEST(Arena, FourGibibytesAreTooMuchForThirtyTwoBits) {
  ArenaSizes s;
  for (const uint64_t bytes :
       {(uint64_t{4} << 30) - kRoom + 64, uint64_t{4} << 30, uint64_t{5} << 30,
        (uint64_t{1} << 63) + 4096, UINT64_MAX}) {
    EXPECT_FALSE(SizeArena(bytes, kPage, UINT32_MAX, &s)) << bytes;
  }
  EXPECT_TRUE(SizeArena(uint64_t{3} << 30, kPage, UINT32_MAX, &s));
  EXPECT_EQ(s.size, uint64_t{3} << 30);
  EXPECT_TRUE(SizeArena(0, kPage, UINT32_MAX, &s));
  EXPECT_FALSE(SizeArena(0, kPage, 1 << 20, &s));
}

TEST(Arena, RefusesWhatTheAddressSpaceLacks) {
  testing::ExpectFailure(ErrorKind::kDoesNotFit, {"arena", "address space"},
                         [] { HostArena arena(UINT64_MAX - 4096); });
}

}  // namespace
}  // namespace temper::host
