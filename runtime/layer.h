// What a layer is. Each file in layers/ fills in one LayerOp, always in the
// same order: mathematics, fields, shape, needs, forward, backward, cost,
// table.
//
// A layer never sees the arena and has no loop over elements. It declares its
// needs by the methods of Needs; program_tensors.cc turns them into buffers
// with lifetimes, the planner into offsets, and Call hands them back as
// pointers. Next: layers/flatten.cc (a short one), layers/conv2d.cc,
// program.cc.
#ifndef TEMPER_RUNTIME_LAYER_H_
#define TEMPER_RUNTIME_LAYER_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "runtime/cost.h"
#include "runtime/segment.h"
#include "runtime/table.h"
#include "simd/prologue.h"
#include "temper/graph.h"
#include "temper/initializers.h"
#include "temper/parallel.h"
#include "temper/plan.h"

namespace temper {

struct NeedsCall {
  const Node& node;
  const Shape* in;
  const Shape& out;
  uint32_t batch;    // the most rows of a step
  uint32_t threads;  // the most threads
  const NodeMode& mode;
};

// What a layer declares. Sizes are in bytes for the planned batch.
class Needs {
 public:
  // A tensor that outlives the step. Order of calls = index in Call::weights.
  void Weight(const WeightSpec& spec, std::initializer_list<uint32_t> dims) {
    WeightSpec& w = weights[weight_count++];
    w = spec;
    w.rank = 0;
    for (uint32_t d : dims) w.dims[w.rank++] = d;
  }
  // Of a node that somebody else computes: what is stored for it.
  void KeepWeights(const Needs& all) {
    weight_count = all.weight_count;
    for (uint32_t w = 0; w < weight_count; ++w) weights[w] = all.weights[w];
  }
  // Backward reads x[i], or y: it must survive until then.
  void KeepInput(uint32_t i) { keep_input[i] = true; }
  void KeepOutput() { keep_output = true; }
  // Written by forward, read by backward (mean and rstd of batch norm).
  void Saved(uint64_t bytes) { saved_bytes = bytes; }
  // Used inside one pass only.
  void ForwardScratch(uint64_t bytes) { forward_scratch = bytes; }
  void BackwardScratch(uint64_t bytes) { backward_scratch = bytes; }
  // y may be written over x[0]. Not a promise: check y != x where it matters.
  void InPlace() { in_place = true; }
  // y is x[0] in another shape; forward and backward do nothing if they alias.
  void View() { view = true; }
  // dx[i] may be written over dy (for one i, the first that is free to).
  void InPlaceBackward() { in_place_backward = true; }
  // y is cheap to compute again from memory that the caller still holds, so it
  // is not kept: where backward needs it, forward runs again just before.
  void Recompute() { recompute = true; }
  // y = act(x[0] * scale + shift) per channel, with the coefficients at the
  // start of saved (DerivedCoefficients): y need not be stored if every reader
  // accepts that. Then mode.derived is set and forward writes no y.
  void Derivable() { derivable = true; }
  // x[i] may be such a tensor: Call::prologue[i] forms it.
  void AcceptDerived(uint32_t i) { accept_derived[i] = true; }
  // An activation that is the only reader of y may be absorbed:
  // ActivationOf(mode). `has`: what backward can compute its gradient from, the
  // output alone or (kInput) the input too.
  void AbsorbActivation(simd::GradientFrom has) {
    absorb_activation = true;
    gradient_from = has;
  }
  // This layer is that activation.
  void IsActivation(const simd::ActivationFunction& a) { activation = a; }
  // Forward and kBackwardData work on any range of samples (Call::first,
  // count); so does kBackwardWeights with the second verb.
  void InSlabs() { in_slabs = true; }
  void WeightsInSlabs() { weights_in_slabs = true; }
  // Backward can be split into kBackwardReduce and kBackwardData, both in
  // slabs; scratch lives from the first to the last.
  void ReduceFirst() { reduce_first = true; }
  // The gradient of weight 0 can be made in blocks of rows (Call::gradient).
  // `work` is the number of terms in each of its sums: few of them make small
  // blocks cheap.
  void GradientInBlocks(uint64_t work) { gradient_work = work; }
  // The gradient of weight 0 can be handed over in pieces, from any thread
  // (Call::pieces): it needs no memory at all. Goes before blocks.
  void GradientInPieces() { gradient_in_pieces = true; }
  // Weight 0 may lie packed (LayerOp::pack), in so many bytes. If it does,
  // mode.packed is set, and the forward scratch is what packing and forward
  // need.
  void CanPack(uint64_t bytes) { packed_bytes = bytes; }
  // Live statistics over fewer rows have no meaning.
  void MinimumRows(uint32_t rows) { minimum_rows = rows; }

