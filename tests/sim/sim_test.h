// For tests of the simulation: a device whose every speed is known.
#ifndef TEMPER_TESTS_SIM_SIM_TEST_H_
#define TEMPER_TESTS_SIM_SIM_TEST_H_

#include <gtest/gtest.h>

#include <string>

#include "models/graphs/models.h"
#include "ports/sim/profile.h"
#include "temper/plan.h"

namespace temper::sim {

// 1 GFLOP/s everywhere; 10 GB/s up to 64 KB, 5 up to 1 MB, 1 beyond.
inline DeviceProfile FlatDevice(uint32_t cores = 1) {
  DeviceProfile p;
  const Provenance made = {Origin::kEstimated, "made for a test"};
  p.name = "flat";
  p.cpu = {"x86_64", "avx2", cores, 2.0, made};
  p.memory = {uint64_t{1} << 30, 1 << 20, 32768, 1 << 20, 0, false, made};
  p.storage = {10, 5, made};
  p.overhead = {0, 0, made};
  p.threads.compute.clear();
  p.threads.memory.clear();
  for (uint32_t t = 1; t <= cores; ++t) {
    p.threads.compute.push_back(t);
    p.threads.memory.push_back(1);
  }
  p.threads.transfer_gbytes = 1000;
  p.threads.provenance = made;
  for (uint32_t k = 0; k < kKernels; ++k) {
    Grid& grid = p.rates[k].grid;
    grid.values = {1};
    if (kKernelInfo[k].kind == KernelKind::kStream) {
      grid.axes[0] = {65536, 1048576, 4194304};
      grid.values = {10, 5, 1};
    }
    p.rates[k].provenance = made;
  }
  return p;
}

inline Plan PlanOf(const std::string& model, uint32_t batch,
                   uint32_t threads = 1, Shape input = {32, 32, 3}) {
  Graph graph;
  std::string error;
  EXPECT_TRUE(models::BuildModel(model, input, {TargetKind::kClasses, 10},
                                 &graph, &error)
                  .ok())
      << error;
  PlanOptions options;
  options.batch = batch;
  options.threads = threads;
  Plan plan;
  EXPECT_TRUE(MakePlan(graph, options, &plan).ok());
  return plan;
}

}  // namespace temper::sim

#endif  // TEMPER_TESTS_SIM_SIM_TEST_H_
