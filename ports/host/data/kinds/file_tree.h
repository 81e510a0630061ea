// Folders of files, in an order that no file system decides: by the bytes of
// their names. What systems leave in folders (names that begin with a dot,
// Thumbs.db, desktop.ini, __MACOSX, ...) is not there for anyone.
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_FILE_TREE_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_FILE_TREE_H_

#include <string>
#include <string_view>
#include <vector>

namespace temper::host {

// True for names that a system and not a user has given.
bool IsSystemName(std::string_view name);

struct FolderEntries {
  std::vector<std::string> folders, files;  // names, ascending
};
// What lies directly in a folder; links count as what they lead to. Throws
// kNotFound (none, or no folder) and kIo.
FolderEntries ListFolder(const std::string& path);

// Paths of all files below a folder, relative to it, ascending by their bytes.
// A folder that is met twice, through links, is entered once. kUnsupported
// below kMaxFolderDepth.
inline constexpr int kMaxFolderDepth = 32;
std::vector<std::string> ListTree(const std::string& path);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_FILE_TREE_H_
