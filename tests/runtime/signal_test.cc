// What the first step shows of the first weights; zero-init residual; and what
// the activations' plans keep.
#include "temper/signal.h"

#include <cmath>

#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Bench;
using testing::TestBatch;

constexpr Shape kInput = {4, 4, 4};

// 12 dense layers of 64, an activation after each.
template <class Activation>
Graph Deep(const Activation& activation, bool norm = false) {
  Graph g;
  uint32_t x = g.Add("input", InputParams{kInput.h, kInput.w, kInput.c});
  x = g.Add("normalize", NormalizeParams{}, x);
  for (int i = 0; i < 12; ++i) {
    const std::string number = std::to_string(i);
    x = g.Add("fc" + number, DenseParams{64}, x);
    if (norm) x = g.Add("bn" + number, BatchNormParams{}, x);
    x = g.Add("act" + number, activation, x);
  }
  x = g.Add("head", DenseParams{3}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  return g;
}

std::vector<SignalFinding> Findings(const Graph& g,
                                    const InitializeOptions& init) {
  Bench bench;
  EXPECT_TRUE(bench.Start(g, {.batch = 32}).ok());
  bench.trainer.Initialize(1, init);
  std::vector<double> rms(g.nodes.size(), 7.0);
  std::vector<SignalFinding> found(4);
  uint32_t count = FindAlike(bench.trainer, found.data(), 1);
  bench.trainer.WatchSignal(rms.data());
  const TestBatch data(kInput, 3, 32, 1);
  bench.trainer.Step(data.View(32), 1e-6f);
  count += FindSignals(bench.trainer.plan(), rms.data(), found.data() + count,
                       4 - count);
  found.resize(count);
  return found;
}

TEST(Signal, IsMeasuredOnceAndChangesNothing) {
  const Graph g = Deep(ReluParams{});
  std::vector<float> states[2];
  for (const bool watch : {false, true}) {
    Bench bench;
    ASSERT_TRUE(bench.Start(g, {.batch = 8}).ok());
    bench.trainer.Initialize(1);
    std::vector<double> rms(g.nodes.size(), 7.0);
    const TestBatch data(kInput, 3, 8, 1);
    if (watch) bench.trainer.WatchSignal(rms.data());
    ASSERT_TRUE(bench.trainer.Step(data.View(8), 0.1f).status.ok());
    // Uniform in [-1, 1).
    if (watch) {
      EXPECT_NEAR(rms[1], 1 / std::sqrt(3.0), 0.03);
    }
    rms.assign(rms.size(), 7.0);
    ASSERT_TRUE(bench.trainer.Step(data.View(8), 0.1f).status.ok());
    EXPECT_EQ(rms, std::vector<double>(rms.size(), 7.0));
    states[watch] = bench.State();
  }
  EXPECT_TRUE(testing::SameBits(states[0], states[1]));
}

TEST(Signal, GoodPairsAreQuiet) {
  EXPECT_TRUE(Findings(Deep(ReluParams{}), {}).empty());
  EXPECT_TRUE(Findings(Deep(LeakyReluParams{}), {}).empty());
  EXPECT_TRUE(Findings(Deep(PreluParams{}), {}).empty());
  EXPECT_TRUE(Findings(Deep(SigmoidParams{}), {}).empty());
  // A norm makes up for anything but equal weights.
  const InitializeOptions small = {.kernel = GaussianParams{1e-3f}};
  EXPECT_TRUE(Findings(Deep(ReluParams{}, true), small).empty());
}

TEST(Signal, DiesExplodesOrIsAlike) {
  auto found = Findings(Deep(ReluParams{}), {.kernel = GaussianParams{0.01f}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, SignalKind::kDies);
  EXPECT_EQ(found[0].node, 2u);
  EXPECT_EQ(found[0].activation, 3u);
  EXPECT_LT(found[0].rms, 0.1 * found[0].input_rms);

  found = Findings(Deep(ReluParams{}), {.kernel = GaussianParams{1.0f}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, SignalKind::kExplodes);

  found = Findings(Deep(ReluParams{}), {.kernel = InitializerKind::kZero});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].kind, SignalKind::kAlike);
  EXPECT_EQ(found[0].rms, 0);
  EXPECT_EQ(found[1].kind, SignalKind::kDies);

  found = Findings(Deep(ReluParams{}), {.kernel = GaussianParams{1e8f}});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].kind, SignalKind::kExplodes);
  EXPECT_EQ(found[1].kind, SignalKind::kNotFinite);
}

