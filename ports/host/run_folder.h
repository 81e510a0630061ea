// RunFolder: the folder of one run: its files, its weights/, and a lock, so
// that two processes never write one run. Next: run_log.h, the files in it that
// grow.
#ifndef TEMPER_PORTS_HOST_RUN_FOLDER_H_
#define TEMPER_PORTS_HOST_RUN_FOLDER_H_

#include <string>
#include <string_view>

namespace temper::host {

enum class FolderMode {
  kNew,        // must not exist, or be empty
  kOverwrite,  // an older run in it is removed (the files listed in the .cc)
  kResume,     // must exist
};

class RunFolder {
 public:
  // Creates the folder and weights/ in it, and locks it against other
  // processes until destruction. kExitCannotCreate, kExitNotFound (resume).
  RunFolder(std::string path, FolderMode mode);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const;
  // Replaces a file as a whole: the old or the new content survives a crash,
  // nothing between. kExitIo.
  void WriteFile(std::string_view name, std::string_view content) const;

 private:
  std::string path_;
  int fd_ = -1;
};

// `folder`, or the first of folder-2, folder-3, ... that is not taken.
std::string FreeRunFolder(const std::string& folder);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RUN_FOLDER_H_
