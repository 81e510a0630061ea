// The folder of a run: created, locked, and taken over from an older run.
// Behaviour after a crash: run_folder.h.
#include "ports/host/run/run_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "ports/host/base/failure.h"
#include "ports/host/os/file_io.h"

namespace temper::host {
namespace {

// The files of a run in its folder, except *.safetensors in weights/.
constexpr const char* kRunFiles[] = {
    "config.json", "config.toml",  "plan.json",    "metrics.csv",
    "steps.csv",   "layers.csv",   "events.jsonl", "report.html",
    "report.json", "confusion.csv"};
// What `lr-find --out` leaves in a folder before there is a run in it.
constexpr const char* kRateCurve = "lr_find.csv";
constexpr const char* kNew = ".run.new";
constexpr const char* kComplete = ".run.complete";
constexpr const char* kMoving = ".run.moving";
constexpr const char* kWeights = "weights";
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// Some file systems have no fsync for folders; they say EINVAL.
bool Sync(int folder) { return fsync(folder) == 0 || errno == EINVAL; }

void SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), kFolderFlags);
  if (fd < 0) return;  // no permission to read it: nothing to be done
  fsync(fd);
  close(fd);
}

std::string Parent(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  const size_t slash = path.rfind('/', end);
  if (slash == std::string::npos || end == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool IsFolder(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

[[noreturn]] void CannotCreate(int error, const std::string& path) {
  FailErrno(ErrorKind::kCannotCreate, error, "cannot create the run folder",
            path, "Choose another --out.");
}

// mkdir -p; new folders are added to `created`. Each new entry is synced in its
// parent: if a power failure removes a folder, everything in it is lost.
// Returns false if the folder was there before.
bool MakeFolders(const std::string& path, std::vector<std::string>* created) {
  int error = mkdir(path.c_str(), 0777) == 0 ? 0 : errno;
  if (error == ENOENT) {
    const std::string parent = Parent(path);
    if (parent != path && parent != ".") {
      MakeFolders(parent, created);
      error = mkdir(path.c_str(), 0777) == 0 ? 0 : errno;
    }
  }
  if (error == 0) {
    created->push_back(path);
    SyncFolder(Parent(path));
    return true;
  }
  if (error == EEXIST && IsFolder(path)) return false;
  CannotCreate(error, path);
}

// Calls f for every name in an open folder. A folder that cannot be read does
// not count as empty: its files would be overwritten. Returns errno, or 0.
template <class F>
int ForEachEntry(int folder, F&& f) {
  struct Closer {
    void operator()(DIR* open_folder) const { closedir(open_folder); }
  };
  // A descriptor of its own: reading moves the place in the folder.
  const int own = openat(folder, ".", kFolderFlags);
  if (own < 0) return errno;
  const std::unique_ptr<DIR, Closer> entries(fdopendir(own));
  if (entries == nullptr) {
    const int error = errno;
    close(own);
    return error;
  }
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(entries.get());
    if (entry == nullptr) return errno;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") f(entry->d_name);
  }
}

std::vector<std::string> Entries(int folder, const std::string& shown) {
  std::vector<std::string> names;
  const int error =
      ForEachEntry(folder, [&](const char* name) { names.push_back(name); });
  if (error != 0) {
    FailErrno(ErrorKind::kCannotCreate, error, "cannot read the folder", shown,
              "Check its permissions, or choose another --out.");
  }
  return names;
}

// Descriptor of a folder in an open folder, or -1.
int OpenFolder(int folder, const char* name) {
  return openat(folder, name, kFolderFlags | O_NOFOLLOW);
}

// A folder and what is in it; as much of it as can be removed.
void RemoveTree(int folder, const char* name) {
  const int fd = OpenFolder(folder, name);
  if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
    unlinkat(folder, name, 0);
    return;
  }
  if (fd >= 0) {
    std::vector<std::string> names;
    ForEachEntry(fd, [&](const char* entry) { names.push_back(entry); });
    for (const std::string& entry : names) {
      if (unlinkat(fd, entry.c_str(), 0) != 0) RemoveTree(fd, entry.c_str());
    }
    close(fd);
  }
  unlinkat(folder, name, AT_REMOVEDIR);
}

// A file descriptor that an exception closes.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

bool Exists(int folder, const char* name) {
  return faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool IsOurs(std::string_view name) {
  return name == kNew || name == kComplete || name == kMoving;
}

}  // namespace

RunFolder::RunFolder(std::string path, FolderMode mode, FolderHolds holds)
    : path_(std::move(path)), holds_(holds) {
  if (path_.empty()) {
    Fail(ErrorKind::kUsage, "cannot create the run folder", "--out",
         "it is empty", "Name a folder.");
  }
  try {
    if (mode == FolderMode::kNumbered) {
      // mkdir decides which process gets a name, not an earlier check.
      const std::string base = path_;
      if (const std::string parent = Parent(base); parent != ".") {
        MakeFolders(parent, &created_);
      }
      for (int n = 2, again = 0; mkdir(path_.c_str(), 0777) != 0;) {
        if (errno == ENOENT && again++ < 10) {
          // Another job made runs/, failed, and took it away again.
          MakeFolders(Parent(base), &created_);
          continue;
        }
        if (errno != EEXIST) CannotCreate(errno, path_);
        path_ = fmt::format("{}-{}", base, n++);
      }
      created_.push_back(path_);
      SyncFolder(Parent(path_));
    } else if (mode == FolderMode::kResume) {
      struct stat info;
      if (stat(path_.c_str(), &info) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) {
          FailErrno(ErrorKind::kIo, errno, "cannot resume", path_,
                    "Check the permissions of the folder.");
        }
        Fail(ErrorKind::kNotFound, "cannot resume", path_,
             "there is no such run folder", "Check the path.");
      }
      if (!S_ISDIR(info.st_mode)) {
        Fail(ErrorKind::kNotFound, "cannot resume", path_, "it is a file",
             "Name the folder of the run.");
      }
    } else {
      struct stat info;
      if (stat(path_.c_str(), &info) == 0 && !S_ISDIR(info.st_mode)) {
        Fail(ErrorKind::kCannotCreate, "cannot create the run folder", path_,
             "there is a file of this name", "Choose another --out.");
      }
      MakeFolders(path_, &created_);
    }
    Lock();
    if (holds_ == FolderHolds::kSeries) {
      if (mode == FolderMode::kResume) return;
      CheckFree(mode);
      new_series_ = true;
      return;
    }
    Finish();
    RemoveTree(fd_, kNew);  // of a job that was killed; the lock was free
    if (mode == FolderMode::kResume) {
      if (!Exists(fd_, "config.json")) {
        Fail(ErrorKind::kNotFound, "cannot resume", path_,
             "there is no run in this folder (no config.json)",
             "Name the folder that `temper train` made.");
      }
      OpenWeights(fd_);
      return;
    }
    CheckFree(mode);
    CreateStaging();
  } catch (...) {
    Discard();
    throw;
  }
}

