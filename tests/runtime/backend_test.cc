// Predictions on XNNPACK against our own kernels: all models and random graphs,
// whole and short batches, several threads; what it takes of memory, what is
// refused, and the frozen part of a training.
#include "tests/testing/backend_test.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/testing/allocations.h"
#include "tests/testing/graph_test.h"
#include "tests/testing/random_graph.h"
#include "tests/testing/thread_runner.h"

namespace temper::testing {
namespace {

constexpr double kBound = 2e-5;  // of the largest logit

PlanOptions Predicting(uint32_t batch, Backend backend, uint32_t threads = 1) {
  PlanOptions options;
  options.batch = batch;
  options.threads = threads;
  options.training = false;
  options.backend = backend;
  return options;
}

// Both backends with the same weights on the first `rows` samples.
void Compare(const Graph& graph, uint32_t batch, uint32_t rows,
             const std::string& what) {
  SCOPED_TRACE(what);
  std::vector<Shape> shapes;
  const Status checked = graph.Check(&shapes);
  ASSERT_TRUE(checked.ok()) << checked.message << " " << checked.node;
  BackendBench ours, theirs;
  ASSERT_TRUE(ours.Start(graph, Predicting(batch, Backend::kHighway)).ok());
  const Status status =
      theirs.Start(graph, Predicting(batch, Backend::kXnnpack));
  ASSERT_TRUE(status.ok()) << status.message << " " << status.node;
  Fill(&ours.trainer);
  CopyWeights(ours.trainer, &theirs.trainer);
  theirs.trainer.Initialize(1);
  CopyWeights(ours.trainer, &theirs.trainer);
  const TestBatch samples(shapes[0], shapes.back().c, rows, 7);
  Batch view = samples.View(rows);
  if (LossOf(graph.nodes.back().kind)->targets != TargetKind::kClasses) {
    view.labels = nullptr;
  }
  const StepResult a = ours.trainer.Evaluate(view);
  const StepResult b = theirs.trainer.Evaluate(view);
  ASSERT_TRUE(a.status.ok()) << a.status.message;
  ASSERT_TRUE(b.status.ok()) << b.status.message << " " << b.status.node;
  EXPECT_LE(RelativeDifference(theirs.Logits(rows), ours.Logits(rows)), kBound);
}

TEST(Backend, AllModelsAgree) {
  TEMPER_NEEDS_XNNPACK();
  for (const TestModel& model : TestModels()) {
    const Graph graph = BuildOrDie(model.name, model.input, model.classes);
    Compare(graph, 3, 2, model.name);
    Plan plan;
    ASSERT_TRUE(MakePlan(graph, Predicting(3, Backend::kXnnpack), &plan).ok());
    EXPECT_EQ(plan.segments.size(), 1u) << model.name;
  }
}

TEST(Backend, RandomGraphsAgree) {
  TEMPER_NEEDS_XNNPACK();
  uint32_t with_segments = 0, several = 0;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const RandomGraph random(seed);
    const uint32_t batch = 1 + RandomWord(seed, 1, 1, 1, 1) % 64;
    const uint32_t rows = 1 + RandomWord(seed, 2, 1, 1, 1) % batch;
    Compare(random.graph, batch, rows, "seed " + std::to_string(seed));
    if (HasFatalFailure()) return;
    Plan plan;
    ASSERT_TRUE(
        MakePlan(random.graph, Predicting(batch, Backend::kXnnpack), &plan)
            .ok());
    with_segments += !plan.segments.empty();
    several += plan.segments.size() > 1;
  }
  EXPECT_GE(with_segments, 400u);
  EXPECT_GE(several, 20u);
}

TEST(Backend, ARowAloneAndInABatch) {
  TEMPER_NEEDS_XNNPACK();
  const Graph graph = BuildOrDie("resnet8", {32, 32, 3}, 10);
  const TestBatch samples({32, 32, 3}, 10, 8, 3);
  BackendBench whole, alone;
  ASSERT_TRUE(whole.Start(graph, Predicting(8, Backend::kXnnpack)).ok());
  ASSERT_TRUE(alone.Start(graph, Predicting(1, Backend::kXnnpack)).ok());
  Fill(&whole.trainer);
  Fill(&alone.trainer);
  ASSERT_TRUE(whole.trainer.Evaluate(samples.View(8)).status.ok());
  ASSERT_TRUE(alone.trainer.Evaluate(samples.View(1)).status.ok());
  const std::vector<float> b = whole.Logits(8), a = alone.Logits(1);
  EXPECT_LE(RelativeDifference(a, {b.begin(), b.begin() + 10}), kBound);
}

TEST(Backend, ThreadsChangeNoBit) {
  TEMPER_NEEDS_XNNPACK();
  const Graph graph = BuildOrDie("ds_cnn", {49, 10, 1}, 12);
  const TestBatch samples({49, 10, 1}, 12, 8, 3);
  std::vector<float> first;
  for (const uint32_t threads : {1u, 2u, 4u}) {
    BackendBench bench;
    ASSERT_TRUE(bench
                    .Start(graph, Predicting(8, Backend::kXnnpack, threads),
                           ThreadRunner(threads))
                    .ok());
    Fill(&bench.trainer);
    ASSERT_TRUE(bench.trainer.Evaluate(samples.View(8)).status.ok());
    const std::vector<float> logits = bench.Logits(8);
    if (first.empty()) first = logits;
    EXPECT_TRUE(SameBits(first, logits)) << threads;
  }
}

// What is announced is used, 64 bytes less are refused before the library is
// called, and a step takes nothing.
TEST(Backend, MemoryIsWhatWasAnnounced) {
  TEMPER_NEEDS_XNNPACK();
  for (const TestModel& model : TestModels()) {
    const Graph graph = BuildOrDie(model.name, model.input, model.classes);
    for (const uint32_t batch : {1u, 8u, 32u}) {
      SCOPED_TRACE(model.name + std::string(" ") + std::to_string(batch));
      ASSERT_EQ(BackendBytesInUse(), 0u);
      BackendBench bench;
      ASSERT_TRUE(
          bench.Start(graph, Predicting(batch, Backend::kXnnpack)).ok());
      ASSERT_EQ(BackendBytesInUse(), 0u);
      const uint64_t announced = bench.trainer.plan().backend_bytes;
      ASSERT_GT(announced, 0u);
      bench.trainer.Initialize(1);
      const uint64_t requests = BackendRequests();
      SetBackendLimit(announced - 64);
      Status status = bench.trainer.PrepareBackend();
      EXPECT_EQ(status.code, StatusCode::kArenaTooSmall);
      EXPECT_EQ(status.bytes, announced);
      EXPECT_EQ(BackendRequests(), requests);
      SetBackendLimit(announced);
      status = bench.trainer.PrepareBackend();
      EXPECT_TRUE(status.ok()) << status.message;
      SetBackendLimit(~uint64_t{0});
      EXPECT_EQ(BackendPeak(), announced);
      // Whole batches of 32 take an emulator minutes, and say no more.
      if (batch > 8) continue;
      const TestBatch samples(model.input, model.classes, batch, 3);
      Batch view = samples.View(batch);
      if (std::string(model.name) == "fc_autoencoder") view.labels = nullptr;
      const uint64_t before = BackendRequests();
      const uint64_t heap = allocation_calls.load();
      for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(bench.trainer.Evaluate(view).status.ok());
      }
      EXPECT_EQ(allocation_calls.load(), heap);
      EXPECT_EQ(BackendRequests(), before);
    }
  }
  EXPECT_EQ(BackendBytesInUse(), 0u);
}

