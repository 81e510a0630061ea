// Counts what the whole process allocates, malloc included. Include it in
// exactly one file of an executable: it replaces the allocator's entry points
// (under AddressSanitizer and ThreadSanitizer it listens to theirs instead).
#ifndef TEMPER_TESTS_TESTING_ALLOCATIONS_H_
#define TEMPER_TESTS_TESTING_ALLOCATIONS_H_

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "tests/testing/sanitizers.h"

namespace temper::testing {

inline std::atomic<uint64_t> allocation_calls{0};
inline std::atomic<int64_t> allocated_bytes{0};
inline std::atomic<int64_t> allocated_peak{0};

inline void CountAllocation(int64_t bytes) {
  allocation_calls.fetch_add(1, std::memory_order_relaxed);
  const int64_t now =
      allocated_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  int64_t peak = allocated_peak.load(std::memory_order_relaxed);
  while (now > peak && !allocated_peak.compare_exchange_weak(
                           peak, now, std::memory_order_relaxed)) {
  }
}
inline void CountFree(int64_t bytes) {
  allocated_bytes.fetch_sub(bytes, std::memory_order_relaxed);
}

// From construction on: calls of malloc and the like, and the most bytes in use
// at once beyond those in use at construction.
class Allocations {
 public:
  Allocations() : calls_(allocation_calls), start_(allocated_bytes) {
    allocated_peak = start_;
  }
  uint64_t calls() const { return allocation_calls - calls_; }
  uint64_t peak() const {
    return static_cast<uint64_t>(allocated_peak - start_);
  }

 private:
  uint64_t calls_;
  int64_t start_;
};

}  // namespace temper::testing

#ifdef TEMPER_TEST_SANITIZER

// From sanitizer/allocator_interface.h, which GCC does not install everywhere.
extern "C" {
int __sanitizer_install_malloc_and_free_hooks(
    void (*malloc_hook)(const volatile void*, size_t),
    void (*free_hook)(const volatile void*));
size_t __sanitizer_get_allocated_size(const volatile void* p);
}

namespace temper::testing {
inline const int allocation_hooks = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, size_t size) {
      CountAllocation(static_cast<int64_t>(size));
    },
    [](const volatile void* p) {
      CountFree(static_cast<int64_t>(__sanitizer_get_allocated_size(p)));
    });
}  // namespace temper::testing

#else

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t size) {
  void* const p = __libc_malloc(size);
  if (p != nullptr) {
    temper::testing::CountAllocation(
        static_cast<int64_t>(malloc_usable_size(p)));
  }
  return p;
}
void free(void* p) {
  if (p != nullptr) {
    temper::testing::CountFree(static_cast<int64_t>(malloc_usable_size(p)));
  }
  __libc_free(p);
}
void* calloc(size_t n, size_t size) {
  void* const p = __libc_calloc(n, size);
  if (p != nullptr) {
    temper::testing::CountAllocation(
        static_cast<int64_t>(malloc_usable_size(p)));
  }
  return p;
}
void* realloc(void* old, size_t size) {
  const int64_t before =
      old == nullptr ? 0 : static_cast<int64_t>(malloc_usable_size(old));
  void* const p = __libc_realloc(old, size);
  if (p != nullptr) {
    temper::testing::CountAllocation(
        static_cast<int64_t>(malloc_usable_size(p)));
    temper::testing::CountFree(before);
  }
  return p;
}
void* memalign(size_t alignment, size_t size) {
  void* const p = __libc_memalign(alignment, size);
  if (p != nullptr) {
    temper::testing::CountAllocation(
        static_cast<int64_t>(malloc_usable_size(p)));
  }
  return p;
}
void* aligned_alloc(size_t alignment, size_t size) {
  return memalign(alignment, size);
}
int posix_memalign(void** p, size_t alignment, size_t size) {
  *p = memalign(alignment, size);
  return *p == nullptr ? ENOMEM : 0;
}
}  // extern "C"

#endif  // TEMPER_TEST_SANITIZER

#endif  // TEMPER_TESTS_TESTING_ALLOCATIONS_H_
