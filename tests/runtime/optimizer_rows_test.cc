// Four updates of each form of an optimizer, number by number: what temper does
// agrees with PyTorch, and the forms of other programs that look alike differ
// (tests/golden/optimizer_rows.h). Clipping and L1 by numbers, too.
#include "tests/golden/optimizer_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "models/spec.h"
#include "runtime/optimizer.h"
#include "runtime/update_hook.h"

namespace temper {
namespace {

using testing::kRowFirst;
using testing::kRowGradients;
using testing::kRowSteps;
using testing::kRowWeights;

struct Row {
  explicit Row(const std::string& spec) {
    Choice choice;
    EXPECT_EQ(ReadSpec(spec, OptimizerCatalogue(), &choice), "") << spec;
    optimizer.kind = static_cast<OptimizerKind>(choice.kind);
    std::copy_n(choice.params, sizeof(optimizer.params), optimizer.params);
    const char* names[kMaxStates];
    states.assign(OpOf(optimizer.kind).states(optimizer, names),
                  std::vector<float>(kRowWeights));
    w.assign(kRowFirst, kRowFirst + kRowWeights);
  }

  // With gradients k; the optimizer is told that it is step `step`.
  void Step(int k, uint64_t step, double rate) {
    float* state[kMaxStates] = {};
    for (size_t s = 0; s < states.size(); ++s) state[s] = states[s].data();
    EXPECT_FALSE(OpOf(optimizer.kind)
                     .update({.optimizer = optimizer,
                              .role = WeightRole::kKernel,
                              .step = step,
                              .learning_rate = static_cast<float>(rate),
                              .gradient_scale = 1.0f,
                              .shape = {1, kRowWeights},
                              .first = 0,
                              .count = kRowWeights,
                              .g = kRowGradients[k],
                              .w = w.data(),
                              .state = state,
                              .scratch = nullptr,
                              .w_shared = false,
                              .parallel = {}}));
  }

  Optimizer optimizer;
  std::vector<std::vector<float>> states;
  std::vector<float> w;
};

// The largest difference in units of what float arithmetic may do: 1e-6 of the
// value, and 2e-7 for weights near 0.
double Off(const std::vector<float>& w, const double* want) {
  double most = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    const double allowed = 1e-6 * std::fabs(want[i]) + 2e-7;
    most = std::max(most, std::fabs(double{w[i]} - want[i]) / allowed);
  }
  return most;
}

TEST(OptimizerRows, AreWhatTemperDoesAndWhatItDoesNot) {
  for (const testing::OptimizerRow& row : testing::kOptimizerRows) {
    SCOPED_TRACE(std::string(row.spec) + ": " + row.form);
    Row t(row.spec);
    double most = 0;
    for (int k = 0; k < kRowSteps; ++k) {
      t.Step(k, static_cast<uint64_t>(k) + 1, row.rates[k]);
      const double off = Off(t.w, row.weights[k]);
      if (row.same) {
        EXPECT_LE(off, 1) << "step " << k + 1;
      }
      most = std::max(most, off);
    }
    if (!row.same) {
      EXPECT_GT(most, 10);
    }
  }
}

TEST(OptimizerRows, AdamKeepsTheNumberOfItsStep) {
  Row right("adam"), forgetful("adam");
  for (int k = 0; k < 3; ++k) {
    const auto step = static_cast<uint64_t>(k) + 1;
    right.Step(k, step, 0.1);
    forgetful.Step(k, k < 2 ? step : 1, 0.1);
  }
  EXPECT_LE(Off(forgetful.w, testing::kAdamThatLostItsStep), 1);
  EXPECT_GT(Off(right.w, testing::kAdamThatLostItsStep), 1e4);
}

// A weight of a dense layer, its gradient, and a hook's work on both.
struct Hooked {
  explicit Hooked(std::vector<float> gradients)
      : g(std::move(gradients)), w(g.size()) {
    spec.rank = 1;
    spec.dims[0] = static_cast<uint32_t>(g.size());
  }

  Status Run(const UpdateHook& hook, float rate = 0.0f) {
    TensorView view;
    view.node = 3;
    view.spec = &spec;
    view.data = w.data();
    view.count = w.size();
    view.trained = true;
    view.gradient = g.data();
    return OpOf(hook.kind).run({.hook = hook,
                                .step = 1,
                                .learning_rate = rate,
                                .gradient_scale = &scale,
                                .clipped = &clipped,
                                .tensors = {view},
                                .rate_factors = {},
                                .parallel = {},
                                .trainer = nullptr,
                                .first_state = 0,
                                .state = nullptr});
  }

  std::vector<float> g, w;
  WeightSpec spec;
  float scale = 1.0f;
  bool clipped = false;
};

TEST(OptimizerRows, ClippingByTheNorm) {
  const UpdateHook one = ClipNormParams{1.0f};
  Hooked small({0.3f, 0.4f});
  ASSERT_TRUE(small.Run(one).ok());
  EXPECT_EQ(small.scale, 1.0f);
  EXPECT_FALSE(small.clipped);

  Hooked large({3.0f, 4.0f});
  ASSERT_TRUE(large.Run(one).ok());
  EXPECT_NEAR(large.scale * 3.0f, 0.6, 1e-6);
  EXPECT_NEAR(large.scale * 4.0f, 0.8, 1e-6);
  EXPECT_TRUE(large.clipped);

  // To the threshold, not to 1: what is just above 10 stays about 10.
  Hooked above({6.6f, 8.8f});
  ASSERT_TRUE(above.Run(ClipNormParams{10.0f}).ok());
  EXPECT_NEAR(above.scale * 11.0f, 10.0, 1e-5);

  // The sum of squares, 1e42, is no float; the norm is.
  Hooked huge(std::vector<float>(100, 1e20f));
  ASSERT_TRUE(huge.Run(one).ok());
  EXPECT_NEAR(huge.scale * 1e20f, 0.1, 1e-6);

  Hooked zero({0.0f, 0.0f});
  ASSERT_TRUE(zero.Run(one).ok());
  EXPECT_EQ(zero.scale, 1.0f);

  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity()}) {
    Hooked broken({0.3f, bad});
    const Status status = broken.Run(one);
    EXPECT_EQ(status.code, StatusCode::kNotFinite);
    EXPECT_EQ(status.node, 3u);
    EXPECT_EQ(broken.scale, 1.0f);
  }
}

TEST(OptimizerRows, L1IsTheProximalStep) {
  Row t("sgd?momentum=0&weight_decay=0");
  Hooked hooked({0.0f, 0.0f, 0.0f, 0.0f});
  for (int k = 0; k < kRowSteps; ++k) {
    t.Step(k, static_cast<uint64_t>(k) + 1, 0.1);
    hooked.w = t.w;
    ASSERT_TRUE(hooked.Run(L1Params{0.5f}, 0.1f).ok());
    t.w = hooked.w;
    EXPECT_LE(Off(t.w, testing::kSgdWithL1[k]), 1) << "step " << k + 1;
    // Exactly 0 and never stepped over.
    EXPECT_EQ(t.w[2], 0.0f);
  }
}

}  // namespace
}  // namespace temper