TEST(Backend, WeightsAreCheckedAndFollowed) {
  TEMPER_NEEDS_XNNPACK();
  const Graph graph = BuildOrDie("lenet5", {28, 28, 1}, 10);
  const TestBatch samples({28, 28, 1}, 10, 2, 3);
  BackendBench bench;
  ASSERT_TRUE(bench.Start(graph, Predicting(2, Backend::kXnnpack)).ok());
  EXPECT_EQ(bench.trainer.Evaluate(samples.View(2)).status.code,
            StatusCode::kWrongState);
  bench.trainer.Initialize(1);
  ASSERT_TRUE(bench.trainer.Evaluate(samples.View(2)).status.ok());
  const std::vector<float> first = bench.Logits(2);
  const uint64_t requests = BackendRequests();
  ASSERT_TRUE(bench.trainer.PrepareBackend().ok());
  EXPECT_EQ(BackendRequests(), requests) << "the weights are what they were";
  bench.trainer.Initialize(2);
  ASSERT_TRUE(bench.trainer.Evaluate(samples.View(2)).status.ok());
  EXPECT_FALSE(SameBits(first, bench.Logits(2)));
  bench.trainer.Initialize(1);
  for (const TensorView& view : bench.trainer.Tensors()) {
    if (view.node < 3 || view.slot != 0) continue;
    view.data[view.count - 1] = std::nanf("");
    const Status status = bench.trainer.PrepareBackend();
    EXPECT_EQ(status.code, StatusCode::kNotFinite);
    EXPECT_EQ(status.node, view.node);
    break;
  }
}

