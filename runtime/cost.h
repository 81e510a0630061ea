// What a layer costs: the kernels that its forward and backward call, with
// their sizes and the memory they touch. Each layer's file states it in a
// function that mirrors its forward and backward (LayerOp::cost). A reader of
// costs, such as the estimate of step times, implements CostSink
// (ports/sim/calls.cc).
//
// Nothing here runs in a step. Next: kernel_classes.h; layers/add.cc, a short
// one.
#ifndef TEMPER_RUNTIME_COST_H_
#define TEMPER_RUNTIME_COST_H_

#include <cstdint>
#include <initializer_list>

#include "runtime/kernel_classes.h"
#include "simd/grain.h"
#include "simd/rows.h"
#include "temper/graph.h"
#include "temper/plan.h"

namespace temper {

// Bytes [begin, begin + bytes) of the arena; samples lie past its end.
struct Touch {
  uint64_t begin = 0, bytes = 0;
};

// The verbs of a cost function: calls of kernels, in the order of the layer's.
class CostSink {
 public:
  // A kernel that passes once over the tensors it touches, rows of `channels`
  // floats. A tensor that is read and written is listed twice. Another thread
  // pays from `grain` floats of the largest tensor on.
  // `small_calls`: further kernels on vectors of a few channels.
  virtual void Stream(Kernel kernel, double channels, size_t grain,
                      std::initializer_list<Touch> touches,
                      uint32_t small_calls = 0) = 0;
  // The same for data in the L1 cache: a derived input, computed just before it
  // is used. (Convolutions do that while they fill their buffers; their classes
  // are measured with it.)
  virtual void StreamNear(Kernel kernel, double channels, double bytes) = 0;
  // A kernel that multiplies. `sizes`: what the speed of its class depends on,
  // (rows, in, out) of a product, (stride, side, channels) of a depthwise
  // convolution.
  struct Sizes {
    double a, b, c;
  };
  virtual void Product(Kernel kernel, Sizes sizes, double multiply_adds,
                       std::initializer_list<Touch> touches) = 0;
  // The optimizer takes rows [first, first + count) of the `total` rows of a
  // weight. Only where the layer hands them over itself: in blocks
  // (CostCall::ForEachGradientBlock) or pieces.
  virtual void Update(uint32_t weight, uint64_t first, uint64_t count,
                      uint64_t total) = 0;

 protected:
  ~CostSink() = default;
};

// One pass of a layer: Call (layer.h) with the place of its tensors instead of
// pointers. Those of samples cover `count` samples from `first` on. A tensor
// that does not exist has 0 bytes.
struct CostCall {
  const Node& node;
  const NodeMode& mode;
  const NodePlan& plan;
  const Shape* in;
  const Shape& out;
  StepKind kind;
  uint32_t rows;
  uint32_t first, count;
  bool training;

  const Touch* x;
  Touch y;
  const Touch* weights;
  Touch dy;
  const Touch* dx;
  const Touch* dw;

  template <class Params>
  const Params& As() const {
    return node.As<Params>();
  }
  bool Backward() const { return IsBackward(kind); }
  // Whether this part of backward is wanted; whether dx[k] is.
  bool Wants(StepKind part) const {
    return kind == StepKind::kBackward || kind == part;
  }
  bool WantsInput(uint32_t k = 0) const {
    return Wants(StepKind::kBackwardData) && mode.need_dx[k];
  }
  bool WantsWeights() const {
    return Wants(StepKind::kBackwardWeights) && mode.train_weights;
  }
  bool IsLastSlab() const { return first + count == rows; }
  // dx[k] again if it is added to, because it is read then.
  Touch AddedTo(uint32_t k = 0) const {
    return plan.accumulate[k] ? dx[k] : Touch();
  }
  // As Call::ForEachGradientBlock: make(n, dw) for n rows at a time.
  template <class Make>
  void ForEachGradientBlock(uint32_t total, CostSink* sink, Make&& make) const {
    if (plan.gradient_rows == 0) {
      make(total, dw[0]);
      return;
    }
    const uint64_t row = plan.specs[0].Count() / plan.specs[0].dims[0] * 4;
    for (uint32_t at = 0; at < total; at += plan.gradient_rows) {
      const uint32_t n =
          total - at < plan.gradient_rows ? total - at : plan.gradient_rows;
      const Touch block = {dw[0].begin, row * n};
      sink->Stream(Kernel::kFill, 1, simd::kElementGrain, {block});
      make(n, block);
      sink->Update(0, at, n, total);
    }
  }
};

// Columns of a result are computed in groups of 8.
inline double WholeColumns(double n) {
  return static_cast<double>(simd::RoundUp(static_cast<size_t>(n), 8));
}

// Of a layer that calls no kernel.
inline void CostsNothing(const CostCall&, CostSink*) {}

}  // namespace temper

#endif  // TEMPER_RUNTIME_COST_H_
