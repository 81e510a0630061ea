// Files: the old content or the new one, never something in between. The system
// calls that can fail are replaced in this executable by ones that fail on
// demand.
#include "ports/files/files.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/testing/allocations.h"
#include "tests/testing/model_files.h"

namespace {

// What the next calls do. Counts down; at 0 the call fails with the errno.
struct Faults {
  int write_after = -1, write_errno = 0;
  size_t most_per_write = SIZE_MAX;
  int interrupts = 0;  // so many calls of write and pread fail with EINTR first
  size_t most_per_read = SIZE_MAX;
  int fdatasync_errno = 0, rename_errno = 0, fsync_errno = 0;
  int fdatasync_calls = 0, fsync_calls = 0;
  void (*before_rename)() = nullptr;
  void (*before_read)() = nullptr;
} faults;

template <class F>
F* Next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {
ssize_t write(int fd, const void* data, size_t size) {
  static const auto real = Next<ssize_t(int, const void*, size_t)>("write");
  if (faults.interrupts > 0) {
    --faults.interrupts;
    errno = EINTR;
    return -1;
  }
  if (faults.write_after >= 0 && faults.write_after-- == 0) {
    errno = faults.write_errno;
    return -1;
  }
  return real(fd, data, std::min(size, faults.most_per_write));
}
ssize_t pread(int fd, void* data, size_t size, off_t offset) {
  static const auto real =
      Next<ssize_t(int, void*, size_t, off64_t)>("pread64");
  if (faults.interrupts > 0) {
    --faults.interrupts;
    errno = EINTR;
    return -1;
  }
  if (faults.before_read != nullptr)
    std::exchange(faults.before_read, nullptr)();
  return real(fd, data, std::min(size, faults.most_per_read), offset);
}
int fdatasync(int fd) {
  static const auto real = Next<int(int)>("fdatasync");
  ++faults.fdatasync_calls;
  errno = faults.fdatasync_errno;
  return errno != 0 ? -1 : real(fd);
}
int fsync(int fd) {
  static const auto real = Next<int(int)>("fsync");
  ++faults.fsync_calls;
  errno = faults.fsync_errno;
  return errno != 0 ? -1 : real(fd);
}
int renameat(int from_fd, const char* from, int to_fd,
             const char* to) noexcept {
  static const auto real =
      Next<int(int, const char*, int, const char*)>("renameat");
  if (faults.before_rename != nullptr) {
    std::exchange(faults.before_rename, nullptr)();
  }
  errno = faults.rename_errno;
  return errno != 0 ? -1 : real(from_fd, from, to_fd, to);
}
}

namespace temper::host {
namespace {

namespace fs = std::filesystem;
using temper::testing::Bytes;

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() {
    char name[] = "/tmp/temper_files_test.XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ + "/model.bin";
    temporary_ = folder_ + "/.model.bin.tmp";
    Put(path_, "old content");
  }
  ~FilesTest() override {
    faults = Faults();
    fs::remove_all(folder_);
  }
  static void Put(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string Get(const std::string& path) {
    Bytes data;
    const FileError error = ReadWholeFile(path, 1 << 20, &data);
    EXPECT_TRUE(error.ok()) << error.message;
    return std::string(data.begin(), data.end());
  }
  // The target is as before and nothing else is left in the folder.
  void ExpectUntouched() {
    faults = Faults();
    EXPECT_EQ(Get(path_), "old content");
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_),
                            fs::directory_iterator()),
              1);
  }
  Status Save(AtomicFile* file, const std::string& text) {
    const Status status = file->Open();
    if (!status.ok()) return status;
    for (const char& c : text) {
      if (!file->Write(&c, 1)) return file->Commit();
    }
    return file->Commit();
  }

  std::string folder_, path_, temporary_;
};

TEST_F(FilesTest, ReplacesAsAWhole) {
  AtomicFile file(path_);
  ASSERT_TRUE(file.Open().ok());
  EXPECT_TRUE(fs::exists(temporary_));
  ASSERT_TRUE(file.Write("new", 3));
  EXPECT_EQ(Get(path_), "old content");
  ASSERT_TRUE(file.Commit().ok());
  EXPECT_EQ(Get(path_), "new");
  EXPECT_FALSE(fs::exists(temporary_));
  EXPECT_EQ(faults.fdatasync_calls, 1);
  EXPECT_EQ(faults.fsync_calls, 1);
  // The same object saves again, and creates what is not there.
  fs::remove(path_);
  ASSERT_TRUE(Save(&file, "newer").ok());
  EXPECT_EQ(Get(path_), "newer");
}

TEST_F(FilesTest, RelativePaths) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  AtomicFile file("plain.bin");
  EXPECT_TRUE(Save(&file, "x").ok()) << file.error();
  EXPECT_EQ(Get("plain.bin"), "x");
  fs::current_path(before);
}

TEST_F(FilesTest, ShortAndInterruptedWritesGoOn) {
  faults.most_per_write = 3;
  faults.interrupts = 2;
  AtomicFile file(path_);
  ASSERT_TRUE(file.Open().ok());
  ASSERT_TRUE(file.Write("0123456789", 10));
  ASSERT_TRUE(file.Write("", 0));
  ASSERT_TRUE(file.Commit().ok());
  faults = Faults();
  faults.interrupts = 2;
  faults.most_per_read = 4;
  EXPECT_EQ(Get(path_), "0123456789");
}

