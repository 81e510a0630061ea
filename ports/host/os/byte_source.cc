// ByteSource for files, gzip streams and memory. Read byte_source.h first.
#include "ports/host/os/byte_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "ports/host/data/file_format.h"

namespace temper::host {

size_t ByteSource::Read(uint8_t* to, size_t n) {
  size_t got = std::min(n, ahead_end_ - ahead_begin_);
  if (got > 0) {
    std::memcpy(to, ahead_.data() + ahead_begin_, got);
    ahead_begin_ += got;
  } else {
    got = ReadSome(to, n);
  }
  offset_ += got;
  return got;
}

std::span<const uint8_t> ByteSource::Peek(size_t most) {
  most = std::min(most, ahead_.size());
  if (ahead_end_ - ahead_begin_ < most) {
    std::memmove(ahead_.data(), ahead_.data() + ahead_begin_,
                 ahead_end_ - ahead_begin_);
    ahead_end_ -= ahead_begin_;
    ahead_begin_ = 0;
    while (ahead_end_ < most) {
      const size_t got =
          ReadSome(ahead_.data() + ahead_end_, most - ahead_end_);
      if (got == 0) break;
      ahead_end_ += got;
    }
  }
  return {ahead_.data() + ahead_begin_,
          std::min(most, ahead_end_ - ahead_begin_)};
}

void ByteSource::ReadExact(uint8_t* to, size_t n, std::string_view what) {
  while (n > 0) {
    const size_t got = Read(to, n);
    if (got == 0) {
      Corrupt(fmt::format("the file ends inside {}: {} more bytes expected",
                          what, n));
    }
    to += got;
    n -= got;
  }
}

void ByteSource::Skip(uint64_t n, std::string_view what) {
  std::array<uint8_t, 4096> waste;
  while (n > 0) {
    const size_t step =
        static_cast<size_t>(std::min<uint64_t>(n, waste.size()));
    ReadExact(waste.data(), step, what);
    n -= step;
  }
}

void ByteSource::ExpectEnd() {
  uint8_t extra;
  const std::string where = Where();
  if (Read(&extra, 1) != 0) {
    Fail(ErrorKind::kBadData, "cannot read the data", where,
         "bytes follow the end of the data that the header announces",
         "Check that the file is complete and not two files in one.");
  }
}

std::string ByteSource::Where() const {
  return fmt::format("{}, byte {}", name_, offset_);
}

void ByteSource::Corrupt(std::string_view why) const {
  Fail(ErrorKind::kBadData, "cannot read the data", Where(), why,
       "Check the file against its origin, or fetch it again.");
}

size_t CheckedSize(uint64_t bytes, std::string_view what) {
  if (bytes > std::numeric_limits<size_t>::max() / 2) {
    Fail(ErrorKind::kUnsupported, "cannot read the data", what,
         fmt::format("{} bytes are more than this system can address", bytes),
         "Use limit= or per_class= to read fewer samples.");
  }
  return static_cast<size_t>(bytes);
}

namespace {

class FileSource final : public ByteSource {
 public:
  explicit FileSource(const std::string& path) : ByteSource(path) {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd_ < 0) {
      const int error = errno;
      const bool missing = error == ENOENT || error == ENOTDIR;
      FailErrno(missing ? ErrorKind::kNotFound : ErrorKind::kIo, error,
                "cannot open the file", path,
                "Check the path and its permissions.");
    }
    struct stat info;
    if (fstat(fd_, &info) != 0) {
      const int error = errno;
      close(fd_);
      FailErrno(ErrorKind::kIo, error, "cannot open the file", path, "");
    }
    if (!S_ISREG(info.st_mode)) {
      close(fd_);
      Fail(ErrorKind::kBadData, "cannot open the file", path,
           "it is not a regular file",
           "Name a file, not a folder, pipe or device.");
    }
    size_ = static_cast<uint64_t>(info.st_size);
    buffer_ = std::make_unique<uint8_t[]>(kBuffer);
  }
  ~FileSource() override { close(fd_); }

  uint64_t MaxBytes() const override { return size_; }

 protected:
  size_t ReadSome(uint8_t* to, size_t n) override {
    if (begin_ == end_) {
      if (n >= kBuffer) return ReadFile(to, n);
      begin_ = 0;
      end_ = ReadFile(buffer_.get(), kBuffer);
    }
    const size_t step = std::min(n, end_ - begin_);
    std::memcpy(to, buffer_.get() + begin_, step);
    begin_ += step;
    return step;
  }

