// What layers state of their cost: each has one, and calls it.
#include "runtime/cost.h"

#include <gtest/gtest.h>

#include <vector>

#include "runtime/layer.h"

namespace temper {
namespace {

// A table that names no cost function, or none in its place, does not compile.
template <class Op>
concept CanLeaveOutCost = requires {
  Op{.name = "x", .shapes = "any"};
};
template <class Op>
concept CanHaveNoCost = requires {
  Op{.name = "x", .shapes = "any", .cost = nullptr};
};
template <class Op>
concept CanHaveCost = requires {
  Op{.name = "x", .shapes = "any", .cost = CostsNothing};
};
static_assert(!CanLeaveOutCost<LayerOp>);
static_assert(!CanHaveNoCost<LayerOp>);
static_assert(CanHaveCost<LayerOp>);

struct Record final : CostSink {
  void Stream(Kernel kernel, double, size_t, std::initializer_list<Touch> t,
              uint32_t) override {
    kernels.push_back(kernel);
    touches.insert(touches.end(), t);
  }
  void StreamNear(Kernel kernel, double, double) override {
    kernels.push_back(kernel);
  }
  void Product(Kernel kernel, Sizes, double multiply_adds,
               std::initializer_list<Touch> t) override {
    EXPECT_GT(multiply_adds, 0);
    kernels.push_back(kernel);
    touches.insert(touches.end(), t);
  }
  void Update(uint32_t, uint64_t first, uint64_t count,
              uint64_t total) override {
    updates += count;
    EXPECT_LE(first + count, total);
  }
  std::vector<Kernel> kernels;
  std::vector<Touch> touches;
  uint64_t updates = 0;
};

// A node on (4, 4, 8) in the modes that a test sets.
struct Case {
  explicit Case(LayerKind kind) {
    DefaultParams(kind, node.params);
    node.kind = kind;
    node.input_count = OpOf(kind).min_inputs;
    SetField(&node, "out_features", 6);
    SetField(&node, "out_channels", 6);
    SetField(&node, "scale", 1);
    plan.mode.train_weights = plan.mode.backward = true;
    for (bool& need : plan.mode.need_dx) need = true;
    const LayerOp& op = OpOf(kind);
    if (op.loss != nullptr || node.input_count == 0) in[0] = {1, 1, 8};
    EXPECT_TRUE(op.shape(node, in, &out).ok()) << op.name;
    plan.specs[0].rank = 2;
    plan.specs[0].dims[0] = 6;
    plan.specs[0].dims[1] = 128;
    for (uint64_t k = 0; k < kMaxInputs; ++k) {
      x[k] = {1000000 * (k + 1), 4096};
      dx[k] = {1000000 * (k + 20), 4096};
      dw[k] = {1000000 * (k + 40), 4096};
    }
  }
  Record Cost(StepKind kind) const {
    Record record;
    const Touch y = {70000000, 4096}, dy = {80000000, 4096};
    OpOf(node.kind).cost({node, plan.mode, plan, in, out, kind, 2, 0, 2, true,
                          x, y, dw, dy, dx, dw},
                         &record);
    return record;
  }
  Node node;
  NodePlan plan;
  Shape in[kMaxInputs] = {{4, 4, 8}, {4, 4, 8}}, out;
  Touch x[kMaxInputs], dx[kMaxInputs], dw[kMaxInputs];
};

TEST(Cost, EveryLayerButTheInputStatesKernels) {
  for (uint32_t i = 0; i < static_cast<uint32_t>(LayerKind::kCount); ++i) {
    const Case c(static_cast<LayerKind>(i));
    const LayerOp& op = OpOf(c.node.kind);
    const Record forward = c.Cost(StepKind::kForward);
    const Record backward = c.Cost(StepKind::kBackward);
    if (op.role == LayerRole::kInput) {
      EXPECT_TRUE(forward.kernels.empty());
      continue;
    }
    EXPECT_FALSE(forward.kernels.empty()) << op.name;
    EXPECT_FALSE(forward.touches.empty()) << op.name;
    if (op.backward == nullptr) continue;
    EXPECT_FALSE(backward.kernels.empty()) << op.name;
    bool writes_dx = false;
    for (const Touch& t : backward.touches) {
      writes_dx = writes_dx || t.begin == c.dx[0].begin;
    }
    EXPECT_TRUE(writes_dx) << op.name;
  }
}

TEST(Cost, NothingFlowsToInputsThatNobodyWants) {
  for (uint32_t i = 0; i < static_cast<uint32_t>(LayerKind::kCount); ++i) {
    Case c(static_cast<LayerKind>(i));
    const LayerOp& op = OpOf(c.node.kind);
    if (op.backward == nullptr) continue;
    for (bool& need : c.plan.mode.need_dx) need = false;
    for (const Touch& t : c.Cost(StepKind::kBackward).touches) {
      for (const Touch& dx : c.dx) EXPECT_NE(t.begin, dx.begin) << op.name;
    }
  }
}

TEST(Cost, BlocksOfAGradientCoverIt) {
  for (const LayerKind kind : {LayerKind::kDense, LayerKind::kConv2d}) {
    Case c(kind);
    EXPECT_EQ(c.Cost(StepKind::kBackwardWeights).updates, 0u);
    c.plan.gradient_rows = 4;
    const Record blocks = c.Cost(StepKind::kBackwardWeights);
    EXPECT_EQ(blocks.updates, 6u);
    size_t fills = 0;
    for (const Kernel kernel : blocks.kernels) fills += kernel == Kernel::kFill;
    EXPECT_EQ(fills, 2u);
  }
}

TEST(Cost, DenseHandsPiecesOver) {
  Case c(LayerKind::kDense);
  c.plan.gradient_pieces = true;
  EXPECT_EQ(c.Cost(StepKind::kBackwardWeights).updates, 1u);
}

}  // namespace
}  // namespace temper
