// What an optimizer is told, and what hooks can do, with optimizers and hooks
// that are in no list (testing/injected_ops.h): one that counts steps, one that
// needs whole rows; clipping by the global norm, a constraint, an average.
#include "runtime/update_hook.h"

#include <cmath>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "tests/testing/injected_ops.h"
#include "tests/testing/kernel_test.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Bench;
using testing::HookOf;
using testing::SameBits;
using testing::TestBatch;

constexpr Shape kInput = {28, 28, 1};

struct Injected {
  explicit Injected(const OptimizerOp* optimizer,
                    std::vector<const UpdateHookOp*> hooks = {}) {
    testing::injected_optimizer = optimizer;
    testing::injected_hooks = std::move(hooks);
  }
  ~Injected() {
    testing::injected_optimizer = nullptr;
    testing::injected_hooks.clear();
  }
};

PlanOptions With(GradientMode mode, uint32_t threads = 1) {
  PlanOptions options;
  options.batch = 4;
  options.threads = threads;
  options.gradients = mode;
  return options;
}

Status Start(const std::string& model, const PlanOptions& options,
             Bench* bench) {
  const Status status =
      bench->Start(testing::BuildOrDie(model, kInput, 10), options,
                   testing::ThreadRunner(options.threads));
  bench->trainer.Initialize(3);
  bench->trainer.CheckMemory(options.threads == 1);
  return status;
}

StepResult StepOn(Trainer& t, uint64_t seed,
                  const StepOptions& options = {.learning_rate = 0.1f}) {
  const TestBatch data(kInput, 10, 4, seed);
  return t.Step(data.View(4), options);
}

// Calls since the last look, by the first weight that they change.
struct Seen {
  uint64_t step, first, count, rows, length;
  float rate, scale;
};
std::mutex seen_mutex;
std::map<const float*, Seen> seen;

bool Spy(const UpdateCall& call) {
  {
    const std::lock_guard<std::mutex> lock(seen_mutex);
    const bool once =
        seen.emplace(call.w, Seen{call.step, call.first, call.count,
                                  call.shape.rows, call.shape.length,
                                  call.learning_rate, call.gradient_scale})
            .second;
    EXPECT_TRUE(once);
  }
  return testing::CountingUpdate(call);
}

// Every weight of the last step came whole, in parts that follow each other.
void ExpectWhole(const Trainer& t, uint64_t step, float rate, float scale,
                 bool rows, uint32_t* parts) {
  for (const TensorView& v : t.Tensors()) {
    if (!v.trained) continue;
    for (uint64_t at = 0; at < v.count;) {
      const auto found = seen.find(v.data + at);
      ASSERT_NE(found, seen.end()) << "element " << at;
      const Seen& s = found->second;
      EXPECT_EQ(s.step, step);
      EXPECT_EQ(s.rate, rate);
      EXPECT_EQ(s.scale, scale);
      EXPECT_EQ(s.first, at);
      EXPECT_EQ(s.rows, v.spec->dims[0]);
      EXPECT_EQ(s.rows * s.length, v.count);
      if (rows) {
        EXPECT_TRUE(s.first % s.length == 0 && s.count % s.length == 0);
      }
      ASSERT_GT(s.count, 0u);
      at += s.count;
      ++*parts;
    }
  }
  seen.clear();
}

TEST(Update, SaysWhatItIsAbout) {
  OptimizerOp op = testing::kCountingOptimizer;
  op.update = Spy;
  for (const UpdateUnit unit : {UpdateUnit::kElement, UpdateUnit::kRow}) {
    op.unit = unit;
    const Injected injected(&op);
    std::vector<float> first;
    for (const GradientMode mode :
         {GradientMode::kFused, GradientMode::kWhole}) {
      for (const uint32_t threads : {1u, 3u}) {
        SCOPED_TRACE(threads);
        seen.clear();
        Bench bench;
        ASSERT_TRUE(Start("mlp", With(mode, threads), &bench).ok());
        Trainer& t = bench.trainer;
        uint32_t pieces = 0, weights = 0, parts = 0;
        for (const NodePlan& n : t.plan().nodes) pieces += n.gradient_pieces;
        for (const TensorView& v : t.Tensors()) weights += v.trained;
        const bool in_pieces =
            mode == GradientMode::kFused && unit == UpdateUnit::kElement;
        EXPECT_EQ(pieces > 0, in_pieces);
        for (uint64_t step = 1; step <= 3; ++step) {
          parts = 0;
          ASSERT_TRUE(
              StepOn(t, step, {.learning_rate = 0.1f, .gradient_scale = 0.5f})
                  .status.ok());
          ASSERT_NO_FATAL_FAILURE(ExpectWhole(
              t, step, 0.1f, 0.5f, unit == UpdateUnit::kRow, &parts));
          EXPECT_EQ(parts > weights, mode == GradientMode::kFused);
        }
        if (first.empty()) first = bench.State();
        EXPECT_TRUE(SameBits(first, bench.State()));
        // The count that a resumed run begins with.
        t.SetStepCount(40);
        ASSERT_TRUE(StepOn(t, 9).status.ok());
        ASSERT_NO_FATAL_FAILURE(
            ExpectWhole(t, 41, 0.1f, 1.0f, unit == UpdateUnit::kRow, &parts));
      }
    }
  }
}

