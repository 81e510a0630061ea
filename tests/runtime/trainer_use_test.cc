// What a program can forget or do twice with a trainer: random keys, first
// values, memory that is too small, moving.
#include <cmath>
#include <type_traits>
#include <utility>

#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Bench;
using testing::TestBatch;

constexpr Shape kInput = {4, 4, 3, ElementType::kF32};

// Two dense layers with dropout between them.
Graph Small() {
  Graph g;
  uint32_t x = g.Add("input", InputParams{4, 4, 3});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("fc1", DenseParams{32}, x);
  x = g.Add("relu", ReluParams{}, x);
  x = g.Add("dropout", DropoutParams{0.5f}, x);
  x = g.Add("fc2", DenseParams{3}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  return g;
}

Bench Started(uint32_t batch = 8) {
  PlanOptions options;
  options.batch = batch;
  Bench bench;
  const Status status = bench.Start(Small(), options);
  EXPECT_TRUE(status.ok()) << status.message;
  return bench;
}

// The losses of `steps` steps at rate 0 on one batch: they differ if and only
// if the masks do.
std::vector<float> Losses(Trainer* trainer, const Batch& batch, int steps) {
  std::vector<float> losses;
  for (int s = 0; s < steps; ++s) {
    const StepResult r = trainer->Step(batch, 0.0f);
    EXPECT_TRUE(r.status.ok()) << r.status.message;
    losses.push_back(r.loss);
  }
  return losses;
}

void ExpectAllDiffer(const std::vector<float>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      EXPECT_NE(values[i], values[j]) << "steps " << j << " and " << i;
    }
  }
}

TEST(RandomKeys, WithoutOneEachStepDrawsAnew) {
  const TestBatch data(kInput, 3, 8, 1);
  for (const bool with_ids : {false, true}) {
    SCOPED_TRACE(with_ids);
    Batch batch = data.View(8);
    if (!with_ids) batch.sample_ids = nullptr;
    Bench a = Started(), b = Started(), other = Started();
    a.trainer.Initialize(1);
    b.trainer.Initialize(1);
    const std::vector<float> losses = Losses(&a.trainer, batch, 6);
    ExpectAllDiffer(losses);
    // Evaluation between steps takes no draw; the same program, the same draws.
    EXPECT_TRUE(b.trainer.Evaluate(batch).status.ok());
    EXPECT_EQ(Losses(&b.trainer, batch, 6), losses);
    // Another seed draws other masks for the same weights.
    other.trainer.Initialize(2);
    for (size_t t = 0; t < a.trainer.Tensors().size(); ++t) {
      const TensorView &from = a.trainer.Tensors()[t],
                       &to = other.trainer.Tensors()[t];
      std::copy_n(from.data, from.count, to.data);
    }
    EXPECT_NE(Losses(&other.trainer, batch, 6), losses);
  }
}

TEST(RandomKeys, AStepThatFailedDoesNotLeaveItsMaskToTheNext) {
  TestBatch data(kInput, 3, 8, 1);
  Bench a = Started(), b = Started();
  a.trainer.Initialize(1);
  b.trainer.Initialize(1);
  TestBatch bad = data;
  bad.input[5] = std::nanf("");
  EXPECT_EQ(a.trainer.Step(bad.View(8), 0.0f).status.code,
            StatusCode::kNotFinite);
  EXPECT_NE(Losses(&a.trainer, data.View(8), 1),
            Losses(&b.trainer, data.View(8), 1));
}

TEST(RandomKeys, OneThatIsGivenDecides) {
  const TestBatch data(kInput, 3, 8, 1);
  Bench bench = Started();
  bench.trainer.Initialize(1);
  Batch batch = data.View(8);
  std::vector<float> by_epoch;
  for (uint32_t epoch = 0; epoch < 4; ++epoch) {
    batch.random = RandomKey{7, epoch};
    const std::vector<float> twice = Losses(&bench.trainer, batch, 2);
    EXPECT_EQ(twice[0], twice[1]);
    by_epoch.push_back(twice[0]);
  }
  ExpectAllDiffer(by_epoch);
  batch.random = RandomKey{8, 0};
  EXPECT_NE(Losses(&bench.trainer, batch, 1)[0], by_epoch[0]);

  // Every batch of the epoch would have the mask of the first.
  batch.sample_ids = nullptr;
  EXPECT_EQ(bench.trainer.Step(batch, 0.0f).status.code,
            StatusCode::kInvalidArgument);
}

