// Segments: neighbouring nodes that another backend runs as one step. Which
// nodes (ChooseSegments), and what they are in that backend's terms
// (SegmentBuilder, which every layer's LayerOp::xnnpack speaks to).
//
// A node joins the segment before it unless its layer refuses: it has no
// `xnnpack`, or says no to these parameters. A segment without a layer with
// weights stays with our own kernels: what it does is bound by memory, and its
// input would be written and read once more. A function of graph, shapes and
// options alone.
// Next: layers/conv2d.cc (Express), simd/xnnpack_backend.h,
// trainer_segments.cc.
#ifndef TEMPER_RUNTIME_SEGMENT_H_
#define TEMPER_RUNTIME_SEGMENT_H_

#include <cstdint>
#include <vector>

#include "simd/xnnpack_backend.h"
#include "temper/graph.h"
#include "temper/plan.h"

namespace temper {

// A node that is to be expressed. Weights are null while a plan is made.
struct SegmentCall {
  const Node& node;
  const Shape* in;
  const Shape& out;
  const float* const* weights;
  bool training;  // the program trains; false: it only predicts

  template <class Params>
  const Params& As() const {
    return node.As<Params>();
  }
};

// The verbs by which a layer says what it is. Each is true if the segment has
// taken it; a layer uses one and returns its answer.
class SegmentBuilder {
 public:
  // Nodes from `first` on. The graph and shapes outlive the builder.
  SegmentBuilder(const Graph& graph, const std::vector<Shape>& shapes,
                 uint32_t batch, bool training);
  void Begin(uint32_t first);
  // Adds the next node; false, and nothing has changed: it does not join.
  bool Append(uint32_t i, const float* const* weights);
  // True if it is worth a step.
  bool HasKernel() const { return has_kernel_; }

  // A window with weights, or a pool: op.window, pads, weights, bias.
  bool Kernel(const simd::xnn::Op& op);
  bool Pool(simd::xnn::OpKind kind, const simd::ConvShape& window,
            uint32_t pad_bottom, uint32_t pad_right);
  // Batch norm of the kernel in front, which nobody else reads.
  bool Fold(const simd::xnn::Norm& norm);
  // Part of the operator in front if nobody else reads it.
  bool Clamp(float min, float max);
  // An activation of its own.
  bool Activation(simd::xnn::OpKind kind, float parameter = 0.0f);
  bool Add();
  bool Mean();  // of the whole image
  bool Reshape();
  bool Identity();

  // The values so far. Input and output are marked by Finish.
  // The value that node i's output is.
  uint32_t ValueOf(uint32_t i) const { return value_of_[i]; }
  std::vector<simd::xnn::Value>& values() { return values_; }
  // Marks what is read by nodes after `last`. The result points into the
  // builder.
  simd::xnn::Segment Finish(uint32_t last);
  // Calls f(node, value) for every input from outside and every output that is
  // read outside.
  template <class F>
  void ForEachInput(F&& f) const {
    for (uint32_t v = 0; v < values_.size(); ++v) {
      if (values_[v].input) f(node_of_[v], v);
    }
  }
  template <class F>
  void ForEachOutput(F&& f) const {
    for (uint32_t v = 0; v < values_.size(); ++v) {
      if (values_[v].output) f(node_of_[v], v);
    }
  }

 private:
  uint32_t Input(uint32_t k);
  uint32_t NewValue(const Shape& shape);
  bool Push(simd::xnn::Op op);
  // The operator that makes input 0, if it is in the segment and read by the
  // current node alone; null.
  simd::xnn::Op* Alone();
  bool Rename();

  const Graph& graph_;
  const std::vector<Shape>& shapes_;
  const uint32_t batch_;
  const bool training_;
  std::vector<uint32_t> readers_, last_reader_;  // per node
  uint32_t first_ = 0, current_ = 0;
  bool has_kernel_ = false;
  std::vector<uint32_t> value_of_;  // per node: its value, or kNoValue
  std::vector<uint32_t> node_of_;   // per value: the last node of that name
  std::vector<simd::xnn::Value> values_;
  std::vector<simd::xnn::Op> ops_;
};

// The segments of a plan whose graph, shapes, options and node modes are there.
// Empty unless its backend has some.
std::vector<Segment> ChooseSegments(const Plan& plan);

// Puts a segment of a plan into a builder; weights(i): of node i, or null. False
// if a layer refuses.
template <class Weights>
bool BuildSegment(const Segment& segment, Weights&& weights,
                  SegmentBuilder* builder) {
  builder->Begin(segment.first);
  for (uint32_t i = segment.first; i <= segment.last; ++i) {
    if (!builder->Append(i, weights(i))) return false;
  }
  return true;
}

}  // namespace temper

#endif  // TEMPER_RUNTIME_SEGMENT_H_
