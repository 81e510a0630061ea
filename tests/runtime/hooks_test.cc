// The update hooks of the list, on networks: clipping, L1, max-norm.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/update_hook.h"
#include "tests/testing/kernel_test.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Bench;
using testing::SameBits;
using testing::TestBatch;

constexpr Shape kInput = {28, 28, 1};

PlanOptions With(std::vector<UpdateHook> hooks, uint32_t threads = 1) {
  PlanOptions options;
  options.batch = 4;
  options.threads = threads;
  options.optimizer = SgdParams{0.0f, 0.0f};
  options.hooks = std::move(hooks);
  options.gradients = GradientsNeeded(options);
  return options;
}

void Start(const char* model, const PlanOptions& options, Bench* bench) {
  const Status status =
      bench->Start(testing::BuildOrDie(model, kInput, 10), options,
                   testing::ThreadRunner(options.threads));
  ASSERT_TRUE(status.ok()) << status.message;
  bench->trainer.Initialize(3);
  bench->trainer.CheckMemory(options.threads == 1);
}

StepResult StepOn(Trainer& t, uint64_t seed, float rate, float scale = 1.0f) {
  const TestBatch data(kInput, 10, 4, seed);
  return t.Step(data.View(4), {.learning_rate = rate, .gradient_scale = scale});
}

// |after - before|, and the largest of its elements.
struct Moved {
  double norm = 0, largest = 0;
};
Moved MovedBy(const std::vector<float>& before,
              const std::vector<float>& after) {
  Moved m;
  for (size_t i = 0; i < before.size(); ++i) {
    const double d = std::fabs(double{after[i]} - double{before[i]});
    m.norm += d * d;
    m.largest = std::max(m.largest, d);
  }
  m.norm = std::sqrt(m.norm);
  return m;
}

TEST(ClipNorm, ScalesAllGradientsTogether) {
  Bench plain;
  ASSERT_NO_FATAL_FAILURE(Start("lenet5", With({}), &plain));
  const std::vector<float> before = plain.State();
  ASSERT_TRUE(StepOn(plain.trainer, 1, 1.0f).status.ok());
  EXPECT_FALSE(plain.trainer.clipped());
  const double norm = MovedBy(before, plain.State()).norm;
  for (const uint32_t threads : {1u, 3u}) {
    for (const double share : {0.25, 4.0}) {
      Bench clipped;
      ASSERT_NO_FATAL_FAILURE(Start(
          "lenet5",
          With({ClipNormParams{static_cast<float>(norm * share)}}, threads),
          &clipped));
      ASSERT_TRUE(StepOn(clipped.trainer, 1, 1.0f).status.ok());
      EXPECT_EQ(clipped.trainer.clipped(), share < 1);
      const double now = MovedBy(before, clipped.State()).norm;
      EXPECT_NEAR(now, norm * std::min(1.0, share), 1e-5 * norm);
      if (share > 1) {
        EXPECT_TRUE(SameBits(clipped.State(), plain.State()));
      }
      // The scale of a step counts.
      ASSERT_TRUE(StepOn(clipped.trainer, 2, 0.0f, 1e4f).status.ok());
      EXPECT_TRUE(clipped.trainer.clipped());
    }
  }
}

TEST(ClipNorm, LargeGradientsAreNoInfinity) {
  // Of squares that overflow in float; the update is the clipped one.
  Bench bench;
  ASSERT_NO_FATAL_FAILURE(Start("mlp", With({ClipNormParams{1.0f}}), &bench));
  const std::vector<float> before = bench.State();
  ASSERT_TRUE(StepOn(bench.trainer, 1, 1.0f, 1e30f).status.ok());
  EXPECT_NEAR(MovedBy(before, bench.State()).norm, 1.0, 1e-4);
}

TEST(Clip, NonFiniteGradientsChangeNothing) {
  for (const UpdateHook& hook :
       {UpdateHook(ClipNormParams{1.0f}), UpdateHook(ClipValueParams{0.5f})}) {
    Bench bench;
    PlanOptions options = With({hook});
    options.optimizer = AdamParams{};
    ASSERT_NO_FATAL_FAILURE(Start("mlp", options, &bench));
    ASSERT_TRUE(StepOn(bench.trainer, 1, 0.01f).status.ok());
    // A finite loss whose gradients overflow: weights of the head that are far
    // too large, times activations that are.
    for (const TensorView& v : bench.trainer.Tensors()) {
      if (v.spec->role != WeightRole::kKernel) continue;
      std::fill_n(v.data, v.count, 1.0f);
    }
    for (const TensorView& v : bench.trainer.Tensors()) {
      if (v.spec->role == WeightRole::kKernel && v.spec->dims[0] == 10) {
        for (uint64_t i = 0; i < v.count; ++i) {
          v.data[i] = i % 2 == 0 ? 3e38f : -3e38f;
        }
      }
    }
    const std::vector<float> before = bench.State();
    const StepResult r = StepOn(bench.trainer, 2, 0.01f);
    EXPECT_EQ(r.status.code, StatusCode::kNotFinite);
    EXPECT_EQ(bench.trainer.steps(), 1u);
    EXPECT_TRUE(SameBits(bench.State(), before));
  }
}