TEST(FirstValues, NothingRunsOnWeightsThatNobodySet) {
  const TestBatch data(kInput, 3, 8, 1);
  Bench bench = Started();
  Trainer& trainer = bench.trainer;
  const auto expect = [&](StatusCode code, uint32_t node) {
    for (const Status& status : {trainer.Step(data.View(8), 0.0f).status,
                                 trainer.Evaluate(data.View(8)).status}) {
      EXPECT_EQ(status.code, code) << status.message;
      EXPECT_EQ(status.node, node);
    }
  };
  const uint32_t fc1 = 2, fc2 = 5;
  expect(StatusCode::kWrongState, fc1);
  // By hand, tensor by tensor; to the last element.
  for (const TensorView& view : trainer.Tensors()) {
    if (view.spec->role != WeightRole::kKernel) continue;
    std::fill_n(view.data, view.count - 1, 0.25f);
    expect(StatusCode::kWrongState, view.node);
    view.data[view.count - 1] = 0.0f;
    if (view.node != fc2) expect(StatusCode::kWrongState, fc2);
  }
  expect(StatusCode::kOk, kNoNode);
  // Zeros are weights, too, if the caller writes them.
  Bench zeros = Started();
  InitializeOptions zero;
  zero.kernel = InitializerKind::kZero;
  zeros.trainer.Initialize(1, zero);
  EXPECT_TRUE(zeros.trainer.Step(data.View(8), 0.1f).status.ok());
  // Create begins anew.
  ASSERT_TRUE(trainer
                  .Create(Plan(trainer.plan()), bench.memory->data(),
                          bench.memory->size())
                  .ok());
  expect(StatusCode::kWrongState, fc1);
}

