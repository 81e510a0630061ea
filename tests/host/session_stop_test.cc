// A run that is asked to stop before any batch, trained or validated, ends in
// the bits of one that was not; and what a validation without numbers does.
#include <signal.h>

#include <sstream>

#include "ports/host/simulate/slow_storage.h"
#include "ports/host/train/session.h"
#include "tests/host/host_test.h"
#include "tests/testing/injected_ops.h"

namespace temper::host {
namespace {

using testing::Bytes;
using testing::TempFolder;

// 64 pictures of 8x8 in 4 classes: at val=0.5 and batch 8 four batches to train
// and four to validate.
void WriteData(const TempFolder& folder) {
  Bytes images, labels;
  for (uint32_t i = 0; i < 64; ++i) {
    labels.push_back(static_cast<uint8_t>(i % 4));
    for (uint32_t p = 0; p < 64; ++p) {
      const uint32_t noise = RandomWord(1, p, i, 0, 0) >> 25;
      images.push_back(
          static_cast<uint8_t>(noise + (p / 16 == i % 4 ? 100 : 0)));
    }
  }
  folder.Write("train-images-idx3-ubyte", testing::Idx({64, 8, 8}, images));
  folder.Write("train-labels-idx1-ubyte", testing::Idx({64}, labels));
}

JobOptions SmallJob(const TempFolder& folder, const std::string& out) {
  JobOptions o;
  o.model = "mlp?hidden=8&dropout=0.2";
  o.data = "idx:" + folder.path() + "?val=0.5";
  o.out = folder.File(out);
  o.batch = 8;
  o.epochs = 2;
  o.threads = 1;
  o.save_seconds = 0;
  return o;
}

// Says yes to the n-th question; 0: never.
class StopAt : public RunObserver {
 public:
  explicit StopAt(uint64_t question) : left_(question) {}
  bool StopRequested() override {
    ++asked_;
    if (left_ > 0 && --left_ == 0) stopped_ = true;
    return stopped_;
  }
  uint64_t asked() const { return asked_; }
  void OnWarning(std::string_view text) override { warnings_ += text; }
  bool stopped() const { return stopped_; }
  const std::string& warnings() const { return warnings_; }

 private:
  uint64_t left_, asked_ = 0;
  bool stopped_ = false;
  std::string warnings_;
};

SessionResult Train(const JobOptions& options, RunObserver* observer = {}) {
  return Session(PrepareJob(options), nullptr, observer).Run();
}

SessionResult Resume(const std::string& path, RunObserver* observer = {}) {
  auto folder = std::make_unique<RunFolder>(path, FolderMode::kResume);
  Job job = PrepareResume(
      ReadRunOptions(*folder),
      std::make_unique<ModelSource>(folder->Weights(kLastCheckpoint)));
  return Session(std::move(job), std::move(folder), observer).Run();
}

// All columns but the two of time.
std::string Rows(const std::string& csv) {
  std::istringstream lines(csv);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string field;
    for (int i = 0; std::getline(fields, field, ','); ++i) {
      if (i != 8 && i != 9) out += field + ",";
    }
    out += "\n";
  }
  return out;
}

TEST(Stop, BeforeAnyBatchEndsInTheSameBits) {
  TempFolder folder;
  WriteData(folder);
  ASSERT_EQ(Train(SmallJob(folder, "whole")).end, SessionEnd::kFinished);
  uint64_t question = 1;
  for (;; ++question) {
    SCOPED_TRACE(question);
    const std::string out = "stop" + std::to_string(question);
    StopAt observer(question);
    const SessionResult r = Train(SmallJob(folder, out), &observer);
    if (!observer.stopped()) break;
    ASSERT_EQ(r.end, SessionEnd::kStopped);
    // Epochs of 4 + 4 questions; an epoch counts once it is validated.
    const uint64_t done = question - 1;
    EXPECT_EQ(r.steps_done, done / 8 * 4 + std::min<uint64_t>(done % 8, 4));
    EXPECT_EQ(r.epochs_done, done / 8);
    const std::string csv = folder.Read(out + "/metrics.csv");
    EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'),
              1 + static_cast<int>(done / 8));
    ASSERT_EQ(Resume(folder.File(out)).end, SessionEnd::kFinished);
    for (const char* name : {"last", "best"}) {
      const std::string file = "/weights/" + std::string(name) + ".safetensors";
      EXPECT_TRUE(folder.Read(out + file) == folder.Read("whole" + file))
          << name;
    }
    EXPECT_EQ(Rows(folder.Read(out + "/metrics.csv")),
              Rows(folder.Read("whole/metrics.csv")));
  }
  EXPECT_EQ(question, 17u);
}

