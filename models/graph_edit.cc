// Edits of a graph in place. See graph_edit.h.
#include "models/graph_edit.h"

#include <cstring>
#include <string>

namespace temper::models {
namespace {

template <class Params>
void Set(Node* node, const Params& params) {
  std::memcpy(node->params, &params, sizeof(params));
}

}  // namespace

uint32_t HeadNode(const Graph& graph) {
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const LayerKind kind = graph.nodes[i].kind;
    if (kind == LayerKind::kDense || kind == LayerKind::kConv2d ||
        kind == LayerKind::kDepthwiseConv2d) {
      return static_cast<uint32_t>(i);
    }
  }
  return kNoNode;
}

bool IsClassifier(const Graph& graph) {
  return !graph.nodes.empty() &&
         graph.nodes.back().kind == LayerKind::kSoftmaxCrossEntropy;
}

Status SetClasses(Graph* graph, uint32_t classes) {
  const uint32_t head = HeadNode(*graph);
  if (head == kNoNode || !IsClassifier(*graph)) {
    return Error(StatusCode::kUnsupported, "the model is not a classifier");
  }
  Graph edited = *graph;
  Node& node = edited.nodes[head];
  if (node.kind == LayerKind::kDense) {
    DenseParams p = node.As<DenseParams>();
    p.out_features = classes;
    Set(&node, p);
  } else if (node.kind == LayerKind::kConv2d) {
    Conv2dParams p = node.As<Conv2dParams>();
    p.out_channels = classes;
    Set(&node, p);
  } else {
    return Error(StatusCode::kUnsupported,
                 "a depthwise head cannot change its number of classes", head);
  }
  std::vector<Shape> shapes;
  TEMPER_RETURN_IF_ERROR(edited.Check(&shapes));
  for (size_t i = head + 1; i < edited.nodes.size(); ++i) {
    if (edited.nodes[i].kind == LayerKind::kBatchNorm) {
      return Error(StatusCode::kUnsupported,
                   "a layer with weights behind the head fixes the number of "
                   "classes",
                   static_cast<uint32_t>(i));
    }
  }
  if (shapes.back().c != classes) {
    return Error(StatusCode::kUnsupported,
                 "a layer behind the head fixes the number of classes", head);
  }
  *graph = edited;
  return Ok();
}

Status SetDropout(Graph* graph, float rate) {
  Graph edited = *graph;
  bool found = false;
  for (Node& node : edited.nodes) {
    if (node.kind != LayerKind::kDropout) continue;
    DropoutParams p = node.As<DropoutParams>();
    p.rate = rate;
    Set(&node, p);
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
    node.kind = LayerKind::kDropout;
    node.input_count = 1;
    node.inputs[0] = edited.nodes[head].inputs[0];
    // The first of dropout, dropout2, dropout3, ... that is free.
    for (uint32_t n = 1; n == 1 || edited.Find(node.name) != kNoNode; ++n) {
      const std::string name =
          n == 1 ? "dropout" : "dropout" + std::to_string(n);
      std::memcpy(node.name, name.c_str(), name.size() + 1);
      if (edited.Find(node.name) == kNoNode) break;
    }
    DropoutParams p;
    p.rate = rate;
    Set(&node, p);
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
  if (!IsClassifier(*graph)) {
    return Error(StatusCode::kUnsupported,
                 "label smoothing needs a model that ends in cross-entropy");
  }
  Graph edited = *graph;
  Set(&edited.nodes.back(), SoftmaxCrossEntropyParams{smoothing});
  TEMPER_RETURN_IF_ERROR(edited.Check(nullptr));
  *graph = edited;
  return Ok();
}

}  // namespace temper::models
