// Conv2d: y[n,oh,ow,co] = b[co] + sum over kh, kw, ci of
//   x[n, oh*stride_h - pad_top + kh*dilation_h, ow*... , ci] * W[co,kh,kw,ci]
// (cross-correlation; ci runs over the input channels of co's group).
//   x (rows, h, w, c)   W (co, kh, kw, c / groups)   b (co)
//   dx: convolution of dy with flipped W; dW += patches^T dy; db += sum of dy.
// Memory: keeps x if W is trained; scratch for packed W and staged bands.
// Kernels: simd/conv.h, simd/loss.h (ColumnSums). Reference:
// tests/reference/conv.h.
#include <algorithm>

#include "runtime/layer.h"
#include "runtime/layers/window.h"
#include "simd/conv.h"
#include "simd/loss.h"
#include "simd/winograd.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_U32(Conv2dParams, out_channels, 1, kMaxDimension,
                     "number of filters"),
    TEMPER_WINDOW_FIELDS(Conv2dParams),
    TEMPER_DILATION_FIELDS(Conv2dParams),
    TEMPER_FIELD_U32(Conv2dParams, groups, 1, kMaxDimension,
                     "groups of channels that do not mix; divides c and "
                     "out_channels"),
    TEMPER_FIELD_U32(Conv2dParams, bias, 0, 1, "add a bias per output channel"),
};

Status InferShape(const Node& node, const Shape* in, Shape* out) {
  const Conv2dParams& p = node.As<Conv2dParams>();
  if (in[0].c % p.groups != 0 || p.out_channels % p.groups != 0) {
    return Error(StatusCode::kInvalidArgument,
                 "groups must divide the input and output channels");
  }
  TEMPER_RETURN_IF_ERROR(CheckWindow(p, p.dilation_h, p.dilation_w));
  *out = {WindowCount(in[0].h, p.kernel_h, p.stride_h, p.pad_top, p.pad_bottom,
                      p.dilation_h),
          WindowCount(in[0].w, p.kernel_w, p.stride_w, p.pad_left, p.pad_right,
                      p.dilation_w),
          p.out_channels};
  return Ok();
}

simd::ConvShape ShapeOf(const Node& node, const Shape& in, const Shape& out) {
  const Conv2dParams& p = node.As<Conv2dParams>();
  return WindowShape(p, in, out, p.dilation_h, p.dilation_w, p.groups);
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  const Conv2dParams& p = call.node.As<Conv2dParams>();
  const uint32_t group_in = call.in[0].c / p.groups;
  const uint32_t taps = p.kernel_h * p.kernel_w;
  needs->Weight({.name = "weight",
                 .fan_in = taps * group_in,
                 .fan_out = taps * (p.out_channels / p.groups)},
                {p.out_channels, p.kernel_h, p.kernel_w, group_in});
  if (p.bias) {
    needs->Weight({.name = "bias", .role = WeightRole::kBias},
                  {p.out_channels});
  }

  const simd::ConvShape s = ShapeOf(call.node, call.in[0], call.out);
  const bool formed = call.mode.derived_input[0];
  needs->AcceptDerived(0);
  needs->InSlabs();
  needs->CanPack(simd::ConvPackedBytes(s));
  needs->ForwardScratch(
      call.mode.packed
          ? std::max<uint64_t>(simd::ConvPackScratch(s),
                               simd::ConvForwardPackedScratch(
                                   s, call.batch, call.threads, formed))
          : simd::ConvForwardScratch(s, call.batch, call.threads, formed));
  uint64_t backward = 0;
  if (call.mode.need_dx[0]) {
    backward = simd::ConvBackwardDataScratch(s, call.batch, call.threads);
  }
  const size_t pixels = size_t{call.batch} * call.out.h * call.out.w;
  if (call.mode.train_weights) {
    backward = std::max<uint64_t>(backward,
                                  simd::ColumnSumsScratch(pixels, call.out.c));
  }
  if (call.mode.TrainsKernel()) {
    needs->KeepInput(0);
    if (p.groups == 1) needs->GradientInBlocks(pixels);
    backward = std::max<uint64_t>(
        backward,
        simd::ConvBackwardWeightsScratch(s, call.batch, call.threads, formed));
  }
  needs->BackwardScratch(backward);
}

void Forward(const Call& call) {
  const simd::ConvShape s = ShapeOf(call.node, call.in[0], call.out);
  const auto run =
      call.mode.packed ? simd::ConvForwardPacked : simd::ConvForward;
  run(s, call.count, call.x[0] + call.first * call.in[0].Count(),
      call.prologue[0], call.weights[0],
      call.As<Conv2dParams>().bias ? call.weights[1] : nullptr,
      call.y + call.first * call.out.Count(), call.scratch, call.parallel);
}

void Pack(const PackCall& call) {
  simd::ConvPackWeights(ShapeOf(call.node, call.in[0], call.out), call.weight,
                        call.scratch);
}

