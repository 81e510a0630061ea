// ParallelRunner: the only thing temper knows about threads. The platform
// hands one in; the default runs everything on the calling thread.
//
// Contract: run(pool, task, context, count, slots) calls task(context, i, slot)
// exactly once for every i in [0, count), in any order, on any threads, and
// returns when all are done. Tasks that run at the same time have different
// slots, all below min(slots, count): no more than that many run at once. slots
// is 1 to `threads`. It must not allocate. Work is always split so that the
// result does not depend on `threads`, on the order, or on which thread runs
// what.
//
// This header is a leaf: kernels, runtime and ports may all include it.
#ifndef TEMPER_PARALLEL_H_
#define TEMPER_PARALLEL_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace temper {

struct ParallelRunner {
  using Task = void (*)(void* context, uint32_t index, uint32_t slot);
  void (*run)(void* pool, Task task, void* context, uint32_t count,
              uint32_t slots) = nullptr;
  void* pool = nullptr;
  uint32_t threads = 1;  // 1 to kMaxThreads; fewer than the pool has is allowed
  // A thread's share of at least this many grains comes in parts; 1 or more.
  uint32_t parts_from = 32;
  // Calls task(context, i, slot) once on each thread that run() may use with as
  // many slots, i counting them from 0, and returns when all are done. Null:
  // the runner cannot do that; checks of all threads then run on those that
  // run() happens to use.
  void (*each)(void* pool, Task task, void* context, uint32_t slots) = nullptr;
};

inline constexpr uint32_t kMaxThreads = 64;

// Number of shares ParallelFor makes of `items`: at most `threads`, each with
// at least `grain` items (except that there is always one share).
constexpr size_t ParallelShares(const ParallelRunner& parallel, size_t items,
                                size_t grain) {
  const size_t by_grain = items / (grain == 0 ? 1 : grain);
  const size_t shares =
      by_grain < parallel.threads ? by_grain : size_t{parallel.threads};
  return shares == 0 ? 1 : shares;
}

// How the items of a share are split into ranges.
enum class Split {
  kWhole,  // one range: for functions with set-up costs of their own per range
  // Shares of many items become a half, a quarter and two eighths, so that idle
  // threads take over the remaining parts of slow ones (a small core, or a core
  // that another process uses too).
  kParts,
};

// Splits [0, items) into contiguous ranges and calls f(begin, end, slot), with
// different slots below ParallelShares() at any one time: use them to pick
// scratch buffers. The items must be independent of each other.
template <class F>
void ParallelFor(const ParallelRunner& parallel, size_t items, size_t grain,
                 Split split, F&& f) {
  if (items == 0) return;
  if (grain == 0) grain = 1;
  const size_t shares = ParallelShares(parallel, items, grain);
  if (shares == 1 || parallel.run == nullptr) {
    f(size_t{0}, items, size_t{0});
    return;
  }
  struct Context {
    std::remove_reference_t<F>* f;
    size_t items, shares, parts;
    // Where a part of a share begins.
    size_t Begin(size_t i) const {
      const size_t share = i / parts;
      const size_t begin = items * share / shares;
      const size_t end = items * (share + 1) / shares;
      constexpr size_t kEighths[] = {0, 4, 6, 7};
      return begin + (end - begin) * kEighths[i % parts] / 8;
    }
  } context{&f, items, shares, 1};
  if (split == Split::kParts && items / parallel.parts_from >= grain * shares) {
    context.parts = 4;
  }
  parallel.run(
      parallel.pool,
      [](void* opaque, uint32_t i, uint32_t slot) {
        const Context& c = *static_cast<const Context*>(opaque);
        const size_t begin = c.Begin(i), end = c.Begin(size_t{i} + 1);
        if (begin < end) (*c.f)(begin, end, size_t{slot});
      },
      &context, static_cast<uint32_t>(shares * context.parts),
      static_cast<uint32_t>(shares));
}
template <class F>
void ParallelFor(const ParallelRunner& parallel, size_t items, size_t grain,
                 F&& f) {
  ParallelFor(parallel, items, grain, Split::kParts, f);
}

}  // namespace temper

#endif  // TEMPER_PARALLEL_H_
