// From lifetimes to offsets. See planner.cc.
#ifndef TEMPER_RUNTIME_PLANNER_H_
#define TEMPER_RUNTIME_PLANNER_H_

#include "temper/plan.h"

namespace temper {

// Gives every tensor an offset; fills transient_bytes, arena_bytes, lower_bound
// and layout_hash.
void LayOut(Plan* plan);

// What a buffer takes in the arena: its bytes and its tail, rounded up to
// kTensorAlign.
uint64_t Extent(const PlannedTensor& t);

// The most bytes alive at any step, each buffer with its extent.
uint64_t LowerBound(const Plan& plan);

}  // namespace temper

#endif  // TEMPER_RUNTIME_PLANNER_H_
