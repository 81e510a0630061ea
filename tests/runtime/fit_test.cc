// The loop without files: it is the loop that one would write by hand, stops
// and resumes with the same bits, and its observers see what they should.
#include "temper/fit.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "temper/random.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Bench;
using testing::SameBits;

constexpr uint32_t kRows = 4, kInputs = 6, kClasses = 3;
constexpr uint64_t kBatches = 5;

// Batches that are a function of epoch and number.
struct Source {
  uint32_t epoch = 0;
  uint64_t next = 0, starts = 0, most = kBatches;
  float samples[kRows * kInputs];
  int32_t labels[kRows];
  uint64_t ids[kRows];
  Batch batch;

  const Batch* Make() {
    if (next == most) return nullptr;
    for (uint32_t i = 0; i < kRows * kInputs; ++i) {
      const uint32_t word =
          RandomWord(7, i, static_cast<uint32_t>(next), epoch, 0);
      samples[i] = static_cast<float>(word >> 8) * 0x1p-24f;
    }
    for (uint32_t r = 0; r < kRows; ++r) {
      labels[r] = samples[r * kInputs] > 0.6f   ? 2
                  : samples[r * kInputs] > 0.3f ? 1
                                                : 0;
      ids[r] = next * kRows + r;
    }
    ++next;
    batch = {
        .input = samples, .labels = labels, .sample_ids = ids, .rows = kRows};
    return &batch;
  }
};
BatchSource Of(Source* source) {
  return {source,
          [](void* s, uint32_t epoch, uint64_t first) {
            Source& of = *static_cast<Source*>(s);
            of.epoch = epoch;
            of.next = first;
            ++of.starts;
          },
          [](void* s) { return static_cast<Source*>(s)->Make(); }};
}

