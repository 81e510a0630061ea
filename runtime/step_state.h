// The trainer's own memory: the last 64 bytes of the arena.
#ifndef TEMPER_RUNTIME_STEP_STATE_H_
#define TEMPER_RUNTIME_STEP_STATE_H_

#include <cstdint>

#include "temper/plan.h"

namespace temper {

struct StepState {
  uint64_t steps = 0;  // training steps since Create
  float loss = 0.0f;   // of the last step
  uint32_t rows = 0;   // of the last step
  uint8_t reserved[kTensorAlign - 16] = {};
};
static_assert(sizeof(StepState) == kTensorAlign);

inline StepState* StepStateOf(const Plan& plan, uint8_t* memory) {
  return reinterpret_cast<StepState*>(memory + plan.arena_bytes - kTensorAlign);
}

}  // namespace temper

#endif  // TEMPER_RUNTIME_STEP_STATE_H_
