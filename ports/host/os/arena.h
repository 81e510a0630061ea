// HostArena: the block of memory that a job runs in, and proof of how much of
// it was touched. The block ends at a page that may not be accessed, so a write
// past its end crashes at once; it starts out filled with a pattern,
// so the 64-byte lines that have changed show how much was used.
#ifndef TEMPER_PORTS_HOST_OS_ARENA_H_
#define TEMPER_PORTS_HOST_OS_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace temper::host {

// How much of the address space an arena takes.
struct ArenaSizes {
  uint64_t size;      // of the arena: whole lines of 64 bytes
  uint64_t pages;     // of the arena: whole pages
  uint64_t mapped;    // with the page that may not be accessed
  uint64_t reserved;  // at first, so that the arena can begin at a huge page
};
// `most` is the largest size_t of the machine: 4 GiB less 1 on 32 bits. False
// if one of the sizes is larger.
bool SizeArena(uint64_t bytes, uint64_t page, uint64_t most, ArenaSizes* sizes);

class HostArena {
 public:
  // Reserves and touches `bytes` (a multiple of 64), so that no page fault or
  // OOM kill happens later. kDoesNotFit if the system refuses.
  explicit HostArena(uint64_t bytes);
  ~HostArena();
  HostArena(const HostArena&) = delete;
  HostArena& operator=(const HostArena&) = delete;

  uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }

  // Bytes of the lines that no longer hold the pattern: the ones a job used.
  // Less than its plan if batches are never full.
  uint64_t TouchedBytes() const;
  // End of the highest such line: past the plan's end if a write went out of
  // bounds. A complete run always ends at its plan's end, where the
  // trainer's own state is.
  uint64_t TouchedEnd() const;

 private:
  bool Touched(uint64_t line) const;  // the line that begins at this byte

  void* mapping_ = nullptr;
  size_t mapped_ = 0;
  uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

// "65536", "64KiB", "16MiB", "1GiB", "16MB" (decimal). kUsage otherwise.
uint64_t ParseBytes(std::string_view text);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_ARENA_H_
