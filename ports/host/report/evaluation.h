// What a report says of a run's model on the data it was judged by: the confusion
// matrix, and the samples with the largest loss, as pictures where they are
// pictures. Next: page.h.
#ifndef TEMPER_PORTS_HOST_REPORT_EVALUATION_H_
#define TEMPER_PORTS_HOST_REPORT_EVALUATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ports/host/report/run_data.h"

namespace temper::host {

struct WorstSample {
  std::string name;
  std::string truth, guess;  // classes
  double loss = 0;           // -ln(probability of the true class)
  double probability = 0;    // of the guess
  std::string picture;       // a PNG file; empty: the sample is no picture
};

struct RunEvaluation {
  uint64_t samples = 0, correct = 0;
  uint64_t non_finite = 0;  // samples whose outputs are not finite: in no table
  std::string split;        // what it was computed on
  std::vector<std::string> classes;
  std::vector<std::vector<uint64_t>> confusion;  // [truth][guess]
  std::vector<WorstSample> worst;                // largest loss first
};

// Of the run's best weights on its validation data. Throws Failure: no
// validation data, no weights, data that are not there, a model without classes.
RunEvaluation EvaluateRun(const RunData& run, uint32_t threads,
                          size_t most_worst = 12);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_REPORT_EVALUATION_H_
