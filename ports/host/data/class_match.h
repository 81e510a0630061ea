// Class match: which class of a model each class of a data set is. Names
// decide. Where one side has names and the other numbers only, names can never
// agree: then the labels do, unless they are only places in a list of names
// (folders, texts of a table, packs). Where nothing agrees there is no answer, and
// whoever asks refuses or starts a new head; a wrong one would look like a
// model that has learnt nothing.
// Next: job.h (training), verb_eval.cc.
#ifndef TEMPER_PORTS_HOST_DATA_CLASS_MATCH_H_
#define TEMPER_PORTS_HOST_DATA_CLASS_MATCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ports/host/data/dataset.h"

namespace temper::host {

struct ClassMatch {
  // By class of the data: the model's class, or -1 if it has none.
  std::vector<int32_t> to_model;
  bool none = false;      // not a single class is known
  bool by_label = false;  // not by name; `note` says what was taken for what
  std::string note;
};

ClassMatch MatchClassNames(const Dataset& data,
                           const std::vector<std::string>& model_classes);

// kMismatch: no class of the data is one of the model's.
[[noreturn]] void RefuseClasses(const Dataset& data,
                                const std::vector<std::string>& model_classes);

// Renumbers the labels, or moves the probabilities, so that they mean
// `model_classes`. A class with samples that the model does not know is
// kBadData.
void MatchClasses(Dataset& data, const std::vector<std::string>& model_classes);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_CLASS_MATCH_H_
