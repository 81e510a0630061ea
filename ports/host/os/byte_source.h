// ByteSource: bytes of an input file in order, from a file, a gzip stream or
// memory (tests and fuzzers). Decoders read only through it: every read is
// checked, and a file that ends early is an error that names the place.
//
// A decoder reads a header, checks it against MaxBytes() before it allocates
// anything, reads exactly what the header says, then calls ExpectEnd(), which
// also makes the gzip checksum count.
#ifndef TEMPER_PORTS_HOST_OS_BYTE_SOURCE_H_
#define TEMPER_PORTS_HOST_OS_BYTE_SOURCE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ports/host/base/failure.h"

namespace temper::host {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // Up to n (>= 1) bytes; 0 only at the end. Throws Failure.
  size_t Read(uint8_t* to, size_t n);
  // Exactly n bytes; `what` ("the header") names them if the file ends early.
  void ReadExact(uint8_t* to, size_t n, std::string_view what);
  void Skip(uint64_t n, std::string_view what);
  // The next bytes, up to `most` of them (at most 512), which stay unread; fewer
  // only at the end. Valid until the next call.
  std::span<const uint8_t> Peek(size_t most);
  // Fails unless the source ends here.
  void ExpectEnd();

  // No source delivers more than this; what a header promises must fit.
  virtual uint64_t MaxBytes() const = 0;
  // True if MaxBytes() is the exact size.
  virtual bool ExactSize() const { return true; }
  // True if these are bytes that were compressed in the file.
  virtual bool Unpacked() const { return false; }

  const std::string& name() const { return name_; }
  uint64_t offset() const { return offset_; }
  // "train-images.gz, byte 16" for messages.
  virtual std::string Where() const;
  // Throws kBadData at Where().
  [[noreturn]] void Corrupt(std::string_view why) const;

 protected:
  explicit ByteSource(std::string name) : name_(std::move(name)) {}
  virtual size_t ReadSome(uint8_t* to, size_t n) = 0;

 private:
  std::string name_;
  uint64_t offset_ = 0;
  // What Peek() has taken from ReadSome() and Read() has not given out.
  std::array<uint8_t, 512> ahead_;
  size_t ahead_begin_ = 0, ahead_end_ = 0;
};

// Regular files only: a FIFO or device would block or never end.
// A missing file is kNotFound.
std::unique_ptr<ByteSource> OpenFile(const std::string& path);
// `bytes` must outlive the source.
std::unique_ptr<ByteSource> OpenMemory(std::span<const uint8_t> bytes,
                                       std::string name);
// Inflates `packed`. Members may follow each other, as RFC 1952 allows;
// anything else after the last one is an error.
std::unique_ptr<ByteSource> OpenGzip(std::unique_ptr<ByteSource> packed);

// A size from a file as size_t, or kUnsupported where the address space is
// too small for it (32-bit hosts).
size_t CheckedSize(uint64_t bytes, std::string_view what);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_BYTE_SOURCE_H_