Graph SmallGraph() {
  Graph g;
  uint32_t x = g.Add("input", InputParams{1, 1, kInputs});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("fc1", DenseParams{8}, x);
  x = g.Add("relu", ReluParams{}, x);
  x = g.Add("dropout", DropoutParams{0.25f}, x);
  x = g.Add("fc", DenseParams{kClasses}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  return g;
}

FitOptions Options(uint32_t epochs) {
  FitOptions options;
  options.epochs = epochs;
  options.batches_per_epoch = kBatches;
  options.schedule.base_lr = 0.1;
  options.schedule.total_steps = epochs * kBatches;
  options.seed = 3;
  return options;
}

void Start(Bench* bench) {
  PlanOptions plan;
  plan.batch = kRows;
  ASSERT_TRUE(bench->Start(SmallGraph(), plan).ok());
  bench->trainer.Initialize(1);
}

// Stops at the n-th question, and counts what it is told.
struct Watch : FitObserver {
  uint64_t questions = 0, steps = 0, stop_at = 0;
  std::vector<EpochReport> reports;

  bool Continue(const Fit&) override { return ++questions != stop_at; }
  bool OnStep(const Fit&, const StepResult& r, double) override {
    EXPECT_TRUE(r.status.ok());
    ++steps;
    return true;
  }
  bool OnEpoch(Fit& fit, const EpochReport& report) override {
    EXPECT_EQ(fit.state().epoch, report.epoch);
    EXPECT_EQ(fit.state().batch, 0u);
    reports.push_back(report);
    return true;
  }
};

TEST(Fit, IsTheLoopThatOneWouldWrite) {
  Bench fitted, by_hand;
  Start(&fitted);
  Start(&by_hand);
  Source source;
  const FitOptions options = Options(3);
  Fit fit(fitted.trainer, Of(&source), options);
  EXPECT_EQ(fit.Run().end, FitEnd::kFinished);
  EXPECT_EQ(source.starts, 3u);
  Source other;
  for (uint32_t epoch = 0; epoch < 3; ++epoch) {
    other.epoch = epoch;
    other.next = 0;
    for (uint64_t k = 0; k < kBatches; ++k) {
      Batch batch = *other.Make();
      batch.random = RandomKey{3, epoch};
      const double rate = LearningRate(options.schedule, epoch * kBatches + k);
      ASSERT_TRUE(
          by_hand.trainer.Step(batch, static_cast<float>(rate)).status.ok());
    }
  }
  EXPECT_TRUE(SameBits(fitted.State(), by_hand.State()));
  EXPECT_EQ(fit.state().step, 15u);
  EXPECT_EQ(fitted.trainer.steps(), 15u);
  // Nothing is left to do.
  EXPECT_EQ(fit.Run().end, FitEnd::kFinished);
  EXPECT_EQ(source.starts, 3u);
}

TEST(Fit, StopsBeforeAnyBatchAndGoesOnWithTheSameBits) {
  Bench whole;
  Start(&whole);
  Source source, validation;
  validation.most = 2;
  Watch all;
  FitObserver* const list[] = {&all};
  Fit(whole.trainer, Of(&source), Options(2), Of(&validation), list).Run();
  ASSERT_EQ(all.reports.size(), 2u);
  EXPECT_EQ(all.questions, 2 * (kBatches + 2));
  EXPECT_EQ(all.steps, 2 * kBatches);
  for (uint64_t stop = 1; stop <= all.questions; ++stop) {
    SCOPED_TRACE(stop);
    Bench bench;
    Start(&bench);
    Watch watch;
    watch.stop_at = stop;
    FitObserver* const observers[] = {&watch};
    Fit fit(bench.trainer, Of(&source), Options(2), Of(&validation), observers);
    EXPECT_EQ(fit.Run().end, FitEnd::kStopped);
    // Another fit, from where this one stood.
    Watch rest;
    FitObserver* const others[] = {&rest};
    Fit next(bench.trainer, Of(&source), Options(2), Of(&validation), others);
    next.state() = fit.state();
    EXPECT_EQ(next.Run().end, FitEnd::kFinished);
    EXPECT_TRUE(SameBits(bench.State(), whole.State()));
    ASSERT_FALSE(rest.reports.empty());
    const EpochReport &a = rest.reports.back(), &b = all.reports.back();
    EXPECT_EQ(a.train.loss, b.train.loss);
    EXPECT_EQ(a.train.samples, kBatches * kRows);
    EXPECT_EQ(a.validation->loss, b.validation->loss);
    EXPECT_EQ(a.validation->accuracy, b.validation->accuracy);
    EXPECT_EQ(a.step, 2 * kBatches);
  }
}

TEST(Fit, SaysWhichStepFailed) {
  Bench bench;
  Start(&bench);
  Source source;
  FitOptions options = Options(4);
  options.schedule.base_lr = 1e6;
  options.schedule = [&] {
    Schedule s = ConstantParams{};
    s.base_lr = 1e6;
    s.total_steps = 4 * kBatches;
    return s;
  }();
  Fit fit(bench.trainer, Of(&source), options);
  const FitResult result = fit.Run();
  if (result.end == FitEnd::kFailed) {
    EXPECT_EQ(result.status.code, StatusCode::kNotFinite);
    EXPECT_FALSE(result.validating);
  }
  // A label that the model does not have: nothing was changed.
  source.labels[0] = 99;
  const BatchSource bad = {
      &source, [](void*, uint32_t, uint64_t) {},
      [](void* s) -> const Batch* {
        Source& of = *static_cast<Source*>(s);
        of.batch = {.input = of.samples, .labels = of.labels, .rows = 1};
        return &of.batch;
      }};
  Bench fresh;
  Start(&fresh);
  Fit wrong(fresh.trainer, bad, Options(1));
  EXPECT_EQ(wrong.Run().status.code, StatusCode::kBadData);
  EXPECT_EQ(wrong.state().step, 0u);
}

TEST(BestKeeper, KeepsTheBestEpochAndPutsItBack) {
  Bench bench;
  Start(&bench);
  std::vector<uint8_t> snapshot(bench.trainer.SnapshotBytes());
  BestKeeper best(snapshot.data());
  Source source, validation;
  validation.epoch = 9;
  validation.most = 3;
  Watch watch;
  std::vector<std::vector<float>> states;
  struct Keep : FitObserver {
    std::vector<std::vector<float>>* states;
    Bench* bench;
    bool OnEpoch(Fit&, const EpochReport&) override {
      states->push_back(bench->State());
      return true;
    }
  } keep;
  keep.states = &states;
  keep.bench = &bench;
  FitObserver* const observers[] = {&best, &watch, &keep};
  Fit fit(bench.trainer, Of(&source), Options(6), Of(&validation), observers);
  ASSERT_EQ(fit.Run().end, FitEnd::kFinished);
  uint32_t expected = 1;
  for (uint32_t e = 2; e <= 6; ++e) {
    const FitMeans& a = *watch.reports[e - 1].validation;
    const FitMeans& b = *watch.reports[expected - 1].validation;
    if (a.accuracy > b.accuracy ||
        (a.accuracy == b.accuracy && a.loss < b.loss)) {
      expected = e;
    }
  }
  EXPECT_EQ(best.epoch, expected);
  ASSERT_TRUE(best.Restore(bench.trainer));
  EXPECT_TRUE(SameBits(bench.State(), states[expected - 1]));
  EXPECT_EQ(bench.trainer.steps(), expected * kBatches);
  // An epoch without numbers is never the best one.
  EpochReport report;
  report.epoch = 7;
  report.validation.emplace();
  report.validation->accuracy = 1;
  report.validation->loss = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(best.OnEpoch(fit, report));
  EXPECT_EQ(best.epoch, expected);
}

// Groups of two batches and a short last one: three steps an epoch.
TEST(Fit, AccumulatesOverBatches) {
  const auto start = [](Bench* bench) {
    PlanOptions plan;
    plan.batch = kRows;
    plan.gradients = GradientMode::kAccumulated;
    ASSERT_TRUE(bench->Start(SmallGraph(), plan).ok());
    bench->trainer.Initialize(1);
  };
  FitOptions options = Options(2);
  options.accumulate = 2;
  options.schedule.total_steps = 6;
  ASSERT_EQ(options.StepsPerEpoch(), 3u);
  Bench fitted, by_hand;
  start(&fitted);
  start(&by_hand);
  Source source;
  Watch watch;
  FitObserver* const observers[] = {&watch};
  Fit fit(fitted.trainer, Of(&source), options, {}, observers);
  EXPECT_EQ(fit.Run().end, FitEnd::kFinished);
  EXPECT_EQ(watch.steps, 6u);
  EXPECT_EQ(watch.questions, 6u);
  EXPECT_EQ(fit.state().step, 6u);
  EXPECT_EQ(watch.reports[0].train.samples, kRows * kBatches);
  Source other;
  uint64_t step = 0;
  for (uint32_t epoch = 0; epoch < 2; ++epoch) {
    other.epoch = epoch;
    other.next = 0;
    for (const uint32_t batches : {2u, 2u, 1u}) {
      for (uint32_t b = 0; b < batches; ++b) {
        Batch batch = *other.Make();
        batch.random = RandomKey{3, epoch};
        ASSERT_TRUE(by_hand.trainer.Accumulate(batch).status.ok());
      }
      ASSERT_TRUE(by_hand.trainer
                      .Apply({.learning_rate = static_cast<float>(
                                  LearningRate(options.schedule, step++))})
                      .ok());
    }
  }
  EXPECT_TRUE(SameBits(fitted.State(), by_hand.State()));
  // Stopped between two steps and continued: the same bits.
  Bench parts;
  start(&parts);
  Source again;
  Watch stops;
  stops.stop_at = 3;
  FitObserver* const stopping[] = {&stops};
  Fit first(parts.trainer, Of(&again), options, {}, stopping);
  EXPECT_EQ(first.Run().end, FitEnd::kStopped);
  EXPECT_EQ(first.state().batch, 4u);
  EXPECT_EQ(first.Run().end, FitEnd::kFinished);
  EXPECT_TRUE(SameBits(fitted.State(), parts.State()));
}

// One-cycle schedules move the momentum of the optimizer.
TEST(Fit, OneCycleMovesTheMomentum) {
  Bench fitted, by_hand;
  Start(&fitted);
  Start(&by_hand);
  FitOptions options = Options(1);
  options.schedule = OneCycleParams{};
  options.schedule.base_lr = 0.1;
  options.schedule.total_steps = kBatches;
  Source source, other;
  Fit fit(fitted.trainer, Of(&source), options);
  EXPECT_EQ(fit.Run().end, FitEnd::kFinished);
  for (uint64_t step = 0; step < kBatches; ++step) {
    Batch batch = *other.Make();
    batch.random = RandomKey{3, 0};
    SgdParams sgd;
    sgd.momentum = static_cast<float>(Momentum(options.schedule, step));
    const StepOptions with = {.learning_rate = static_cast<float>(
                                  LearningRate(options.schedule, step)),
                              .optimizer = sgd};
    ASSERT_TRUE(by_hand.trainer.Step(batch, with).status.ok());
  }
  EXPECT_TRUE(SameBits(fitted.State(), by_hand.State()));
}

// The rate falls after an epoch whose loss was no better.
TEST(Fit, PlateauGoesByTheLoss) {
  Bench bench;
  Start(&bench);
  FitOptions options = Options(6);
  PlateauParams plateau;
  plateau.patience = 0;
  plateau.threshold = 0.9;  // nothing is ever so much better
  options.schedule = plateau;
  options.schedule.base_lr = 0.1;
  options.schedule.total_steps = 6 * kBatches;
  Source source;
  Watch watch;
  FitObserver* const observers[] = {&watch};
  Fit fit(bench.trainer, Of(&source), options, {}, observers);
  EXPECT_EQ(fit.Run().end, FitEnd::kFinished);
  double rate = 0.1;
  for (size_t e = 0; e < 6; ++e) {
    EXPECT_NEAR(watch.reports[e].learning_rate, rate, 1e-12);
    if (e > 0) rate *= 0.1;
  }
}

// While the rate still rises, nothing is held against it.
TEST(Fit, PlateauBeginsAfterTheWarmup) {
  Bench bench;
  Start(&bench);
  FitOptions options = Options(6);
  PlateauParams plateau;
  plateau.patience = 0;
  plateau.threshold = 0.9;  // nothing is ever so much better
  options.schedule = plateau;
  options.schedule.base_lr = 0.1;
  options.schedule.total_steps = 6 * kBatches;
  options.schedule.warmup = 3 * kBatches;
  Source source;
  Watch watch;
  FitObserver* const observers[] = {&watch};
  Fit fit(bench.trainer, Of(&source), options, {}, observers);
  EXPECT_EQ(fit.Run().end, FitEnd::kFinished);
  // The first whole epoch at --lr is the first that counts, the next falls.
  EXPECT_NEAR(watch.reports[3].learning_rate, 0.1, 1e-12);
  EXPECT_NEAR(watch.reports[4].learning_rate, 0.1, 1e-12);
  EXPECT_NEAR(watch.reports[5].learning_rate, 0.01, 1e-12);
}

// Hands out validation losses and says after which epoch it stops (0: never).
struct Patience {
  explicit Patience(BestKeeper* of) : keeper(of) { Start(&bench); }

  uint32_t Feed(const std::vector<double>& losses, double accuracy = 0.5) {
    Source source;
    const FitOptions options = Options(100);
    Fit fit(bench.trainer, Of(&source), options);
    for (const double loss : losses) {
      EpochReport report;
      report.epoch = ++epoch;
      report.validation.emplace();
      report.validation->loss = loss;
      report.validation->accuracy = accuracy;
      if (!keeper->OnEpoch(fit, report)) return epoch;
    }
    return 0;
  }

  Bench bench;
  BestKeeper* keeper;
  uint32_t epoch = 0;
};

TEST(BestKeeper, StopsWhenNothingBecomesBetter) {
  BestKeeper keeper;
  keeper.monitor = Monitor::kLoss;
  keeper.patience = 3;
  EXPECT_EQ(Patience(&keeper).Feed({5, 4, 3, 2, 1, 2, 2, 2, 2}), 8u);
  EXPECT_EQ(keeper.epoch, 5u);

  // It ends by itself before patience runs out: the best is still epoch 5.
  BestKeeper shorter;
  shorter.monitor = Monitor::kLoss;
  shorter.patience = 3;
  EXPECT_EQ(Patience(&shorter).Feed({5, 4, 3, 2, 1, 2, 2}), 0u);
  EXPECT_EQ(shorter.epoch, 5u);

  // Stopped after epoch 6 and continued by another process.
  BestKeeper before, after;
  before.monitor = after.monitor = Monitor::kLoss;
  before.patience = after.patience = 3;
  EXPECT_EQ(Patience(&before).Feed({5, 4, 3, 2, 1, 2}), 0u);
  after.epoch = before.epoch;
  after.accuracy = before.accuracy;
  after.loss = before.loss;
  after.waited = before.waited;
  Patience rest(&after);
  rest.epoch = 6;
  EXPECT_EQ(rest.Feed({2, 2, 2}), 8u);
}

TEST(BestKeeper, NanIsNeverBestAndEqualIsNoBetter) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  BestKeeper keeper;
  keeper.monitor = Monitor::kLoss;
  keeper.patience = 3;
  EXPECT_EQ(Patience(&keeper).Feed({nan, nan, 1}), 0u);
  EXPECT_EQ(keeper.epoch, 3u);
  BestKeeper nans;
  nans.monitor = Monitor::kLoss;
  nans.patience = 2;
  EXPECT_EQ(Patience(&nans).Feed({1, nan, nan}), 3u);
  EXPECT_EQ(nans.epoch, 1u);
  BestKeeper equal;
  equal.monitor = Monitor::kLoss;
  equal.patience = 2;
  EXPECT_EQ(Patience(&equal).Feed({2, 2, 2}), 3u);
  EXPECT_EQ(equal.epoch, 1u);
  // By accuracy: among equals a lower loss is better, for the best epoch and for
  // the patience.
  BestKeeper accuracy;
  accuracy.patience = 2;
  EXPECT_EQ(Patience(&accuracy).Feed({3, 2, 1, 1, 2}), 5u);
  EXPECT_EQ(accuracy.epoch, 3u);
}

