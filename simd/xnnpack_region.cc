// The heap of XNNPACK. See xnnpack_region.h.
#include "simd/xnnpack_region.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace temper::simd::xnn {
namespace {

// Lies in front of every block.
struct alignas(kRegionAlign) Header {
  size_t bytes;     // of the block, without the header
  size_t previous;  // of the block before it; ~0: it is the first
  bool used;
};
static_assert(sizeof(Header) == kRegionAlign);
constexpr size_t kFirst = ~size_t{0};

struct Region {
  uint8_t* base = nullptr;
  size_t bytes = 0;
  size_t end = 0;   // of the last block
  size_t last = 0;  // bytes of that block
  size_t peak = 0;
  size_t floor = 0;  // free blocks below it are left alone
  uint64_t requests = 0;
  std::atomic_flag busy;
} region;

class Lock {
 public:
  Lock() {
    while (region.busy.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~Lock() { region.busy.clear(std::memory_order_release); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
};

Header* HeaderAt(size_t offset) {
  return reinterpret_cast<Header*>(region.base + offset);
}
size_t OffsetOf(const Header* header) {
  return static_cast<size_t>(reinterpret_cast<const uint8_t*>(header) -
                             region.base);
}
// Offset of the block after this one.
size_t Behind(const Header* header) {
  return OffsetOf(header) + sizeof(Header) + header->bytes;
}
// `header` has a new size: the block after it must know.
void TellNext(const Header* header) {
  const size_t next = Behind(header);
  if (next < region.end) {
    HeaderAt(next)->previous = header->bytes;
  } else {
    region.last = header->bytes;
  }
}

// The smallest free block that holds `bytes`, the first of several; null.
Header* BestFit(size_t bytes) {
  Header* best = nullptr;
  for (size_t at = region.floor; at < region.end; at = Behind(HeaderAt(at))) {
    Header* const h = HeaderAt(at);
    if (!h->used && h->bytes >= bytes &&
        (best == nullptr || h->bytes < best->bytes)) {
      best = h;
    }
  }
  return best;
}

void* AllocateLocked(size_t bytes) {
  ++region.requests;
  if (bytes > region.bytes) return nullptr;
  bytes = std::max<size_t>(1, bytes);
  bytes = (bytes + kRegionAlign - 1) / kRegionAlign * kRegionAlign;
  Header* h = BestFit(bytes);
  if (h == nullptr) {
    const size_t left = region.bytes - region.end;
    if (left < sizeof(Header) || left - sizeof(Header) < bytes) return nullptr;
    h = HeaderAt(region.end);
    h->previous = region.end == 0 ? kFirst : region.last;
    h->bytes = bytes;
    region.end = region.end + sizeof(Header) + bytes;
    region.last = bytes;
    region.peak = std::max(region.peak, region.end);
  } else if (h->bytes > bytes + sizeof(Header)) {
    const size_t rest = h->bytes - bytes - sizeof(Header);
    h->bytes = bytes;
    Header* const free = HeaderAt(Behind(h));
    free->bytes = rest;
    free->previous = bytes;
    free->used = false;
    TellNext(free);
  }
  h->used = true;
  return h + 1;
}

void FreeLocked(void* block) {
  Header* h = static_cast<Header*>(block) - 1;
  h->used = false;
  const size_t next = Behind(h);
  if (next < region.end && !HeaderAt(next)->used) {
    h->bytes += sizeof(Header) + HeaderAt(next)->bytes;
  }
  if (h->previous != kFirst) {
    Header* const before = HeaderAt(OffsetOf(h) - h->previous - sizeof(Header));
    if (!before->used) {
      before->bytes += sizeof(Header) + h->bytes;
      h = before;
    }
  }
  TellNext(h);
  // What is free at the end belongs to nobody.
  if (Behind(h) == region.end) {
    region.end = OffsetOf(h);
    region.last = h->previous;
  }
}

}  // namespace

bool SetRegion(void* base, size_t bytes) {
  const Lock lock;
  if (region.base != nullptr) {
    return region.base == base && region.bytes == bytes;
  }
  if (base == nullptr || bytes < 2 * sizeof(Header) ||
      reinterpret_cast<uintptr_t>(base) % kRegionAlign != 0) {
    return false;
  }
  region.base = static_cast<uint8_t*>(base);
  region.bytes = bytes;
  return true;
}

bool HasRegion() {
  const Lock lock;
  return region.base != nullptr;
}
void* RegionBase() {
  const Lock lock;
  return region.base;
}
size_t RegionBytes() {
  const Lock lock;
  return region.bytes;
}
size_t RegionUsed() {
  const Lock lock;
  return region.end;
}
size_t RegionPeak() {
  const Lock lock;
  return region.peak;
}
void ResetPeak() {
  const Lock lock;
  region.peak = region.end;
}
FreshRegion::FreshRegion() {
  const Lock lock;
  region.floor = region.end;
}
FreshRegion::~FreshRegion() {
  const Lock lock;
  region.floor = 0;
}
uint64_t RegionRequests() {
  const Lock lock;
  return region.requests;
}

void* RegionAllocate(size_t bytes) {
  const Lock lock;
  return AllocateLocked(bytes);
}

void* RegionReallocate(void* block, size_t bytes) {
  const Lock lock;
  if (block == nullptr) return AllocateLocked(bytes);
  const size_t had = (static_cast<Header*>(block) - 1)->bytes;
  if (bytes <= had) return block;
  void* const moved = AllocateLocked(bytes);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, had);
  FreeLocked(block);
  return moved;
}

void RegionFree(void* block) {
  if (block == nullptr) return;
  const Lock lock;
  FreeLocked(block);
}

}  // namespace temper::simd::xnn
