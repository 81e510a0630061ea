// From graph to program: which nodes take part in backward, the straight list
// of steps, and every buffer with its lifetime. Offsets are the planner's.
// Next: program_draft.h (the parts of it), planner.h.
#ifndef TEMPER_RUNTIME_PROGRAM_H_
#define TEMPER_RUNTIME_PROGRAM_H_

#include "temper/plan.h"

namespace temper {

// Fills graph, shapes, options, steps, nodes, tensors (without offsets),
// minimum_rows and program_hash of `plan`.
Status MakeProgram(const Graph& graph, const PlanOptions& options, Plan* plan);

}  // namespace temper

#endif  // TEMPER_RUNTIME_PROGRAM_H_
