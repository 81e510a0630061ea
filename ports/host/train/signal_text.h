// What the command says of the first weights: temper/signal.h's findings in words.
#ifndef TEMPER_PORTS_HOST_TRAIN_SIGNAL_TEXT_H_
#define TEMPER_PORTS_HOST_TRAIN_SIGNAL_TEXT_H_

#include <string>

#include "temper/signal.h"

namespace temper::host {

// "dies", "explodes", "not_finite", "alike".
const char* SignalName(SignalKind kind);

// One sentence with layer, initializer, activation and what to change. `init`:
// the spec of --init.
std::string SignalText(const Graph& graph, const SignalFinding& finding,
                       const std::string& init);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_SIGNAL_TEXT_H_
