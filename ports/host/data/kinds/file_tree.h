// Folders of files, in an order that no file system decides: by the bytes of
// their names. What systems leave in folders (names that begin with a dot,
// Thumbs.db, desktop.ini, __MACOSX, ...) is not there for anyone.
#ifndef TEMPER_PORTS_HOST_DATA_KINDS_FILE_TREE_H_
#define TEMPER_PORTS_HOST_DATA_KINDS_FILE_TREE_H_

#include <cstdint>
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
// The folder itself may be a link; a link below it to a folder that lies elsewhere
// is not followed but counted in `outside`, if that is not null. A folder that is
// met twice, through links, is entered once. kUnsupported below kMaxFolderDepth.
inline constexpr int kMaxFolderDepth = 32;
std::vector<std::string> ListTree(const std::string& path,
                                  uint64_t* outside = nullptr);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_KINDS_FILE_TREE_H_
