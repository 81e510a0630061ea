// ParallelRunner: the only thing temper knows about threads. The platform
// hands one in; the default runs everything on the calling thread.
//
// Contract: run(pool, task, context, count) calls task(context, i) exactly once
// for every i in [0, count), in any order, on any threads, and returns when all
// are done. It must not allocate. Work is always split so that the result does
// not depend on `threads`, on the order, or on who runs what.
// This header is a leaf: kernels, runtime and ports may all include it.
#ifndef TEMPER_PARALLEL_H_
#define TEMPER_PARALLEL_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace temper {

struct ParallelRunner {
  using Task = void (*)(void* context, uint32_t index);
  void (*run)(void* pool, Task task, void* context, uint32_t count) = nullptr;
  void* pool = nullptr;
  uint32_t threads = 1;  // 1 to kMaxThreads
};

inline constexpr uint32_t kMaxThreads = 64;

// Number of ranges ParallelFor makes of `items`: at most `threads`, each with
// at least `grain` items (except that there is always one range).
constexpr size_t ParallelRanges(const ParallelRunner& parallel, size_t items,
                                size_t grain) {
  const size_t by_grain = items / (grain == 0 ? 1 : grain);
  const size_t ranges =
      by_grain < parallel.threads ? by_grain : size_t{parallel.threads};
  return ranges == 0 ? 1 : ranges;
}

// Splits [0, items) into contiguous ranges and calls f(begin, end, slot), where
// slot < parallel.threads is the range's own number: use it to pick a scratch
// buffer. The items must be independent of each other.
template <class F>
void ParallelFor(const ParallelRunner& parallel, size_t items, size_t grain,
                 F&& f) {
  if (items == 0) return;
  const size_t ranges = ParallelRanges(parallel, items, grain);
  if (ranges == 1 || parallel.run == nullptr) {
    f(size_t{0}, items, size_t{0});
    return;
  }
  struct Context {
    std::remove_reference_t<F>* f;
    size_t items, ranges;
  } context{&f, items, ranges};
  parallel.run(
      parallel.pool,
      [](void* opaque, uint32_t i) {
        const Context& c = *static_cast<const Context*>(opaque);
        const size_t begin = c.items * i / c.ranges;
        const size_t end = c.items * (i + 1) / c.ranges;
        (*c.f)(begin, end, size_t{i});
      },
      &context, static_cast<uint32_t>(ranges));
}

}  // namespace temper

#endif  // TEMPER_PARALLEL_H_
