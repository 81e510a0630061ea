// --loss: which loss a model ends in, in place of its own. A spec of the
// catalogue of losses (temper/registry.h), also by PyTorch's short names:
// cross_entropy, bce, mse; focal stands for the form that fits the model.
#ifndef TEMPER_PORTS_HOST_TRAIN_LOSS_OPTION_H_
#define TEMPER_PORTS_HOST_TRAIN_LOSS_OPTION_H_

#include <string>
#include <string_view>

#include "temper/graph.h"

namespace temper::host {

// What is wrong with a spec by itself, in one sentence with the remedy; else "".
std::string WrongLoss(const std::string& spec);

// Puts the loss of a spec into the graph; an empty spec changes nothing. Label
// smoothing stays unless the spec has it. The number of outputs stays as well:
// two classes after softmax have two, which is for the caller to settle
// (models::ClassesOf). kUsage; kUnsupported: it does not take such targets, or
// the model brings its own. `where`: the model, for messages.
void ApplyLoss(const std::string& spec, const Targets& targets,
               std::string_view where, Graph* graph);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_LOSS_OPTION_H_
