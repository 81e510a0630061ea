// The one block of memory that XNNPACK works in. The library takes its memory
// from functions that are given to it once in the life of a process, so the
// block belongs to the process: the first caller of SetRegion wins.
//
// A heap with boundary tags: blocks lie side by side, each after a header of
// 64 bytes, free neighbours become one. The same calls in the same order take
// the same bytes, so that what one pass takes is known from another (Measure in
// xnnpack_backend.h). Safe for several threads.
// Next: xnnpack_backend.h; who reserves the block: ports/host/os/region.h.
#ifndef TEMPER_SIMD_XNNPACK_REGION_H_
#define TEMPER_SIMD_XNNPACK_REGION_H_

#include <cstddef>
#include <cstdint>

namespace temper::simd::xnn {

inline constexpr size_t kRegionAlign = 64;

// `bytes` of memory at `base`, aligned to 64, that stay until the process ends.
// False if another block is in use already, or this one is too small to use.
bool SetRegion(void* base, size_t bytes);
bool HasRegion();
void* RegionBase();
size_t RegionBytes();

// Bytes from the base to the end of the last block in use, now and at most
// since ResetPeak.
size_t RegionUsed();
size_t RegionPeak();
void ResetPeak();

// While one lives, new blocks lie after all that are in use when it begins: as
// in an empty region.
class FreshRegion {
 public:
  FreshRegion();
  ~FreshRegion();
  FreshRegion(const FreshRegion&) = delete;
  FreshRegion& operator=(const FreshRegion&) = delete;
};

// Blocks that were asked for since the process began: a pass that asks for none
// leaves it unchanged.
uint64_t RegionRequests();

// Aligned to 64. Null if there is no room.
void* RegionAllocate(size_t bytes);
void* RegionReallocate(void* block, size_t bytes);
void RegionFree(void* block);  // null: nothing

}  // namespace temper::simd::xnn

#endif  // TEMPER_SIMD_XNNPACK_REGION_H_
