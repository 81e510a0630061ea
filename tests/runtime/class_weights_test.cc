// Batch::class_weights: a class of weight 0 teaches nothing; accumulated batches
// are the large one; evaluation does not use them; what is refused.
#include <cmath>
#include <limits>

#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Bench;
using testing::TestBatch;

constexpr Shape kInput = {2, 2, 3, ElementType::kF32};

template <class Loss>
Graph Small(uint32_t outputs, const Loss& loss) {
  Graph g;
  uint32_t x = g.Add("input", InputParams{2, 2, 3});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("fc1", DenseParams{16}, x);
  x = g.Add("relu", ReluParams{}, x);
  x = g.Add("fc2", DenseParams{outputs}, x);
  g.Add("loss", loss, x);
  return g;
}

template <class Loss>
Bench Started(uint32_t outputs, const Loss& loss,
              GradientMode gradients = GradientMode::kFused) {
  PlanOptions options;
  options.batch = 12;
  options.gradients = gradients;
  Bench bench;
  const Status status = bench.Start(Small(outputs, loss), options);
  EXPECT_TRUE(status.ok()) << status.message;
  bench.trainer.Initialize(1);
  return bench;
}

std::vector<float> Weights(const Trainer& trainer) {
  std::vector<float> all;
  for (const TensorView& view : trainer.Tensors()) {
    all.insert(all.end(), view.data, view.data + view.count);
  }
  return all;
}

TEST(ClassWeights, OfZeroTeachNothing) {
  const TestBatch data(kInput, 3, 12, 1);
  Bench bench = Started(3, SoftmaxCrossEntropyParams{});
  const std::vector<float> before = Weights(bench.trainer);
  Batch batch = data.View(12);
  const int32_t labels[12] = {};
  const float weights[3] = {0, 1, 1};
  batch.labels = labels, batch.class_weights = weights;
  const StepResult r = bench.trainer.Step(batch, 0.1f);
  ASSERT_TRUE(r.status.ok()) << r.status.message;
  EXPECT_EQ(r.loss, 0.0f);
  // Weight decay apart, which the plan has: nothing but that.
  Bench plain = Started(3, SoftmaxCrossEntropyParams{});
  EXPECT_EQ(Weights(plain.trainer), before);
  const StepResult full = plain.trainer.Step(data.View(12), 0.1f);
  EXPECT_GT(full.loss, 0.5f);
  double moved = 0, trained = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    moved += std::fabs(Weights(bench.trainer)[i] - before[i]);
    trained += std::fabs(Weights(plain.trainer)[i] - before[i]);
  }
  EXPECT_LT(moved, 0.01 * trained);
  // Evaluation is the plain loss.
  EXPECT_GT(bench.trainer.Evaluate(batch).loss, 0.5f);
}

template <class Loss>
void ExpectAccumulates(uint32_t outputs, uint32_t classes, const Loss& loss) {
  const TestBatch data(kInput, classes, 12, 2);
  const float weights[3] = {0.25f, 1, 3};
  Bench whole = Started(outputs, loss, GradientMode::kAccumulated);
  Bench parts = Started(outputs, loss, GradientMode::kAccumulated);
  Batch batch = data.View(12);
  batch.class_weights = weights;
  ASSERT_TRUE(whole.trainer.Accumulate(batch).status.ok());
  ASSERT_TRUE(whole.trainer.Apply({.learning_rate = 0.1f}).ok());
  // 5 rows, then 7: the short batch counts by its rows.
  double sum = 0;
  for (const auto& [first, rows] :
       {std::pair<uint32_t, uint32_t>{0, 5}, {5, 7}}) {
    Batch part = batch;
    part.input = static_cast<const float*>(batch.input) + first * 12;
    part.labels = batch.labels + first;
    part.sample_ids = batch.sample_ids + first;
    part.rows = rows;
    const StepResult r = parts.trainer.Accumulate(part);
    ASSERT_TRUE(r.status.ok()) << r.status.message;
    sum += double{r.loss} * rows;
  }
  ASSERT_TRUE(parts.trainer.Apply({.learning_rate = 0.1f}).ok());
  const std::vector<float> a = Weights(whole.trainer),
                           b = Weights(parts.trainer);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-6);
  EXPECT_GT(sum, 0);
}

TEST(ClassWeights, AccumulatedBatchesAreTheLargeOne) {
  ExpectAccumulates(3, 3, SoftmaxCrossEntropyParams{0.1f});
  ExpectAccumulates(3, 3, FocalParams{});
  ExpectAccumulates(1, 2, BinaryCrossEntropyParams{});
  ExpectAccumulates(1, 2, BinaryFocalParams{});
}

TEST(ClassWeights, WhatIsRefused) {
  const TestBatch data(kInput, 3, 12, 3);
  Batch batch = data.View(4);
  for (const float bad : {-1.0f, std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity()}) {
    const float weights[3] = {1, 1, bad};
    batch.class_weights = weights;
    Bench bench = Started(3, SoftmaxCrossEntropyParams{});
    EXPECT_EQ(bench.trainer.Step(batch, 0.1f).status.code,
              StatusCode::kInvalidArgument);
    EXPECT_TRUE(bench.trainer.Evaluate(batch).status.ok());
  }
  const float ones[3] = {1, 1, 1};
  const float targets[12] = {};
  batch.class_weights = ones, batch.targets = targets, batch.labels = nullptr;
  Bench values = Started(3, HuberParams{});
  EXPECT_EQ(values.trainer.Step(batch, 0.1f).status.code,
            StatusCode::kInvalidArgument);
  batch.class_weights = nullptr;
  EXPECT_TRUE(values.trainer.Step(batch, 0.1f).status.ok());
}

// One output: labels 0 and 1 are its classes, and no others.
TEST(BinaryCrossEntropy, OneOutputTakesTwoLabels) {
  const TestBatch data(kInput, 2, 12, 4);
  Bench bench = Started(1, BinaryCrossEntropyParams{});
  Batch batch = data.View(12);
  float first = 0, last = 0;
  for (int step = 0; step < 200; ++step) {
    const StepResult r = bench.trainer.Step(batch, 0.2f);
    ASSERT_TRUE(r.status.ok()) << r.status.message;
    (step == 0 ? first : last) = r.loss;
  }
  EXPECT_NEAR(first, std::log(2.0), 0.05);
  EXPECT_LT(last, 0.1f);
  EXPECT_EQ(bench.trainer.Evaluate(batch).correct, 12u);
  int32_t labels[12] = {0, 1, 2};
  batch.labels = labels;
  EXPECT_EQ(bench.trainer.Step(batch, 0.2f).status.code, StatusCode::kBadData);
}

}  // namespace
}  // namespace temper
