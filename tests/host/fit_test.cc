// Many fits in one process: they share the data set and the threads, and touch
// no file.
#include "temper/fit.h"

#include <filesystem>

#include "models/graphs/models.h"
#include "ports/host/data/dataset.h"
#include "ports/host/data/loader.h"
#include "ports/host/os/arena.h"
#include "ports/host/os/threads.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using testing::Bytes;

size_t EntriesOf(const std::string& folder) {
  size_t n = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(folder)) {
    ++n;
  }
  return n;
}

TEST(Fit, ThirtyOfThemShareDataAndThreads) {
  testing::TempFolder folder;
  Bytes images, labels;
  for (uint32_t i = 0; i < 64; ++i) {
    labels.push_back(static_cast<uint8_t>(i % 4));
    for (uint32_t p = 0; p < 64; ++p) {
      images.push_back(static_cast<uint8_t>(p / 16 == i % 4 ? 200 : p));
    }
  }
  folder.Write("train-images-idx3-ubyte", testing::Idx({64, 8, 8}, images));
  folder.Write("train-labels-idx1-ubyte", testing::Idx({64}, labels));
  const size_t files = EntriesOf(folder.path());
  const Dataset data = LoadDataset("idx:" + folder.path());

  Graph graph;
  std::string error;
  ASSERT_TRUE(models::BuildModel("mlp?hidden=8", data.shape, data.targets,
                                 &graph, &error)
                  .ok())
      << error;
  PlanOptions options;
  options.batch = 8;
  options.threads = 2;
  Plan plan;
  ASSERT_TRUE(MakePlan(graph, options, &plan).ok());
  HostArena arena(plan.arena_bytes);
  const auto pool = MakeThreadPool(2);
  Loader loader(data, {8, 1, true, false, {}});
  const BatchSource source = {
      &loader,
      [](void* from, uint32_t epoch, uint64_t first) {
        static_cast<Loader*>(from)->StartEpoch(epoch, first);
      },
      [](void* from) { return static_cast<Loader*>(from)->Next(); }};
  const size_t threads = EntriesOf("/proc/self/task");
  double first_loss = 0;
  for (int i = 0; i < 30; ++i) {
    Trainer trainer;
    ASSERT_TRUE(
        trainer.Create(plan, arena.data(), arena.size(), pool->runner()).ok());
    trainer.Initialize(7);
    FitOptions fit_options;
    fit_options.batches_per_epoch = 5;
    fit_options.schedule.base_lr = 0.05;
    fit_options.schedule.total_steps = 5;
    struct : FitObserver {
      double loss = 0;
      bool OnEpoch(Fit&, const EpochReport& report) override {
        loss = report.train.loss;
        return true;
      }
    } watch;
    FitObserver* const observers[] = {&watch};
    Fit fit(trainer, source, fit_options, {}, observers);
    ASSERT_EQ(fit.Run().end, FitEnd::kFinished);
    if (i == 0) first_loss = watch.loss;
    EXPECT_EQ(watch.loss, first_loss);
    EXPECT_EQ(EntriesOf("/proc/self/task"), threads);
  }
  EXPECT_EQ(EntriesOf(folder.path()), files);
}

}  // namespace
}  // namespace temper::host
