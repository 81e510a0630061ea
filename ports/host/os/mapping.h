// FileMapping: a whole regular file as read-only memory. Its pages are the
// system's cache of the file: they come from the disk when they are read, go
// when memory is short, and count to no process's own memory.
//
// Nobody may shorten the file meanwhile (a process that reads where the file has
// ended gets SIGBUS): temper replaces files as a whole (files.h), which leaves
// the old one to those who have it open.
#ifndef TEMPER_PORTS_HOST_OS_MAPPING_H_
#define TEMPER_PORTS_HOST_OS_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace temper::host {

class FileMapping {
 public:
  // Throws kNotFound, kBadData (no regular file, or an empty one), kUnsupported
  // (larger than the address space), kIo.
  explicit FileMapping(const std::string& path);
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_MAPPING_H_
