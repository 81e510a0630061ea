// Model files on disk, by path: where the program has a file system (POSIX).
// Part of the second library (model_file.h).
//
// Example, after model_file.h's:
//
//   error = temper::SaveModel("digits.safetensors", model, trainer);
//   if (!error.ok()) return 9;
//   temper::ModelReader stored;
//   error = temper::OpenModel("digits.safetensors", &stored);
//   if (!error.ok()) return 10;
//   error = stored.ReadWeights(loaded);
//   if (!error.ok()) return 11;
//
// The command takes such a file: temper eval digits.safetensors --data ...
#ifndef TEMPER_FILES_H_
#define TEMPER_FILES_H_

#include <string>

#include "temper/model_file.h"

namespace temper {

// Opens a file for reading, as ModelReader::Open does: it stays open as long as
// the reader, and one that takes its name later does not matter. Also kNotFound,
// and kBadFile for what is no regular file. The message begins with the path.
FileError OpenModel(const std::string& path, ModelReader* reader);

// Writes a file, as WriteModel does. A file that is there is replaced as a whole
// or not at all, whenever the power fails: by way of a temporary file in the
// same folder, which must exist (kNotFound). kWrongState: another process is
// saving to this path. kIoError: no space, no permission, and what became of
// the old file. The message begins with the path.
FileError SaveModel(const std::string& path,
                    const ModelDescription& description,
                    const Trainer& trainer);

}  // namespace temper

#endif  // TEMPER_FILES_H_