// min_delta belongs to the patience: the best epoch is the best one.
TEST(BestKeeper, MinDeltaDecidesWhenToStopNotWhichIsBest) {
  for (const bool interrupted : {false, true}) {
    BestKeeper keeper;
    keeper.monitor = Monitor::kLoss;
    keeper.min_delta = 0.5;
    keeper.patience = 3;
    Patience feed(&keeper);
    // 4.4 is better than the mark 5 by more than 0.5, 4 is not than 4.4.
    EXPECT_EQ(feed.Feed({5, 4.6, 4.4, 4.2}), 0u);
    EXPECT_EQ(keeper.epoch, 4u);
    EXPECT_EQ(keeper.waited, 1u);
    EXPECT_EQ(keeper.mark, 4.4);
    BestKeeper after;
    after.monitor = Monitor::kLoss;
    after.min_delta = 0.5;
    after.patience = 3;
    after.epoch = keeper.epoch;
    after.loss = keeper.loss;
    after.waited = keeper.waited;
    after.mark = keeper.mark;
    if (interrupted) feed.keeper = &after;
    EXPECT_EQ(feed.Feed({4, 4.1}), 6u);
    EXPECT_EQ(feed.keeper->epoch, 5u);
  }
  // Of accuracies, too; a tie with a lower loss is best, but no gain.
  BestKeeper accuracy;
  accuracy.min_delta = 0.1;
  accuracy.patience = 2;
  EXPECT_EQ(Patience(&accuracy).Feed({3, 2, 1}), 3u);
  EXPECT_EQ(accuracy.epoch, 3u);
}