TEST(ClipValue, CutsEachGradient) {
  Bench plain, cut;
  ASSERT_NO_FATAL_FAILURE(Start("lenet5", With({}), &plain));
  ASSERT_NO_FATAL_FAILURE(
      Start("lenet5", With({ClipValueParams{1e-3f}}), &cut));
  const std::vector<float> before = plain.State();
  ASSERT_TRUE(StepOn(plain.trainer, 1, 1.0f).status.ok());
  ASSERT_TRUE(StepOn(cut.trainer, 1, 1.0f).status.ok());
  EXPECT_TRUE(cut.trainer.clipped());
  const std::vector<float> a = plain.State(), b = cut.State();
  for (size_t i = 0; i < before.size(); ++i) {
    const double want =
        std::clamp(double{a[i]} - double{before[i]}, -1e-3, 1e-3);
    EXPECT_NEAR(double{b[i]} - double{before[i]}, want, 2e-7);
  }
}

// Nearly every weight is zero exactly, and those of other roles are left alone.
TEST(L1, MakesExactZeros) {
  for (const uint32_t threads : {1u, 3u}) {
    Bench bench;
    ASSERT_NO_FATAL_FAILURE(
        Start("lenet5", With({L1Params{0.1f}}, threads), &bench));
    for (uint64_t s = 1; s <= 20; ++s) {
      ASSERT_TRUE(StepOn(bench.trainer, s, 0.05f).status.ok());
    }
    uint64_t zeros = 0, all = 0, biases = 0;
    for (const TensorView& v : bench.trainer.Tensors()) {
      if (!v.trained) continue;
      const auto n =
          static_cast<uint64_t>(std::count(v.data, v.data + v.count, 0.0f));
      if (v.spec->role == WeightRole::kKernel) {
        zeros += n;
        all += v.count;
      } else {
        biases += v.count - n;
      }
    }
    EXPECT_GT(zeros, all / 2);
    EXPECT_GT(biases, 0u);
  }
}

TEST(L1, IsTheProximalStep) {
  Bench plain, sparse;
  ASSERT_NO_FATAL_FAILURE(Start("lenet5", With({}), &plain));
  ASSERT_NO_FATAL_FAILURE(Start("lenet5", With({L1Params{0.5f}}), &sparse));
  ASSERT_TRUE(StepOn(plain.trainer, 1, 0.1f).status.ok());
  ASSERT_TRUE(StepOn(sparse.trainer, 1, 0.1f).status.ok());
  for (size_t t = 0; t < plain.trainer.Tensors().size(); ++t) {
    const TensorView& a = plain.trainer.Tensors()[t];
    const TensorView& b = sparse.trainer.Tensors()[t];
    const float by = a.spec->role == WeightRole::kKernel ? 0.1f * 0.5f : 0.0f;
    for (uint64_t i = 0; i < a.count; ++i) {
      const float want = std::fabs(a.data[i]) <= by
                             ? 0.0f
                             : a.data[i] - std::copysign(by, a.data[i]);
      EXPECT_EQ(b.data[i], a.trained && by > 0 ? want : a.data[i]);
    }
  }
}

TEST(MaxNorm, LimitsTheWeightsOfEachOutput) {
  for (const char* const model : {"lenet5", "mobilenet_v1?width=0.25"}) {
    constexpr float kMost = 0.3f;
    Bench bench;
    ASSERT_NO_FATAL_FAILURE(Start(model, With({MaxNormParams{kMost}}), &bench));
    ASSERT_TRUE(StepOn(bench.trainer, 1, 0.1f).status.ok());
    bool limited = false;
    for (const TensorView& v : bench.trainer.Tensors()) {
      if (!v.trained || v.spec->role != WeightRole::kKernel) continue;
      const bool depthwise = v.spec->rank == 3;
      const uint64_t outputs = v.spec->dims[depthwise ? 2 : 0];
      for (uint64_t o = 0; o < outputs; ++o) {
        double sum = 0;
        for (uint64_t k = 0; k < v.count / outputs; ++k) {
          const double x =
              v.data[depthwise ? k * outputs + o : o * (v.count / outputs) + k];
          sum += x * x;
        }
        EXPECT_LE(std::sqrt(sum), kMost * (1 + 1e-6));
        limited |= std::sqrt(sum) > kMost * (1 - 1e-6);
      }
    }
    EXPECT_TRUE(limited);
  }
}

