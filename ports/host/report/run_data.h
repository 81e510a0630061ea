// RunData: what a run folder tells of itself, read once for a report. Every file
// but config.json may be missing, cut short or of an earlier version: what is not
// there is not shown. Next: page.h.
#ifndef TEMPER_PORTS_HOST_REPORT_RUN_DATA_H_
#define TEMPER_PORTS_HOST_REPORT_RUN_DATA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ports/host/base/value.h"
#include "ports/host/report/svg_chart.h"
#include "ports/host/run/number_table.h"
#include "ports/host/train/job.h"

namespace temper::host {

// y over x, where the table has both columns.
std::vector<SvgPoint> PointsOf(const NumberTable& table, std::string_view x,
                               std::string_view y);

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
  // What its curves say, the likeliest first: cause, evidence, what to do.
  std::vector<std::string> diagnoses;
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