// With memory for statistics a fit stops between the batches of a step, too: what
// they gathered and how far statistics followed them is as if they had not been.
TEST(Fit, StopsInsideAStepOverSeveralBatches) {
  Graph graph;
  uint32_t x = graph.Add("input", InputParams{1, 1, kInputs});
  x = graph.Add("normalize", NormalizeParams{}, x);
  x = graph.Add("fc1", DenseParams{8}, x);
  x = graph.Add("bn", BatchNormParams{}, x);
  x = graph.Add("relu", ReluParams{}, x);
  x = graph.Add("dropout", DropoutParams{0.25f}, x);
  x = graph.Add("fc", DenseParams{kClasses}, x);
  graph.Add("loss", SoftmaxCrossEntropyParams{}, x);
  PlanOptions plan;
  plan.batch = kRows;
  plan.gradients = GradientMode::kAccumulated;
  FitOptions options = Options(2);
  options.accumulate = kBatches;  // all of an epoch
  options.schedule.total_steps = 2;
  // Draws by the sample, and by the number of the step.
  for (const bool ids : {true, false}) {
    Source source;
    BatchSource batches = Of(&source);
    if (!ids) {
      batches.next = [](void* s) -> const Batch* {
        Source& of = *static_cast<Source*>(s);
        if (of.Make() == nullptr) return nullptr;
        of.batch.sample_ids = nullptr;
        return &of.batch;
      };
    }
    Bench whole;
    ASSERT_TRUE(whole.Start(graph, plan).ok());
    whole.trainer.Initialize(1);
    options.statistics = nullptr;
    EXPECT_EQ(Fit(whole.trainer, batches, options).Run().end,
              FitEnd::kFinished);
    for (uint64_t stop = 1; stop <= 2 * kBatches; ++stop) {
      SCOPED_TRACE(stop);
      Bench bench;
      ASSERT_TRUE(bench.Start(graph, plan).ok());
      bench.trainer.Initialize(1);
      std::vector<float> statistics(bench.trainer.StatisticsCount());
      ASSERT_GE(statistics.size(), 16u);
      options.statistics = statistics.data();
      Watch watch;
      watch.stop_at = stop;
      FitObserver* const observers[] = {&watch};
      Fit fit(bench.trainer, batches, options, {}, observers);
      EXPECT_EQ(fit.Run().end, FitEnd::kStopped);
      EXPECT_EQ(watch.questions, stop);  // within one batch
      const uint64_t done = (stop - 1) / kBatches;
      EXPECT_EQ(fit.state().epoch, done);
      EXPECT_EQ(fit.state().batch, 0u);
      EXPECT_EQ(fit.state().samples, 0u);
      EXPECT_EQ(bench.trainer.steps(), done);
      EXPECT_EQ(fit.Run().end, FitEnd::kFinished);
      EXPECT_EQ(watch.questions, stop + 2 * kBatches - done * kBatches);
      EXPECT_TRUE(SameBits(bench.State(), whole.State()));
    }
  }
}

}  // namespace
}  // namespace temper