TEST(Backend, APlanThatNobodyMeasuredIsRefused) {
  TEMPER_NEEDS_XNNPACK();
  const Graph graph = BuildOrDie("mlp", {28, 28, 1}, 10);
  Bench bench;
  ASSERT_TRUE(bench.Start(graph, Predicting(2, Backend::kXnnpack)).ok());
  bench.trainer.Initialize(1);
  const TestBatch samples({28, 28, 1}, 10, 2, 3);
  EXPECT_EQ(bench.trainer.Evaluate(samples.View(2)).status.code,
            StatusCode::kWrongState);
}

// A moved trainer keeps its segments, and they go once.
TEST(Backend, TrainersMove) {
  TEMPER_NEEDS_XNNPACK();
  const Graph graph = BuildOrDie("mlp", {28, 28, 1}, 10);
  const TestBatch samples({28, 28, 1}, 10, 2, 3);
  {
    BackendBench a, b;
    ASSERT_TRUE(a.Start(graph, Predicting(2, Backend::kXnnpack)).ok());
    ASSERT_TRUE(b.Start(graph, Predicting(2, Backend::kXnnpack)).ok());
    a.trainer.Initialize(1);
    b.trainer.Initialize(2);
    ASSERT_TRUE(a.trainer.PrepareBackend().ok());
    ASSERT_TRUE(b.trainer.PrepareBackend().ok());
    b.trainer = std::move(a.trainer);
    ASSERT_TRUE(b.trainer.Evaluate(samples.View(2)).status.ok());
    EXPECT_EQ(a.trainer.PrepareBackend().code, StatusCode::kWrongState);
  }
  EXPECT_EQ(BackendBytesInUse(), 0u);
}

// Training with a frozen body: the body is a segment, nothing else is, and the
// head learns what it learns on our kernels, within rounding.
TEST(Backend, TheFrozenPartOfATraining) {
  TEMPER_NEEDS_XNNPACK();
  for (const char* name : {"resnet8", "mobilenet_v1?width=0.25"}) {
    SCOPED_TRACE(name);
    const Shape shape = {32, 32, 3};
    const Graph graph = BuildOrDie(name, shape, 10);
    PlanOptions options;
    options.batch = 8;
    options.frozen = HeadOnly(graph);
    BackendBench ours, theirs;
    ASSERT_TRUE(ours.Start(graph, options).ok());
    options.backend = Backend::kXnnpack;
    ASSERT_TRUE(theirs.Start(graph, options).ok());
    ASSERT_EQ(theirs.trainer.plan().segments.size(), 1u);
    EXPECT_LT(theirs.trainer.plan().segments[0].last, models::HeadNode(graph));
    EXPECT_NE(ours.trainer.plan().program_hash,
              theirs.trainer.plan().program_hash);
    Fill(&ours.trainer);
    Fill(&theirs.trainer);
    const TestBatch samples(shape, 10, 8, 3);
    for (int step = 0; step < 5; ++step) {
      const StepResult a = ours.trainer.Step(samples.View(8), 0.01f);
      const StepResult b = theirs.trainer.Step(samples.View(8), 0.01f);
      ASSERT_TRUE(a.status.ok() && b.status.ok()) << b.status.message;
      EXPECT_NEAR(a.loss, b.loss, 1e-3 * std::fabs(a.loss));
    }
    const std::vector<TensorView>& a = ours.trainer.Tensors();
    const std::vector<TensorView>& b = theirs.trainer.Tensors();
    for (size_t t = 0; t < a.size(); ++t) {
      for (uint64_t i = 0; i < a[t].count; ++i) {
        if (!a[t].trained) {
          EXPECT_EQ(a[t].data[i], b[t].data[i]);
        } else {
          EXPECT_NEAR(a[t].data[i], b[t].data[i], 1e-3);
        }
      }
    }
  }
}

