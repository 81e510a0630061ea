// The folder of a run: created, locked, and cleared of an older run.
// What survives a crash: run_folder.h.
#include "ports/host/run_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "ports/host/failure.h"

namespace temper::host {
namespace {

// What a run leaves in its folder, beside *.safetensors in weights/.
constexpr const char* kRunFiles[] = {
    "config.json",  "config.toml", "plan.json",   "metrics.csv",
    "events.jsonl", "report.html", "report.json", "confusion.csv"};

void SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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

// mkdir -p. Each new entry is synced in its parent: a folder that a power
// failure takes away takes everything in it along.
void MakeFolders(const std::string& path) {
  if (mkdir(path.c_str(), 0777) == 0) {
    SyncFolder(Parent(path));
    return;
  }
  const int error = errno;
  struct stat info;
  if (error == EEXIST && stat(path.c_str(), &info) == 0 &&
      S_ISDIR(info.st_mode)) {
    return;
  }
  const std::string parent = Parent(path);
  if (error == ENOENT && parent != path && parent != ".") {
    MakeFolders(parent);
    if (mkdir(path.c_str(), 0777) == 0) {
      SyncFolder(parent);
      return;
    }
  }
  FailErrno(kExitCannotCreate, error, "cannot create the run folder", path,
            "Choose another --out.");
}

// Nothing if there is no such folder. One that cannot be read is not an empty
// one: what lies in it would be written over.
template <class F>
void ForEachEntry(const std::string& path, F&& f) {
  const auto fail = [&](int error) {
    FailErrno(kExitCannotCreate, error, "cannot read the folder", path,
              "Check its permissions, or choose another --out.");
  };
  struct Closer {
    void operator()(DIR* folder) const { closedir(folder); }
  };
  const std::unique_ptr<DIR, Closer> folder(opendir(path.c_str()));
  if (folder == nullptr) {
    if (errno == ENOENT) return;
    fail(errno);
  }
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(folder.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") f(name);
  }
  if (errno != 0) fail(errno);
}

void WriteAll(int fd, const char* text, size_t size, const std::string& path) {
  while (size > 0) {
    const ssize_t done = write(fd, text, size);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) {
      FailErrno(kExitIo, errno, "cannot write the file", path,
                "Check the free space and the storage device.");
    }
    text += done;
    size -= static_cast<size_t>(done);
  }
}

// A file descriptor that an exception closes.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

RunFolder::RunFolder(std::string path, FolderMode mode)
    : path_(std::move(path)) {
  if (path_.empty()) {
    Fail(kExitUsage, "cannot create the run folder", "--out", "it is empty",
         "Name a folder.");
  }
  struct stat info;
  const bool exists = stat(path_.c_str(), &info) == 0;
  if (exists && !S_ISDIR(info.st_mode)) {
    Fail(kExitCannotCreate, "cannot create the run folder", path_,
         "there is a file of this name", "Choose another --out.");
  }
  if (mode == FolderMode::kResume && !exists) {
    Fail(kExitNotFound, "cannot resume", path_, "there is no such run folder",
         "Check the path.");
  }
  if (mode == FolderMode::kNew && exists) {
    bool empty = true;
    ForEachEntry(path_, [&](std::string_view) { empty = false; });
    if (!empty) {
      Fail(kExitCannotCreate, "cannot create the run folder", path_,
           "it exists and is not empty",
           "Choose another --out, resume the run, or give --overwrite.");
    }
  }
  MakeFolders(path_);
  Descriptor folder{open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder.fd < 0) {
    FailErrno(kExitCannotCreate, errno, "cannot open the run folder", path_,
              "Check its permissions.");
  }
  // File systems without locks (some network ones) go unlocked.
  if (flock(folder.fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    Fail(kExitCannotCreate, "cannot use the run folder", path_,
         "another process is writing into it",
         "Wait for it to end, or choose another --out.");
  }
  if (mode == FolderMode::kOverwrite) {
    const auto remove = [](const std::string& file) {
      if (unlink(file.c_str()) != 0 && errno != ENOENT) {
        FailErrno(kExitCannotCreate, errno, "cannot remove the old run", file,
                  "Choose another --out.");
      }
    };
    for (const char* name : kRunFiles) remove(File(name));
    std::vector<std::string> weights;
    ForEachEntry(File("weights"), [&](std::string_view name) {
      if (name.ends_with(".safetensors")) {
        weights.push_back(File("weights/" + std::string(name)));
      }
    });
    for (const std::string& file : weights) remove(file);
  }
  MakeFolders(File("weights"));
  fd_ = std::exchange(folder.fd, -1);
}

RunFolder::~RunFolder() {
  if (fd_ >= 0) close(fd_);
}

std::string RunFolder::File(std::string_view name) const {
  return fmt::format("{}/{}", path_, name);
}

void RunFolder::WriteFile(std::string_view name,
                          std::string_view content) const {
  const std::string path = File(name);
  const std::string temporary = path + ".tmp";
  {
    Descriptor file{open(temporary.c_str(),
                         O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                         0666)};
    if (file.fd < 0) {
      FailErrno(kExitCannotCreate, errno, "cannot create the file", temporary,
                "Check the permissions of the folder.");
    }
    WriteAll(file.fd, content.data(), content.size(), temporary);
    // Never repeated: after a failed fsync the kernel calls the pages clean.
    if (fsync(file.fd) != 0) {
      FailErrno(kExitIo, errno, "cannot write the file", temporary,
                "Check the storage device.");
    }
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    FailErrno(kExitIo, errno, "cannot rename the file", path,
              "Check the permissions of the folder.");
  }
  SyncFolder(Parent(path));
}

std::string FreeRunFolder(const std::string& folder) {
  std::string path = folder;
  std::error_code error;
  for (int n = 2; std::filesystem::exists(path, error); ++n) {
    path = fmt::format("{}-{}", folder, n);
  }
  return path;
}

}  // namespace temper::host
