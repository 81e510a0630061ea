// RMSprop as an optimizer: its states, and 20 steps as PyTorch 2.13 makes them
// in double (torch.optim.RMSprop(lr=0.01, alpha=0.9, eps=1e-6)).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/optimizer.h"

namespace temper {
namespace {

constexpr size_t kWeights = 12;

struct Golden {
  uint32_t centered;
  float momentum, weight_decay;
  double weights[kWeights];
};
// Printed by a loop over these options; gradients and first weights below.
constexpr Golden kGolden[] = {
    // clang-format off
    {0, 0.0f, 0.0f, {-0.589993537, -0.454748587, -0.394910489, -0.225984845, -0.115975353, -0.030948043, 0.146260276, 0.234828703, 0.352431496, 0.548690673, 0.615703846, 0.779197105}},
    {0, 0.0f, 0.01f, {-0.586185913, -0.453327782, -0.393932849, -0.224376053, -0.084146917, -0.030867430, 0.145415868, 0.234044635, 0.351646110, 0.545282363, 0.613378955, 0.777492764}},
    {0, 0.9f, 0.0f, {-0.350527454, -0.106233636, -0.584140925, -0.183101674, -0.084899937, -0.284552369, 0.236599144, 0.189035888, 0.307915805, 1.030689983, 0.570801472, 0.888979015}},
    {0, 0.9f, 0.01f, {-0.332543540, -0.101742074, -0.576899608, -0.174858973, 0.191193004, -0.282155164, 0.230759267, 0.185556389, 0.303804137, 1.001059917, 0.555991277, 0.877098301}},
    {1, 0.0f, 0.0f, {-0.585928739, -0.449609595, -0.397043497, -0.224310355, -0.114940750, -0.034978789, 0.147537274, 0.233552139, 0.350808192, 0.555881043, 0.615190741, 0.781764819}},
    {1, 0.0f, 0.01f, {-0.581884328, -0.448111397, -0.395997390, -0.222608187, -0.081394981, -0.034883856, 0.146633843, 0.232710063, 0.349978690, 0.552161335, 0.612726476, 0.779947361}},
    {1, 0.9f, 0.0f, {-0.315803309, -0.060991113, -0.601071770, -0.169457193, -0.076553442, -0.319940243, 0.245642995, 0.175468421, 0.294293932, 1.091458165, 0.567577201, 0.911153959}},
    {1, 0.9f, 0.01f, {-0.297100533, -0.056545716, -0.593266267, -0.161085097, 0.214236190, -0.317207783, 0.239237117, 0.171820382, 0.290092229, 1.058579591, 0.551991312, 0.898444964}},
    // clang-format on
};

TEST(Rmsprop, StepsAsPyTorch) {
  for (const Golden& golden : kGolden) {
    SCOPED_TRACE(std::to_string(golden.centered) + " " +
                 std::to_string(golden.momentum) + " " +
                 std::to_string(golden.weight_decay));
    RmspropParams params;
    params.alpha = 0.9f;
    params.eps = 1e-6f;
    params.centered = golden.centered;
    params.momentum = golden.momentum;
    params.weight_decay = golden.weight_decay;
    const Optimizer optimizer = params;
    const OptimizerOp& op = OpOf(OptimizerKind::kRmsprop);
    const char* names[kMaxStates] = {};
    const uint32_t states = op.states(optimizer, names);
    EXPECT_EQ(states, 1u + golden.centered + (golden.momentum != 0));
    std::vector<std::vector<float>> memory(states,
                                           std::vector<float>(kWeights, 0.0f));
    float* state[kMaxStates] = {};
    for (uint32_t s = 0; s < states; ++s) state[s] = memory[s].data();
    float w[kWeights], g[kWeights];
    for (size_t i = 0; i < kWeights; ++i) {
      w[i] = (static_cast<float>(i) - 5.0f) / 8.0f;
    }
    for (uint64_t t = 0; t < 20; ++t) {
      for (size_t i = 0; i < kWeights; ++i) {
        g[i] = (static_cast<float>((i * 7 + t * 13) % 19) - 9.0f) / 16.0f *
               static_cast<float>(1 + i % 3);
      }
      EXPECT_FALSE(op.update({.optimizer = optimizer,
                              .role = WeightRole::kKernel,
                              .step = t + 1,
                              .learning_rate = 0.01f,
                              .gradient_scale = 1.0f,
                              .shape = {1, kWeights},
                              .first = 0,
                              .count = kWeights,
                              .g = g,
                              .w = w,
                              .state = state,
                              .scratch = nullptr,
                              .w_shared = false,
                              .parallel = {}}));
    }
    for (size_t i = 0; i < kWeights; ++i) {
      EXPECT_NEAR(w[i], golden.weights[i], 3e-6) << i;
    }
  }
}

TEST(Rmsprop, NamesItsStatesInOrder) {
  RmspropParams params;
  params.centered = 1;
  params.momentum = 0.5f;
  const OptimizerOp& op = OpOf(OptimizerKind::kRmsprop);
  const char* names[kMaxStates] = {};
  ASSERT_EQ(op.states(params, names), 3u);
  EXPECT_STREQ(names[0], "square_avg");
  EXPECT_STREQ(names[1], "grad_avg");
  EXPECT_STREQ(names[2], "momentum_buffer");
  // Weight decay is for dense and convolution weights, unless for all.
  params.weight_decay = 0.5f;
  EXPECT_EQ(op.decay(params, WeightRole::kKernel), 0.5f);
  EXPECT_EQ(op.decay(params, WeightRole::kBias), 0.0f);
  params.decay_all = 1;
  EXPECT_EQ(op.decay(params, WeightRole::kBias), 0.5f);
}

}  // namespace
}  // namespace temper
