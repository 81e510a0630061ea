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

// Bytes that the update of a node's weights, one after the other, needs beside
// their state.
uint64_t UpdateScratch(const Plan& plan, uint32_t node);

// Names of the state tensors of a trained weight: the optimizer's, then those
// of the first `hooks` hooks in their order. Writes at most kMaxStates; returns
// how many there are.
uint32_t ListStates(const PlanOptions& options, const char** names,
                    uint32_t hooks = kMaxHooks);

}  // namespace temper

#endif  // TEMPER_RUNTIME_PROGRAM_H_