bool HoldsRun(const std::string& folder) {
  for (const char* const name : {"config.json", kComplete, kMoving}) {
    if (access((folder + "/" + name).c_str(), F_OK) == 0) return true;
  }
  return false;
}

RunFolder::~RunFolder() { Discard(); }

void RunFolder::Lock() {
  for (int attempt = 0; attempt < 10; ++attempt) {
    fd_ = open(path_.c_str(), kFolderFlags);
    if (fd_ < 0) {
      FailErrno(ErrorKind::kCannotCreate, errno, "cannot open the run folder",
                path_, "Check its permissions.");
    }
    // File systems without locks (some network ones) go unlocked.
    if (flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      created_.clear();  // it is in use, whoever made it
      Fail(ErrorKind::kCannotCreate, "cannot use the run folder", path_,
           "another process is writing into it",
           "Wait for it to end, or choose another --out.");
    }
    // A job that failed may have removed the folder before the lock was taken.
    struct stat info;
    if (fstat(fd_, &info) == 0 && info.st_nlink > 0) return;
    close(std::exchange(fd_, -1));
    MakeFolders(path_, &created_);
  }
  Fail(ErrorKind::kCannotCreate, "cannot use the run folder", path_,
       "other processes keep removing it", "Choose another --out.");
}

// A new run replaces at most a run; a series, nothing.
void RunFolder::CheckFree(FolderMode mode) const {
  const bool series = holds_ == FolderHolds::kSeries;
  const auto refuse = [&](std::string_view why, std::string_view remedy) {
    Fail(ErrorKind::kCannotCreate, "cannot create the run folder", path_, why,
         remedy);
  };
  constexpr const char* kRemove = "Choose another --out, or remove the folder.";
  if (Exists(fd_, kSeriesFile)) refuse("it holds a series of runs", kRemove);
  if (!series) CheckOldRun();
  if (!series && mode == FolderMode::kOverwrite) return;
  for (const std::string& name : Entries(fd_, path_)) {
    if (name == kRateCurve || (!series && IsOurs(name))) continue;
    refuse("it exists and is not empty",
           series
               ? kRemove
               : "Choose another --out, resume the run, or give --overwrite.");
  }
}

