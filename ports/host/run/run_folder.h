// RunFolder: the folder of one run: its files, its weights/, and a lock, so
// that two processes never write one run. The folder is opened once, and all of
// a run's files are reached through its descriptor, so the folder may be moved
// while a run works in it.
//
// A new run begins in a staging folder inside its folder and takes its place in
// one step, Publish(), once its first checkpoint is on the disk. Until then an
// older run stays whole, and a job that fails leaves no files:
//
//   .run.new       being set up: removed by a process that finds it unlocked
//   .run.complete  durable; the older run is to be removed
//   .run.moving    the older run is removed; the files are to be moved up
//
// Renaming .run.new to .run.complete decides. If a crash interrupts the steps
// after that, the next process that opens the folder completes them.
// Next: run_log.h, the files in it that grow.
#ifndef TEMPER_PORTS_HOST_RUN_RUN_FOLDER_H_
#define TEMPER_PORTS_HOST_RUN_RUN_FOLDER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ports/files/files.h"

namespace temper::host {

enum class FolderMode {
  kNew,        // must not exist, or be empty
  kNumbered,   // path, or the first of path-2, path-3, ... that does not exist
  kOverwrite,  // an older run in it is replaced (the files listed in the .cc)
  kResume,     // must exist
};

// What is in the folder itself.
enum class FolderHolds {
  kRun,     // which never replaces a series
  kSeries,  // series.json and a folder for each run (train/series.h); it replaces
            // nothing, and is set up in place: without Publish()
};
inline constexpr const char* kSeriesFile = "series.json";
// In the folder of a search (search/search_file.h), which is no run.
inline constexpr const char* kSearchFile = "search.jsonl";

// There is a run in the folder, or one that only has to be moved up in it:
// kResume opens both.
bool HoldsRun(const std::string& folder);

class RunFolder {
 public:
  // Creates or opens the folder and locks it against other processes until
  // destruction. kCannotCreate, kNotFound (resume).
  RunFolder(std::string path, FolderMode mode,
            FolderHolds holds = FolderHolds::kRun);
  // Removes the files of a run that was not published, and of a series that was
  // not kept.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  // Where messages say that a file is: its place once the run is published.
  std::string File(std::string_view name) const;

  // Descriptors of the folder in which the run's files are, and of weights/ in
  // it. Publish() changes both; open files are not affected.
  int fd() const { return staging_fd_ >= 0 ? staging_fd_ : fd_; }
  int weights_fd() const { return weights_fd_; }
  FilePlace Place(const std::string& name) const;
  FilePlace Weights(const std::string& name) const;

  // Replaces a file as a whole: the old or the new content survives a crash,
  // nothing between. kIo.
  void WriteFile(const std::string& name, std::string_view content) const;
  // kNotFound, kBadData, kIo.
  std::vector<uint8_t> ReadFile(const std::string& name,
                                uint64_t max_bytes) const;

  // Makes the new run the run of this folder. Files that it wrote and synced
  // before survive a power cut from here on. kIo: the older run is as it
  // was, unless the message says that the new one is complete.
  void Publish();
  // Of a new series: its folder and series.json stay from here on.
  void Keep();

 private:
  void Lock();
  void CheckFree(FolderMode mode) const;
  void CheckOldRun() const;
  void CheckComplete() const;
  void OpenWeights(int folder);
  void CreateStaging();
  void Finish();  // completes an interrupted Publish()
  void Discard() noexcept;

  std::string path_;
  const FolderHolds holds_;
  bool new_series_ = false;  // that is not kept yet
  int fd_ = -1, staging_fd_ = -1, weights_fd_ = -1;
  std::vector<std::string> created_;  // folders, the outermost first
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RUN_RUN_FOLDER_H_