// Gradients of a whole epoch, and averaged weights with statistics that are
// estimated before a validation: no stop waits for either, and none changes a bit.
TEST(Stop, InsideAStepAndAnEstimateEndsInTheSameBits) {
  TempFolder folder;
  WriteData(folder);
  const auto job = [&](const std::string& out) {
    JobOptions o = SmallJob(folder, out);
    o.model = "mlp?hidden=8&norm=batch";
    o.accumulate = 0;
    o.average = "ema?decay=0.5";
    return o;
  };
  StopAt none(0);
  const SessionResult whole = Train(job("whole"), &none);
  ASSERT_EQ(whole.end, SessionEnd::kFinished);
  EXPECT_EQ(whole.steps_done, 2u);
  // Of an epoch: 4 batches of its step, 50 of the estimate, 4 of validation.
  for (const uint64_t question : {2, 4, 5, 7, 54, 55, 57, 60, 64, 116}) {
    SCOPED_TRACE(question);
    const std::string out = "stop" + std::to_string(question);
    StopAt observer(question);
    const SessionResult r = Train(job(out), &observer);
    ASSERT_EQ(r.end, SessionEnd::kStopped);
    EXPECT_EQ(observer.asked(), question);
    EXPECT_EQ(r.epochs_done, (question - 1) / 58);
    EXPECT_EQ(r.steps_done, (question - 1) / 58 + ((question - 1) % 58 >= 4));
    ASSERT_EQ(Resume(folder.File(out)).end, SessionEnd::kFinished);
    for (const char* name : {"last", "best"}) {
      const std::string file = "/weights/" + std::string(name) + ".safetensors";
      EXPECT_TRUE(folder.Read(out + file) == folder.Read("whole" + file))
          << name;
    }
    EXPECT_EQ(Rows(folder.Read(out + "/metrics.csv")),
              Rows(folder.Read("whole/metrics.csv")));
  }
}

// An optimizer that goes by the number of the step.
TEST(Stop, StepsCountOverAllResumes) {
  TempFolder folder;
  WriteData(folder);
  testing::injected_optimizer = &testing::kCountingOptimizer;
  ASSERT_EQ(Train(SmallJob(folder, "whole")).end, SessionEnd::kFinished);
  for (const uint64_t question : {2, 6, 11}) {
    SCOPED_TRACE(question);
    const std::string out = "stop" + std::to_string(question);
    StopAt observer(question);
    EXPECT_EQ(Train(SmallJob(folder, out), &observer).end,
              SessionEnd::kStopped);
    EXPECT_EQ(Resume(folder.File(out)).end, SessionEnd::kFinished);
    const std::string file = "/weights/last.safetensors";
    EXPECT_TRUE(folder.Read(out + file) == folder.Read("whole" + file));
  }
  testing::injected_optimizer = nullptr;
}

TEST(Stop, SecondsCountOverAllResumes) {
  TempFolder folder;
  WriteData(folder);
  double before = 0;
  for (const uint64_t question : {3, 2, 2}) {
    StopAt observer(question);
    const bool first = before == 0;
    const SessionResult r = first ? Train(SmallJob(folder, "run"), &observer)
                                  : Resume(folder.File("run"), &observer);
    ASSERT_EQ(r.end, SessionEnd::kStopped);
    const EventLog events(folder.File("run/events.jsonl"), true);
    const double now = events.SecondsAt(r.steps_done).value_or(-1);
    EXPECT_GT(now, before);
    before = now;
  }
  Resume(folder.File("run"));
  const MetricsLog metrics(folder.File("run/metrics.csv"), 2);
  EXPECT_GT(metrics.kept_seconds(), before - 0.001);  // rounded
}

