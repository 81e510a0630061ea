// Counts every allocation of the process, in all threads: operator new and
// malloc. Defines global symbols: include it in one file of a test only.
//
// Plain builds replace malloc itself (glibc keeps __libc_malloc for that);
// sanitizers own malloc, but call a hook.
#ifndef TEMPER_TESTS_HOST_COUNT_ALLOCATIONS_H_
#define TEMPER_TESTS_HOST_COUNT_ALLOCATIONS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace temper::testing {
inline std::atomic<uint64_t> allocations{0};
}  // namespace temper::testing

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
extern "C" int __sanitizer_install_malloc_and_free_hooks(
    void (*malloc_hook)(const volatile void*, size_t),
    void (*free_hook)(const volatile void*));
namespace temper::testing {
inline const int hooks_installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, size_t) {
      allocations.fetch_add(1, std::memory_order_relaxed);
    },
    [](const volatile void*) {});
}  // namespace temper::testing
#else
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  temper::testing::allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  temper::testing::allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  temper::testing::allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(old, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  temper::testing::allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, size);
}
}  // extern "C"
#endif
// operator new is libstdc++'s, which calls malloc or aligned_alloc.

#endif  // TEMPER_TESTS_HOST_COUNT_ALLOCATIONS_H_
