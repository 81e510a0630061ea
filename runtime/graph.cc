// Building and checking graphs. See temper/graph.h. The table of layers is at
// the bottom; it is made from the one list in temper/layers.h.
#include "temper/graph.h"

#include <cstring>

#include "runtime/layer.h"

namespace temper {

uint32_t Graph::AddNode(LayerKind kind, std::string_view name,
                        const void* params, size_t params_size,
                        const uint32_t* inputs, uint32_t input_count) {
  const uint32_t index = static_cast<uint32_t>(nodes.size());
  const auto fail = [&](const char* message) {
    if (build_status_.ok()) {
      build_status_ = Error(StatusCode::kInvalidArgument, message, index);
    }
  };
  Node node;
  node.kind = kind;
  if (name.empty() || name.size() > kMaxNameLength) {
    fail("a node's name must have 1 to 63 bytes");
    name = name.substr(0, kMaxNameLength);
  }
  if (Find(name) != kNoNode) fail("two nodes have the same name");
  std::memcpy(node.name, name.data(), name.size());
  if (input_count > kMaxInputs) {
    fail("a node has more than 8 inputs");
    input_count = kMaxInputs;
  }
  node.input_count = input_count;
  for (uint32_t i = 0; i < input_count; ++i) {
    if (inputs[i] >= index)
      fail("a node reads a node that does not come before it");
    node.inputs[i] = inputs[i];
  }
  if (params_size > sizeof(node.params)) {
    fail("parameters are too large");
    params_size = 0;
  }
  if (params_size != 0) std::memcpy(node.params, params, params_size);
  SettleParams(&node);
  nodes.push_back(node);
  return index;
}

void Graph::SettleParams(Node* node) const {
  if (static_cast<uint32_t>(node->kind) >=
          static_cast<uint32_t>(LayerKind::kCount) ||
      OpOf(node->kind).settle == nullptr) {
    return;
  }
  ElementType type = ElementType::kF32;  // of all nodes but an input
  if (node->input_count != 0 && node->inputs[0] < nodes.size()) {
    const Node& from = nodes[node->inputs[0]];
    if (from.Is<InputParams>()) {
      type = static_cast<ElementType>(from.As<InputParams>().element_type);
    }
  }
  OpOf(node->kind).settle(type, node->params);
}

uint32_t Graph::Find(std::string_view name) const {
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (name == nodes[i].name) return static_cast<uint32_t>(i);
  }
  return kNoNode;
}

namespace {

Status CheckFields(const Node& node, uint32_t index) {
  if (FieldOutOfRange(OpOf(node.kind).fields, node.params) != nullptr) {
    return Error(StatusCode::kInvalidArgument,
                 "a parameter is outside its range", index);
  }
  return Ok();
}

}  // namespace