  WeightSpec weights[kMaxWeights] = {};
  uint32_t weight_count = 0;
  bool keep_input[kMaxInputs] = {};
  bool keep_output = false;
  bool in_place = false, view = false, in_place_backward = false;
  bool recompute = false;
  bool in_slabs = false, weights_in_slabs = false, reduce_first = false;
  bool derivable = false, absorb_activation = false;
  bool accept_derived[kMaxInputs] = {};
  bool gradient_in_pieces = false;
  simd::GradientFrom gradient_from = simd::GradientFrom::kOutput;
  simd::ActivationFunction activation;
  uint32_t minimum_rows = 1;
  uint64_t saved_bytes = 0, forward_scratch = 0, backward_scratch = 0;
  uint64_t gradient_work = 0;
  uint64_t packed_bytes = 0;
};

// Whether a layer with these needs can absorb this activation.
inline bool CanAbsorb(const Needs& needs, simd::Activation activation) {
  return needs.absorb_activation && simd::Fuses(activation) &&
         (needs.gradient_from == simd::GradientFrom::kInput ||
          simd::GradientOf(activation) != simd::GradientFrom::kInput);
}

// A large weight's gradient never exists as a whole: a layer that declared
// GradientInBlocks computes `rows` rows of it at a time, in dw[0], and the
// optimizer applies them at once, while they are in the cache. rows 0: dw[0]
// holds the whole gradient.
struct GradientBlocks {
  uint32_t rows = 0;
  void* trainer = nullptr;
  // dw[0] becomes zero; dw[0] holds rows [first, first + count), to be applied.
  void (*begin)(void* trainer, uint32_t node, uint32_t count) = nullptr;
  void (*end)(void* trainer, uint32_t node, uint32_t first,
              uint32_t count) = nullptr;
};

// The same without dw[0], for a layer that declared GradientInPieces: the
// optimizer applies a piece of the gradient as soon as it is computed.
struct GradientPieces {
  void* trainer = nullptr;  // null: dw[0] is there
  // Elements [first, first + count) of the weight; g holds their gradients. Any
  // thread may call it, once for each element.
  void (*take)(void* trainer, uint32_t node, uint64_t first, uint64_t count,
               const float* g) = nullptr;
};

// The batch of a step and its settings: the same for all layers of the step.
struct StepContext {
  const void* input = nullptr;           // rows samples, the input's type
  const int32_t* labels = nullptr;       // rows, or null
  const float* targets = nullptr;        // rows x outputs, or null
  const uint64_t* sample_ids = nullptr;  // rows; keys of random streams
  uint32_t rows = 0;
  uint64_t seed = 0;
  uint32_t epoch = 0;
  bool training = false;
  // Running statistics are not updated from this batch.
  bool keep_statistics = false;
  // Of the later ones of several batches whose gradients add up, the rows of
  // the first; 0: its own.
  uint32_t first_rows = 0;
  // They follow it in forward: there is no backward (FollowStatistics); with this
  // weight of the batch, or, negative, with the layer's own.
  bool forward_statistics = false;
  float statistics_weight = -1.0f;
  // Of training: how much each class counts, or null (Batch::class_weights).
  const float* class_weights = nullptr;

  // Gradients are sums over the rows divided by this.
  float Divisor() const {
    return static_cast<float>(first_rows != 0 ? first_rows : rows);
  }
};

// The activation that the node has absorbed.
inline simd::ActivationFunction ActivationOf(const NodeMode& mode) {
  static_assert(simd::kActivationParameters == kMaxActivationParameters);
  static_assert(kMaxActivationParameters == 2);
  return {static_cast<simd::Activation>(mode.activation),
          mode.activation_parameters[0], mode.activation_parameters[1]};
}

// Where a derivable layer keeps its coefficients: two vectors of `channels`
// floats, each padded to 64 bytes.
constexpr size_t CoefficientFloats(size_t channels) {
  return (channels + 15) / 16 * 16;
}
inline simd::Prologue DerivedCoefficients(const void* saved, size_t channels,
                                          const NodeMode& mode) {
  const float* const scale = static_cast<const float*>(saved);
  return {scale, scale + CoefficientFloats(channels), ActivationOf(mode)};
}

// Everything that a layer may access in one pass. Pointers that it did not ask
// for are null.
struct Call {
  const Node& node;
  uint32_t node_index;
  const NodeMode& mode;
  const Shape* in;
  const Shape& out;
  StepKind kind;
  uint32_t rows;  // samples of this batch
  // The samples of this call, if the layer works in slabs; else 0 and rows.
  // Pointers are those of the whole tensors.
  uint32_t first, count;
  const StepContext& step;
  const ParallelRunner& parallel;

