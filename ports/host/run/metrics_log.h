// MetricsLog: metrics.csv, one row per epoch; an empty field is no value. The
// columns are a table (metrics_log.cc): a new one is a field of MetricsRow and
// a line there. A resumed run finds its columns by name: those that it does not
// know stay empty, and those that an earlier version did not have are added.
// Next: run_log.h, the file below it.
#ifndef TEMPER_PORTS_HOST_RUN_METRICS_LOG_H_
#define TEMPER_PORTS_HOST_RUN_METRICS_LOG_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ports/host/run/run_log.h"

namespace temper::host {

struct MetricsRow {
  uint32_t epoch = 0;  // counts from 1; rows ascend
  uint64_t step = 0;   // steps since the start of training
  float lr = 0.0f;
  float train_loss = 0.0f;
  std::optional<float> train_accuracy;
  float penalty = 0.0f;  // weight decay's part of the objective
  std::optional<float> val_loss, val_accuracy;
  // Of models that learn values: mean absolute error, root of the mean squared
  // one.
  std::optional<float> val_mae, val_rmse;
  // Of runs that measure classes (train/validation_metrics.h): mean recall of
  // the classes, mean F1, of two classes the area under the ROC curve.
  std::optional<float> val_balanced_accuracy, val_f1, val_auc;
  // Of runs that clip gradients: the share of steps in which they did.
  std::optional<float> clipped;
  // Of runs with an L1 penalty: the share of weights that are exactly 0.
  std::optional<float> sparsity;
  double images_per_second = 0.0;  // of this process
  double seconds = 0.0;            // of steps since the start, over all resumes
  bool best = false;
};

// What a run measures beside what all do.
struct MetricsKinds {
  bool errors = false;  // val_mae and val_rmse
  bool clipped = false;
  bool sparsity = false;
  bool classes = false;  // val_balanced_accuracy, val_f1, val_auc
};

struct MetricsColumn {
  std::string_view name;
  // Writes the value, at most 32 characters, and returns its end.
  char* (*write)(const MetricsRow& row, char* to);
  // Files of the first version have it: one without it is not ours.
  bool always = false;
  // Of others: which runs have it.
  bool MetricsKinds::*of = nullptr;
};
std::vector<MetricsColumn> MetricsColumns(const MetricsKinds& kinds = {});

class MetricsLog {
 public:
  // A new file with its header; an existing one is emptied.
  explicit MetricsLog(const FilePlace& place,
                      std::vector<MetricsColumn> columns = MetricsColumns());
  // Continues after `epochs` finished epochs: keeps the leading valid rows up
  // to that epoch and drops everything after them. A file that is not ours is
  // moved aside; a missing one is made anew. Rows that are lost are a warning.
  MetricsLog(const FilePlace& place, uint32_t epochs,
             std::vector<MetricsColumn> columns = MetricsColumns());

  void Append(const MetricsRow& row);
  void Sync() { file_.Sync(); }
  std::string_view TakeWarning() { return file_.TakeWarning(); }
  uint32_t kept() const { return kept_; }        // rows, after a resume
  uint32_t dropped() const { return dropped_; }  // lines, whole or half
  // Of the last row that was kept: 0 if there is none.
  uint64_t kept_epoch() const { return last_.epoch; }
  double kept_seconds() const { return last_.seconds; }
  bool kept_validation() const { return last_.validation; }

 private:
  static constexpr size_t kMostColumns = 64;
  // The values of a row that a resume needs.
  struct Kept {
    uint64_t epoch = 0;
    double seconds = 0;
    bool validation = false;
  };

  void Begin();
  bool ReadHeader(std::string_view line);
  std::optional<Kept> ParseRow(std::string_view line) const;
  void AddColumns(uint64_t end);

  const std::vector<MetricsColumn> columns_;
  AppendFile file_;
  // Of each column of the file, the one of ours, or null.
  std::vector<const MetricsColumn*> order_;
  uint32_t kept_ = 0, dropped_ = 0;
  Kept last_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RUN_METRICS_LOG_H_