TEST(Update, PiecesAreNotForRows) {
  Plan plan;
  const Graph graph = testing::BuildOrDie("mlp", kInput, 10);
  ASSERT_TRUE(MakePlan(graph, With(GradientMode::kFused), &plan).ok());
  ASSERT_TRUE(CheckPlan(plan).ok());
  OptimizerOp op = testing::kCountingOptimizer;
  op.unit = UpdateUnit::kRow;
  op.states = [](const Optimizer&, const char** names) {
    names[0] = "momentum";
    return 1u;
  };
  const Injected injected(&op);
  EXPECT_FALSE(CheckPlan(plan).ok());
}

// Interrupted, its weights and state put into another trainer.
TEST(Update, ACountedRunGoesOnWithTheSameBits) {
  const Injected injected(&testing::kCountingOptimizer);
  Bench whole, first, second, forgetful;
  for (Bench* b : {&whole, &first, &second, &forgetful}) {
    ASSERT_TRUE(Start("lenet5", With(GradientMode::kFused), b).ok());
  }
  for (uint64_t s = 1; s <= 5; ++s) {
    ASSERT_TRUE(StepOn(whole.trainer, s).status.ok());
    if (s <= 2) {
      ASSERT_TRUE(StepOn(first.trainer, s).status.ok());
    }
  }
  for (Bench* b : {&second, &forgetful}) {
    for (size_t i = 0; i < first.trainer.Tensors().size(); ++i) {
      const TensorView& v = first.trainer.Tensors()[i];
      std::copy_n(v.data, v.count, b->trainer.Tensors()[i].data);
    }
    ASSERT_EQ(first.trainer.States().size(), b->trainer.States().size());
    for (size_t i = 0; i < first.trainer.States().size(); ++i) {
      const StateView& v = first.trainer.States()[i];
      std::copy_n(v.data, v.count, b->trainer.States()[i].data);
    }
    if (b == &second) b->trainer.SetStepCount(first.trainer.steps());
    for (uint64_t s = 3; s <= 5; ++s) {
      ASSERT_TRUE(StepOn(b->trainer, s).status.ok());
    }
  }
  EXPECT_TRUE(SameBits(second.State(), whole.State()));
  EXPECT_FALSE(SameBits(forgetful.State(), whole.State()));
}

// Clipping by the global norm, as torch.nn.utils.clip_grad_norm_.
constexpr float kMostNorm = 0.05f;
float Coefficient(const std::vector<TensorView>& tensors) {
  double sum = 0;
  for (const TensorView& v : tensors) {
    for (uint64_t i = 0; v.gradient != nullptr && i < v.count; ++i) {
      sum += double{v.gradient[i]} * double{v.gradient[i]};
    }
  }
  return std::min(1.0f, kMostNorm / static_cast<float>(std::sqrt(sum)));
}
const UpdateHookOp kClip = {.name = "clip",
                            .when = StepKind::kBeforeUpdate,
                            .run = [](const HookCall& call) {
                              *call.gradient_scale *= Coefficient(call.tensors);
                              return Ok();
                            }};

// The largest weight that is left.
constexpr float kMostWeight = 0.05f;
const UpdateHookOp kConstraint = {
    .name = "constraint", .run = [](const HookCall& call) {
      for (const TensorView& v : call.tensors) {
        for (uint64_t i = 0; v.trained && i < v.count; ++i) {
          v.data[i] = std::clamp(v.data[i], -kMostWeight, kMostWeight);
        }
      }
      return Ok();
    }};

