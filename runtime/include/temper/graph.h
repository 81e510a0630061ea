// Graph: the network as its author thinks of it: a list of nodes, each one a
// layer with a name, parameters and the nodes it reads. Plain data; a node may
// only read nodes before it, so the list is its own topological order and has
// no cycles. The first node is an input, the last one a loss.
//
// Example:
//
//   temper::Graph g;
//   uint32_t x = g.Add("input", temper::InputParams{28, 28, 1});
//   x = g.Add("normalize", temper::NormalizeParams{}, x);
//   x = g.Add("fc1", temper::DenseParams{32}, x);
//   x = g.Add("relu", temper::ReluParams{}, x);
//   x = g.Add("dropout", temper::DropoutParams{0.2f}, x);
//   x = g.Add("fc2", temper::DenseParams{10}, x);
//   g.Add("loss", temper::SoftmaxCrossEntropyParams{}, x);
//
// Next: plan.h, which turns a graph into an exact memory plan.
#ifndef TEMPER_GRAPH_H_
#define TEMPER_GRAPH_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <vector>

#include "temper/layers.h"
#include "temper/status.h"

namespace temper {

inline constexpr uint32_t kMaxNodes = 4096;
inline constexpr uint32_t kMaxInputs = 8;
inline constexpr uint32_t kMaxNameLength = 63;  // bytes, without the final zero
inline constexpr uint32_t kMaxDimension = 1u << 20;
// The most elements one tensor may have, batch included.
inline constexpr uint64_t kMaxElements = uint64_t{1} << 31;

// Shape of one sample, channels last.
struct Shape {
  uint32_t h = 1, w = 1, c = 1;
  ElementType type = ElementType::kF32;

  constexpr uint64_t Count() const { return uint64_t{h} * w * c; }
  friend constexpr bool operator==(const Shape&, const Shape&) = default;
};

struct Node {
  LayerKind kind = LayerKind::kInput;
  uint32_t input_count = 0;
  uint32_t inputs[kMaxInputs] = {};
  char name[kMaxNameLength + 1] = {};
  alignas(4) uint8_t params[64] = {};

  // The parameters of a layer of this kind. Another kind's: an assertion, and
  // without assertions numbers that mean nothing.
  template <class Params>
  const Params& As() const {
    static_assert(kIsLayerParams<Params>, "not the parameters of a layer");
    assert(kind == LayerKindOf<Params>::value);
    return *reinterpret_cast<const Params*>(params);
  }
};

class Graph {
 public:
  // Appends a node and returns its index. A name that is empty, too long or
  // already taken, or an input that does not exist, is remembered and reported
  // by Check(), so that builders need no error handling of their own.
  // Parameters that stand for "what the input needs" are settled here
  // (NormalizeParams::scale).
  template <class Params, class... Inputs>
  uint32_t Add(std::string_view name, const Params& params, Inputs... inputs) {
    static_assert(kIsLayerParams<Params>, "not the parameters of a layer");
    static_assert(std::is_trivially_copyable_v<Params>);
    static_assert(sizeof(Params) <= sizeof(Node::params));
    static_assert(sizeof...(inputs) <= kMaxInputs);
    const uint32_t list[] = {static_cast<uint32_t>(inputs)..., 0};
    return AddNode(LayerKindOf<Params>::value, name, &params,
                   std::is_empty_v<Params> ? 0 : sizeof(Params), list,
                   sizeof...(inputs));
  }
  uint32_t AddNode(LayerKind kind, std::string_view name, const void* params,
                   size_t params_size, const uint32_t* inputs,
                   uint32_t input_count);

  // What Add does to parameters that stand for "what the input needs": for
  // nodes that are filled in by hand. The nodes it reads must be there.
  void SettleParams(Node* node) const;

  // Index of the node with this name, or kNoNode.
  uint32_t Find(std::string_view name) const;

  // Every node's parameters in range, names unique, shapes consistent, exactly
  // one input (first) and one loss (last), every other node used. On success
  // fills `shapes` (may be null) with the output shape of each node.
  Status Check(std::vector<Shape>* shapes) const;

  std::vector<Node> nodes;

 private:
  Status build_status_;
};

// "conv2d" for LayerKind::kConv2d; the inverse returns LayerKind::kCount for an
// unknown name.
const char* LayerName(LayerKind kind);
LayerKind LayerByName(std::string_view name);

// The fields of a layer's parameter struct, for readers and writers of graphs.
struct Field {
  enum class Type : uint32_t { kU32, kF32 };
  const char* name;
  uint32_t offset;  // bytes into the params struct
  Type type;
  double min, max;  // inclusive range of valid values
};
struct FieldList {
  const Field* fields;
  uint32_t count;
};
FieldList LayerFields(LayerKind kind);

// Fills `params` (sizeof(Node::params) bytes) with the layer's defaults, before
// Graph::SettleParams.
void DefaultParams(LayerKind kind, void* params);

// True for layers that end a graph: softmax_cross_entropy, mean_squared_error.
bool IsLoss(LayerKind kind);

}  // namespace temper

#endif  // TEMPER_GRAPH_H_
