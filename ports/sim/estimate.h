// How long a step takes on a device: each kernel call (calls.h) costs
//
//   operations / rate of its class, size and threads + the additional time of
//   bytes that come from beyond the L1 cache (cache_model.h) + overhead
//
// and the step is their sum. Each layer gets the name of its bound.
// Next: profile.h (the rates), docs/simulation.md.
#ifndef TEMPER_PORTS_SIM_ESTIMATE_H_
#define TEMPER_PORTS_SIM_ESTIMATE_H_

#include <cstdint>
#include <vector>

#include "ports/sim/calls.h"
#include "ports/sim/profile.h"
#include "temper/plan.h"

namespace temper::sim {

enum class Bound : uint32_t {
  kCompute,  // arithmetic, or the first-level cache
  kL2,
  kL3,
  kMemory,
  kTransfer,  // from another core's cache
  kOverhead,  // calls and waiting for threads
  kCount
};
const char* BoundName(Bound bound);

// Seconds, by what they were spent on.
struct Cost {
  double by[static_cast<size_t>(Bound::kCount)] = {};
  double Total() const;
  Bound Most() const;
  void Add(const Cost& other);
};

struct LayerEstimate {
  Cost forward, backward, update;
  double operations = 0;  // of products and convolutions
  double bytes = 0;       // touched
};

struct Estimate {
  std::vector<LayerEstimate> layers;  // one per node of the graph
  double seconds = 0;
};

// One step over `rows` samples with `threads` threads (at most the device's
// cores do work at once), everything as it is after earlier steps. `training`
// false: evaluation.
Estimate EstimateStep(const DeviceProfile& device, const Plan& plan,
                      uint32_t rows, uint32_t threads, bool training);
// Call by call, for a closer look.
std::vector<Cost> EstimateCalls(const DeviceProfile& device, const Plan& plan,
                                const std::vector<KernelCall>& calls,
                                uint32_t threads);

// Seconds to write a file of `bytes` bytes and have it on the medium.
double EstimateSave(const DeviceProfile& device, uint64_t bytes);

}  // namespace temper::sim

#endif  // TEMPER_PORTS_SIM_ESTIMATE_H_
