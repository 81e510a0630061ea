// Names of tensors: the node that a tensor belongs to, and the values that it
// may hold. Weights are "<node>.<weight>" (node names may have dots, weights do
// not), the optimizer's state "optimizer.<state>.<node>.<weight>". Next:
// model_file.h.
#ifndef TEMPER_MODELS_FILES_TENSOR_NAMES_H_
#define TEMPER_MODELS_FILES_TENSOR_NAMES_H_

#include <cstdint>
#include <string_view>

#include "temper/plan.h"

namespace temper {

// First part of the names of optimizer state; no node may be called so.
inline constexpr std::string_view kOptimizerPrefix = "optimizer.";

// "fc.weight" for itself and for "optimizer.momentum.fc.weight"; empty if the
// name has neither form.
std::string_view WeightOfTensor(std::string_view tensor);
// "a.b" for "a.b.weight".
std::string_view NodeOfWeight(std::string_view weight);
bool IsOptimizerState(std::string_view tensor);

// The values that a WeightSpec asks for.
const char* RuleText(ValueRule rule);  // "finite", "positive", ...
// How many of the n values break the rule, and the index of the first.
uint64_t CountBad(ValueRule rule, const float* values, uint64_t n,
                  uint64_t* first);

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_TENSOR_NAMES_H_