Status Graph::Check(std::vector<Shape>* shapes_out) const {
  TEMPER_RETURN_IF_ERROR(build_status_);
  if (nodes.size() < 2) {
    return Error(StatusCode::kInvalidArgument,
                 "a graph needs at least an input and a loss");
  }
  if (nodes.size() > kMaxNodes) {
    return Error(StatusCode::kInvalidArgument,
                 "a graph has more than 4096 nodes");
  }
  std::vector<Shape> shapes(nodes.size());
  std::vector<bool> used(nodes.size(), false);
  const uint32_t last = static_cast<uint32_t>(nodes.size()) - 1;
  for (uint32_t i = 0; i <= last; ++i) {
    const Node& node = nodes[i];
    if (static_cast<uint32_t>(node.kind) >=
        static_cast<uint32_t>(LayerKind::kCount)) {
      return Error(StatusCode::kInvalidArgument, "unknown layer", i);
    }
    const LayerOp& op = OpOf(node.kind);
    if ((op.role == LayerRole::kInput) != (i == 0)) {
      return Error(StatusCode::kInvalidArgument,
                   "the first node, and no other, must be the input", i);
    }
    if ((op.role == LayerRole::kLoss) != (i == last)) {
      return Error(StatusCode::kInvalidArgument,
                   "the last node, and no other, must be a loss", i);
    }
    if (node.name[0] == '\0' || node.name[kMaxNameLength] != '\0') {
      return Error(StatusCode::kInvalidArgument,
                   "a node's name must have 1 to 63 bytes", i);
    }
    for (uint32_t j = 0; j < i; ++j) {
      if (std::strcmp(nodes[j].name, node.name) == 0) {
        return Error(StatusCode::kInvalidArgument,
                     "two nodes have the same name", i);
      }
    }
    if (node.input_count < op.min_inputs || node.input_count > op.max_inputs) {
      return Error(StatusCode::kInvalidArgument,
                   "wrong number of inputs for this layer", i);
    }
    TEMPER_RETURN_IF_ERROR(CheckFields(node, i));
    Shape in[kMaxInputs];
    for (uint32_t k = 0; k < node.input_count; ++k) {
      if (node.inputs[k] >= i) {
        return Error(StatusCode::kInvalidArgument,
                     "a node reads a node that does not come before it", i);
      }
      in[k] = shapes[node.inputs[k]];
      used[node.inputs[k]] = true;
      // One path from samples to tensors; and kernels may read a few bytes past
      // a tensor, which the caller's memory does not promise.
      if (node.inputs[k] == 0 && op.role != LayerRole::kPreprocessing) {
        return Error(StatusCode::kInvalidArgument,
                     "only a normalize layer may read the input", i);
      }
    }
    Status status = op.shape(node, in, &shapes[i]);
    if (!status.ok()) {
      status.node = i;
      return status;
    }
    const Shape& s = shapes[i];
    if (s.h == 0 || s.w == 0 || s.c == 0) {
      return Error(StatusCode::kShapeMismatch,
                   "the output is empty: the window is larger than the padded "
                   "input",
                   i);
    }
    if (s.h > kMaxDimension || s.w > kMaxDimension || s.c > kMaxDimension ||
        uint64_t{s.h} * s.w > kMaxElements || s.Count() > kMaxElements) {
      return Error(StatusCode::kInvalidArgument, "a tensor is too large", i);
    }
  }
  for (uint32_t i = 0; i < last; ++i) {
    if (!used[i]) {
      return Error(StatusCode::kInvalidArgument, "nothing reads this node", i);
    }
  }
  if (shapes_out != nullptr) *shapes_out = shapes;
  return Ok();
}

#define TEMPER_DECLARE_OP(Name, file) extern const LayerOp k##Name##Op;
TEMPER_LAYERS(TEMPER_DECLARE_OP)
#undef TEMPER_DECLARE_OP

const LayerOp& OpOf(LayerKind kind) {
  static const LayerOp* const kOps[] = {
#define TEMPER_OP_POINTER(Name, file) &k##Name##Op,
      TEMPER_LAYERS(TEMPER_OP_POINTER)
#undef TEMPER_OP_POINTER
  };
  return *kOps[static_cast<uint32_t>(kind)];
}

const char* LayerName(LayerKind kind) { return OpOf(kind).name; }

LayerKind LayerByName(std::string_view name) {
  for (uint32_t i = 0; i < static_cast<uint32_t>(LayerKind::kCount); ++i) {
    const LayerKind kind = static_cast<LayerKind>(i);
    if (name == LayerName(kind)) return kind;
  }
  return LayerKind::kCount;
}

FieldList LayerFields(LayerKind kind) { return OpOf(kind).fields; }
LayerRole RoleOf(LayerKind kind) { return OpOf(kind).role; }
bool HasBatchStatistics(LayerKind kind) { return OpOf(kind).batch_statistics; }
const char* OutputsField(LayerKind kind) { return OpOf(kind).outputs; }
const LossTraits* LossOf(LayerKind kind) { return OpOf(kind).loss; }

std::optional<double> FieldOf(const Node& node, std::string_view name) {
  const Field* const field = LayerFields(node.kind).Find(name);
  if (field == nullptr) return std::nullopt;
  return ReadField(*field, node.params);
}

bool SetField(Node* node, std::string_view name, double value) {
  const Field* const field = LayerFields(node->kind).Find(name);
  if (field != nullptr) WriteField(*field, value, node->params);
  return field != nullptr;
}

void DefaultParams(LayerKind kind, void* params) {
  std::memset(params, 0, sizeof(Node::params));
  OpOf(kind).defaults(params);
}

}  // namespace temper