// Entries that the new run's files cannot replace are refused before anything
// is removed: a weights/ that is elsewhere, and folders with names of files.
void RunFolder::CheckOldRun() const {
  struct stat own, weights, entry;
  const auto refuse_folder = [&](int folder, const std::string& name,
                                 const std::string& shown) {
    if (fstatat(folder, name.c_str(), &entry, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(entry.st_mode)) {
      Fail(ErrorKind::kCannotCreate, "cannot replace the run", File(shown),
           "it is a folder, not a file of a run",
           "Choose another --out, or remove it.");
    }
  };
  for (const char* name : kRunFiles) refuse_folder(fd_, name, name);
  if (fstat(fd_, &own) != 0 ||
      fstatat(fd_, kWeights, &weights, AT_SYMLINK_NOFOLLOW) != 0) {
    return;
  }
  const char* const why = S_ISLNK(weights.st_mode)    ? "it is a link"
                          : !S_ISDIR(weights.st_mode) ? "it is not a folder"
                          : weights.st_dev != own.st_dev
                              ? "it is on another file system than its run"
                              : nullptr;
  if (why != nullptr) {
    Fail(ErrorKind::kCannotCreate, "cannot replace the run", File(kWeights),
         why, "Choose another --out, or remove it.");
  }
  const Descriptor folder{OpenFolder(fd_, kWeights)};
  if (folder.fd < 0) return;
  for (const std::string& name : Entries(folder.fd, File(kWeights))) {
    if (!name.ends_with(".safetensors")) continue;
    refuse_folder(folder.fd, name, fmt::format("{}/{}", kWeights, name));
  }
}

// A folder of one of our names that holds no whole run is not ours to act on.
void RunFolder::CheckComplete() const {
  const Descriptor run{OpenFolder(fd_, kComplete)};
  const bool whole = run.fd >= 0 && Exists(run.fd, "config.json") &&
                     Exists(run.fd, "weights/last.safetensors");
  if (whole) return;
  Fail(ErrorKind::kCannotCreate, "cannot use the run folder", File(kComplete),
       "it is not a whole run, so nothing is replaced by it", "Move it away.");
}

void RunFolder::OpenWeights(int folder) {
  if (mkdirat(folder, kWeights, 0777) == 0) {
    Sync(folder);
  } else if (errno != EEXIST) {
    FailErrno(ErrorKind::kCannotCreate, errno, "cannot create the folder",
              File(kWeights), "Check the permissions of the run folder.");
  }
  const int fd = openat(folder, kWeights, kFolderFlags);
  if (fd < 0) {
    FailErrno(ErrorKind::kCannotCreate, errno, "cannot open the folder",
              File(kWeights), "Check its permissions.");
  }
  if (weights_fd_ >= 0) close(weights_fd_);
  weights_fd_ = fd;
}

void RunFolder::CreateStaging() {
  if (mkdirat(fd_, kNew, 0777) != 0) CannotCreate(errno, File(kNew));
  staging_fd_ = OpenFolder(fd_, kNew);
  if (staging_fd_ < 0) CannotCreate(errno, File(kNew));
  OpenWeights(staging_fd_);
}

void RunFolder::Publish() {
  const auto fail = [&](int error) {
    FailErrno(ErrorKind::kIo, error, "cannot begin the run", path_,
              "What was in the folder is untouched. Check the free space and "
              "the storage device.");
  };
  CheckOldRun();  // once more: hours may lie between
  if (!Sync(weights_fd_) || !Sync(staging_fd_)) fail(errno);
  if (renameat(fd_, kNew, fd_, kComplete) != 0) fail(errno);
  // From here on the new run is the one of this folder, whatever happens.
  close(std::exchange(staging_fd_, -1));
  created_.clear();
  if (!Sync(fd_)) {
    FailErrno(ErrorKind::kIo, errno, "cannot bring the run folder to the disk",
              path_, "The new run is complete: `temper resume` continues it.");
  }
  Finish();
  OpenWeights(fd_);
}

void RunFolder::Finish() {
  const auto fail = [&](int error, std::string_view what,
                        const std::string& name) {
    FailErrno(ErrorKind::kIo, error, what, File(name),
              "The new run is complete: once this is repaired, `temper resume` "
              "continues it.");
  };
  const auto remove = [&](int folder, const std::string& name,
                          const std::string& shown) {
    if (unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT) {
      fail(errno, "cannot remove the old run", shown);
    }
  };
  if (Exists(fd_, kComplete)) {
    CheckComplete();
    for (const char* name : kRunFiles) remove(fd_, name, name);
    const Descriptor weights{openat(fd_, kWeights, kFolderFlags)};
    if (weights.fd >= 0) {
      for (const std::string& name : Entries(weights.fd, File(kWeights))) {
        if (!name.ends_with(".safetensors") &&
            !name.ends_with(".safetensors.tmp")) {
          continue;
        }
        remove(weights.fd, name, fmt::format("{}/{}", kWeights, name));
      }
      Sync(weights.fd);
    }
    if (!Sync(fd_) || renameat(fd_, kComplete, fd_, kMoving) != 0) {
      fail(errno, "cannot rename the new run", kComplete);
    }
  }
  const Descriptor from{OpenFolder(fd_, kMoving)};
  if (from.fd < 0) {
    if (errno == ENOENT) return;
    if (errno == ENOTDIR || errno == ELOOP) {
      Fail(ErrorKind::kCannotCreate, "cannot use the run folder", File(kMoving),
           "it is not a folder", "Move it away.");
    }
    fail(errno, "cannot open the new run", kMoving);
  }
  const auto move_all = [&](int source, int target, const char* skip) {
    for (const std::string& name : Entries(source, File(kMoving))) {
      if (name == skip) continue;
      if (renameat(source, name.c_str(), target, name.c_str()) != 0) {
        fail(errno, "cannot move a file of the new run", name);
      }
    }
    if (!Sync(target)) fail(errno, "cannot bring to the disk", ".");
  };
  {
    const Descriptor source{OpenFolder(from.fd, kWeights)};
    if (source.fd >= 0) {
      if (mkdirat(fd_, kWeights, 0777) != 0 && errno != EEXIST) {
        fail(errno, "cannot create the folder", kWeights);
      }
      const Descriptor target{openat(fd_, kWeights, kFolderFlags)};
      if (target.fd < 0) fail(errno, "cannot open the folder", kWeights);
      move_all(source.fd, target.fd, "");
    }
  }
  unlinkat(from.fd, kWeights, AT_REMOVEDIR);
  move_all(from.fd, fd_, kWeights);
  if (unlinkat(fd_, kMoving, AT_REMOVEDIR) != 0) {
    fail(errno, "cannot remove the folder", kMoving);
  }
  Sync(fd_);
}

void RunFolder::Keep() {
  new_series_ = false;
  created_.clear();
}

void RunFolder::Discard() noexcept {
  if (new_series_ && fd_ >= 0) unlinkat(fd_, kSeriesFile, 0);
  if (staging_fd_ >= 0) {
    close(std::exchange(staging_fd_, -1));
    RemoveTree(fd_, kNew);
  }
  // Only what is still the folder that was made here, and only if it is empty.
  struct stat mine, named;
  const bool same =
      fd_ < 0 || (fstat(fd_, &mine) == 0 && stat(path_.c_str(), &named) == 0 &&
                  mine.st_dev == named.st_dev && mine.st_ino == named.st_ino);
  if (same) {
    for (size_t i = created_.size(); i > 0; --i) rmdir(created_[i - 1].c_str());
  }
  if (weights_fd_ >= 0) close(std::exchange(weights_fd_, -1));
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

FilePlace RunFolder::Place(const std::string& name) const {
  return {fd(), name, File(name)};
}

FilePlace RunFolder::Weights(const std::string& name) const {
  return {weights_fd(), name, fmt::format("{}/{}/{}", path_, kWeights, name)};
}

std::string RunFolder::File(std::string_view name) const {
  return fmt::format("{}/{}", path_, name);
}

void RunFolder::WriteFile(const std::string& name,
                          std::string_view content) const {
  AtomicFile file(Place(name));
  SaveOrFail(file, [&](const ByteSink& sink) {
    return sink.write(sink.context, content.data(), content.size());
  });
}

std::vector<uint8_t> RunFolder::ReadFile(const std::string& name,
                                         uint64_t max_bytes) const {
  std::vector<uint8_t> data;
  const FileError error = ReadWholeFile(Place(name), max_bytes, &data);
  if (!error.ok()) FailFile(error, File(name));
  return data;
}

}  // namespace temper::host
