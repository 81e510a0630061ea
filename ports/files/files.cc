// See files.h.
#include "ports/files/files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <new>
#include <utility>

namespace temper::host {
namespace {

// Linux writes at most 2^31 - 4096 bytes per call anyway.
constexpr size_t kMostPerCall = size_t{1} << 30;
constexpr mode_t kMode = 0644;  // umask applies

// The system's text for an error number, without allocation.
const char* ErrorText(int number, char (&buffer)[128]) {
  return strerror_r(number, buffer, sizeof(buffer));  // GNU's: returns the text
}

// Control characters as '?'; paths come from the user, but still go to a
// terminal.
void CopyPrintable(const std::string& from, char* to, size_t size) {
  size_t n = 0;
  for (const char c : from) {
    if (n + 1 == size) break;
    const unsigned char byte = static_cast<unsigned char>(c);
    to[n++] = byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  to[n] = '\0';
}

}  // namespace

FilePlace::FilePlace(std::string path)
    : folder(AT_FDCWD), name(path), shown(std::move(path)) {}

AtomicFile::AtomicFile(FilePlace place)
    : path_(std::move(place.shown)), name_(std::move(place.name)) {
  if (place.folder == AT_FDCWD) {
    const size_t slash = name_.rfind('/');
    folder_ = slash == std::string::npos ? "."
              : slash == 0               ? "/"
                                         : name_.substr(0, slash);
    if (slash != std::string::npos) name_.erase(0, slash + 1);
  } else {
    given_folder_ = place.folder;
  }
  temporary_ = "." + name_ + ".tmp";
}

AtomicFile::~AtomicFile() { Abort(); }

Status AtomicFile::Fail(StatusCode code, const char* what, int number,
                        const char* consequence) {
  struct stat folder;
  const bool gone = folder_fd_ >= 0 && fstat(folder_fd_, &folder) == 0 &&
                    folder.st_nlink == 0;
  consequence_ = gone ? "Its folder was deleted, so there is nowhere to save."
                      : consequence;
  char reason[128] = "";
  char shown[512];
  CopyPrintable(path_, shown, sizeof(shown));
  std::snprintf(error_, sizeof(error_), "%s: %s%s%s", shown, what,
                number == 0 ? "" : ": ",
                number == 0 ? "" : ErrorText(number, reason));
  Abort();
  return Error(code, "the file could not be saved");
}

// The name still leads to the file that is open here.
bool AtomicFile::OwnsTemporary() const {
  struct stat named, open;
  return fstat(fd_, &open) == 0 &&
         fstatat(folder_fd_, temporary_.c_str(), &named, AT_SYMLINK_NOFOLLOW) ==
             0 &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

void AtomicFile::Close() {
  // Nothing that close() could report matters here: either the data is on the
  // disk already or the file is given up.
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
  mapping_ = nullptr;
  if (fd_ >= 0) close(fd_);
  if (folder_fd_ >= 0 && folder_fd_ != given_folder_) close(folder_fd_);
  fd_ = folder_fd_ = -1;
}

void AtomicFile::Abort() {
  if (fd_ >= 0 && OwnsTemporary()) unlinkat(folder_fd_, temporary_.c_str(), 0);
  Close();
}

// Creates and locks the temporary file; returns errno, or 0.
int AtomicFile::OpenTemporary(const char** what) {
  constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW;
  for (int attempt = 0;; ++attempt) {
    *what = "cannot create the temporary file";
    fd_ = openat(folder_fd_, temporary_.c_str(),
                 kFlags | O_RDWR | O_CREAT | O_EXCL, kMode);
    if (fd_ >= 0) break;
    if (errno != EEXIST || attempt == 2) return errno;
    // A leftover of a process that died, or the work of one that lives and
    // holds the lock. A link or anything that cannot be opened is a leftover
    // too.
    const int other =
        openat(folder_fd_, temporary_.c_str(), kFlags | O_RDONLY | O_NONBLOCK);
    const bool busy = other >= 0 && flock(other, LOCK_EX | LOCK_NB) != 0 &&
                      errno == EWOULDBLOCK;
    const int removed = busy ? 0 : unlinkat(folder_fd_, temporary_.c_str(), 0);
    const int number = errno;
    if (other >= 0) close(other);
    if (busy) {
      *what = "another process is saving to it";
      return EWOULDBLOCK;
    }
    if (removed != 0 && number != ENOENT) return number;
  }
  // Not every file system has locks; then only the check at the end protects.
  const bool locked =
      flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
  if (!locked || !OwnsTemporary()) {
    *what = "another process is saving to it";
    return EWOULDBLOCK;
  }
  return 0;
}

Status AtomicFile::Open() {
  if (fd_ >= 0) {
    return Error(StatusCode::kWrongState, "the file is being saved already");
  }
  error_[0] = '\0';
  if (name_.empty()) {
    return Fail(StatusCode::kInvalidArgument, "the path names no file", 0);
  }
  folder_fd_ = given_folder_ >= 0
                   ? given_folder_
                   : open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd_ < 0) {
    const bool missing = errno == ENOENT;
    return Fail(missing ? StatusCode::kNotFound : StatusCode::kIoError,
                "cannot open its folder", errno,
                missing ? "There is no such folder." : kUntouched);
  }
  // A rename over a device or a pipe would take it away from everybody.
  struct stat target;
  if (fstatat(folder_fd_, name_.c_str(), &target, AT_SYMLINK_NOFOLLOW) == 0 &&
      !S_ISREG(target.st_mode) && !S_ISLNK(target.st_mode) &&
      !S_ISDIR(target.st_mode)) {
    return Fail(StatusCode::kIoError, "it is a device or a pipe, no file", 0,
                "Name a file.");
  }
  const char* what;
  const int number = OpenTemporary(&what);
  if (number != 0) {
    return Fail(
        number == EWOULDBLOCK ? StatusCode::kWrongState : StatusCode::kIoError,
        what, number == EWOULDBLOCK ? 0 : number);
  }
  return Ok();
}

bool AtomicFile::Write(const void* data, size_t size) {
  if (fd_ < 0) return false;
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n =
        write(fd_, from, size < kMostPerCall ? size : kMostPerCall);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      // A file that takes nothing and gives no reason is full.
      const int number = n == 0 ? ENOSPC : errno;
      const Status status = Fail(StatusCode::kIoError, "cannot write", number);
      return status.ok();
    }
    from += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

uint8_t* AtomicFile::Map(uint64_t bytes) {
  if (fd_ < 0 || mapping_ != nullptr) return nullptr;
  const auto fail = [&](const char* what, int number) -> uint8_t* {
    const Status status = Fail(StatusCode::kIoError, what, number);
    return status.ok() ? static_cast<uint8_t*>(mapping_) : nullptr;
  };
  const size_t size = static_cast<size_t>(bytes);
  const off_t length = static_cast<off_t>(bytes);
  if (size == 0 || size != bytes || length < 0 ||
      static_cast<uint64_t>(length) != bytes) {
    return fail("it would be larger than this system can map", 0);
  }
  // Room for all of it now: a full device would end the process where it
  // writes, not say so.
  if (const int number = posix_fallocate(fd_, 0, length); number != 0) {
    return fail("cannot make room for it", number);
  }
  void* const mapping =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (mapping == MAP_FAILED) return fail("cannot map it", errno);
  mapping_ = mapping;
  mapped_ = size;
  return static_cast<uint8_t*>(mapping);
}

Status AtomicFile::Shorten(uint64_t bytes) {
  if (fd_ < 0 || mapping_ == nullptr || bytes > mapped_) {
    return Error(StatusCode::kWrongState, "the file is not mapped");
  }
  munmap(mapping_, mapped_);
  mapping_ = nullptr;
  if (ftruncate(fd_, static_cast<off_t>(bytes)) != 0) {
    return Fail(StatusCode::kIoError, "cannot shorten it", errno);
  }
  return Ok();
}

Status AtomicFile::Commit() {
  if (fd_ < 0) {
    return Error(
        error_[0] == '\0' ? StatusCode::kWrongState : StatusCode::kIoError,
        "nothing to commit: not open, or a write failed");
  }
  if (fdatasync(fd_) != 0) {
    return Fail(StatusCode::kIoError, "cannot bring it to the disk (fdatasync)",
                errno);
  }
  if (!OwnsTemporary()) {
    return Fail(StatusCode::kIoError, "somebody replaced the temporary file",
                0);
  }
  if (renameat(folder_fd_, temporary_.c_str(), folder_fd_, name_.c_str()) !=
      0) {
    return Fail(StatusCode::kIoError, "cannot rename the new file to it",
                errno);
  }
  // Some file systems have no fsync for folders; they say EINVAL.
  if (fsync(folder_fd_) != 0 && errno != EINVAL) {
    return Fail(StatusCode::kIoError,
                "the new file is in place, but its folder cannot be brought to "
                "the disk (fsync)",
                errno, "After a power cut the old file may be back.");
  }
  Close();
  return Ok();
}

ByteSink AtomicFile::Sink() {
  return {[](void* context, const void* data, size_t size) {
            return static_cast<AtomicFile*>(context)->Write(data, size);
          },
          this};
}

ReadableFile::~ReadableFile() {
  if (fd_ >= 0) close(fd_);
}

FileError ReadableFile::Refuse(StatusCode code, std::string_view why) const {
  return {code, Text(Quoted(shown_), ": ", why)};
}

FileError ReadableFile::System(const char* what, int number) const {
  char reason[128] = "";
  const bool missing = number == ENOENT || number == ENOTDIR;
  return Refuse(missing ? StatusCode::kNotFound : StatusCode::kIoError,
                Text(what, ": ", ErrorText(number, reason)));
}

FileError ReadableFile::Open(const FilePlace& place) {
  if (fd_ >= 0) close(fd_);
  shown_ = place.shown;
  // Without O_NONBLOCK a FIFO would wait for its writer.
  fd_ = openat(place.folder, place.name.c_str(),
               O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd_ < 0) return System("cannot open it", errno);
  struct stat status;
  if (fstat(fd_, &status) != 0) return System("cannot read its size", errno);
  if (!S_ISREG(status.st_mode)) {
    return Refuse(StatusCode::kBadFile, S_ISDIR(status.st_mode)
                                            ? "it is a folder, not a file"
                                            : "it is not a regular file");
  }
  size_ = static_cast<uint64_t>(status.st_size);
  return {};
}

bool ReadableFile::ReadAt(uint64_t offset, void* to, size_t n) {
  char* at = static_cast<char*>(to);
  while (n > 0) {
    const ssize_t got = pread(fd_, at, n < kMostPerCall ? n : kMostPerCall,
                              static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      error_ = System("cannot read it", errno);
      return false;
    }
    if (got == 0) {
      error_ = Refuse(StatusCode::kIoError,
                      "it changed its size while it was read; try again");
      return false;
    }
    at += got;
    offset += static_cast<uint64_t>(got);
    n -= static_cast<size_t>(got);
  }
  return true;
}

ByteReader ReadableFile::Reader() {
  return {[](void* context, uint64_t offset, void* to, size_t size) {
            return static_cast<ReadableFile*>(context)->ReadAt(offset, to,
                                                               size);
          },
          this};
}

FileError ReadWholeFile(const FilePlace& place, uint64_t max_bytes,
                        std::vector<uint8_t>* data) {
  ReadableFile file;
  TEMPER_RETURN_IF_FILE_ERROR(file.Open(place));
  const uint64_t size = file.size();
  const auto fail = [&](StatusCode code, std::string_view why) {
    return FileError{code, Text(Quoted(place.shown), ": ", why)};
  };
  if (size > max_bytes || size > SIZE_MAX) {
    return fail(StatusCode::kBadFile,
                Text("it has ", size, " bytes, the limit is ", max_bytes));
  }
  std::vector<uint8_t> bytes;
  try {
    bytes.resize(static_cast<size_t>(size));
  } catch (const std::bad_alloc&) {
    return fail(StatusCode::kIoError,
                Text("not enough memory for its ", size, " bytes"));
  }
  if (!file.ReadAt(0, bytes.data(), bytes.size())) return file.error();
  uint8_t beyond;  // one byte more than expected: the file has grown
  if (file.ReadAt(size, &beyond, 1)) {
    return fail(StatusCode::kIoError,
                "it changed its size while it was read; try again");
  }
  *data = std::move(bytes);
  return {};
}

}  // namespace temper::host