// 18 residual blocks without norms.
Graph Residual() {
  Graph g;
  uint32_t x = g.Add("input", InputParams{kInput.h, kInput.w, kInput.c});
  x = g.Add("normalize", NormalizeParams{}, x);
  Conv2dParams p;
  p.out_channels = 16;
  p.kernel_h = p.kernel_w = 3;
  p.pad_top = p.pad_bottom = p.pad_left = p.pad_right = 1;
  x = g.Add("stem", p, x);
  for (int i = 0; i < 18; ++i) {
    const std::string n = std::to_string(i);
    uint32_t y = g.Add("a" + n, p, x);
    y = g.Add("relu_a" + n, ReluParams{}, y);
    y = g.Add("b" + n, p, y);
    x = g.Add("add" + n, AddParams{}, y, x);
    x = g.Add("relu_b" + n, ReluParams{}, x);
  }
  x = g.Add("head", DenseParams{3}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  return g;
}

TEST(ZeroResidual, TrainsWherePlainHeGoesNonFinite) {
  const Graph g = Residual();
  for (const bool zero : {true, false}) {
    Bench bench;
    ASSERT_TRUE(bench.Start(g, {.batch = 24}).ok());
    bench.trainer.Initialize(
        1, {.kernel = InitializerKind::kHeNormal,
            .zero_residual = zero ? ZeroResidual::kYes : ZeroResidual::kNo});
    const TestBatch data(kInput, 3, 24, 1);
    double first = 0, last = 0;
    bool finite = true;
    for (int s = 0; s < 60 && finite; ++s) {
      const StepResult r = bench.trainer.Step(data.View(24), 0.1f);
      finite = r.status.ok();
      if (s == 0) first = r.loss;
      last = r.loss;
    }
    EXPECT_EQ(finite, zero);
    if (zero) {
      EXPECT_LT(last, 0.6 * first);
    }
  }
}

// The weights in front follow the activation, as a set.
template <class Activation>
double FirstDeviation(const Activation& activation) {
  Bench bench;
  EXPECT_TRUE(bench.Start(Deep(activation), {.batch = 2}).ok());
  bench.trainer.Initialize(3);
  for (const TensorView& view : bench.trainer.Tensors()) {
    if (view.node != 4 || view.spec->role != WeightRole::kKernel) continue;
    double squares = 0;
    for (uint64_t i = 0; i < view.count; ++i) {
      squares += double{view.data[i]} * double{view.data[i]};
    }
    return std::sqrt(squares / static_cast<double>(view.count)) * 8;
  }
  return 0;
}

// Times sqrt(fan_in): He sqrt(2), Xavier 1 for equal fans; 2 %.
TEST(Initialize, FollowsTheActivation) {
  const double he = std::sqrt(2.0);
  EXPECT_NEAR(FirstDeviation(ReluParams{}), he, 0.03);
  EXPECT_NEAR(FirstDeviation(EluParams{}), he, 0.03);
  EXPECT_NEAR(FirstDeviation(SiluParams{}), he, 0.03);
  EXPECT_NEAR(FirstDeviation(GeluParams{}), he, 0.03);
  EXPECT_NEAR(FirstDeviation(HardSwishParams{}), he, 0.03);
  EXPECT_NEAR(FirstDeviation(LeakyReluParams{0.5f}), std::sqrt(2 / (1 + 0.25)),
              0.03);
  EXPECT_NEAR(FirstDeviation(PreluParams{0.25f}), std::sqrt(2 / (1 + 0.0625)),
              0.03);
  EXPECT_NEAR(FirstDeviation(TanhParams{}), 1, 0.02);
  EXPECT_NEAR(FirstDeviation(SigmoidParams{}), 1, 0.02);
  EXPECT_NEAR(FirstDeviation(HardSigmoidParams{}), 1, 0.02);
}

// In a chain of convolutions, an activation whose gradient needs its input keeps
// one tensor a layer, as ReLU does, and computes its output again.
template <class Activation>
uint64_t ChainBytes(const Activation& activation, bool norm, uint32_t layers) {
  Graph g;
  uint32_t x = g.Add("input", InputParams{16, 16, 3});
  x = g.Add("normalize", NormalizeParams{}, x);
  Conv2dParams p;
  p.out_channels = 16;
  for (uint32_t i = 0; i < layers; ++i) {
    const std::string n = std::to_string(i);
    x = g.Add("conv" + n, p, x);
    if (norm) x = g.Add("bn" + n, BatchNormParams{}, x);
    x = g.Add("act" + n, activation, x);
  }
  x = g.Add("pool", GlobalAvgPoolParams{}, x);
  x = g.Add("head", DenseParams{3}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  Plan plan;
  const Status status = MakePlan(g, {.batch = 32}, &plan);
  EXPECT_TRUE(status.ok()) << status.message;
  EXPECT_TRUE(CheckPlan(plan).ok());
  return plan.transient_bytes;
}

TEST(ActivationPlans, KeepOneTensorALayer) {
  constexpr double kTensor = 16 * 16 * 16 * 32 * 4;
  const auto per_layer = [&](const auto& activation, bool norm) {
    const double more = static_cast<double>(ChainBytes(activation, norm, 12)) -
                        static_cast<double>(ChainBytes(activation, norm, 8));
    return more / 4 / kTensor;
  };
  for (const bool norm : {false, true}) {
    EXPECT_NEAR(per_layer(ReluParams{}, norm), 1, 0.02) << norm;
    EXPECT_NEAR(per_layer(SiluParams{}, norm), 1, 0.02) << norm;
    EXPECT_NEAR(per_layer(GeluParams{}, norm), 1, 0.02) << norm;
    EXPECT_NEAR(per_layer(HardSwishParams{}, norm), 1, 0.02) << norm;
  }
  EXPECT_NEAR(per_layer(TanhParams{}, false), 1, 0.02);
  EXPECT_NEAR(per_layer(PreluParams{}, false), 1, 0.02);
  // The convolution's output for the norm, the activation's for itself.
  EXPECT_NEAR(per_layer(TanhParams{}, true), 2, 0.02);
}

}  // namespace
}  // namespace temper
