// A whole run: nothing is allocated between its first and last step, what it
// touches is what was planned, and a buffer that the plan forgot is seen.
#include "ports/host/train/session.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ports/cli/run_reporter.h"
#include "ports/host/train/weights.h"
#include "tests/host/count_allocations.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using testing::Bytes;
using testing::TempFolder;

// A job of more than a thousand steps. ThreadSanitizer takes some hundred times
// as long and has seen what there is to see after fewer.
#ifdef __SANITIZE_THREAD__
constexpr uint32_t kEpochs = 2;
constexpr uint64_t kSteps = 140;
#else
constexpr uint32_t kEpochs = 14;
constexpr uint64_t kSteps = 1000;
#endif

// 320 pictures of 12x12 in 4 classes.
void WriteData(const TempFolder& folder) {
  Bytes images, labels;
  for (uint32_t i = 0; i < 320; ++i) {
    labels.push_back(static_cast<uint8_t>(i % 4));
    for (uint32_t p = 0; p < 144; ++p) {
      const uint32_t noise = RandomWord(1, p, i, 0, 0) >> 25;
      images.push_back(
          static_cast<uint8_t>(noise + (p / 36 == i % 4 ? 100 : 0)));
    }
  }
  folder.Write("train-images-idx3-ubyte", testing::Idx({320, 12, 12}, images));
  folder.Write("train-labels-idx1-ubyte", testing::Idx({320}, labels));
}

