// A run that is asked to stop before any batch, trained or validated, ends in
// the bits of one that was not; and what a validation without numbers does.
#include <sstream>

#include "ports/host/os/signals.h"
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

SessionResult Train(const JobOptions& options) {
  return Session(PrepareJob(options), nullptr, true).Run();
}

SessionResult Resume(const std::string& path) {
  auto folder = std::make_unique<RunFolder>(path, FolderMode::kResume);
  Job job = PrepareResume(
      ReadRunOptions(*folder),
      std::make_unique<ModelSource>(folder->Weights(kLastCheckpoint)));
  return Session(std::move(job), std::move(folder), true).Run();
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
  InstallStopHandler();
  ASSERT_EQ(Train(SmallJob(folder, "whole")).end, SessionEnd::kFinished);
  uint64_t question = 1;
  for (;; ++question) {
    SCOPED_TRACE(question);
    const std::string out = "stop" + std::to_string(question);
    InstallStopHandler();
    StopAtQuestion(question);
    const SessionResult r = Train(SmallJob(folder, out));
    const bool stopped = StopSignal() != 0;
    InstallStopHandler();
    StopAtQuestion(0);
    if (!stopped) break;
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

// An optimizer that goes by the number of the step.
TEST(Stop, StepsCountOverAllResumes) {
  TempFolder folder;
  WriteData(folder);
  testing::injected_optimizer = &testing::kCountingOptimizer;
  InstallStopHandler();
  ASSERT_EQ(Train(SmallJob(folder, "whole")).end, SessionEnd::kFinished);
  for (const uint64_t question : {2, 6, 11}) {
    SCOPED_TRACE(question);
    const std::string out = "stop" + std::to_string(question);
    InstallStopHandler();
    StopAtQuestion(question);
    EXPECT_EQ(Train(SmallJob(folder, out)).end, SessionEnd::kStopped);
    InstallStopHandler();
    StopAtQuestion(0);
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
    InstallStopHandler();
    StopAtQuestion(question);
    const bool first = before == 0;
    const SessionResult r =
        first ? Train(SmallJob(folder, "run")) : Resume(folder.File("run"));
    ASSERT_EQ(r.end, SessionEnd::kStopped);
    const EventLog events(folder.File("run/events.jsonl"), true);
    const double now = events.SecondsAt(r.steps_done).value_or(-1);
    EXPECT_GT(now, before);
    before = now;
  }
  InstallStopHandler();
  StopAtQuestion(0);
  Resume(folder.File("run"));
  const MetricsLog metrics(folder.File("run/metrics.csv"), 2);
  EXPECT_GT(metrics.kept_seconds(), before - 0.001);  // rounded
}

TEST(Validation, WithoutNumbersIsNeverBest) {
  TempFolder folder;
  WriteData(folder);
  InstallStopHandler();
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
    const SessionResult r =
        i == 0 ? Train(options) : Resume(folder.File("run"));
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

}  // namespace
}  // namespace temper::host
