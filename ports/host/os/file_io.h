// Files for code that reports by Failure: the throwing side of files.h.
#ifndef TEMPER_PORTS_HOST_OS_FILE_IO_H_
#define TEMPER_PORTS_HOST_OS_FILE_IO_H_

#include <cstdint>
#include <string>
#include <vector>

#include "models/files/error.h"
#include "ports/files/files.h"
#include "ports/host/base/failure.h"

namespace temper::host {

// The kind of error that a status code other than kOk is.
ErrorKind ErrorKindOf(StatusCode code);

// "path: message" with the kind of the error.
[[noreturn]] void FailFile(const FileError& error, const std::string& path);

std::vector<uint8_t> ReadFileOrFail(const std::string& path,
                                    uint64_t max_bytes);

// Opens `file`, lets write(sink) fill it (it returns false if the sink refused)
// and commits. Throws Failure (kIo) that says what became of the target,
// which is as it was if `write` throws. Allocates nothing on the way to success.
template <class Write>
void SaveOrFail(AtomicFile& file, Write&& write) {
  const auto refuse = [&] {
    throw Failure(ErrorKind::kIo,
                  std::string(file.error()) + "\n  " + file.consequence());
  };
  if (!file.Open().ok()) refuse();
  bool written = false;
  try {
    written = write(file.Sink());
  } catch (...) {
    file.Abort();
    throw;
  }
  if (!written || !file.Commit().ok()) refuse();
}

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_FILE_IO_H_