// Nothing that trains is ever in a segment.
TEST(Backend, WhatTrainsIsNeverInASegment) {
  for (const TestModel& model : TestModels()) {
    const Graph graph = BuildOrDie(model.name, model.input, model.classes);
    for (uint32_t from = 1; from + 1 < graph.nodes.size(); ++from) {
      PlanOptions options;
      options.batch = 2;
      options.backend = Backend::kXnnpack;
      options.frozen.assign(graph.nodes.size(), 0);
      std::fill_n(options.frozen.begin(), from, 1);
      Plan plan;
      if (!MakePlan(graph, options, &plan).ok()) continue;
      for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
        if (plan.nodes[i].segment == kNoSegment) continue;
        EXPECT_FALSE(plan.nodes[i].mode.backward);
      }
    }
  }
}

// Edited plans: every one of these must be refused.
TEST(Backend, EditedPlansAreRefused) {
  const Graph graph = BuildOrDie("resnet8", {32, 32, 3}, 10);
  Plan plan;
  ASSERT_TRUE(MakePlan(graph, Predicting(4, Backend::kXnnpack), &plan).ok());
  ASSERT_EQ(plan.segments.size(), 1u);
  const auto refused = [&](auto&& edit, const char* what) {
    Plan edited = plan;
    edit(&edited);
    EXPECT_FALSE(CheckPlan(edited).ok()) << what;
  };
  refused([](Plan* p) { p->segments.clear(); }, "no segments");
  refused([](Plan* p) { ++p->segments[0].first; }, "a node less");
  refused([](Plan* p) { ++p->segments[0].last; }, "the loss in it");
  refused([](Plan* p) { p->segments[0].last = 1u << 30; }, "far away");
  refused([](Plan* p) { p->options.backend = Backend::kHighway; }, "backend");
  refused([](Plan* p) { p->nodes[5].segment = kNoSegment; }, "a node leaves");
  refused([](Plan* p) { p->nodes[5].segment = 7; }, "an unknown segment");
  refused([](Plan* p) { p->nodes[5].mode.absorbed = true; }, "absorbed");
  refused(
      [](Plan* p) {
        for (ProgramStep& s : p->steps) {
          if (s.kind == StepKind::kSegment) s.kind = StepKind::kForward;
        }
      },
      "a step of one node");
  refused(
      [](Plan* p) {
        for (ProgramStep& s : p->steps) {
          if (s.kind == StepKind::kSegment) ++s.node;
        }
      },
      "another first node");
  const uint32_t last = plan.segments[0].last;
  refused([&](Plan* p) { p->nodes[last].output = kNoTensor; }, "no output");
  refused(
      [&](Plan* p) {
        p->nodes[last].output = p->nodes[p->segments[0].first - 1].output;
      },
      "in place");
  refused([&](Plan* p) { p->tensors[p->nodes[last].output].bytes -= 64; },
          "a small output");
}

}  // namespace
}  // namespace temper::testing
