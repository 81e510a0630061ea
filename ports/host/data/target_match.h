// Target match: whether a model's loss can take the targets of the data. The
// loss decides (LossTraits); what does not fit is refused before anything is
// planned, with what is missing.
// Next: class_match.h, for the classes themselves.
#ifndef TEMPER_PORTS_HOST_DATA_TARGET_MATCH_H_
#define TEMPER_PORTS_HOST_DATA_TARGET_MATCH_H_

#include <string_view>

#include "temper/graph.h"

namespace temper::host {

// "one class a sample", "values (regression)", ...
std::string_view TargetWords(TargetKind kind);
// kUnsupported if the loss that ends the graph takes no targets of this
// kind. A loss that brings its own takes any. `where`: the model.
void CheckTargetKind(const Graph& graph, const Targets& targets,
                     std::string_view where);
// The same, and kMismatch if there are not as many floats a sample as the
// graph has outputs.
void CheckTargets(const Graph& graph, const Targets& targets,
                  std::string_view where);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_TARGET_MATCH_H_
