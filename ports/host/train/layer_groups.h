// Layers by pattern: what --freeze, --group and the phases of a run name, and
// the factors of rate and decay that groups of layers have. Next: job_plan.cc
// (the user), temper/plan.h (rate_factors, decay_factors).
#ifndef TEMPER_PORTS_HOST_TRAIN_LAYER_GROUPS_H_
#define TEMPER_PORTS_HOST_TRAIN_LAYER_GROUPS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "temper/graph.h"

namespace temper::host {

// Nonzero for every node that one of the patterns names: layer names, with * and
// ? as in a shell; `head` is the last layer with weights of its own and `body` all
// others, unless layers have these names. kConfiguration if a pattern matches
// nothing; `option` is named in the message.
std::vector<uint8_t> LayersOf(const Graph& graph,
                              const std::vector<std::string>& patterns,
                              const char* option);

// One entry per node, or empty where all are 1: PlanOptions.
struct LayerFactors {
  std::vector<float> rate, decay;
};

// `groups`: PATTERN?rate=X&decay=X, each with one or both factors (0 to 1e6). A
// layer that several groups name has the factors of the last one that gives
// them. kUsage, kConfiguration.
//
// `layer_decay`: the rate of a layer is multiplied by layer_decay^d, d being the
// number of layers with kernels that come after it in the graph: 0 for the head
// (layer-wise learning rate decay, Howard and Ruder 2018, Clark et al. 2020). A
// batch norm belongs to the last of those before it.
LayerFactors ReadGroups(const Graph& graph,
                        const std::vector<std::string>& groups,
                        double layer_decay);

// What is wrong with one group, its pattern aside; or "".
std::string CheckGroup(const std::string& text);

// The number of blocks of the body, and the patterns of the last `k` of them: a
// block is what layers have in front of the dot in their names, or a layer with a
// kernel of its own and what follows it up to the next one.
uint32_t BlockCount(const Graph& graph);
// Nonzero for the nodes of the head and of the last `k` blocks before it.
std::vector<uint8_t> LastBlocks(const Graph& graph, uint32_t k);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_LAYER_GROUPS_H_
