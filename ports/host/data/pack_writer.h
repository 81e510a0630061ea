// Makes a pack (pack_file.h) of any data: samples go from their reader straight
// into the mapped file, so that a set larger than the memory can be packed. The
// file takes its place as a whole when it is complete, or not at all.
//
// A pack is a data set of its own: what the spec selects (classes=, limit=,
// split=) is all there is, and samples count from 0. val= is asked of the pack,
// not of what it is made from.
#ifndef TEMPER_PORTS_HOST_DATA_PACK_WRITER_H_
#define TEMPER_PORTS_HOST_DATA_PACK_WRITER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ports/host/data/dataset.h"

namespace temper::host {

struct PackResult {
  uint64_t samples = 0, file_bytes = 0;
  uint64_t left_out = 0;  // samples that could not be read
  Shape shape;
  std::vector<std::string> class_names;
  std::vector<uint64_t> class_counts;
  std::vector<std::string> notes;  // for the user
};

// kCannotCreate if something other than a pack is there already: another file
// unless `overwrite`, and always what is no file, such as a device or a folder.
void CheckPackPlace(const std::string& path, bool overwrite);

// Throws Failure; kUsage for val=, for missing=mean without a model's columns and
// for data with anomalies; kCannotCreate as CheckPackPlace without `overwrite`,
// and where the data come from that file; and what AtomicFile and readers say.
PackResult WritePack(const DataSpec& spec, const std::string& path,
                     const ModelInput& model = {}, bool overwrite = false);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_PACK_WRITER_H_