TEST_F(FilesTest, WithoutCommitNothingHappens) {
  {
    AtomicFile file(path_);
    ASSERT_TRUE(file.Open().ok());
    ASSERT_TRUE(file.Write("new", 3));
  }
  ExpectUntouched();
}

TEST_F(FilesTest, FailedWrites) {
  for (const int number : {ENOSPC, EIO, EDQUOT, EFBIG}) {
    for (int after = 0; after < 3; ++after) {
      faults.write_after = after;
      faults.write_errno = number;
      AtomicFile file(path_);
      const Status status = Save(&file, "abc");
      EXPECT_EQ(status.code, StatusCode::kIoError);
      EXPECT_NE(std::string(file.error()).find(strerror(number)),
                std::string::npos)
          << file.error();
      EXPECT_NE(std::string(file.error()).find(path_), std::string::npos);
      EXPECT_FALSE(file.Write("x", 1));
      EXPECT_FALSE(file.Commit().ok());
      ExpectUntouched();
    }
  }
}

TEST_F(FilesTest, FailedSyncIsNotRetried) {
  faults.fdatasync_errno = EIO;
  AtomicFile file(path_);
  EXPECT_EQ(Save(&file, "abc").code, StatusCode::kIoError);
  EXPECT_EQ(faults.fdatasync_calls, 1);
  EXPECT_NE(std::string(file.error()).find("fdatasync"), std::string::npos);
  EXPECT_FALSE(file.Commit().ok());
  EXPECT_EQ(faults.fdatasync_calls, 1);
  ExpectUntouched();
  // The next save is a new one.
  EXPECT_TRUE(Save(&file, "abc").ok());
  EXPECT_EQ(Get(path_), "abc");
  EXPECT_STREQ(file.error(), "");
}

TEST_F(FilesTest, FailedRename) {
  faults.rename_errno = EROFS;
  AtomicFile file(path_);
  EXPECT_EQ(Save(&file, "abc").code, StatusCode::kIoError);
  ExpectUntouched();
}

TEST_F(FilesTest, FailedSyncOfTheFolderIsReported) {
  faults.fsync_errno = EIO;
  AtomicFile file(path_);
  EXPECT_EQ(Save(&file, "abc").code, StatusCode::kIoError);
  EXPECT_EQ(faults.fsync_calls, 1);
  EXPECT_NE(std::string(file.error()).find("in place"), std::string::npos);
  faults = Faults();
  EXPECT_EQ(Get(path_), "abc");
  EXPECT_FALSE(fs::exists(temporary_));
  faults.fsync_errno = EINVAL;  // a file system without it
  EXPECT_TRUE(Save(&file, "abcd").ok());
}

TEST_F(FilesTest, LeftoversAndLinksAreRemovedNotFollowed) {
  Put(temporary_, "half a file from before the power cut");
  AtomicFile file(path_);
  EXPECT_TRUE(Save(&file, "abc").ok()) << file.error();
  EXPECT_EQ(Get(path_), "abc");
  const std::string victim = folder_ + "/victim";
  Put(victim, "precious");
  fs::create_symlink(victim, temporary_);
  EXPECT_TRUE(Save(&file, "def").ok()) << file.error();
  EXPECT_EQ(Get(victim), "precious");
  EXPECT_EQ(Get(path_), "def");
  EXPECT_FALSE(fs::is_symlink(path_));
  ASSERT_EQ(mkfifo(temporary_.c_str(), 0600), 0);
  EXPECT_TRUE(Save(&file, "ghi").ok()) << file.error();
}

TEST_F(FilesTest, TwoWritersOfOneTarget) {
  AtomicFile first(path_), second(path_);
  ASSERT_TRUE(first.Open().ok());
  EXPECT_EQ(second.Open().code, StatusCode::kWrongState);
  EXPECT_NE(std::string(second.error()).find("another process"),
            std::string::npos);
  EXPECT_TRUE(fs::exists(temporary_));
  ASSERT_TRUE(first.Write("first", 5));
  ASSERT_TRUE(first.Commit().ok());
  EXPECT_TRUE(Save(&second, "second").ok());
  EXPECT_EQ(Get(path_), "second");
}

TEST_F(FilesTest, AReplacedTemporaryIsNoticedAndLeftAlone) {
  AtomicFile file(path_);
  ASSERT_TRUE(file.Open().ok());
  ASSERT_TRUE(file.Write("abc", 3));
  fs::remove(temporary_);
  Put(temporary_, "somebody else's");
  EXPECT_EQ(file.Commit().code, StatusCode::kIoError);
  EXPECT_EQ(Get(path_), "old content");
  EXPECT_EQ(Get(temporary_), "somebody else's");
}