TEST(FirstValues, CreateSetsWhatHasOnlyOne) {
  Graph g;
  uint32_t x = g.Add("input", InputParams{4, 4, 3});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("conv", Conv2dParams{4}, x);
  x = g.Add("bn", BatchNormParams{}, x);
  x = g.Add("fc", DenseParams{3}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  PlanOptions options;
  options.batch = 4;
  Bench bench;
  ASSERT_TRUE(bench.Start(g, options).ok());
  for (const TensorView& view : bench.trainer.Tensors()) {
    const WeightRole role = view.spec->role;
    if (role == WeightRole::kKernel) continue;
    const std::string_view name = view.spec->name;
    const bool one =
        role == WeightRole::kGamma || name == "running_var" || name == "std";
    for (uint64_t i = 0; i < view.count; ++i) {
      EXPECT_EQ(view.data[i], one ? 1.0f : 0.0f) << view.spec->name;
    }
  }
}

TEST(Create, SaysHowMuchMemoryWouldDo) {
  Plan plan;
  ASSERT_TRUE(MakePlan(Small(), PlanOptions(), &plan).ok());
  testing::Memory memory(plan.arena_bytes);
  Trainer trainer;
  for (const size_t bytes : {size_t{0}, size_t{64}, memory.size() - 64}) {
    const Status status = trainer.Create(plan, memory.data(), bytes);
    EXPECT_EQ(status.code, StatusCode::kArenaTooSmall);
    EXPECT_EQ(status.bytes, plan.arena_bytes);
  }
  EXPECT_TRUE(trainer.Create(plan, memory.data(), memory.size()).ok());
}

static_assert(!std::is_copy_constructible_v<Trainer>);
static_assert(!std::is_copy_assignable_v<Trainer>);
static_assert(std::is_nothrow_move_constructible_v<Trainer>);
static_assert(std::is_nothrow_move_assignable_v<Trainer>);

void ExpectEmpty(Trainer* trainer) {
  const TestBatch data(kInput, 3, 8, 1);
  EXPECT_EQ(trainer->Step(data.View(8), 0.1f).status.code,
            StatusCode::kWrongState);
  EXPECT_EQ(trainer->Evaluate(data.View(8)).status.code,
            StatusCode::kWrongState);
  EXPECT_EQ(trainer->Output(), nullptr);
  EXPECT_EQ(trainer->Penalty(), 0.0);
  EXPECT_TRUE(trainer->Tensors().empty());
  EXPECT_TRUE(trainer->States().empty());
  trainer->Initialize(1);  // nothing to fill: does nothing
  EXPECT_EQ(trainer->Evaluate(data.View(8)).status.code,
            StatusCode::kWrongState);
}

TEST(Moving, TheNewOneGoesOnAndTheOldOneIsEmpty) {
  const TestBatch data(kInput, 3, 8, 1);
  Bench still = Started(), moved = Started();
  still.trainer.Initialize(1);
  moved.trainer.Initialize(1);
  ASSERT_TRUE(still.trainer.Step(data.View(8), 0.1f).status.ok());
  ASSERT_TRUE(moved.trainer.Step(data.View(8), 0.1f).status.ok());

  Trainer second(std::move(moved.trainer));
  ASSERT_TRUE(still.trainer.Step(data.View(8), 0.1f).status.ok());
  ASSERT_TRUE(second.Step(data.View(8), 0.1f).status.ok());
  ExpectEmpty(&moved.trainer);

  // Over one that has a memory of its own, which goes back to its owner.
  Bench target = Started();
  target.trainer.Initialize(5);
  target.trainer = std::move(second);
  ASSERT_TRUE(still.trainer.Step(data.View(8), 0.1f).status.ok());
  ASSERT_TRUE(target.trainer.Step(data.View(8), 0.1f).status.ok());
  ExpectEmpty(&second);
  EXPECT_TRUE(testing::SameBits(still.State(), target.State()));

  // And a new one again.
  ASSERT_TRUE(second
                  .Create(Plan(target.trainer.plan()), target.memory->data(),
                          target.memory->size())
                  .ok());
  Trainer fresh;
  ExpectEmpty(&fresh);
}

// Only where assertions are on: tests/headers checks it with them.
#ifndef NDEBUG
TEST(Parameters, OfAnotherKindAreCaught) {
  const Graph g = Small();
  EXPECT_EQ(g.nodes[2].As<DenseParams>().out_features, 32u);
  EXPECT_DEATH(g.nodes[2].As<Conv2dParams>(), "kind");
}
#endif

TEST(Parameters, TheDefaultScaleFitsTheSamples) {
  const struct {
    uint32_t type;
    float scale;
  } cases[] = {{0, 1.0f}, {1, 1.0f / 255.0f}};
  for (const auto& [type, scale] : cases) {
    Graph g;
    uint32_t x = g.Add("input", InputParams{1, 1, 4, type});
    x = g.Add("normalize", NormalizeParams{}, x);
    EXPECT_EQ(g.nodes[x].As<NormalizeParams>().scale, scale);
    x = g.Add("again", NormalizeParams{}, x);  // reads f32
    EXPECT_EQ(g.nodes[x].As<NormalizeParams>().scale, 1.0f);
    x = g.Add("given", NormalizeParams{3.0f}, x);
    EXPECT_EQ(g.nodes[x].As<NormalizeParams>().scale, 3.0f);
    g.Add("loss", SoftmaxCrossEntropyParams{}, x);
    EXPECT_TRUE(g.Check(nullptr).ok());
    // A node that was filled in past Add.
    const NormalizeParams unsettled;
    std::memcpy(g.nodes[1].params, &unsettled, sizeof(unsettled));
    const Status status = g.Check(nullptr);
    EXPECT_EQ(status.code, StatusCode::kInvalidArgument);
    EXPECT_EQ(status.node, 1u);
  }
}

}  // namespace
}  // namespace temper
