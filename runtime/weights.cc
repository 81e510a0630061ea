// The stored tensors of a graph, without a plan. See temper/plan.h.
#include <vector>

#include "runtime/layer.h"

namespace temper {

Status VisitWeights(const Graph& graph,
                    void (*visit)(void* context, uint32_t node, uint32_t slot,
                                  const WeightSpec& spec),
                    void* context) {
  std::vector<Shape> shapes;
  TEMPER_RETURN_IF_ERROR(graph.Check(&shapes));
  for (uint32_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    Shape in[kMaxInputs];
    for (uint32_t k = 0; k < node.input_count; ++k)
      in[k] = shapes[node.inputs[k]];
    // Weights depend on shapes alone: any batch and mode will do.
    Needs needs;
    const NodeMode mode;
    OpOf(node.kind).needs({node, in, shapes[i], 1, 1, mode}, &needs);
    for (uint32_t slot = 0; slot < needs.weight_count; ++slot) {
      visit(context, i, slot, needs.weights[slot]);
    }
  }
  return Ok();
}

}  // namespace temper
