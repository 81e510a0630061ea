// Every file operation of a start fails once, and the process dies at every one
// of them: an older run stays whole and resumable until the new one is, and a
// job that fails leaves no folder. The system calls are replaced in this
// executable by ones that count.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <map>

#include "ports/host/train/session.h"
#include "tests/host/host_test.h"

namespace {

// Armed in a child process only. The call at which `left` gets to 0 fails with
// `error`, or ends the process if that is 0.
struct {
  bool armed = false;
  int left = 0, error = 0;
} fault;
constexpr int kKilled = 99, kNoFault = 98;
int CodeOf(temper::host::ErrorKind kind) { return 50 + static_cast<int>(kind); }

bool Strikes() {
  if (!fault.armed || fault.left-- != 0) return false;
  if (fault.error == 0) _exit(kKilled);
  errno = fault.error;
  return true;
}

template <class F>
F* Next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// Each as glibc declares it.
#define TEMPER_FAULTY(result, name, parameters, arguments)       \
  result name parameters {                                       \
    static const auto real = Next<result parameters>(#name);     \
    return Strikes() ? static_cast<result>(-1) : real arguments; \
  }
extern "C" {
TEMPER_FAULTY(ssize_t, write, (int fd, const void* data, size_t n),
              (fd, data, n))
TEMPER_FAULTY(ssize_t, pwrite, (int fd, const void* data, size_t n, off_t at),
              (fd, data, n, at))
TEMPER_FAULTY(int, fsync, (int fd), (fd))
TEMPER_FAULTY(int, fdatasync, (int fd), (fd))
#undef TEMPER_FAULTY
#define TEMPER_FAULTY(result, name, parameters, arguments)       \
  result name parameters noexcept {                              \
    static const auto real = Next<result parameters>(#name);     \
    return Strikes() ? static_cast<result>(-1) : real arguments; \
  }
TEMPER_FAULTY(int, mkdir, (const char* path, mode_t mode), (path, mode))
TEMPER_FAULTY(int, mkdirat, (int fd, const char* path, mode_t mode),
              (fd, path, mode))
TEMPER_FAULTY(int, ftruncate, (int fd, off_t size), (fd, size))
TEMPER_FAULTY(int, renameat, (int a, const char* from, int b, const char* to),
              (a, from, b, to))
TEMPER_FAULTY(int, unlinkat, (int fd, const char* path, int flags),
              (fd, path, flags))
// Only what creates: reading is not at stake here.
int openat(int fd, const char* path, int flags, ...) {
  static const auto real = Next<int(int, const char*, int, ...)>("openat");
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  if ((flags & O_CREAT) != 0 && Strikes()) return -1;
  return real(fd, path, flags, mode);
}
}

namespace temper::host {
namespace {

using testing::Bytes;
using testing::TempFolder;
namespace fs = std::filesystem;

void WriteData(const TempFolder& folder) {
  folder.Write("train-images-idx3-ubyte",
               testing::Idx({8, 4, 4}, testing::Ramp(128)));
  folder.Write("train-labels-idx1-ubyte",
               testing::Idx({8}, {0, 1, 0, 1, 0, 1, 0, 1}));
}

JobOptions SmallJob(const TempFolder& folder) {
  JobOptions o;
  o.model = "mlp?hidden=4";
  o.data = "idx:" + folder.path();
  o.out = folder.File("run");
  o.batch = 4;
  o.epochs = 2;
  o.threads = 1;
  return o;
}

std::map<std::string, std::string> Contents(const std::string& path) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    std::ifstream in(entry.path(), std::ios::binary);
    std::ostringstream text;
    if (entry.is_regular_file()) text << in.rdbuf();
    files[fs::relative(entry.path(), path).string()] = text.str();
  }
  return files;
}

// The run in the folder, continued to its end.
SessionResult Resume(const std::string& path) {
  auto folder = std::make_unique<RunFolder>(path, FolderMode::kResume);
  const JobOptions options = ReadRunOptions(*folder);
  auto checkpoint =
      std::make_unique<ModelSource>(folder->Weights(kLastCheckpoint));
  Session session(PrepareResume(options, std::move(checkpoint)),
                  std::move(folder));
  return session.Run();
}

// Starts the job with a fault at operation n; the exit code of the child.
int Start(const JobOptions& options, int n, int error) {
  const pid_t child = fork();
  if (child == 0) {
    int code = kNoFault;
    try {
      Job job = PrepareJob(options);
      fault.armed = true;
      fault.left = n;
      fault.error = error;
      const Session session(std::move(job), nullptr);
      if (fault.left >= 0) fault.armed = false;
      _exit(fault.armed ? 0 : kNoFault);
    } catch (const Failure& failure) {
      code = CodeOf(failure.kind);
    } catch (...) {
      code = 1;
    }
    fault.armed = false;
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

// Copies a finished run aside and back.
void Restore(const TempFolder& folder) {
  fs::remove_all(folder.File("run"));
  fs::copy(folder.File("old"), folder.File("run"), fs::copy_options::recursive);
}

class StartFaults : public ::testing::TestWithParam<int> {};

TEST_P(StartFaults, AnOlderRunIsWholeUntilTheNewOneIs) {
  const TempFolder folder;
  WriteData(folder);
  JobOptions options = SmallJob(folder);
  std::string old_sha, new_sha;
  {
    Session session(PrepareJob(options), nullptr);
    old_sha = session.Run().Sha256();
  }
  fs::copy(folder.File("run"), folder.File("old"), fs::copy_options::recursive);
  const auto old = Contents(folder.File("old"));
  options.overwrite = true;
  options.seed = 7;
  int n = 0, kept = 0, replaced = 0;
  for (;; ++n) {
    ASSERT_LT(n, 500);
    SCOPED_TRACE(n);
    Restore(folder);
    const int code = Start(options, n, GetParam());
    if (code == kNoFault) break;
    const auto now = Contents(folder.File("run"));
    std::map<std::string, std::string> visible = now;
    if (code == kKilled) {  // a leftover that the next one removes
      std::erase_if(visible, [](const auto& file) {
        return file.first.starts_with(".run.new");
      });
    }
    if (visible == old) {
      ++kept;
      EXPECT_TRUE(code == kKilled || code == CodeOf(ErrorKind::kIo) ||
                  code == CodeOf(ErrorKind::kCannotCreate))
          << code;
      EXPECT_EQ(Resume(folder.File("run")).Sha256(), old_sha);
      EXPECT_FALSE(fs::exists(folder.File("run/.run.new")));
      continue;
    }
    ++replaced;
    const std::string sha = Resume(folder.File("run")).Sha256();
    EXPECT_NE(sha, old_sha);
    if (new_sha.empty()) new_sha = sha;
    EXPECT_EQ(sha, new_sha);
    for (const auto& [name, text] : Contents(folder.File("run"))) {
      EXPECT_FALSE(name.starts_with(".")) << name;
    }
  }
  EXPECT_GT(kept, 10);
  EXPECT_GT(replaced, 5);
}

TEST_P(StartFaults, AJobThatFailsLeavesNoFolder) {
  const TempFolder folder;
  WriteData(folder);
  JobOptions options = SmallJob(folder);
  options.out = folder.File("a/b/run");
  int n = 0, ended = 0;
  for (;; ++n) {
    ASSERT_LT(n, 500);
    SCOPED_TRACE(n);
    fs::remove_all(folder.File("a"));
    const int code = Start(options, n, GetParam());
    if (code == kNoFault) break;
    if (code == kKilled) {
      // Nothing can be removed; but the folder can be used again, or its run is
      // complete.
      if (fs::exists(options.out + "/.run.complete") ||
          fs::exists(options.out + "/.run.moving") ||
          fs::exists(options.out + "/config.json")) {
        EXPECT_EQ(Resume(options.out).epochs_done, 2u);
      } else {
        EXPECT_EQ(Start(options, 1000, 1), kNoFault);
      }
      continue;
    }
    ++ended;
    if (!fs::exists(folder.File("a"))) continue;
    EXPECT_EQ(Resume(options.out).epochs_done, 2u);
  }
  EXPECT_TRUE(ended > 10 || GetParam() == 0);
}

INSTANTIATE_TEST_SUITE_P(, StartFaults, ::testing::Values(0, EIO, ENOSPC),
                         [](const auto& p) {
                           return p.param == 0     ? "Killed"
                                  : p.param == EIO ? "InputOutputError"
                                                   : "DiskFull";
                         });

}  // namespace
}  // namespace temper::host
