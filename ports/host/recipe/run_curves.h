// The curves of a run folder, for a diagnosis: metrics.csv and steps.csv by the
// names of their columns, what config.json and the model say. Read only.
#ifndef TEMPER_PORTS_HOST_RECIPE_RUN_CURVES_H_
#define TEMPER_PORTS_HOST_RECIPE_RUN_CURVES_H_

#include <string>
#include <vector>

#include "ports/host/base/value.h"
#include "ports/host/train/job.h"
#include "runtime/recipe/diagnosis.h"

namespace temper::host {

struct RunCurves {
  JobOptions options;  // of the run
  std::vector<recipe::CurvePoint> points;
  recipe::CurveFacts facts;
  uint64_t steps = 0;  // rows of steps.csv that were read
};

// kNotFound: no run. A damaged line ends its file.
RunCurves ReadRunCurves(const std::string& run);

// What a diagnosis says to a user, and the options to change.
struct Advice {
  std::string evidence, action;
  std::vector<std::pair<std::string, std::string>> changes;
};
Advice AdviceOf(const recipe::Diagnosis& diagnosis,
                const recipe::CurveFacts& facts, const JobOptions& options);

// What was looked at before this cause and is in order, in words and as names:
// "Data: cleared. ... What is left is the architecture. ..."
// data: whether anything has cleared the data.
std::string ClearedText(recipe::Cause cause, bool data = true);
Value ClearedValue(recipe::Cause cause, bool data = true);

// Validation was clearly better than guessing after some epoch: the labels belong
// to the samples.
bool LabelsAreShown(const RunCurves& curves);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RECIPE_RUN_CURVES_H_