// average = 0.75 * average + 0.25 * w, the first one is w.
const UpdateHookOp kAverage = {
    .name = "average",
    .states =
        [](const UpdateHook&, const char** names) {
          names[0] = "average";
          return 1u;
        },
    .run =
        [](const HookCall& call) {
          for (uint32_t t = 0; t < call.tensors.size(); ++t) {
            const TensorView& v = call.tensors[t];
            float* const average = call.State(t, 0);
            EXPECT_EQ(average != nullptr, v.trained);
            for (uint64_t i = 0; average != nullptr && i < v.count; ++i) {
              average[i] = call.step == 1
                               ? v.data[i]
                               : 0.75f * average[i] + 0.25f * v.data[i];
            }
          }
          return Ok();
        }};

TEST(Hooks, RunBeforeAndAfterTheUpdate) {
  const Injected injected(nullptr, {&kAverage, &kClip, &kConstraint});
  for (const uint32_t threads : {1u, 3u}) {
    for (const GradientMode mode :
         {GradientMode::kWhole, GradientMode::kAccumulated}) {
      // The constraint before the average.
      PlanOptions options = With(mode, threads);
      options.hooks = {HookOf(1), HookOf(2), HookOf(0)};
      Bench hooked, plain;
      ASSERT_TRUE(Start("lenet5", options, &hooked).ok());
      ASSERT_TRUE(Start("lenet5", With(GradientMode::kWhole), &plain).ok());
      std::vector<std::vector<float>> averages;
      for (uint64_t s = 1; s <= 4; ++s) {
        const TestBatch data(kInput, 10, 4, s);
        ASSERT_TRUE(plain.trainer.Gradients(data.View(4)).status.ok());
        const float scale = Coefficient(plain.trainer.Tensors());
        EXPECT_LT(scale, 1.0f);
        ASSERT_TRUE(StepOn(plain.trainer, s,
                           {.learning_rate = 0.1f, .gradient_scale = scale})
                        .status.ok());
        if (mode == GradientMode::kAccumulated && s % 2 == 0) {
          ASSERT_TRUE(hooked.trainer.Accumulate(data.View(4)).status.ok());
          ASSERT_TRUE(hooked.trainer.Apply({.learning_rate = 0.1f}).ok());
        } else {
          const StepResult r = StepOn(hooked.trainer, s);
          ASSERT_TRUE(r.status.ok()) << r.status.message;
        }
        size_t t = 0;
        for (const TensorView& v : plain.trainer.Tensors()) {
          if (!v.trained) continue;
          if (s == 1) averages.emplace_back(v.count);
          for (uint64_t i = 0; i < v.count; ++i) {
            v.data[i] = std::clamp(v.data[i], -kMostWeight, kMostWeight);
            float& average = averages[t][i];
            average = s == 1 ? v.data[i] : 0.75f * average + 0.25f * v.data[i];
          }
          ++t;
        }
      }
      const std::vector<TensorView>& tensors = hooked.trainer.Tensors();
      for (size_t t = 0; t < tensors.size(); ++t) {
        EXPECT_EQ(std::memcmp(tensors[t].data, plain.trainer.Tensors()[t].data,
                              4 * tensors[t].count),
                  0);
      }
      // Optimizer and hook take turns in the order of weights.
      size_t found = 0;
      for (const StateView& s : hooked.trainer.States()) {
        if (std::string(s.name) != "average") continue;
        ASSERT_EQ(s.count, averages[found].size());
        EXPECT_EQ(std::memcmp(s.data, averages[found].data(), 4 * s.count), 0);
        ++found;
      }
      EXPECT_EQ(found, averages.size());
      EXPECT_EQ(hooked.trainer.States().size(), 2 * found);
    }
  }
}

// After the update nothing needs whole gradients; and an optimizer without state
// does not see the hook's.
TEST(Hooks, AfterFusedUpdates) {
  const Injected injected(nullptr, {&kAverage});
  for (const float momentum : {0.0f, 0.9f}) {
    PlanOptions options = With(GradientMode::kFused);
    options.optimizer = SgdParams{momentum};
    Bench plain, hooked;
    ASSERT_TRUE(Start("mlp", options, &plain).ok());
    options.hooks = {HookOf(0)};
    ASSERT_TRUE(Start("mlp", options, &hooked).ok());
    std::vector<float> first;
    for (uint64_t s = 1; s <= 2; ++s) {
      ASSERT_TRUE(StepOn(plain.trainer, s).status.ok());
      const StepResult r = StepOn(hooked.trainer, s);
      ASSERT_TRUE(r.status.ok()) << r.status.message;
      if (s == 1) first = plain.State();
    }
    uint32_t averages = 0;
    size_t at = 0;
    for (uint32_t t = 0; t < plain.trainer.Tensors().size(); ++t) {
      const TensorView& v = plain.trainer.Tensors()[t];
      EXPECT_EQ(
          std::memcmp(v.data, hooked.trainer.Tensors()[t].data, 4 * v.count),
          0);
      for (const StateView& s : hooked.trainer.States()) {
        if (s.tensor != t || std::string(s.name) != "average") continue;
        for (uint64_t i = 0; i < v.count; ++i) {
          EXPECT_EQ(s.data[i], 0.75f * first[at + i] + 0.25f * v.data[i]);
        }
        ++averages;
      }
      at += v.count;
    }
    EXPECT_GT(averages, 0u);
  }
}

