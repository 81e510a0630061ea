// What tests of the other backend share: its region, as ports/host reserves it,
// and the logits of a trainer.
#ifndef TEMPER_TESTS_TESTING_BACKEND_TEST_H_
#define TEMPER_TESTS_TESTING_BACKEND_TEST_H_

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/testing/model_test.h"

namespace temper::testing {

// The region of this process; false: this build has no XNNPACK.
inline bool UseRegion() {
  if (!BackendInfo(Backend::kXnnpack).available) return false;
  static const bool done = [] {
    const size_t bytes =
        sizeof(void*) == 4 ? size_t{512} << 20 : size_t{4} << 30;
    void* const base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT_NE(base, MAP_FAILED);
    EXPECT_TRUE(UseBackendRegion(base, bytes).ok());
    return true;
  }();
  return done;
}
#define TEMPER_NEEDS_XNNPACK() \
  if (!::temper::testing::UseRegion()) GTEST_SKIP() << "built without XNNPACK"

// A trainer on a backend: its segments are measured first.
struct BackendBench {
  std::unique_ptr<Memory> memory;
  Trainer trainer;

  Status Start(const Graph& graph, const PlanOptions& options,
               const ParallelRunner& parallel = {}) {
    Plan plan;
    TEMPER_RETURN_IF_ERROR(MakePlan(graph, options, &plan));
    TEMPER_RETURN_IF_ERROR(MeasureBackend(&plan));
    memory = std::make_unique<Memory>(plan.arena_bytes);
    // Debug builds fill buffers with NaN when they die, and Logits() reads one.
    trainer.CheckMemory(false);
    return trainer.Create(std::move(plan), memory->data(), memory->size(),
                          parallel);
  }
  // What the loss read in the last Evaluate.
  std::vector<float> Logits(uint32_t rows) const {
    const Plan& plan = trainer.plan();
    const uint32_t node = plan.graph.nodes.back().inputs[0];
    const float* const p = reinterpret_cast<const float*>(
        memory->data() + plan.tensors[plan.nodes[node].output].offset);
    return {p, p + rows * plan.shapes[node].Count()};
  }
};

inline void CopyWeights(const Trainer& from, Trainer* to) {
  const std::vector<TensorView>& a = from.Tensors();
  const std::vector<TensorView>& b = to->Tensors();
  ASSERT_EQ(a.size(), b.size());
  for (size_t t = 0; t < a.size(); ++t) {
    ASSERT_EQ(a[t].count, b[t].count);
    std::copy_n(a[t].data, a[t].count, b[t].data);
  }
}

// Largest |a - b| over the largest |b|.
inline double RelativeDifference(const std::vector<float>& a,
                                 const std::vector<float>& b) {
  double most = 0, scale = 1e-30;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return INFINITY;
    most = std::max(most, std::fabs(double{a[i]} - double{b[i]}));
    scale = std::max(scale, std::fabs(double{b[i]}));
  }
  return most / scale;
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_BACKEND_TEST_H_
