// See file_tree.h.
#include "ports/host/data/kinds/file_tree.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <set>
#include <utility>

#include "ports/host/base/failure.h"

namespace temper::host {
namespace {

[[noreturn]] void FailFolder(const std::string& path, int error) {
  const bool missing = error == ENOENT || error == ENOTDIR;
  FailErrno(
      missing ? ErrorKind::kNotFound : ErrorKind::kIo, error,
      missing ? "cannot find the data" : "cannot open the data", path,
      missing ? "Name a folder." : "Check the permissions of the folder.");
}

// Which folder it is, whatever path leads there.
using FolderId = std::pair<dev_t, ino_t>;

FolderId IdOf(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) FailFolder(path, errno);
  return {info.st_dev, info.st_ino};
}

// Where a path leads, without links and dots; "" if nowhere.
std::string RealPath(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(
      realpath(path.c_str(), nullptr), std::free);
  return real == nullptr ? "" : std::string(real.get());
}

bool IsLink(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

struct Walk {
  std::string root, real_root;
  std::set<FolderId> seen;
  std::vector<std::string> files;
  uint64_t outside = 0;

  // The same for a link to a folder that holds the root: it would bring in what
  // lies beside it.
  bool LeadsOutside(const std::string& folder) const {
    if (!IsLink(folder)) return false;
    const std::string start = real_root == "/" ? "/" : real_root + "/";
    return !RealPath(folder).starts_with(start);
  }
};

void AddTree(const std::string& below, int depth, Walk& walk) {
  const std::string& root = walk.root;
  const std::string here = below.empty() ? root : root + "/" + below;
  if (depth > kMaxFolderDepth) {
    Fail(ErrorKind::kUnsupported, "cannot use the data", here,
         fmt::format("folders are more than {} deep", kMaxFolderDepth),
         "Move its files up.");
  }
  if (!walk.seen.insert(IdOf(here)).second) return;
  const FolderEntries entries = ListFolder(here);
  const std::string start = below.empty() ? "" : below + "/";
  for (const std::string& name : entries.files) {
    walk.files.push_back(start + name);
  }
  for (const std::string& name : entries.folders) {
    if (walk.LeadsOutside(here + "/" + name)) {
      ++walk.outside;
      continue;
    }
    AddTree(start + name, depth + 1, walk);
  }
}

}  // namespace

bool IsSystemName(std::string_view name) {
  constexpr std::string_view kNames[] = {
      "Thumbs.db", "thumbs.db",  "ehthumbs.db", "desktop.ini", "Desktop.ini",
      "__MACOSX",  "lost+found", "@eaDir",      "$RECYCLE.BIN"};
  return name.empty() || name[0] == '.' ||
         std::find(std::begin(kNames), std::end(kNames), name) !=
             std::end(kNames);
}

FolderEntries ListFolder(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(path.c_str()),
                                                   closedir);
  if (folder == nullptr) FailFolder(path, errno);
  FolderEntries entries;
  for (;;) {
    errno = 0;
    const dirent* const entry = readdir(folder.get());
    if (entry == nullptr) {
      if (errno != 0) FailFolder(path, errno);
      break;
    }
    const std::string name = entry->d_name;
    if (IsSystemName(name)) continue;
    bool is_folder = entry->d_type == DT_DIR;
    if (entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) {
      struct stat info;
      is_folder = stat((path + "/" + name).c_str(), &info) == 0 &&
                  S_ISDIR(info.st_mode);
    }
    (is_folder ? entries.folders : entries.files).push_back(name);
  }
  std::sort(entries.folders.begin(), entries.folders.end());
  std::sort(entries.files.begin(), entries.files.end());
  return entries;
}

std::vector<std::string> ListTree(const std::string& path, uint64_t* outside) {
  Walk walk;
  walk.root = path;
  walk.real_root = RealPath(path);
  AddTree("", 0, walk);
  std::sort(walk.files.begin(), walk.files.end());
  if (outside != nullptr) *outside += walk.outside;
  return std::move(walk.files);
}

}  // namespace temper::host
