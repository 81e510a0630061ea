// Edits of a graph in place. See graph_edit.h.
#include "temper/graph_edit.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace temper::models {

uint32_t HeadNode(const Graph& graph) {
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    if (RoleOf(graph.nodes[i].kind) == LayerRole::kKernel) {
      return static_cast<uint32_t>(i);
    }
  }
  return kNoNode;
}

bool IsClassifier(const Graph& graph) {
  if (graph.nodes.empty()) return false;
  const LossTraits* const loss = LossOf(graph.nodes.back().kind);
  return loss != nullptr && loss->targets == TargetKind::kClasses;
}

bool IsRegressor(const Graph& graph) {
  if (graph.nodes.empty()) return false;
  const Node& node = graph.nodes.back();
  const LossTraits* const loss = LossOf(node.kind);
  return loss != nullptr && loss->targets == TargetKind::kValues &&
         NeedsTargets(node);
}

uint32_t ClassesOf(const Graph& graph, uint64_t outputs) {
  const LossTraits* const loss =
      graph.nodes.empty() ? nullptr : LossOf(graph.nodes.back().kind);
  return static_cast<uint32_t>(loss == nullptr ? outputs
                                               : loss->Classes(outputs));
}

Status SetLoss(Graph* graph, LayerKind kind, const void* params,
               size_t params_size) {
  Graph edited = *graph;
  if (edited.nodes.empty() || !IsLoss(edited.nodes.back().kind)) {
    return Error(StatusCode::kUnsupported, "the graph ends in no loss");
  }
  if (!IsLoss(kind)) {
    return Error(StatusCode::kInvalidArgument, "that layer is no loss");
  }
  Node& loss = edited.nodes.back();
  loss.kind = kind;
  std::memset(loss.params, 0, sizeof(loss.params));
  std::memcpy(loss.params, params, std::min(params_size, sizeof(loss.params)));
  TEMPER_RETURN_IF_ERROR(edited.Check(nullptr));
  *graph = edited;
  return Ok();
}

Status SetOutputs(Graph* graph, uint32_t outputs) {
  const uint32_t head = HeadNode(*graph);
  if (head == kNoNode || !(IsClassifier(*graph) || IsRegressor(*graph))) {
    return Error(StatusCode::kUnsupported,
                 "the model is not trained on targets of the data");
  }
  Graph edited = *graph;
  Node& node = edited.nodes[head];
  const char* const field = OutputsField(node.kind);
  if (field == nullptr) {
    return Error(StatusCode::kUnsupported,
                 "a depthwise head cannot change its number of outputs", head);
  }
  SetField(&node, field, outputs);
  std::vector<Shape> shapes;
  TEMPER_RETURN_IF_ERROR(edited.Check(&shapes));
  for (size_t i = head + 1; i < edited.nodes.size(); ++i) {
    if (RoleOf(edited.nodes[i].kind) == LayerRole::kNormalization) {
      return Error(StatusCode::kUnsupported,
                   "a layer with weights after the head fixes the number of "
                   "outputs",
                   static_cast<uint32_t>(i));
    }
  }
  if (shapes.back().c != outputs) {
    return Error(StatusCode::kUnsupported,
                 "a layer after the head fixes the number of outputs", head);
  }
  *graph = edited;
  return Ok();
}

Status SetDropout(Graph* graph, float rate) {
  Graph edited = *graph;
  bool found = false;
  for (Node& node : edited.nodes) {
    if (!node.Is<DropoutParams>()) continue;
    SetField(&node, "rate", rate);
    found = true;
  }
  if (!found && rate == 0.0f) return Ok();  // none is what there is
  if (!found) {
    const uint32_t head = HeadNode(edited);
    if (head == kNoNode) {
      return Error(StatusCode::kUnsupported,
                   "there is no head to put dropout before");
    }
    Node node;
    node.kind = LayerKindOf<DropoutParams>::value;
    node.input_count = 1;
    node.inputs[0] = edited.nodes[head].inputs[0];
    // The first of dropout, dropout2, dropout3, ... that is free.
    for (uint32_t n = 1; n == 1 || edited.Find(node.name) != kNoNode; ++n) {
      const std::string name =
          n == 1 ? "dropout" : "dropout" + std::to_string(n);
      std::memcpy(node.name, name.c_str(), name.size() + 1);
      if (edited.Find(node.name) == kNoNode) break;
    }
    DefaultParams(node.kind, node.params);
    SetField(&node, "rate", rate);
    edited.nodes.insert(edited.nodes.begin() + head, node);
    for (size_t i = head + 1; i < edited.nodes.size(); ++i) {
      for (uint32_t k = 0; k < edited.nodes[i].input_count; ++k) {
        if (edited.nodes[i].inputs[k] >= head) ++edited.nodes[i].inputs[k];
      }
    }
    edited.nodes[head + 1].inputs[0] = head;
  }
  TEMPER_RETURN_IF_ERROR(edited.Check(nullptr));
  *graph = edited;
  return Ok();
}

Status SetLabelSmoothing(Graph* graph, float smoothing) {
  Graph edited = *graph;
  if (edited.nodes.empty() ||
      !SetField(&edited.nodes.back(), kLabelSmoothing, smoothing)) {
    return Error(StatusCode::kUnsupported,
                 "label smoothing needs a model that ends in cross-entropy");
  }
  TEMPER_RETURN_IF_ERROR(edited.Check(nullptr));
  *graph = edited;
  return Ok();
}

}  // namespace temper::models