void Backward(const Call& call) {
  const simd::ConvShape s = ShapeOf(call.node, call.in[0], call.out);
  if (call.Wants(StepKind::kBackwardData) && call.dx[0] != nullptr) {
    simd::ConvBackwardData(
        s, call.count, call.dy + call.first * call.out.Count(), call.weights[0],
        call.accumulate[0], call.dx[0] + call.first * call.in[0].Count(),
        call.scratch, call.parallel);
  }
  if (call.Wants(StepKind::kBackwardWeights) && call.mode.TrainsKernel()) {
    call.ForEachGradientBlock(
        s.out_c, [&](uint32_t first, uint32_t filters, float* dw) {
          simd::ConvBackwardWeights(s, call.rows, call.x[0], call.prologue[0],
                                    call.dy, first, filters, dw, call.scratch,
                                    call.parallel);
        });
  }
  if (call.Wants(StepKind::kBackwardWeights) && call.mode.train_weights &&
      call.As<Conv2dParams>().bias) {
    simd::ColumnSums(size_t{call.rows} * s.out_h * s.out_w, s.out_c, call.dy,
                     call.dw[1], call.scratch, call.parallel);
  }
}

// A direction of the convolution, in the class that conv_dispatch.cc chooses:
// 1x1, 3x3 and other sizes, with strides, of a few channels (a first layer),
// Winograd. `out`: output channels of a group.
enum Direction { kForward, kInput, kWeights };
void CostOf(Direction direction, const CostCall& call, double out,
            std::initializer_list<Touch> touches, CostSink* sink) {
  constexpr Kernel kClasses[][3] = {
      {Kernel::kPointwiseForward, Kernel::kPointwiseInput,
       Kernel::kPointwiseWeights},
      {Kernel::kConvForward, Kernel::kConvInput, Kernel::kConvWeights},
      {Kernel::kStridedForward, Kernel::kStridedInput, Kernel::kStridedWeights},
      {Kernel::kFirstForward, Kernel::kConvInput, Kernel::kFirstWeights},
      {Kernel::kWinogradForward, Kernel::kWinogradInput,
       Kernel::kWinogradWeights}};
  enum { kPointwise, k3x3, kStrided, kFirst, kWinograd };
  const simd::ConvShape s = ShapeOf(call.node, call.in[0], call.out);
  const bool winograd = direction == kForward ? simd::WinogradForwardApplies(s)
                        : direction == kInput
                            ? simd::WinogradBackwardDataApplies(s)
                            : simd::WinogradBackwardWeightsApplies(s);
  const double taps = double{1} * s.kernel_h * s.kernel_w;
  const double in = s.in_c / s.groups;
  // Output pixels, with Winograd those of whole tiles.
  const double rows =
      winograd ? 4.0 * call.count * ((s.out_h + 1) / 2) * ((s.out_w + 1) / 2)
               : double{1} * call.count * s.out_h * s.out_w;
  const int which = winograd                                     ? kWinograd
                    : in <= 4 && taps > 1 && direction != kInput ? kFirst
                    : taps == 1                                  ? kPointwise
                    : s.stride_h > 1 || s.stride_w > 1           ? kStrided
                                                                 : k3x3;
  // Kernels of other sizes than 3x3 are as fast as one with as long a sum.
  const double sum = which == kFirst       ? in * taps
                     : which == kPointwise ? in
                                           : in * taps / 9;
  const double per_tap = direction == kForward ? in * WholeColumns(out)
                         : which == kFirst
                             ? WholeColumns(in * taps) / taps * out
                             : WholeColumns(in) * out;
  sink->Product(kClasses[which][direction], {rows, sum, out},
                rows * taps * s.groups * per_tap, touches);
}

void Cost(const CostCall& call, CostSink* sink) {
  const Conv2dParams& p = call.As<Conv2dParams>();
  const double out = call.out.c / p.groups;
  if (!call.Backward()) {
    return CostOf(kForward, call, out, {call.x[0], call.weights[0], call.y},
                  sink);
  }
  if (call.WantsInput()) {
    CostOf(kInput, call, out,
           {call.dy, call.weights[0], call.dx[0], call.AddedTo()}, sink);
  }
  if (!call.WantsWeights()) return;
  if (call.mode.TrainsKernel()) {
    call.ForEachGradientBlock(
        call.out.c, sink, [&](uint32_t filters, Touch dw) {
          Touch dy = call.dy;
          dy.bytes = dy.bytes / call.out.c * filters;
          CostOf(kWeights, call, static_cast<double>(filters) / p.groups,
                 {call.x[0], dy, dw}, sink);
        });
  }
  if (p.bias) {
    sink->Stream(Kernel::kColumnSums, call.out.c, simd::kElementGrain,
                 {call.dy});
  }
}

bool Express(const SegmentCall& call, SegmentBuilder* builder) {
  const Conv2dParams& p = call.As<Conv2dParams>();
  simd::xnn::Op op;
  op.kind = simd::xnn::OpKind::kConv2d;
  op.window = ShapeOf(call.node, call.in[0], call.out);
  op.pad_bottom = p.pad_bottom;
  op.pad_right = p.pad_right;
  op.weights = call.weights[0];
  op.bias = p.bias ? call.weights[1] : nullptr;
  return builder->Kernel(op);
}

}  // namespace

extern const LayerOp kConv2dOp;
const LayerOp kConv2dOp = {
    .name = "conv2d",
    .help = "convolution, with groups and dilation",
    .shapes = TEMPER_WINDOW_SHAPES("out_channels"),
    .role = LayerRole::kKernel,
    .outputs = "out_channels",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<Conv2dParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .pack = Pack,
    .cost = Cost,
    .xnnpack = Express,
};

}  // namespace temper
