// See mapping.h.
#include "ports/host/os/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "ports/host/base/failure.h"
#include "ports/host/os/byte_source.h"

namespace temper::host {

FileMapping::FileMapping(const std::string& path) : path_(path) {
  struct Descriptor {
    int fd;
    ~Descriptor() {
      if (fd >= 0) close(fd);
    }
  };
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) {
    const int error = errno;
    const bool missing = error == ENOENT || error == ENOTDIR;
    FailErrno(missing ? ErrorKind::kNotFound : ErrorKind::kIo, error,
              "cannot open the file", path,
              "Check the path and its permissions.");
  }
  struct stat info;
  if (fstat(file.fd, &info) != 0) {
    FailErrno(ErrorKind::kIo, errno, "cannot open the file", path, "");
  }
  if (!S_ISREG(info.st_mode) || info.st_size == 0) {
    Fail(ErrorKind::kBadData, "cannot read the file", path,
         S_ISREG(info.st_mode) ? "it is empty" : "it is not a regular file",
         "Check the path.");
  }
  size_ = CheckedSize(static_cast<uint64_t>(info.st_size), path);
  void* const data = mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.fd, 0);
  if (data == MAP_FAILED) {
    FailErrno(ErrorKind::kIo, errno, "cannot map the file", path, "");
  }
  data_ = static_cast<const uint8_t*>(data);
}

FileMapping::~FileMapping() {
  if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
}

}  // namespace temper::host
