// RunData: what a run folder tells of itself, read once for a report. Every file
// but config.json may be missing, cut short or of an earlier version: what is not
// there is not shown. Next: page.h.
#ifndef TEMPER_PORTS_HOST_REPORT_RUN_DATA_H_
#define TEMPER_PORTS_HOST_REPORT_RUN_DATA_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ports/host/base/value.h"
#include "ports/host/report/svg_chart.h"
#include "ports/host/train/job.h"

namespace temper::host {

// Numbers by the names of their columns; an empty field is NaN.
struct NumberTable {
  std::map<std::string, std::vector<double>, std::less<>> columns;
  std::vector<std::string> names;  // in the order of the file
  size_t rows = 0;

  // Null without such a column, or if it has no value.
  const std::vector<double>* Column(std::string_view name) const;
  // y over x, where both are there.
  std::vector<SvgPoint> Points(std::string_view x, std::string_view y) const;
  // The last value that is there; nothing without one.
  std::optional<double> Last(std::string_view name) const;
};

// A table of numbers as text: a header, then rows. Lines that are cut or hold
// anything but numbers end it. At most `most_rows` rows are kept.
NumberTable ParseNumbers(std::string_view text, size_t most_rows = 1u << 20);

struct RunData {
  std::string path;   // the folder
  std::string state;  // as `temper list runs` says
  JobOptions options;
  Value config;               // config.json
  NumberTable metrics;        // of epochs: metrics.csv
  NumberTable steps;          // of steps: steps.csv
  NumberTable layers;         // of epochs, by layer: layers.csv
  NumberTable lr_find;        // of `lr-find --out`: lr_find.csv
  Value plan;                 // plan.json
  std::vector<Value> events;  // of events.jsonl, the last ones
  std::string weights;        // best weights, or the last; "" without
  std::string weights_sha256;
  uint32_t epochs_done = 0;
  uint32_t best_epoch = 0;  // 0: none yet
  std::optional<double> best_accuracy, best_loss;
};

// kNotFound: no run folder; kBadData: a config.json that is none.
RunData ReadRun(const std::string& folder);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_REPORT_RUN_DATA_H_
