// Depthwise Conv2d: one filter per channel.
//   y[n,oh,ow,c] = b[c] + sum over kh, kw of x[n, ih, iw, c] * W[kh,kw,c]
//   x (rows, h, w, c)   W (kh, kw, c)   b (c)
// Memory: keeps x if W is trained; scratch for the chunks of dW and for rows of
// a derived x. Kernels: simd/depthwise.h, simd/loss.h (ColumnSums). Reference:
// tests/reference/depthwise.h.
#include <algorithm>

#include "runtime/layer.h"
#include "runtime/layers/window.h"
#include "simd/depthwise.h"
#include "simd/loss.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_WINDOW_FIELDS(DepthwiseConv2dParams),
    TEMPER_DILATION_FIELDS(DepthwiseConv2dParams),
    TEMPER_FIELD_U32(DepthwiseConv2dParams, bias, 0, 1,
                     "add a bias per channel"),
};

Status InferShape(const Node& node, const Shape* in, Shape* out) {
  const DepthwiseConv2dParams& p = node.As<DepthwiseConv2dParams>();
  TEMPER_RETURN_IF_ERROR(CheckWindow(p, p.dilation_h, p.dilation_w));
  *out = {WindowCount(in[0].h, p.kernel_h, p.stride_h, p.pad_top, p.pad_bottom,
                      p.dilation_h),
          WindowCount(in[0].w, p.kernel_w, p.stride_w, p.pad_left, p.pad_right,
                      p.dilation_w),
          in[0].c};
  return Ok();
}

simd::ConvShape ShapeOf(const Node& node, const Shape& in, const Shape& out) {
  const DepthwiseConv2dParams& p = node.As<DepthwiseConv2dParams>();
  return WindowShape(p, in, out, p.dilation_h, p.dilation_w, in.c);
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  const DepthwiseConv2dParams& p = call.node.As<DepthwiseConv2dParams>();
  const uint32_t taps = p.kernel_h * p.kernel_w;
  needs->Weight({.name = "weight", .fan_in = taps, .fan_out = taps},
                {p.kernel_h, p.kernel_w, call.in[0].c});
  if (p.bias) {
    needs->Weight({.name = "bias", .role = WeightRole::kBias}, {call.in[0].c});
  }
  const simd::ConvShape s = ShapeOf(call.node, call.in[0], call.out);
  const bool formed = call.mode.derived_input[0];
  needs->AcceptDerived(0);
  needs->InSlabs();
  if (!p.bias) needs->WeightsInSlabs();
  needs->ForwardScratch(
      simd::DepthwiseForwardScratch(s, call.batch, call.threads, formed));
  const size_t pixels = size_t{call.batch} * call.out.h * call.out.w;
  if (call.mode.train_weights && !call.mode.TrainsKernel()) {
    needs->BackwardScratch(simd::ColumnSumsScratch(pixels, call.out.c));
  } else if (call.mode.train_weights) {
    needs->KeepInput(0);
    needs->BackwardScratch(
        std::max(simd::DepthwiseBackwardWeightsScratch(s, call.batch,
                                                       call.threads, formed),
                 simd::ColumnSumsScratch(pixels, call.out.c)));
  }
}

void Forward(const Call& call) {
  const bool bias = call.As<DepthwiseConv2dParams>().bias != 0;
  simd::DepthwiseForward(
      ShapeOf(call.node, call.in[0], call.out), call.count,
      call.x[0] + call.first * call.in[0].Count(), call.prologue[0],
      call.weights[0], bias ? call.weights[1] : nullptr,
      call.y + call.first * call.out.Count(), call.scratch, call.parallel);
}

void Backward(const Call& call) {
  const simd::ConvShape s = ShapeOf(call.node, call.in[0], call.out);
  if (call.Wants(StepKind::kBackwardData) && call.dx[0] != nullptr) {
    simd::DepthwiseBackwardData(
        s, call.count, call.dy + call.first * call.out.Count(), call.weights[0],
        call.accumulate[0], call.dx[0] + call.first * call.in[0].Count(),
        call.parallel);
  }
  if (call.Wants(StepKind::kBackwardWeights) && call.mode.train_weights) {
    if (call.mode.TrainsKernel()) {
      simd::DepthwiseBackwardWeights(s, call.rows, {call.first, call.count},
                                     call.x[0], call.prologue[0], call.dy,
                                     call.dw[0], call.scratch, call.parallel);
    }
    if (call.As<DepthwiseConv2dParams>().bias) {
      simd::ColumnSums(size_t{call.rows} * s.out_h * s.out_w, s.out_c, call.dy,
                       call.dw[1], call.scratch, call.parallel);
    }
  }
}

void Cost(const CostCall& call, CostSink* sink) {
  const DepthwiseConv2dParams& p = call.As<DepthwiseConv2dParams>();
  const double w = call.out.w, c = call.out.c;
  const CostSink::Sizes sizes = {
      static_cast<double>(std::min(p.stride_h, p.stride_w)), w, c};
  const double multiply_adds =
      double{1} * call.count * call.out.h * w * c * p.kernel_h * p.kernel_w;
  if (!call.Backward()) {
    return sink->Product(Kernel::kDepthwiseForward, sizes, multiply_adds,
                         {call.x[0], call.weights[0], call.y});
  }
  if (call.WantsInput()) {
    sink->Product(Kernel::kDepthwiseInput, sizes, multiply_adds,
                  {call.dy, call.weights[0], call.dx[0], call.AddedTo()});
  }
  if (call.WantsWeights()) {
    if (call.mode.TrainsKernel()) {
      sink->Product(Kernel::kDepthwiseWeights, sizes, multiply_adds,
                    {call.x[0], call.dy, call.dw[0]});
    }
    if (p.bias) {
      sink->Stream(Kernel::kColumnSums, c, simd::kElementGrain, {call.dy});
    }
  }
}

bool Express(const SegmentCall& call, SegmentBuilder* builder) {
  const DepthwiseConv2dParams& p = call.As<DepthwiseConv2dParams>();
  simd::xnn::Op op;
  op.kind = simd::xnn::OpKind::kDepthwise;
  op.window = ShapeOf(call.node, call.in[0], call.out);
  op.pad_bottom = p.pad_bottom;
  op.pad_right = p.pad_right;
  op.weights = call.weights[0];
  op.bias = p.bias ? call.weights[1] : nullptr;
  return builder->Kernel(op);
}

}  // namespace

extern const LayerOp kDepthwiseConv2dOp;
const LayerOp kDepthwiseConv2dOp = {
    .name = "depthwise_conv2d",
    .help = "convolution with one filter per channel",
    .shapes = TEMPER_WINDOW_SHAPES("c"),
    .role = LayerRole::kKernel,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<DepthwiseConv2dParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
    .xnnpack = Express,
};

}  // namespace temper