TEST_F(FilesTest, BadTargets) {
  AtomicFile nowhere(folder_ + "/missing/model.bin");
  EXPECT_EQ(nowhere.Open().code, StatusCode::kNotFound);
  AtomicFile folder(folder_ + "/");
  EXPECT_EQ(folder.Open().code, StatusCode::kInvalidArgument);
  fs::create_directory(folder_ + "/taken");
  AtomicFile taken(folder_ + "/taken");
  EXPECT_EQ(Save(&taken, "abc").code, StatusCode::kIoError);
  EXPECT_TRUE(fs::is_directory(folder_ + "/taken"));
  AtomicFile below(path_ + "/x");
  EXPECT_EQ(below.Open().code, StatusCode::kIoError);
  AtomicFile unopened(path_);
  EXPECT_FALSE(unopened.Write("x", 1));
  EXPECT_EQ(unopened.Commit().code, StatusCode::kWrongState);
  EXPECT_EQ(Get(path_), "old content");
}

// A rename would take a pipe or a device away from everybody.
TEST_F(FilesTest, ReplacesNoPipe) {
  const std::string path = folder_ + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  AtomicFile file(path);
  EXPECT_EQ(file.Open().code, StatusCode::kIoError);
  EXPECT_NE(std::string(file.error()).find("no file"), std::string::npos);
  struct stat info;
  ASSERT_EQ(lstat(path.c_str(), &info), 0);
  EXPECT_TRUE(S_ISFIFO(info.st_mode));
}

TEST_F(FilesTest, SavingAModelAllocatesNothing) {
  const ModelFile model = testing::SmallModel();
  std::vector<TensorSource> weights;
  for (const ModelTensor& t : model.weights) {
    weights.push_back({t.name, t.dims, t.values});
  }
  const CounterField counters[] = {{"step", 20}};
  ModelWriter writer;
  ASSERT_TRUE(writer.Prepare(model, weights, {}, counters).ok());
  AtomicFile file(path_);
  for (const int number : {0, EIO}) {
    faults = Faults();
    faults.fdatasync_errno = number;
    const std::string_view values[] = {"42"};
    temper::testing::Allocations allocations;
    const Status open = file.Open();
    const Status write = writer.Write(values, file.Sink());
    const Status commit = file.Commit();
    EXPECT_EQ(allocations.calls(), 0u);
    EXPECT_TRUE(open.ok() && write.ok());
    EXPECT_EQ(commit.ok(), number == 0) << file.error();
  }
  faults = Faults();
  Bytes data;
  ASSERT_TRUE(ReadWholeFile(path_, 1 << 20, &data).ok());
  ModelFile loaded;
  const FileError error = LoadModelFile(data, &loaded);
  ASSERT_TRUE(error.ok()) << error.message;
  EXPECT_EQ(loaded.training["step"], "42");
}

TEST_F(FilesTest, ReadRefusesWhatIsNotAFile) {
  Bytes data = {1};
  EXPECT_EQ(ReadWholeFile(folder_ + "/missing", 100, &data).code,
            StatusCode::kNotFound);
  EXPECT_EQ(ReadWholeFile(path_ + "/below", 100, &data).code,
            StatusCode::kNotFound);
  EXPECT_EQ(ReadWholeFile(folder_, 100, &data).code, StatusCode::kBadFile);
  EXPECT_EQ(ReadWholeFile("/dev/zero", 100, &data).code, StatusCode::kBadFile);
  const std::string fifo = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(ReadWholeFile(fifo, 100, &data).code, StatusCode::kBadFile);
  fs::create_symlink(folder_ + "/missing", folder_ + "/dangling");
  EXPECT_EQ(ReadWholeFile(folder_ + "/dangling", 100, &data).code,
            StatusCode::kNotFound);
  EXPECT_EQ(ReadWholeFile(path_, 10, &data).code, StatusCode::kBadFile);
  EXPECT_EQ(data, Bytes{1});
  EXPECT_TRUE(ReadWholeFile(path_, 11, &data).ok());
  EXPECT_EQ(data.size(), 11u);
  Put(path_, "");
  EXPECT_TRUE(ReadWholeFile(path_, 0, &data).ok());
  EXPECT_TRUE(data.empty());
}

TEST_F(FilesTest, HugeSparseFileIsRefusedByItsSize) {
  const std::string sparse = folder_ + "/sparse";
  Put(sparse, "");
  ASSERT_EQ(truncate(sparse.c_str(), off_t{5} << 30), 0);
  Bytes data;
  const FileError error = ReadWholeFile(sparse, uint64_t{4} << 30, &data);
  EXPECT_EQ(error.code, StatusCode::kBadFile);
  EXPECT_NE(error.message.find("5368709120"), std::string::npos);
}

std::string changing_path;

TEST_F(FilesTest, ReadNoticesAChangeOfSize) {
  changing_path = path_;
  Bytes data;
  faults.before_read = [] { (void)!truncate(changing_path.c_str(), 5); };
  EXPECT_EQ(ReadWholeFile(path_, 100, &data).code, StatusCode::kIoError);
  faults.before_read = [] { (void)!truncate(changing_path.c_str(), 50); };
  EXPECT_EQ(ReadWholeFile(path_, 100, &data).code, StatusCode::kIoError);
}

}  // namespace
}  // namespace temper::host
