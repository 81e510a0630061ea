// LayersLog: layers.csv, a row for each epoch: what layers put out and how large
// their weights are, a column each. A log as steps.csv: nothing depends on it.
// Next: run_log.h, the file below it; ports/host/train/layer_watch.h.
#ifndef TEMPER_PORTS_HOST_RUN_LAYERS_LOG_H_
#define TEMPER_PORTS_HOST_RUN_LAYERS_LOG_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ports/host/run/run_log.h"

namespace temper::host {

class LayersLog {
 public:
  // A new file, or, of a run that goes on after `epochs`, the rows up to there.
  // Columns of which the names or a row would not fit a line are left out.
  LayersLog(const FilePlace& place, const std::vector<std::string>& columns,
            bool resume, uint32_t epochs);
  // As many values as columns; one that is not finite is an empty field.
  void Append(uint32_t epoch, std::span<const double> values);
  void Sync() { file_.Sync(); }
  std::string_view TakeWarning() { return file_.TakeWarning(); }

 private:
  static constexpr size_t kMostLine = 8000;
  static constexpr size_t kMostField = 14;  // with its comma

  AppendFile file_;
  size_t columns_ = 0;
  std::vector<char> line_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RUN_LAYERS_LOG_H_
