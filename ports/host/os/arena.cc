// Memory with a guard page and a pattern. See arena.h.
#include "ports/host/os/arena.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ports/host/base/failure.h"
#include "temper/plan.h"

namespace temper::host {
namespace {

// A NaN pattern that no kernel produces.
constexpr uint8_t kPattern = 0xA5;
constexpr uint64_t kLine = 64;
// Of most kernels; with another size the hint below is merely less useful.
constexpr uint64_t kHugePage = uint64_t{2} << 20;

}  // namespace

bool SizeArena(uint64_t bytes, uint64_t page, uint64_t most,
               ArenaSizes* sizes) {
  sizes->size = bytes / kLine * kLine;
  // Against `most` before each sum: none of them wraps around.
  if (most < kHugePage + 2 * page ||
      sizes->size > most - kHugePage - 2 * page) {
    return false;
  }
  sizes->pages = (sizes->size + page - 1) / page * page;
  sizes->mapped = sizes->pages + page;
  sizes->reserved = sizes->mapped + kHugePage;
  return true;
}

HostArena::HostArena(uint64_t bytes) {
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  ArenaSizes sizes;
  if (!SizeArena(bytes, page, SIZE_MAX, &sizes)) {
    Fail(ErrorKind::kDoesNotFit, "arena", fmt::format("{} bytes", bytes),
         "larger than the address space", "Ask for less with --arena");
  }
  size_ = sizes.size;
  mapped_ = static_cast<size_t>(sizes.mapped);
  const size_t pages = static_cast<size_t>(sizes.pages);
  // The reserved pages around the arena are released.
  const size_t reserved = static_cast<size_t>(sizes.reserved);
  void* const place = mmap(nullptr, reserved, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) {
    FailErrno(ErrorKind::kDoesNotFit, errno, "cannot reserve the arena",
              fmt::format("{} bytes", bytes),
              "Use a smaller batch or model, or free memory");
  }
  const size_t head = static_cast<size_t>(
      (kHugePage - reinterpret_cast<uintptr_t>(place) % kHugePage) % kHugePage);
  uint8_t* const base = static_cast<uint8_t*>(place) + head;
  if (head != 0) munmap(place, head);
  munmap(base + mapped_, reserved - head - mapped_);
  mapping_ = base;
  if (mprotect(base + pages, page, PROT_NONE) != 0) {
    const int error = errno;
    munmap(mapping_, mapped_);
    FailErrno(ErrorKind::kIo, error, "cannot protect the page after the arena",
              "", "");
  }
  // Fewer translations to look up; a kernel that has no huge pages may refuse.
  madvise(base, pages, MADV_HUGEPAGE);
  data_ = base + (pages - size_);  // the end of the arena meets the guard
  std::memset(data_, kPattern, size_);
}

HostArena::~HostArena() { munmap(mapping_, mapped_); }

bool HostArena::Touched(uint64_t line) const {
  uint8_t untouched[kLine];
  std::memset(untouched, kPattern, kLine);
  return std::memcmp(data_ + line, untouched, kLine) != 0;
}

uint64_t HostArena::TouchedBytes() const {
  uint64_t bytes = 0;
  for (uint64_t line = 0; line < size_; line += kLine) {
    if (Touched(line)) bytes += kLine;
  }
  return bytes;
}

uint64_t HostArena::TouchedEnd() const {
  uint64_t end = size_;
  while (end > 0 && !Touched(end - kLine)) end -= kLine;
  return end;
}

uint64_t ParseBytes(std::string_view text) {
  uint64_t value = 0;
  size_t i = 0;
  bool overflow = false;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    overflow |= __builtin_mul_overflow(value, uint64_t{10}, &value);
    overflow |= __builtin_add_overflow(
        value, static_cast<uint64_t>(text[i] - '0'), &value);
  }
  // A fraction, as sizes are printed: of a unit, rounded up to a byte.
  std::string_view fraction;
  if (i > 0 && i < text.size() && text[i] == '.') {
    const size_t begin = ++i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    fraction = text.substr(begin, i - begin);
    constexpr size_t kMostDigits = 9;
    if (fraction.empty() || fraction.size() > kMostDigits) i = 0;
  }
  struct Unit {
    std::string_view name;
    uint64_t bytes;
  };
  constexpr Unit kUnits[] = {{"", 1},
                             {"B", 1},
                             {"KiB", uint64_t{1} << 10},
                             {"MiB", uint64_t{1} << 20},
                             {"GiB", uint64_t{1} << 30},
                             {"kB", 1000},
                             {"MB", 1000000},
                             {"GB", 1000000000}};
  for (const Unit& unit : kUnits) {
    if (i == 0 || text.substr(i) != unit.name) continue;
    if (!fraction.empty() && unit.bytes == 1) break;
    overflow |= __builtin_mul_overflow(value, unit.bytes, &value);
    uint64_t digits = 0, whole = 1;
    for (const char c : fraction) {
      digits = 10 * digits + static_cast<uint64_t>(c - '0');
      whole *= 10;
    }
    // Below 2^30 units of 1e9 each.
    overflow |= __builtin_add_overflow(
        value, (digits * unit.bytes + whole - 1) / whole, &value);
    if (overflow || value == 0) break;
    return value;
  }
  Fail(ErrorKind::kUsage, "not a size", Printable(text),
       "a size is a number above 0 and one of B, KiB, MiB, GiB, kB, MB, GB, or "
       "a whole number of bytes",
       "Write it like 16777216, 16384KiB, 1.5MiB or 1GiB");
}

}  // namespace temper::host