  const float* const* x;  // inputs; for a node that reads the input: step.input
  // How the inputs are formed from x; the identity unless mode.derived_input.
  const simd::Prologue* prologue;
  float* y;
  float* const* weights;
  void* saved;
  void* scratch;

  // Backward only.
  const float* dy;
  float* const* dx;        // null where not wanted, and in reduce and
                           // weights steps
  const bool* accumulate;  // dx[i] += instead of dx[i] =
  float* const* dw;        // dw += always; null where not trained
  GradientBlocks gradient = {};
  GradientPieces pieces = {};

  template <class Params>
  const Params& As() const {
    return node.As<Params>();
  }
  // Calls make(row, n, dw) for all `total` rows of weight 0's gradient, n rows
  // at a time: dw is the place of the first of them.
  template <class Make>
  void ForEachGradientBlock(uint32_t total, Make&& make) const {
    if (gradient.rows == 0) {
      make(uint32_t{0}, total, dw[0]);
      return;
    }
    for (uint32_t row = 0; row < total; row += gradient.rows) {
      const uint32_t n =
          total - row < gradient.rows ? total - row : gradient.rows;
      gradient.begin(gradient.trainer, node_index, n);
      make(row, n, dw[0]);
      gradient.end(gradient.trainer, node_index, row, n);
    }
  }
  // Whether this part of backward is wanted.
  bool Wants(StepKind part) const {
    return kind == StepKind::kBackward || kind == part;
  }
  bool IsLastSlab() const { return first + count == rows; }
  // Elements of x[0] and y over all rows.
  uint64_t InCount() const { return rows * in[0].Count(); }
  uint64_t OutCount() const { return rows * out.Count(); }
};

// Weight 0 of a layer, to be packed. scratch: the layer's forward scratch.
struct PackCall {
  const Node& node;
  const Shape* in;
  const Shape& out;
  float* weight;
  void* scratch;
};

// What a layer is, stated by named fields; no other code knows a layer by name.
struct LayerOp {
  const char* name = "";
  const char* help = "";  // one line: what it computes
  // Per sample: "(h, w, c) -> (1, 1, out_features)". Names are fields.
  Words shapes;
  LayerRole role = LayerRole::kOther;
  // In training it uses the statistics of the batch and updates the stored ones
  // (--bn frozen: it uses the stored ones).
  bool batch_statistics = false;
  // The field with the number of outputs, which a new head changes. Null: the
  // number follows from the input.
  const char* outputs = nullptr;
  const LossTraits* loss = nullptr;  // of losses, and of nothing else
  FieldList fields = {nullptr, 0};
  void (*defaults)(void* params) = nullptr;
  uint32_t min_inputs = 1, max_inputs = 1;
  Status (*shape)(const Node& node, const Shape* in, Shape* out) = nullptr;
  void (*needs)(const NeedsCall& call, Needs* needs) = nullptr;
  void (*forward)(const Call& call) = nullptr;
  void (*backward)(const Call& call) = nullptr;  // null: nothing flows back
  // Packs weight 0 in its own place (Needs::CanPack). Null: never.
  void (*pack)(const PackCall& call) = nullptr;
  // The kernels that forward and backward call (cost.h).
  Required<void(const CostCall& call, CostSink* sink)> cost;
  // Replaces parameters that stand for "what an input of this type needs" by
  // numbers. Null: there are none.
  void (*settle)(ElementType input, void* params) = nullptr;
  // Says by one verb of the builder (segment.h) what the layer is to XNNPACK;
  // false: it is not to be had there. Null: never.
  bool (*xnnpack)(const SegmentCall& call, SegmentBuilder* builder) = nullptr;
  // Of activations: what draws the weights in front of it, unless somebody says
  // otherwise. Null: He normal.
  Initializer (*initializer)(const Node& node) = nullptr;
};

// The table of TEMPER_LAYERS.
const LayerOp& OpOf(LayerKind kind);

}  // namespace temper

#endif  // TEMPER_RUNTIME_LAYER_H_
