// See estimate.h.
#include "ports/sim/estimate.h"

#include <algorithm>

#include "ports/sim/cache_model.h"

namespace temper::sim {
namespace {

// Reuse distance of data in the L1 cache, in bytes.
constexpr double kNear = 16384;
constexpr double kChannels = 32;
// Pieces in which the tensors of one call are gone through side by side.
constexpr uint64_t kPieces = 64;

class Clerk {
 public:
  Clerk(const DeviceProfile& device, const Plan& plan, uint32_t threads)
      : device_(device),
        threads_(std::min(threads, device.cpu.cores)),
        cache_(plan.arena_bytes + SampleBytes(plan)),
        spread_(
            (plan.arena_bytes + SampleBytes(plan)) / cache_.block_bytes() + 1,
            false) {}

  Cost Of(const KernelCall& call) {
    Cost cost;
    const KernelKind kind = InfoOf(call.kernel).kind;
    const bool known = !device_.RateOf(call.kernel).all.empty();
    const uint32_t parts =
        static_cast<uint32_t>(std::clamp(call.parts, 1.0, double(threads_)));
    cost.by[Index(Bound::kOverhead)] =
        (1 + call.small_calls) * device_.overhead.call_us * 1e-6;
    if (parts > 1 && !known) {
      cost.by[Index(Bound::kOverhead)] += device_.overhead.region_us * 1e-6;
    }
    if (kind == KernelKind::kStream) {
      Stream(call, parts, &cost);
    } else {
      Compute(call, parts, &cost);
    }
    return cost;
  }

 private:
  static size_t Index(Bound bound) { return static_cast<size_t>(bound); }
  static uint64_t SampleBytes(const Plan& plan) {
    return plan.shapes[0].Count() * sizeof(float) * plan.options.batch;
  }

  Bound LevelOf(double distance) const {
    const auto& m = device_.memory;
    if (distance <= static_cast<double>(m.l1)) return Bound::kCompute;
    if (distance <= static_cast<double>(m.l2)) return Bound::kL2;
    if (distance <= static_cast<double>(m.l3)) return Bound::kL3;
    return Bound::kMemory;
  }

  // How many times one thread's speed `parts` threads have at this distance.
  double Speedup(Bound level, uint32_t parts) const {
    const bool shared = level == Bound::kL3 || level == Bound::kMemory ||
                        (level == Bound::kL2 && device_.memory.l2_shared);
    const auto& list =
        shared ? device_.threads.memory : device_.threads.compute;
    return list[std::min<size_t>(parts, list.size()) - 1];
  }

  // Seconds per operation or byte of a kernel on `parts` threads. Between one
  // thread and all of them, as Amdahl has it: a part that does not shrink, and
  // one that shrinks with the threads.
  double Unit(Kernel kernel, const double (&x)[kMaxAxes], bool levels,
              Bound level, uint32_t parts) const {
    const DeviceProfile::Rate& rate = device_.RateOf(kernel);
    const double one = 1e-9 / rate.grid.At(x, levels);
    if (parts == 1) return one;
    if (rate.all.empty()) return one / Speedup(level, parts);
    const double all = 1e-9 / rate.all.At(x, levels);
    const double cores = device_.cpu.cores;
    const double rest = (1.0 / parts - 1.0 / cores) / (1.0 - 1.0 / cores);
    return all + (one - all) * rest;
  }

  // f(distance, bytes) for each block that the call touches, in parallel. Bytes
  // at a short distance may be in another core's cache: if this call or the
  // last one ran on several threads, all but one thread's share of them are.
  template <class F>
  void EachBlock(const KernelCall& call, uint32_t parts, Cost* cost, F&& f) {
    const uint64_t block = cache_.block_bytes();
    const double elsewhere = 1.0 - 1.0 / threads_;
    const double near = static_cast<double>(device_.memory.l2) * threads_;
    double moved = 0;
    for (uint64_t piece = 0; piece < kPieces; ++piece) {
      for (uint32_t t = 0; t < call.touch_count; ++t) {
        const Touch& touch = call.touches[t];
        const uint64_t first = cache_.BlockOf(touch.begin);
        const uint64_t count =
            cache_.BlockOf(touch.begin + touch.bytes - 1) - first + 1;
        const uint64_t begin = count * piece / kPieces;
        const uint64_t end = count * (piece + 1) / kPieces;
        const double bytes =
            static_cast<double>(touch.bytes) / static_cast<double>(count);
        for (uint64_t b = begin; b < end; ++b) {
          const uint64_t distance = cache_.Distance(first + b);
          const bool spread = spread_[first + b];
          spread_[first + b] = parts > 1;
          if ((spread || parts > 1) && static_cast<double>(distance) <= near) {
            moved += bytes * elsewhere;
          }
          f(static_cast<double>(std::max(distance, block)), bytes);
        }
      }
    }
    cost->by[Index(Bound::kTransfer)] +=
        moved / (device_.threads.transfer_gbytes * 1e9) / parts;
  }