TEST(Validation, WithoutNumbersIsNeverBest) {
  TempFolder folder;
  WriteData(folder);
  // One step: its loss is finite, and so are the weights after it; what they
  // compute is not.
  JobOptions options = SmallJob(folder, "run");
  options.model = "mlp?hidden=8,8,8";
  options.batch = 32;
  options.epochs = 1;
  options.schedule = "constant";
  options.lr = 1e6;
  options.optimizer = "sgd?weight_decay=9e5";
  for (int i = 0; i < 2; ++i) {  // and a resume of the finished run
    StopAt observer(0);
    const SessionResult r = i == 0 ? Train(options, &observer)
                                   : Resume(folder.File("run"), &observer);
    EXPECT_EQ(observer.warnings().find("the validation loss is not finite") !=
                  std::string::npos,
              i == 0)
        << observer.warnings();
    EXPECT_EQ(r.end, SessionEnd::kDiverged);
    EXPECT_EQ(r.epochs_done, 1u);
    EXPECT_TRUE(r.val_diverged);
    EXPECT_FALSE(r.val_loss || r.val_accuracy);
    EXPECT_EQ(r.best_epoch, 0u);
    EXPECT_EQ(r.was_finished, i == 1);
  }
  EXPECT_TRUE(std::filesystem::exists(LastCheckpoint(folder.File("run"))));
  EXPECT_FALSE(
      std::filesystem::exists(folder.File("run/weights/best.safetensors")));
  const std::string csv = folder.Read("run/metrics.csv");
  const std::string row = csv.substr(csv.find('\n') + 1);
  EXPECT_NE(row.find(",,"), std::string::npos) << row;
  EXPECT_EQ(row.find("nan"), std::string::npos) << row;
  EXPECT_TRUE(row.ends_with(",0\n")) << row;
}

// A program that hands in no observer: this run has a warning to give.
TEST(Silence, NoObserverNoOutputAndNoSignalHandlers) {
  TempFolder folder;
  WriteData(folder);
  struct sigaction before[NSIG] = {}, after[NSIG] = {};
  for (int i = 1; i < NSIG; ++i) sigaction(i, nullptr, &before[i]);
  JobOptions options = SmallJob(folder, "run");
  options.model = "mlp?hidden=8,8,8";
  options.batch = 32;
  options.epochs = 1;
  options.schedule = "constant";
  options.lr = 1e6;
  options.optimizer = "sgd?weight_decay=9e5";
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const SessionResult r = Train(options);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_TRUE(r.val_diverged);
  for (int i = 1; i < NSIG; ++i) {
    sigaction(i, nullptr, &after[i]);
    EXPECT_EQ(before[i].sa_handler, after[i].sa_handler) << i;
  }
}

// The rest of the time that a save takes on the slower storage is waited for;
// and not once the run is to stop.
TEST(SlowStorage, SavesTakeAsLongAsOnTheDevice) {
  TempFolder folder;
  WriteData(folder);
  StopAt inner(0);
  SlowStorage slow(inner, 0.05, 0);
  const SessionResult r = Train(SmallJob(folder, "slow"), &slow);
  EXPECT_GE(r.saves, 4u);  // at the start, two epochs, the best
  EXPECT_GE(r.save_seconds, 0.05 * static_cast<double>(r.saves));
  StopAt stopped(1);
  EXPECT_TRUE(stopped.StopRequested());
  SlowStorage never(stopped, 1e6, 0);
  EXPECT_EQ(Train(SmallJob(folder, "stop"), &never).end, SessionEnd::kStopped);
}

}  // namespace
}  // namespace temper::host
