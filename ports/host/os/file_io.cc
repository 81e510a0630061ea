// Throwing file helpers. See file_io.h.
#include "ports/host/os/file_io.h"

#include <fmt/format.h>

namespace temper::host {

ExitCode ExitCodeOf(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return kExitOk;
    case StatusCode::kInvalidArgument:
      return kExitConfiguration;
    case StatusCode::kShapeMismatch:
    case StatusCode::kMismatch:
      return kExitMismatch;
    case StatusCode::kArenaTooSmall:
      return kExitDoesNotFit;
    case StatusCode::kUnsupported:
      return kExitUnsupported;
    case StatusCode::kBadData:
    case StatusCode::kBadFile:
      return kExitBadData;
    case StatusCode::kNotFound:
      return kExitNotFound;
    case StatusCode::kIoError:
      return kExitIo;
    case StatusCode::kNotFinite:
      return kExitDiverged;
    case StatusCode::kWrongState:
    case StatusCode::kInternal:
      return kExitBug;
  }
  return kExitBug;
}

void FailFile(const FileError& error, const std::string& path) {
  // What is invalid in a file is the file's fault, not the command line's.
  const ExitCode code = error.code == StatusCode::kInvalidArgument
                            ? kExitBadData
                            : ExitCodeOf(error.code);
  // Errors of the disk name the path themselves.
  if (error.message.find(path) != std::string::npos) {
    throw Failure(code, error.message);
  }
  throw Failure(code, fmt::format("{}: {}", path, error.message));
}

std::vector<uint8_t> ReadFileOrFail(const std::string& path,
                                    uint64_t max_bytes) {
  std::vector<uint8_t> data;
  const FileError error = ReadWholeFile(path, max_bytes, &data);
  if (!error.ok()) FailFile(error, path);
  return data;
}

}  // namespace temper::host
