// The trainer's own memory: the last 64 bytes of the arena.
#ifndef TEMPER_RUNTIME_STEP_STATE_H_
#define TEMPER_RUNTIME_STEP_STATE_H_

#include <cstdint>

#include "temper/plan.h"

namespace temper {

struct StepState {
  uint64_t steps = 0;  // updates that the weights have had
  uint64_t draws = 0;  // batches that have drawn from the trainer's own stream
  // Of the gradients that the optimizer gets, while somebody wants to know.
  double gradient_squares = 0;
  uint64_t measuring = 0;  // 0: nobody does
  // The weights lie packed (PlanOptions::pack_weights).
  uint64_t packed = 0;
  uint8_t reserved[kTensorAlign - 40] = {};
};
static_assert(sizeof(StepState) == kTensorAlign);

inline StepState* StepStateOf(const Plan& plan, uint8_t* memory) {
  return reinterpret_cast<StepState*>(memory + plan.arena_bytes - kTensorAlign);
}

}  // namespace temper

#endif  // TEMPER_RUNTIME_STEP_STATE_H_
