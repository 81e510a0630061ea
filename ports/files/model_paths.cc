// Model files by path. See temper/files.h.
#include "models/files/error.h"
#include "ports/files/files.h"
#include "temper/files.h"

namespace temper {
namespace {

FileError At(const std::string& path, FileError error) {
  // Errors of the disk name the path themselves.
  if (error.message.find(path) != 0) {
    error.message = path + ": " + error.message;
  }
  return error;
}

}  // namespace

FileError OpenModel(const std::string& path, ModelReader* reader) {
  const auto file = std::make_shared<host::ReadableFile>();
  const FileError opened = file->Open(path);
  if (!opened.ok()) return At(path, opened);
  const FileError read = reader->Open(file->Reader(), file->size(), file);
  if (read.ok()) return {};
  return At(path, file->error().ok() ? read : file->error());
}

FileError SaveModel(const std::string& path,
                    const ModelDescription& description,
                    const Trainer& trainer) {
  host::AtomicFile file(path);
  const auto refused = [&](const Status& status) {
    return At(path, {status.code,
                     std::string(file.error()) + "\n  " + file.consequence()});
  };
  Status status = file.Open();
  if (!status.ok()) return refused(status);
  const FileError written = WriteModel(description, trainer, file.Sink());
  if (written.code == StatusCode::kIoError) {
    return refused(Error(StatusCode::kIoError, ""));
  }
  if (!written.ok()) {
    file.Abort();
    return At(path, written);
  }
  status = file.Commit();
  return status.ok() ? FileError{} : refused(status);
}

}  // namespace temper
