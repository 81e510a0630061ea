// The estimate on devices whose speeds are known: what it counts, how it grows,
// and what it names as the bound. How near it comes to the truth on a measured
// machine: bench/estimate.py.
#include "ports/sim/estimate.h"

#include <algorithm>

#include "models/work.h"
#include "ports/sim/cache_model.h"
#include "tests/sim/sim_test.h"

namespace temper::sim {
namespace {

double Seconds(const DeviceProfile& p, const Plan& plan, uint32_t rows,
               uint32_t threads = 1) {
  return EstimateStep(p, plan, rows, threads, true).seconds;
}

TEST(CacheModel, DistanceIsWhatWasTouchedSince) {
  CacheModel cache(1 << 20);
  const uint64_t block = cache.block_bytes();
  for (uint64_t b = 0; b < 10; ++b) EXPECT_GT(cache.Distance(b), 10 * block);
  EXPECT_EQ(cache.Distance(9), block);
  EXPECT_EQ(cache.Distance(0), 10 * block);
  EXPECT_EQ(cache.Distance(0), block);
  EXPECT_EQ(cache.Distance(9), 2 * block);
  // For long, too: the times are numbered anew now and then.
  for (int round = 0; round < 10000; ++round) {
    for (uint64_t b = 0; b < 7; ++b) cache.Distance(b);
  }
  for (uint64_t b = 0; b < 7; ++b) EXPECT_EQ(cache.Distance(b), 7 * block);
}

TEST(Calls, CountTheMultiplyAddsOfTheLayers) {
  // Channels in whole groups of 8, no Winograd tiles over the edge: what the
  // kernels do is what the layers are. The first layer's taps are rounded up.
  for (const char* model : {"resnet8", "ds_cnn", "mobilenet_v1?width=0.5"}) {
    const Plan plan = PlanOf(model, 4);
    double operations = 0;
    for (const KernelCall& call : CallsOf(plan, 4, true)) {
      if (InfoOf(call.kernel).kind != KernelKind::kStream) {
        operations += call.work;
      }
    }
    const double counted =
        8.0 * static_cast<double>(models::StepMultiplyAdds(plan));
    EXPECT_GT(operations, 0.99 * counted) << model;
    EXPECT_LT(operations, 1.2 * counted) << model;
  }
}

TEST(Calls, TouchOnlyWhatIsPlanned) {
  for (const char* model : {"resnet8", "mobilenet_v2", "fc_autoencoder"}) {
    const Plan plan = PlanOf(model, 8);
    const uint64_t end = plan.arena_bytes + 8 * 4 * plan.shapes[0].Count();
    for (const bool training : {false, true}) {
      for (const KernelCall& call : CallsOf(plan, 8, training)) {
        for (uint32_t t = 0; t < call.touch_count; ++t) {
          EXPECT_LE(call.touches[t].begin + call.touches[t].bytes, end);
        }
      }
    }
  }
}

TEST(Calls, SlabsDoTheSameWork) {
  Graph graph;
  std::string error;
  ASSERT_TRUE(models::BuildModel("mobilenet_v2", {64, 64, 3},
                                 {TargetKind::kClasses, 10}, &graph, &error)
                  .ok());
  PlanOptions options;
  options.batch = 32;
  Plan whole, slabs;
  options.cache_bytes = uint64_t{1} << 40;
  ASSERT_TRUE(MakePlan(graph, options, &whole).ok());
  options.cache_bytes = 1 << 16;
  ASSERT_TRUE(MakePlan(graph, options, &slabs).ok());
  const auto work = [](const Plan& plan) {
    double sum = 0;
    for (const KernelCall& call : CallsOf(plan, 32, true)) sum += call.work;
    return sum;
  };
  EXPECT_GT(CallsOf(slabs, 32, true).size(), CallsOf(whole, 32, true).size());
  EXPECT_NEAR(work(slabs) / work(whole), 1, 0.05);
}

TEST(Estimate, GrowsWithTheWorkAndFallsWithTheSpeed) {
  const DeviceProfile p = FlatDevice();
  const Plan plan = PlanOf("resnet8", 32);
  double last = 0;
  for (const uint32_t rows : {1, 2, 8, 31, 32}) {
    const double seconds = Seconds(p, plan, rows);
    EXPECT_GT(seconds, last) << rows;
    last = seconds;
  }
  EXPECT_LT(EstimateStep(p, plan, 32, 1, false).seconds, last / 2);
  DeviceProfile faster = p;
  for (auto& rate : faster.rates) {
    for (double& v : rate.grid.values) v *= 2;
  }
  EXPECT_NEAR(Seconds(faster, plan, 32), last / 2, 1e-9 * last);
}

TEST(Estimate, IsTheSumOfItsLayers) {
  const Plan plan = PlanOf("ds_cnn", 8);
  const Estimate e = EstimateStep(FlatDevice(), plan, 8, 1, true);
  double sum = 0;
  for (const LayerEstimate& layer : e.layers) {
    sum +=
        layer.forward.Total() + layer.backward.Total() + layer.update.Total();
  }
  EXPECT_NEAR(sum, e.seconds, 1e-12 + 1e-9 * sum);
}

TEST(Estimate, ThreadsDivideWhatIsWorthDividing) {
  const DeviceProfile p = FlatDevice(4);
  const Plan large = PlanOf("resnet8", 64, 4, {32, 32, 3});
  const double one = Seconds(p, large, 64, 1);
  EXPECT_LT(Seconds(p, large, 64, 2), 0.7 * one);
  EXPECT_LT(Seconds(p, large, 64, 4), 0.6 * one);
  EXPECT_GT(Seconds(p, large, 64, 4), 0.25 * one);
  // More threads than cores change nothing.
  EXPECT_EQ(Seconds(p, large, 64, 8), Seconds(p, large, 64, 4));
  // A step of few operations stays on one thread.
  const Plan small = PlanOf("mlp?hidden=8", 1, 4, {4, 4, 1});
  EXPECT_EQ(Seconds(p, small, 1, 4), Seconds(p, small, 1, 1));
}

TEST(Estimate, MeasuredRatesOfAllThreadsCount) {
  DeviceProfile p = FlatDevice(4);
  const Plan plan = PlanOf("resnet8", 64, 4, {32, 32, 3});
  const double one = Seconds(p, plan, 64, 1), formula = Seconds(p, plan, 64, 4);
  for (auto& rate : p.rates) {
    rate.all = rate.grid;
    for (double& v : rate.all.values) v *= 1.5;
  }
  EXPECT_EQ(Seconds(p, plan, 64, 1), one);
  EXPECT_GT(Seconds(p, plan, 64, 4), formula);
  EXPECT_LT(Seconds(p, plan, 64, 4), one);
  EXPECT_GT(Seconds(p, plan, 64, 2), Seconds(p, plan, 64, 4));
}

TEST(Estimate, NamesTheBound) {
  const Plan plan = PlanOf("resnet8", 32, 1, {32, 32, 3});
  const auto bound = [&](const DeviceProfile& p, LayerKind kind) {
    const Estimate e = EstimateStep(p, plan, 32, 1, true);
    for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
      if (plan.graph.nodes[i].kind != kind) continue;
      const Cost& forward = e.layers[i].forward;
      if (forward.Total() > 0) return forward.Most();
    }
    return Bound::kCount;
  };
  const DeviceProfile p = FlatDevice();
  EXPECT_EQ(bound(p, LayerKind::kConv2d), Bound::kCompute);
  // 2 MB and more per tensor: beyond the second-level cache.
  EXPECT_EQ(bound(p, LayerKind::kAdd), Bound::kMemory);
  DeviceProfile roomy = p;
  roomy.memory.l2 = uint64_t{1} << 30;
  EXPECT_EQ(bound(roomy, LayerKind::kAdd), Bound::kL2);
  DeviceProfile slow_memory = p;
  for (auto& rate : slow_memory.rates) {
    if (rate.grid.values.size() == 3) rate.grid.values = {10, 5, 1e-4};
  }
  EXPECT_EQ(bound(slow_memory, LayerKind::kConv2d), Bound::kMemory);
  DeviceProfile slow_calls = p;
  slow_calls.overhead.call_us = 1e6;
  EXPECT_EQ(bound(slow_calls, LayerKind::kConv2d), Bound::kOverhead);
}

TEST(Estimate, SavesTakeTheStoragesTime) {
  const DeviceProfile p = FlatDevice();  // 10 MB/s, 5 ms
  EXPECT_DOUBLE_EQ(EstimateSave(p, 20000000), 2.005);
  EXPECT_DOUBLE_EQ(EstimateSave(p, 0), 0.005);
}

TEST(Estimate, EveryModelHasOneOnEveryBuiltInDevice) {
  for (const BuiltInProfile& built_in : BuiltInProfiles()) {
    DeviceProfile p;
    ASSERT_EQ(ParseProfile(built_in.text, &p), "");
    for (const models::ModelInfo* info : models::Models()) {
      const Plan plan = PlanOf(info->name, 4, 4, info->input);
      const double four = Seconds(p, plan, 4, 4);
      EXPECT_GT(four, 0) << info->name;
      EXPECT_LT(four, 1000) << info->name;
      EXPECT_LE(four, Seconds(p, plan, 4, 1) * 1.1) << info->name;
    }
  }
}

}  // namespace
}  // namespace temper::sim
