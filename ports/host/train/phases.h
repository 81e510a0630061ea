// The phases of a run: which layers train, for how long, and at what rate. A
// phase is what a run of its own would be that starts from the weights that the
// phase before it has left: the same bits (docs/design/014-phases.md).
//
//   head:3,all:10            three epochs of the head alone, then ten of all
//   head:3?lr=0.1;schedule=constant,last=2:5,all:10?lr=0.001
//
// A phase is LAYERS, LAYERS:EPOCHS, with fields after a '?' that ';' separates:
// lr, schedule, optimizer, bn. LAYERS is all, head, last=K (the head and the last
// K blocks), norm_bias (the head, and norms and biases of all layers), or
// patterns of layer names with '+' between. What --freeze names stays frozen.
// Next: job_plan.cc (plans of them), session.cc (their borders).
#ifndef TEMPER_PORTS_HOST_TRAIN_PHASES_H_
#define TEMPER_PORTS_HOST_TRAIN_PHASES_H_

#include <string>
#include <string_view>
#include <vector>

#include "ports/host/train/job.h"

namespace temper::host {

inline constexpr size_t kMostPhases = 50;
inline constexpr uint32_t kMostEpochs = 1000000;

// Reads a list as above. On failure returns a sentence with the remedy and
// leaves `phases` as they were.
std::string ReadPhases(std::string_view text,
                       std::vector<PhaseOptions>* phases);
// One field of a phase by its name: train, epochs, lr, schedule, optimizer, bn.
// Returns the same.
std::string SetPhaseField(std::string_view name, const std::string& value,
                          PhaseOptions* phase);
// The list again.
std::string PhasesText(const std::vector<PhaseOptions>& phases);
std::string PhaseText(const PhaseOptions& phase);

// What is wrong with the phases of a file that may have been edited, or "".
std::string CheckPhases(const JobOptions& options);

// Gives every phase its epochs and rate, and the run their sum.
void CompletePhases(JobOptions* options);
// The options of a run that is phase k alone; which layers train is not among
// them.
JobOptions OptionsOfPhase(const JobOptions& options, size_t k);

// Freezes what `train` does not name. kConfiguration if it names nothing.
void FreezeOthers(const Graph& graph, const std::string& train,
                  std::vector<uint8_t>* frozen);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_PHASES_H_