  void Stream(const KernelCall& call, uint32_t parts, Cost* cost) {
    if (call.touch_count == 0) {
      const double x[kMaxAxes] = {kNear, call.x[1], 1};
      cost->by[Index(Bound::kCompute)] +=
          call.work * Unit(call.kernel, x, true, Bound::kCompute, parts);
      return;
    }
    double unique = 0;
    for (uint32_t t = 0; t < call.touch_count; ++t) {
      unique += static_cast<double>(call.touches[t].bytes);
    }
    const double times = call.work / unique;
    EachBlock(call, parts, cost, [&](double distance, double bytes) {
      const Bound level = LevelOf(distance / parts);
      const double x[kMaxAxes] = {distance, call.x[1], 1};
      cost->by[Index(level)] +=
          times * bytes * Unit(call.kernel, x, true, level, parts);
    });
  }

  void Compute(const KernelCall& call, uint32_t parts, Cost* cost) {
    cost->by[Index(Bound::kCompute)] +=
        call.work * Unit(call.kernel, call.x, false, Bound::kCompute, parts);
    // Its rate was measured on data in the L1 cache. For data from further away
    // the additional time is that of a kernel with almost no
    // arithmetic.
    const double near[kMaxAxes] = {kNear, kChannels, 1};
    const double free = Unit(Kernel::kForm, near, true, Bound::kCompute, parts);
    EachBlock(call, parts, cost, [&](double distance, double bytes) {
      const Bound level = LevelOf(distance / parts);
      const double x[kMaxAxes] = {distance, kChannels, 1};
      cost->by[Index(level)] +=
          bytes *
          std::max(0.0, Unit(Kernel::kForm, x, true, level, parts) - free);
    });
  }

  const DeviceProfile& device_;
  const uint32_t threads_;
  CacheModel cache_;
  std::vector<bool> spread_;  // blocks that several threads touched last
};

}  // namespace

const char* BoundName(Bound bound) {
  constexpr const char* kNames[] = {"compute", "L2 cache", "L3 cache",
                                    "memory",  "transfer", "overhead"};
  return kNames[static_cast<size_t>(bound)];
}

double Cost::Total() const {
  double sum = 0;
  for (const double seconds : by) sum += seconds;
  return sum;
}

Bound Cost::Most() const {
  size_t most = 0;
  for (size_t i = 1; i < std::size(by); ++i) {
    if (by[i] > by[most]) most = i;
  }
  return static_cast<Bound>(most);
}

void Cost::Add(const Cost& other) {
  for (size_t i = 0; i < std::size(by); ++i) by[i] += other.by[i];
}

std::vector<Cost> EstimateCalls(const DeviceProfile& device, const Plan& plan,
                                const std::vector<KernelCall>& calls,
                                uint32_t threads) {
  Clerk clerk(device, plan, threads);
  // The first time around only fills the caches.
  for (const KernelCall& call : calls) clerk.Of(call);
  std::vector<Cost> costs;
  for (const KernelCall& call : calls) costs.push_back(clerk.Of(call));
  return costs;
}

Estimate EstimateStep(const DeviceProfile& device, const Plan& plan,
                      uint32_t rows, uint32_t threads, bool training) {
  const std::vector<KernelCall> calls = CallsOf(plan, rows, training);
  const std::vector<Cost> costs = EstimateCalls(device, plan, calls, threads);
  Estimate estimate;
  estimate.layers.resize(plan.nodes.size());
  for (size_t i = 0; i < calls.size(); ++i) {
    const KernelCall& call = calls[i];
    LayerEstimate& layer = estimate.layers[call.node];
    const bool update =
        call.kind == StepKind::kUpdate || call.kernel == Kernel::kUpdate;
    Cost& cost = update                  ? layer.update
                 : IsBackward(call.kind) ? layer.backward
                                         : layer.forward;
    cost.Add(costs[i]);
    estimate.seconds += costs[i].Total();
    for (uint32_t t = 0; t < call.touch_count; ++t) {
      layer.bytes += static_cast<double>(call.touches[t].bytes);
    }
    if (InfoOf(call.kernel).kind != KernelKind::kStream) {
      layer.operations += call.work;
    }
  }
  return estimate;
}

double EstimateSave(const DeviceProfile& device, uint64_t bytes) {
  return static_cast<double>(bytes) / (device.storage.write_mbytes * 1e6) +
         device.storage.fsync_ms * 1e-3;
}

}  // namespace temper::sim
