// Selection: which samples of a data set a spec takes, and under which labels.
// Samples without one class each are taken by number and chance alone.
// Works on labels alone, before any sample is read. Rules: data_spec.h; the
// order of steps is classes, then limit or per_class, then test, then val or
// folds: the test part does not depend on what validation takes.
#ifndef TEMPER_PORTS_HOST_DATA_SELECTION_H_
#define TEMPER_PORTS_HOST_DATA_SELECTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ports/host/data/data_spec.h"
#include "temper/targets.h"

namespace temper::host {

struct Selection {
  std::vector<std::string> class_names;  // of the new labels
  std::vector<uint32_t> class_labels;    // the original labels they stand for
  bool named = false;                    // else the names are those labels
  uint32_t label_count = 0;              // original labels, selected or not
  std::vector<int32_t> new_label;        // by original label; -1: not selected
  std::vector<uint32_t> train;           // original sample indices, ascending
  std::vector<uint32_t> val, test;       // held out
  std::vector<std::string> notes;
};

// `names`: the data's own class names, or empty. Every label is >= 0.
Selection Select(const DataSpec& spec, const std::vector<int32_t>& labels,
                 const std::vector<std::string>& names);
// For targets of every other kind: limit=, val= and seed=, and names= where an
// output is a class. classes= and per_class= are kUsage. `anomalies`: one per
// sample, or none; they are in no part for training, and all of them in the part
// that a model is judged by.
Selection SelectUnlabelled(const DataSpec& spec, const Targets& targets,
                           uint32_t samples,
                           const std::vector<std::string>& names,
                           const std::vector<bool>& anomalies = {});

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_SELECTION_H_
