// Files that survive: a new content replaces the old one as a whole, or not at
// all, whenever the power fails.
//
//   write a temporary file in the same folder -> fdatasync -> rename over the
//   target -> fsync the folder
//
// A failed fdatasync is final: the kernel may have dropped the dirty pages and
// would report success the next time. The temporary name is fixed (one leftover
// at most, which the next save removes) and locked, so that two processes
// cannot write the same target at the same time. POSIX calls only; AtomicFile
// allocates when it is made and never again. Next: models/files/model_writer.h, which
// produces the bytes.
#ifndef TEMPER_PORTS_FILES_FILES_H_
#define TEMPER_PORTS_FILES_FILES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/files/error.h"
#include "models/files/model_file.h"
#include "models/files/model_writer.h"

namespace temper::host {

// Where a file is: a name in an open folder, which must stay open, so that the
// folder may be moved meanwhile; and the path that messages name. A path alone
// is a place, too.
struct FilePlace {
  FilePlace(std::string path);
  FilePlace(const char* path) : FilePlace(std::string(path)) {}
  FilePlace(int in, std::string file, std::string text)
      : folder(in), name(std::move(file)), shown(std::move(text)) {}
  int folder;  // a descriptor, or AT_FDCWD
  std::string name, shown;
};

// One target, saved as often as wanted: Open, Write..., Commit. On the first
// failure the temporary file is gone, the target is as it was, and every call
// up to the next Open fails. Destruction without Commit leaves the target
// alone.
class AtomicFile {
 public:
  explicit AtomicFile(FilePlace place);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // kNotFound: no such folder. kWrongState: open already, or another process is
  // saving to this target. kIoError: anything else; error() says what.
  Status Open();
  bool Write(const void* data, size_t size);
  // In place of Write: makes the file `bytes` long, with room on the device, and
  // maps it for writing. Null on a failure. Valid until Shorten, Commit or
  // Abort.
  uint8_t* Map(uint64_t bytes);
  // Cuts a mapped file and ends the mapping.
  Status Shorten(uint64_t bytes);
  // kIoError. If only the last step (fsync of the folder) failed, the new
  // content is in place, but a power cut may bring the old one back.
  Status Commit();
  void Abort();

  // For ModelWriter::Write.
  ByteSink Sink();

  // The last failure, with path and the system's reason; "" if none.
  const char* error() const { return error_; }
  // Its effect on the target, as a sentence.
  const char* consequence() const { return consequence_; }
  const std::string& path() const { return path_; }

  // Saves go to this folder from now on. Only while not open.
  void MoveTo(int folder) { given_folder_ = folder; }

 private:
  static constexpr const char* kUntouched =
      "What was there before is untouched.";

  Status Fail(StatusCode code, const char* what, int number,
              const char* consequence = kUntouched);
  bool OwnsTemporary() const;
  int OpenTemporary(const char** what);
  void Close();

  std::string path_, folder_, name_, temporary_;
  int given_folder_ = -1;  // not ours to close
  int folder_fd_ = -1, fd_ = -1;
  void* mapping_ = nullptr;
  size_t mapped_ = 0;
  char error_[1024] = "";
  const char* consequence_ = "";
};

// A regular file that is read at any place. Opened once: a file that takes its
// name later does not matter.
class ReadableFile {
 public:
  ReadableFile() = default;
  ~ReadableFile();
  ReadableFile(const ReadableFile&) = delete;
  ReadableFile& operator=(const ReadableFile&) = delete;

  // kNotFound, kBadFile (not a regular file), kIoError.
  FileError Open(const FilePlace& place);
  uint64_t size() const { return size_; }
  // Exactly n bytes, or false: then error() says why.
  bool ReadAt(uint64_t offset, void* to, size_t n);
  const FileError& error() const { return error_; }
  // For ReadModelHeader and ReadModelTensors.
  ByteReader Reader();

 private:
  FileError Refuse(StatusCode code, std::string_view why) const;
  FileError System(const char* what, int number) const;

  std::string shown_;
  int fd_ = -1;
  uint64_t size_ = 0;
  FileError error_;
};

// The whole of a regular file of at most max_bytes bytes. kNotFound: it does
// not exist. kBadFile: not a regular file, or too large. kIoError: it cannot be
// read, or it changed its size meanwhile. Reads a private copy: later changes
// of the file have no effect.
FileError ReadWholeFile(const FilePlace& place, uint64_t max_bytes,
                        std::vector<uint8_t>* data);

}  // namespace temper::host

#endif  // TEMPER_PORTS_FILES_FILES_H_
