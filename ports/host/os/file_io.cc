// Throwing file helpers. See file_io.h.
#include "ports/host/os/file_io.h"

#include <string_view>

namespace temper::host {

ErrorKind ErrorKindOf(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
      return ErrorKind::kConfiguration;
    case StatusCode::kShapeMismatch:
    case StatusCode::kMismatch:
      return ErrorKind::kMismatch;
    case StatusCode::kArenaTooSmall:
      return ErrorKind::kDoesNotFit;
    case StatusCode::kUnsupported:
      return ErrorKind::kUnsupported;
    case StatusCode::kBadData:
    case StatusCode::kBadFile:
      return ErrorKind::kBadData;
    case StatusCode::kNotFound:
      return ErrorKind::kNotFound;
    case StatusCode::kIoError:
      return ErrorKind::kIo;
    case StatusCode::kNotFinite:
      return ErrorKind::kDiverged;
    case StatusCode::kOk:  // no error: nobody should ask
    case StatusCode::kWrongState:
    case StatusCode::kInternal:
      return ErrorKind::kBug;
  }
  return ErrorKind::kBug;
}

void FailFile(const FileError& error, const std::string& path) {
  // What is invalid in a file is the file's fault, not the command line's.
  const ErrorKind kind = error.code == StatusCode::kInvalidArgument
                            ? ErrorKind::kBadData
                            : ErrorKindOf(error.code);
  // Errors of the disk name the path themselves; the message does, once.
  std::string_view why = error.message;
  for (const std::string& named : {Quoted(path) + ": ", path + ": "}) {
    if (why.starts_with(named)) why.remove_prefix(named.size());
  }
  constexpr std::string_view kOpening = "cannot open it: ";
  if (why.starts_with(kOpening)) {
    Fail(kind, "cannot open the file", path, why.substr(kOpening.size()),
         "Check the path and its permissions.");
  }
  Fail(kind, "cannot read the file", path, why, "");
}

std::vector<uint8_t> ReadFileOrFail(const std::string& path,
                                    uint64_t max_bytes) {
  std::vector<uint8_t> data;
  const FileError error = ReadWholeFile(path, max_bytes, &data);
  if (!error.ok()) FailFile(error, path);
  return data;
}

}  // namespace temper::host