// A weight that becomes tiny when its output is scaled down is 0 (flush.h).
TEST(MaxNorm, LeavesNoTinyWeights) {
  Bench bench;
  ASSERT_NO_FATAL_FAILURE(Start("lenet5", With({MaxNormParams{1.0f}}), &bench));
  for (const TensorView& v : bench.trainer.Tensors()) {
    if (v.spec->role != WeightRole::kKernel) continue;
    std::fill_n(v.data, v.count, 1e-18f);
    for (uint64_t i = 0; i < v.count; i += v.count / v.spec->dims[0]) {
      v.data[i] = 100.0f;
    }
  }
  ASSERT_TRUE(StepOn(bench.trainer, 1, 0.0f).status.ok());
  uint64_t zeros = 0;
  for (const TensorView& v : bench.trainer.Tensors()) {
    if (!v.trained || v.spec->role != WeightRole::kKernel) continue;
    for (uint64_t i = 0; i < v.count; ++i) {
      EXPECT_TRUE(v.data[i] == 0.0f || std::fabs(v.data[i]) >= 0x1p-63f);
      zeros += v.data[i] == 0.0f;
    }
  }
  EXPECT_GT(zeros, 0u);
}

// What the state holds after each of some steps.
void ExpectAverage(const UpdateHook& hook,
                   void (*follow)(uint64_t step, float w, double* average)) {
  for (const uint32_t threads : {1u, 3u}) {
    Bench bench;
    ASSERT_NO_FATAL_FAILURE(Start("lenet5", With({hook}, threads), &bench));
    std::vector<std::vector<double>> want(bench.trainer.States().size());
    for (uint64_t step = 1; step <= 8; ++step) {
      ASSERT_TRUE(StepOn(bench.trainer, step, 0.1f).status.ok());
      for (size_t s = 0; s < want.size(); ++s) {
        const StateView& state = bench.trainer.States()[s];
        ASSERT_STREQ(state.name, kAverageState);
        want[s].resize(state.count);
        const float* const w = bench.trainer.Tensors()[state.tensor].data;
        for (uint64_t i = 0; i < state.count; ++i) {
          follow(step, w[i], &want[s][i]);
          EXPECT_NEAR(state.data[i], want[s][i], 1e-6);
        }
      }
    }
    EXPECT_FALSE(want.empty());
  }
}

TEST(Ema, IsTheMovingAverage) {
  ExpectAverage(EmaParams{0.75f}, [](uint64_t step, float w, double* average) {
    *average = step == 1 ? w : 0.75 * *average + 0.25 * w;
  });
}

TEST(Swa, IsTheMeanOfTheLastPart) {
  // Of steps 3, 5 and 7.
  ExpectAverage(SwaParams{3, 2}, [](uint64_t step, float w, double* average) {
    if (step < 3 || step % 2 == 0) return;
    const double n = static_cast<double>((step - 3) / 2);
    *average = (*average * n + w) / (n + 1);
  });
}

TEST(FollowStatistics, ChangesNothingElse) {
  Bench bench;
  ASSERT_NO_FATAL_FAILURE(Start("resnet8", With({EmaParams{}}), &bench));
  ASSERT_TRUE(StepOn(bench.trainer, 1, 0.1f).status.ok());
  const auto parts = [&](bool buffers) {
    std::vector<float> values;
    for (const TensorView& v : bench.trainer.Tensors()) {
      if ((v.spec->role == WeightRole::kBuffer) != buffers) continue;
      values.insert(values.end(), v.data, v.data + v.count);
    }
    for (const StateView& v : bench.trainer.States()) {
      if (!buffers) values.insert(values.end(), v.data, v.data + v.count);
    }
    return values;
  };
  const std::vector<float> weights = parts(false), statistics = parts(true);
  const TestBatch data(kInput, 10, 4, 7);
  ASSERT_TRUE(bench.trainer.FollowStatistics(data.View(4)).status.ok());
  EXPECT_TRUE(SameBits(parts(false), weights));
  EXPECT_FALSE(SameBits(parts(true), statistics));
  EXPECT_EQ(bench.trainer.steps(), 1u);
}

// Whatever the momentum of the layers and what they held before.
TEST(FollowStatistics, AMeanOverBatchesForgetsWhatWasThere) {
  std::vector<float> seen[2];
  for (const float before : {0.0f, 1e3f}) {
    Bench bench;
    ASSERT_NO_FATAL_FAILURE(
        Start("resnet8?variant=mlperf", With({}), &bench));  // momentum 0.01
    for (const TensorView& v : bench.trainer.Tensors()) {
      // Not those of the normalize layer, which no batch changes.
      if (v.spec->role != WeightRole::kBuffer || v.count == kInput.c) continue;
      std::fill_n(v.data, v.count, before);
    }
    const TestBatch data(kInput, 10, 4, 7);
    for (uint32_t k = 0; k < 3; ++k) {
      ASSERT_TRUE(bench.trainer
                      .FollowStatistics(data.View(4 - k),
                                        1.0f / static_cast<float>(k + 1))
                      .status.ok());
    }
    std::vector<float>& to = seen[before != 0.0f];
    for (const TensorView& v : bench.trainer.Tensors()) {
      if (v.spec->role != WeightRole::kBuffer || v.count == kInput.c) continue;
      to.insert(to.end(), v.data, v.data + v.count);
    }
  }
  EXPECT_FALSE(seen[0].empty());
  EXPECT_TRUE(SameBits(seen[0], seen[1]));
}

}  // namespace
}  // namespace temper