 private:
  static constexpr size_t kBuffer = 16 * 1024;

  size_t ReadFile(uint8_t* to, size_t n) {
    for (;;) {
      const ssize_t got = read(fd_, to, n);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) {
        FailErrno(ErrorKind::kIo, errno, "cannot read the file", Where(),
                  "Check the storage device.");
      }
    }
  }

  int fd_;
  uint64_t size_ = 0;
  std::unique_ptr<uint8_t[]> buffer_;
  size_t begin_ = 0, end_ = 0;
};

class MemorySource final : public ByteSource {
 public:
  MemorySource(std::span<const uint8_t> bytes, std::string name)
      : ByteSource(std::move(name)), bytes_(bytes), size_(bytes.size()) {}
  uint64_t MaxBytes() const override { return size_; }

 protected:
  size_t ReadSome(uint8_t* to, size_t n) override {
    const size_t step = std::min(n, bytes_.size());
    if (step > 0) std::memcpy(to, bytes_.data(), step);
    bytes_ = bytes_.subspan(step);
    return step;
  }

 private:
  std::span<const uint8_t> bytes_;  // the rest
  uint64_t size_;
};

class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(std::unique_ptr<ByteSource> packed)
      : ByteSource(packed->name()), packed_(std::move(packed)) {
    // 15: the largest window; +16: gzip's frame and checksum only.
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  // Deflate cannot expand by more than 1032 : 1 (one bit per 258 bytes, two
  // codes each), so a header that promises more is a lie.
  uint64_t MaxBytes() const override {
    constexpr uint64_t kMostRatio = 1032;
    const uint64_t packed = packed_->MaxBytes();
    const uint64_t limit = std::numeric_limits<uint64_t>::max() / kMostRatio;
    return packed > limit ? std::numeric_limits<uint64_t>::max()
                          : packed * kMostRatio;
  }
  bool ExactSize() const override { return false; }
  bool Unpacked() const override { return true; }
  std::string Where() const override {
    return fmt::format("{}, byte {} of the unpacked data", name(), offset());
  }

 protected:
  size_t ReadSome(uint8_t* to, size_t n) override {
    if (!begun_) {
      begun_ = true;
      if (!packed_->Peek(1).empty()) {
        ExpectFormat(*packed_, FormatKind::kGzip, "gzip data");
      }
    }
    const uInt request = static_cast<uInt>(std::min<size_t>(n, 1u << 30));
    stream_.next_out = to;
    stream_.avail_out = request;
    while (stream_.avail_out == request && !ended_) Inflate(request);
    return request - stream_.avail_out;
  }

 private:
  void Inflate(uInt request) {
    if (stream_.avail_in == 0) {
      const size_t got = packed_->Read(input_.data(), input_.size());
      stream_.next_in = input_.data();
      stream_.avail_in = static_cast<uInt>(got);
      if (got == 0) {
        if (!between_members_) {
          Corrupt(members_ == 0 ? "the gzip data is cut off"
                                : "bytes follow the end of the gzip data");
        }
        ended_ = true;
        return;
      }
    }
    if (between_members_) {
      between_members_ = false;
      if (inflateReset(&stream_) != Z_OK) Corrupt("zlib refuses to go on");
    }
    const int code = inflate(&stream_, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      between_members_ = true;
      ++members_;
    } else if (code == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      if (stream_.total_out == 0 && stream_.avail_out == request) {
        Corrupt(members_ == 0 ? "this is not gzip data"
                              : "bytes follow the end of the gzip data");
      }
      Corrupt(fmt::format("the gzip data is damaged ({})",
                          stream_.msg != nullptr ? stream_.msg : "no details"));
    }
  }

  std::unique_ptr<ByteSource> packed_;
  z_stream stream_ = {};
  std::array<uint8_t, 16 * 1024> input_;
  bool begun_ = false;
  bool between_members_ = false;
  bool ended_ = false;
  uint64_t members_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> OpenFile(const std::string& path) {
  return std::make_unique<FileSource>(path);
}

std::unique_ptr<ByteSource> OpenMemory(std::span<const uint8_t> bytes,
                                       std::string name) {
  return std::make_unique<MemorySource>(bytes, std::move(name));
}

std::unique_ptr<ByteSource> OpenGzip(std::unique_ptr<ByteSource> packed) {
  return std::make_unique<GzipSource>(std::move(packed));
}

}  // namespace temper::host