// NumPy arrays of 320 samples, f4: x (n, 6) and y (n, 2), sums of parts of x.
std::string WriteValues(const TempFolder& folder) {
  std::string x, y;
  const auto add = [](std::string& to, float value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  for (uint32_t i = 0; i < 320; ++i) {
    float sums[2] = {};
    for (uint32_t j = 0; j < 6; ++j) {
      const uint32_t word = RandomWord(2, j, i, 0, 0) >> 16;
      const float value = static_cast<float>(word) / 32768 - 1;
      add(x, value);
      sums[j % 2] += value;
    }
    for (const float sum : sums) add(y, sum);
  }
  const auto write = [&](const char* name, const char* shape,
                         const std::string& data) {
    std::string header = std::string(
                             "{'descr': '<f4', 'fortran_order': False"
                             ", 'shape': ") +
                         shape + "}";
    header.resize(118, ' ');
    folder.Write(name,
                 std::string("\x93NUMPY\x01\0\x76\0", 10) + header + data);
  };
  write("x.npy", "(320, 6)", x);
  write("y.npy", "(320, 2)", y);
  return "npy:" + folder.File("x.npy") + "," + folder.File("y.npy") +
         "?val=0.1";
}

JobOptions SmallJob(const TempFolder& folder, const char* model) {
  JobOptions o;
  o.model = model;
  o.data = "idx:" + folder.path() + "?val=0.1";
  o.out = folder.File("run");
  o.batch = 4;
  o.epochs = kEpochs;
  o.lr = 0.01;
  o.threads = 2;
  o.save_seconds = 0.01;
  return o;
}

// From here on any of these system calls, by any thread, ends the process.
bool ForbidMemoryCalls() {
#ifdef SYS_mmap2  // 32 bits: there is no other on ARM
  constexpr int kMap = SYS_mmap2;
#else
  constexpr int kMap = SYS_mmap;
#endif
  constexpr int kForbidden[] = {SYS_brk, kMap, SYS_mremap, SYS_munmap};
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kForbidden[0], 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kForbidden[1], 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kForbidden[2], 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kForbidden[3], 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                 SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

// Exit codes of the child below.
enum {
  kClean = 0,
  kAllocated = 1,
  kTooFewSteps = 2,
  kNoFilter = 3,
  kThrew = 4
};

// Ends the process right after the run: taking the session apart may allocate.
[[noreturn]] void RunChild(const JobOptions& options, bool filter,
                           bool allocate) {
  try {
    RunReporter reporter(false);  // as the command runs
    Session session(PrepareJob(options), nullptr, &reporter);
    if (filter && !ForbidMemoryCalls()) _exit(kNoFilter);
    const uint64_t before = testing::allocations.load();
    const SessionResult r = session.Run();
    if (allocate) {
      void* volatile block = std::malloc(1 << 20);  // large: by mmap
      std::free(block);
    }
    if (testing::allocations.load() != before) _exit(kAllocated);
    _exit(r.steps_done >= kSteps ? kClean : kTooFewSteps);
  } catch (...) {
    _exit(kThrew);
  }
}

int Child(const JobOptions& options, bool filter, bool allocate) {
  const pid_t child = fork();
  if (child == 0) RunChild(options, filter, allocate);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Sanitizers map memory themselves, and qemu's user mode has no such filters:
// there the count of allocations alone decides.
bool FilterWorks() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0;
#endif
}

TEST(Session, ARunOfAThousandStepsAllocatesNothing) {
  for (const char* model : {"resnet8", "mlp"}) {
    SCOPED_TRACE(model);
    TempFolder folder;
    WriteData(folder);
    EXPECT_EQ(Child(SmallJob(folder, model), FilterWorks(), false), kClean);
  }
}

// Nor do the borders between its phases, nor is more touched than planned.
TEST(Session, ARunOfPhasesAllocatesNothing) {
  TempFolder folder;
  WriteData(folder);
  JobOptions options = SmallJob(folder, "mlp?hidden=32,16");
  options.phases = {{"head", kEpochs / 2, 0.0, "", "adam", ""},
                    {"last=1", 1, 0.0, "", "", ""},
                    {"all", kEpochs, 0.0, "", "", ""}};
  EXPECT_EQ(Child(options, FilterWorks(), false), kClean);
  options.out = folder.File("touched");
  options.phases = {{"head", 1, 0.0, "", "adam", ""},
                    {"all", 1, 0.0, "", "", ""}};
  Session session(PrepareJob(options), nullptr);
  session.trainer().CheckMemory(false);
  const SessionResult r = session.Run();
  EXPECT_LE(r.peak_bytes, session.job().plan.arena_bytes);
}

TEST(Session, ARunOnValuesAllocatesNothing) {
  TempFolder folder;
  JobOptions options = SmallJob(folder, "mlp?hidden=32");
  options.data = WriteValues(folder);
  EXPECT_EQ(Child(options, FilterWorks(), false), kClean);
}

// The errors of validation are those of the loss; the best epoch has the least.
TEST(Session, ErrorsOfValues) {
  TempFolder folder;
  JobOptions options = SmallJob(folder, "mlp?hidden=32");
  options.data = WriteValues(folder);
  options.epochs = 4;
  Session session(PrepareJob(options), nullptr);
  const SessionResult r = session.Run();
  ASSERT_TRUE(r.val_loss && r.val_mae && r.val_rmse);
  EXPECT_FALSE(r.val_accuracy || r.train_accuracy);
  EXPECT_DOUBLE_EQ(*r.val_rmse * *r.val_rmse, *r.val_loss);
  EXPECT_GT(*r.val_mae, 0.0);
  EXPECT_LE(*r.val_mae, *r.val_rmse);
  EXPECT_GE(r.best_epoch, 1u);
  EXPECT_LE(r.best_loss, *r.val_loss);
}

TEST(Session, TheTrapTraps) {
  TempFolder folder;
  WriteData(folder);
  JobOptions options = SmallJob(folder, "mlp");
  if (FilterWorks()) {
    EXPECT_EQ(Child(options, true, true), 1000 + SIGSYS);
  }
  options.out = folder.File("run2");
  EXPECT_EQ(Child(options, false, true), kAllocated);
}

// What a job touches: the lines of its planned buffers, and of those nearly
// all; what is left is scratch for more threads and shapes than came.
TEST(Session, TouchesWhatWasPlanned) {
  for (const char* model : {"resnet8", "lenet5", "mlp"}) {
    for (const uint64_t extra : {0, 4096}) {
      SCOPED_TRACE(model);
      TempFolder folder;
      WriteData(folder);
      JobOptions options = SmallJob(folder, model);
      options.epochs = 1;
      options.arena =
          std::to_string(PrepareJob(options).plan.arena_bytes + extra);
      Session session(PrepareJob(options), nullptr);
      // Builds without NDEBUG fill what is not alive, and touch all of it.
      session.trainer().CheckMemory(false);
      const SessionResult r = session.Run();
      const Plan& plan = session.job().plan;
      std::vector<bool> planned(plan.arena_bytes / 64);
      for (const PlannedTensor& t : plan.tensors) {
        for (uint64_t i = t.offset; i < t.offset + t.bytes; i += 64) {
          planned[i / 64] = true;
        }
      }
      const uint64_t lines = 64 * static_cast<uint64_t>(std::count(
                                      planned.begin(), planned.end(), true));
      EXPECT_LE(r.peak_bytes, lines);
      EXPECT_GE(r.peak_bytes, lines - lines / 10);
      // And the plan has no room to spare.
      EXPECT_GE(lines, plan.arena_bytes - plan.arena_bytes / 50);
    }
  }
}

// Batches that are never full leave the rest of the plan alone.
TEST(Session, TouchesLessThanPlannedIfBatchesAreNotFull) {
  TempFolder folder;
  WriteData(folder);
  JobOptions options = SmallJob(folder, "lenet5");
  options.epochs = 1;
  const auto touched = [&](uint32_t batch, const char* out) {
    options.batch = batch;
    options.out = folder.File(out);
    Session session(PrepareJob(options), nullptr);
    session.trainer().CheckMemory(false);
    const uint64_t planned = session.job().plan.arena_bytes;
    return std::pair{session.Run().peak_bytes, planned};
  };
  const uint32_t samples =
      static_cast<uint32_t>(PrepareJob(options).data.train.size());
  const auto [full, full_plan] = touched(samples, "full");
  const auto [part, part_plan] = touched(16 * samples, "part");
  EXPECT_GT(part_plan, 4 * full_plan);
  EXPECT_LT(part, 2 * full);
}

TEST(Session, ABufferThatThePlanForgotIsSeen) {
  TempFolder folder;
  WriteData(folder);
  JobOptions options = SmallJob(folder, "mlp");
  Job job = PrepareJob(options);
  HostArena arena(job.plan.arena_bytes + 8192);
  Trainer trainer;
  ASSERT_TRUE(trainer.Create(job.plan, arena.data(), arena.size()).ok());
  SetWeights(job, trainer);
  // The batch is put where the plan has no buffer: into the arena, after the
  // plan.
  uint8_t* forgotten = arena.data() + job.plan.arena_bytes + 640;
  std::memcpy(forgotten, job.data.train.Sample(0), 4 * 144);
  const int32_t labels[4] = {0, 1, 2, 3};
  Batch batch;
  batch.input = forgotten;
  batch.labels = labels;
  batch.rows = 4;
  ASSERT_TRUE(trainer.Step(batch, 0.01f).status.ok());
  EXPECT_EQ(arena.TouchedEnd(), job.plan.arena_bytes + 640 + 4 * 144);
}

TEST(Arena, GuardPageStops) {
  HostArena arena(4096 + 64);
  EXPECT_EQ(arena.TouchedEnd(), 0u);
  EXPECT_EQ(arena.TouchedBytes(), 0u);
  arena.data()[100] = 1;
  EXPECT_EQ(arena.TouchedEnd(), 128u);
  EXPECT_EQ(arena.TouchedBytes(), 64u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.data()) % 64, 0u);
  EXPECT_DEATH(arena.data()[4096 + 64] = 1, "");
}

TEST(Arena, ParsesSizes) {
  EXPECT_EQ(ParseBytes("64"), 64u);
  EXPECT_EQ(ParseBytes("16MiB"), 16u << 20);
  EXPECT_EQ(ParseBytes("1kB"), 1000u);
  EXPECT_EQ(ParseBytes("1.5MiB"), 3u << 19);
  EXPECT_EQ(ParseBytes("0.001KiB"), 2u);  // rounded up
  EXPECT_EQ(ParseBytes("1.000000001GB"), 1000000001u);
  for (const char* bad :
       {"", "0", "MiB", "-1", "1.5", "1.5B", ".5MiB", "1.MiB", "0.0MiB",
        "1.5.5MiB", "1.0000000001GiB", "16Mi", "16 MiB", "99999999999999999999",
        "18446744073709551615GiB", "17179869184.0GiB"}) {
    testing::ExpectFailure(ErrorKind::kUsage, {"size"},
                           [&] { ParseBytes(bad); });
  }
}

}  // namespace
}  // namespace temper::host
