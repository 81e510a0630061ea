// Prefetching for write. A store to a line that another core has read must
// first get exclusive ownership of it; prefetching overlaps these transfers,
// which the stores would otherwise wait for one by one.
#ifndef TEMPER_SIMD_FETCH_H_
#define TEMPER_SIMD_FETCH_H_

#include <cstddef>

namespace temper::simd {

// The lines of `count` floats. They need not be writable, or there at all.
inline void FetchForWriting(const float* first, size_t count) {
  constexpr size_t kLineFloats = 16;
  for (size_t i = 0; i < count; i += kLineFloats) {
#if defined(__x86_64__) || defined(__i386__)
    // The builtin asks for a shared line unless the compiler may count on this
    // instruction; processors without it do nothing.
    __asm__ __volatile__("prefetchw %0" : : "m"(first[i]));
#else
    __builtin_prefetch(first + i, 1);
#endif
  }
}

}  // namespace temper::simd

#endif  // TEMPER_SIMD_FETCH_H_