TEST(Hooks, ThatDoNotFitAreRefused) {
  UpdateHookOp greedy = kAverage;
  greedy.states = [](const UpdateHook&, const char** names) {
    for (uint32_t s = 0; s < kMaxStates; ++s) names[s] = "more";
    return kMaxStates;
  };
  const Injected injected(nullptr, {&kAverage, &kClip, &greedy});
  const Graph graph = testing::BuildOrDie("mlp", kInput, 10);
  const auto refused = [&](GradientMode mode,
                           const std::vector<UpdateHook>& hooks) {
    PlanOptions options = With(mode);
    options.hooks = hooks;
    Plan plan;
    return MakePlan(graph, options, &plan).code == StatusCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused(GradientMode::kWhole, {HookOf(0), HookOf(1)}));
  EXPECT_TRUE(refused(GradientMode::kFused, {HookOf(1)}));
  EXPECT_TRUE(refused(GradientMode::kWhole, {HookOf(2)}));  // and momentum
  EXPECT_TRUE(refused(GradientMode::kWhole, {HookOf(3)}));
  EXPECT_TRUE(refused(GradientMode::kWhole,
                      std::vector<UpdateHook>(kMaxHooks + 1, HookOf(1))));
}

TEST(Hooks, DamagedPlansAreRefused) {
  const Injected injected(nullptr, {&kAverage, &kClip, &kConstraint});
  const Graph graph = testing::BuildOrDie("lenet5", kInput, 10);
  PlanOptions options = With(GradientMode::kWhole);
  Plan plain, good;
  ASSERT_TRUE(MakePlan(graph, options, &plain).ok());
  options.hooks = {HookOf(1), HookOf(2), HookOf(0)};
  ASSERT_TRUE(MakePlan(graph, options, &good).ok());
  EXPECT_NE(plain.program_hash, good.program_hash);
  ASSERT_TRUE(CheckPlan(good).ok());
  const auto last = good.steps.size() - 1;
  size_t clip = 0;
  while (good.steps[clip].kind != StepKind::kBeforeUpdate) ++clip;
  const auto swap = [](Plan& p, size_t a, size_t b) {
    std::swap(p.steps[a].kind, p.steps[b].kind);
    std::swap(p.steps[a].node, p.steps[b].node);
  };
  const struct {
    const char* name;
    std::function<void(Plan&)> damage;
  } kDamages[] = {
      {"out of order", [&](Plan& p) { swap(p, last - 1, last); }},
      {"twice", [&](Plan& p) { p.steps[last].node = p.steps[last - 1].node; }},
      {"a hook that there is not", [&](Plan& p) { p.steps[last].node = 3; }},
      {"at the wrong time",
       [&](Plan& p) { p.steps[last].kind = StepKind::kBeforeUpdate; }},
      {"before the end of backward", [&](Plan& p) { swap(p, clip - 1, clip); }},
      {"after an update", [&](Plan& p) { swap(p, clip, clip + 1); }},
      {"before the last update", [&](Plan& p) { swap(p, last - 2, last - 1); }},
      {"without state",
       [&](Plan& p) {
         for (NodePlan& n : p.nodes) n.optimizer[0][1] = kNoTensor;
       }},
      {"with fused gradients",
       [&](Plan& p) { p.options.gradients = GradientMode::kFused; }},
      {"no step", [&](Plan& p) { p.options.hooks.push_back(HookOf(2)); }},
  };
  for (const auto& [name, damage] : kDamages) {
    Plan plan = good;
    damage(plan);
    EXPECT_FALSE(CheckPlan(plan).ok()) << name;
  }
}

}  // namespace
}  // namespace temper
