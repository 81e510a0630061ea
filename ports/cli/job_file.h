// Job files: a job as TOML, for `--config job.toml`. Keys are the long names of
// the verb's options,
//
//   model = "resnet8"
//   data = "idx:/data/photos?val=0.1"
//   lr = 0.05
//   schedule = "cosine?warmup=2e"
//   freeze = ["stem", "block1*"]
//
// Options on the command line override it. Paths are as on the command line:
// relative to the current folder.
#ifndef TEMPER_PORTS_CLI_JOB_FILE_H_
#define TEMPER_PORTS_CLI_JOB_FILE_H_

#include <string>

#include "ports/cli/option.h"

namespace temper::host {

// Sets the options that the file names and the command line did not. Throws
// Failure with FILE:LINE: kConfiguration for text that is not TOML, a key
// that is unknown (with the nearest), a value out of range; kNotFound.
void ReadJobFile(Verb& verb, const std::string& path);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_JOB_FILE_H_
