// Graph: the network as a list of nodes, each one a layer with a name,
// parameters and the nodes it reads. Plain data; a node may
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
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "temper/fields.h"
#include "temper/layers.h"
#include "temper/status.h"
#include "temper/targets.h"

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
    assert(Is<Params>() && "the parameters of another kind of layer");
    return *reinterpret_cast<const Params*>(params);
  }
  template <class Params>
  bool Is() const {
    return kind == LayerKindOf<Params>::value;
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
FieldList LayerFields(LayerKind kind);

// Fills `params` (sizeof(Node::params) bytes) with the layer's defaults, before
// Graph::SettleParams.
void DefaultParams(LayerKind kind, void* params);

// The value of a node's field by its name; no value if its layer has no such
// field. SetField returns false then; it checks no range (Graph::Check does).
std::optional<double> FieldOf(const Node& node, std::string_view field);
bool SetField(Node* node, std::string_view field, double value);

// What a layer is to the network around it.
enum class LayerRole : uint32_t {
  kOther,          // pools, reshapes
  kInput,          // the samples; first node of a graph, and no other
  kPreprocessing,  // reads the samples, with statistics of the data
  kKernel,         // dense, convolutions: an initializer draws their weights
  kNormalization,  // by statistics of its input
  kActivation,
  kSum,  // of its inputs: closes residual branches
  kDropout,
  kLoss,  // last node of a graph, and no other
};
LayerRole RoleOf(LayerKind kind);
// True for batch norm: trains with the statistics of the batch.
bool HasBatchStatistics(LayerKind kind);
// The field of a kernel that says how many outputs it has ("out_features");
// null where its input decides (depthwise convolution).
const char* OutputsField(LayerKind kind);

inline bool IsLoss(LayerKind kind) { return RoleOf(kind) == LayerRole::kLoss; }

// What a loss compares the prediction with, and the metrics of a model that is
// trained with it. Predictions y are (rows, out); targets come as labels or as
// (rows, out) floats, the other is null.
struct LossTraits {
  TargetKind targets = TargetKind::kClasses;
  TargetKind also = TargetKind::kNone;  // accepted instead of them
  // Every output is a yes or no of its own: its target is one of several labels,
  // or, of a single output, one of two classes. Else outputs exclude each other.
  bool independent = false;
  // How many of the rows are right (accuracy); null: the loss has no accuracy.
  uint32_t (*correct)(uint32_t rows, const Shape& out, const float* y,
                      const int32_t* labels, const float* targets) = nullptr;
  // The loss is the mean of the squared distances itself.
  bool squares = false;
  // Mean of |y - target| over all elements of the rows; null likewise.
  float (*absolute_error)(uint32_t rows, const Shape& out, const float* y,
                          const float* targets) = nullptr;
  // The mean loss of a prediction that knows nothing and says so: equal
  // probabilities, or zeros. What a new model should begin with; null: nothing
  // can be said.
  double (*expected)(uint32_t rows, const Shape& out,
                     const float* targets) = nullptr;

  // Classes that labels tell apart, of a model with so many outputs.
  constexpr uint64_t Classes(uint64_t outputs) const {
    return independent && outputs == 1 ? 2 : outputs;
  }
  constexpr bool Takes(TargetKind kind) const {
    return kind != TargetKind::kNone && (kind == targets || kind == also);
  }
};
// The traits of the loss that ends a graph: null for any other layer.
const LossTraits* LossOf(LayerKind kind);
// A loss with a second input brings its own targets (autoencoders).
inline bool NeedsTargets(const Node& loss) { return loss.input_count == 1; }

}  // namespace temper

#endif  // TEMPER_GRAPH_H_
