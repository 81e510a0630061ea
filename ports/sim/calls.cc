// The kernels of each layer. See calls.h. Each function below names the layer
// file that it mirrors.
#include "ports/sim/calls.h"

#include <algorithm>

#include "runtime/layers/window.h"
#include "simd/conv.h"
#include "simd/grain.h"
#include "simd/rows.h"
#include "simd/winograd.h"

namespace temper::sim {
namespace {

// Columns of a result are computed in groups of 8.
double Columns(double n) {
  return static_cast<double>(simd::RoundUp(static_cast<size_t>(n), 8));
}

class CallLister {
 public:
  CallLister(const Plan& plan, uint32_t rows, bool training)
      : plan_(plan), rows_(rows), training_(training) {}

  std::vector<KernelCall> List() {
    for (uint32_t s = 0; s < plan_.steps.size(); ++s) {
      const ProgramStep& step = plan_.steps[s];
      if (step.slab == 0) {
        Begin(step, 0, rows_);
        if (step.kind == StepKind::kLoss && !training_) break;
        continue;
      }
      for (uint32_t q = s; q <= step.group_last; ++q) Clear(plan_.steps[q]);
      for (uint32_t first = 0; first < rows_; first += step.slab) {
        const uint32_t count = std::min(step.slab, rows_ - first);
        for (uint32_t q = s; q <= step.group_last; ++q) {
          Layer(plan_.steps[q], first, count);
        }
      }
      s = step.group_last;
    }
    return std::move(calls_);
  }

 private:
  void Begin(const ProgramStep& step, uint32_t first, uint32_t count) {
    Clear(step);
    Layer(step, first, count);
  }

  const Node& NodeAt(uint32_t i) const { return plan_.graph.nodes[i]; }
  const NodePlan& Planned() const { return plan_.nodes[node_]; }
  const NodeMode& Mode() const { return Planned().mode; }
  uint32_t Input(uint32_t k) const { return NodeAt(node_).inputs[k]; }

  Touch Tensor(uint32_t t) const {
    if (t == kNoTensor) return {};
    return {plan_.tensors[t].offset, plan_.tensors[t].bytes};
  }
  // The samples of this call in a tensor with one shape per sample.
  Touch Samples(uint32_t t, const Shape& shape) const {
    const uint64_t sample = shape.Count() * sizeof(float);
    Touch touch = Tensor(t);
    if (touch.bytes == 0) return {};
    return {touch.begin + first_ * sample, count_ * sample};
  }
  Touch X(uint32_t k) const {
    const uint32_t from = Input(k);
    const Shape& shape = plan_.shapes[from];
    if (from == 0) {
      const uint64_t element = shape.type == ElementType::kU8 ? 1 : 4;
      const uint64_t sample = shape.Count() * element;
      return {plan_.arena_bytes + first_ * sample, count_ * sample};
    }
    const NodePlan& source = plan_.nodes[from];
    const bool again = IsBackward(kind_) && source.output_again != kNoTensor;
    return Samples(again ? source.output_again : source.output, shape);
  }
  Touch Y() const {
    return Samples(kind_ == StepKind::kRecompute ? Planned().output_again
                                                 : Planned().output,
                   plan_.shapes[node_]);
  }
  Touch Dy() const { return Samples(Planned().gradient, plan_.shapes[node_]); }
  Touch Dx(uint32_t k) const {
    return Samples(plan_.nodes[Input(k)].gradient, plan_.shapes[Input(k)]);
  }
  const Shape& In(uint32_t k = 0) const { return plan_.shapes[Input(k)]; }
  const Shape& Out() const { return plan_.shapes[node_]; }
  bool Wants(StepKind part) const {
    return kind_ == StepKind::kBackward || kind_ == part;
  }
  bool IsLast() const { return first_ + count_ == rows_; }

  KernelCall New(Kernel kernel) const {
    KernelCall call;
    call.kernel = kernel;
    call.kind = kind_;
    call.node = node_;
    return call;
  }

  // A kernel that streams through what it touches. Elements / grain threads.
  void Stream(Kernel kernel, double channels, size_t grain,
              const std::vector<Touch>& touches, uint32_t small_calls = 0) {
    KernelCall call = New(kernel);
    call.x[1] = std::max(1.0, channels);
    uint64_t most = 0;
    for (const Touch& touch : touches) {
      call.Add(touch);
      call.work += static_cast<double>(touch.bytes);
      most = std::max(most, touch.bytes);
    }
    call.parts = static_cast<double>(most / sizeof(float) / grain);
    call.small_calls = small_calls;
    if (call.work > 0) calls_.push_back(call);
  }
  // A derived x is formed first. (Convolutions do it on the way into their
  // buffers: their classes are measured so.)
  void FormInput() {
    if (!Mode().derived_input[0]) return;
    KernelCall call = New(Kernel::kForm);
    const double bytes = static_cast<double>(X(0).bytes);
    call.x[1] = In().c;
    call.work = 2 * bytes;
    call.parts = bytes / sizeof(float) / simd::kElementGrain;
    calls_.push_back(call);
  }

  void Product(Kernel kernel, double rows, double in, double out, double macs,
               double grain, std::initializer_list<Touch> touches) {
    KernelCall call = New(kernel);
    call.x[0] = std::max(1.0, rows);
    call.x[1] = in;
    call.x[2] = out;
    call.work = 2 * macs;
    call.parts = macs / grain;
    for (const Touch& touch : touches) call.Add(touch);
    calls_.push_back(call);
  }

  // ClearGradients of the trainer.
  void Clear(const ProgramStep& step) {
    if (!training_ || !IsBackward(step.kind) ||
        step.kind == StepKind::kBackwardData) {
      return;
    }
    node_ = step.node, kind_ = step.kind;
    const NodePlan& n = Planned();
    for (uint32_t w = n.FirstWholeGradient(); w < n.weight_count; ++w) {
      if (n.weight_gradients[w] == kNoTensor) continue;
      Stream(Kernel::kFill, 1, simd::kElementGrain,
             {Tensor(n.weight_gradients[w])});
    }
  }
  // UpdateWeight: rows [first, first + count) of `total`.
  void Update(uint32_t w, uint64_t first, uint64_t count, uint64_t total) {
    const NodePlan& n = Planned();
    const auto part = [&](Touch t) {
      if (t.bytes == 0) return t;
      return Touch{t.begin + t.bytes / total * first, t.bytes / total * count};
    };
    Touch gradient = Tensor(n.weight_gradients[w]);
    const Touch weight = part(Tensor(n.weights[w]));
    gradient.bytes = std::min(gradient.bytes, weight.bytes);
    // Weights and state are read and written; a hook's state as if the update
    // used it.
    std::vector<Touch> touches = {gradient, weight, weight};
    for (const uint32_t state : n.optimizer[w]) {
      touches.insert(touches.end(), 2, part(Tensor(state)));
    }
    Stream(Kernel::kUpdate, 1, simd::kElementGrain, touches);
  }

  // GradientInBlocks: make(first, count) of `total` rows of weight 0.
  template <class Make>
  void ForEachBlock(uint32_t total, Make&& make) {
    const NodePlan& n = Planned();
    if (n.gradient_rows == 0) {
      make(0, total, Tensor(n.weight_gradients[0]));
      return;
    }
    const uint64_t row = n.specs[0].Count() / n.specs[0].dims[0] * 4;
    for (uint32_t first = 0; first < total; first += n.gradient_rows) {
      const uint32_t count = std::min(n.gradient_rows, total - first);
      const Touch dw = {Tensor(n.weight_gradients[0]).begin, row * count};
      Stream(Kernel::kFill, 1, simd::kElementGrain, {dw});
      make(first, count, dw);
      Update(0, first, count, total);
    }
  }

  void Layer(const ProgramStep& step, uint32_t first, uint32_t count) {
    if (IsHook(step.kind)) return;  // see Update
    node_ = step.node, kind_ = step.kind, first_ = first, count_ = count;
    if (kind_ == StepKind::kUpdate) {
      const NodePlan& n = Planned();
      for (uint32_t w = n.FirstWholeGradient(); w < n.weight_count; ++w) {
        if (n.weight_gradients[w] != kNoTensor) Update(w, 0, 1, 1);
      }
      return;
    }
    if (kind_ == StepKind::kLoss) {
      KernelCall call = New(Kernel::kCopy);
      call.small_calls = 2;
      calls_.push_back(call);
      return;
    }
    switch (NodeAt(node_).kind) {
      case LayerKind::kDense:
        return Dense();
      case LayerKind::kConv2d:
        return Conv();
      case LayerKind::kDepthwiseConv2d:
        return Depthwise();
      case LayerKind::kBatchNorm:
        return BatchNorm();
      case LayerKind::kInput:
      case LayerKind::kCount:
        return;
      default:
        return IsBackward(kind_) ? StreamBackward() : StreamForward();
    }
  }

  // dense.cc
  void Dense() {
    const NodePlan& n = Planned();
    const double in = static_cast<double>(In().Count()), out = Out().c;
    const double rows = count_,
                 grain = static_cast<double>(simd::kMultiplyGrain);
    const Touch w = Tensor(n.weights[0]);
    if (!IsBackward(kind_)) {
      FormInput();
      Product(Kernel::kDenseForward, rows, in, out, rows * in * Columns(out),
              grain, {X(0), w, Y()});
      return;
    }
    if (Wants(StepKind::kBackwardData) && Mode().need_dx[0]) {
      Product(Kernel::kDenseInput, rows, in, out, rows * Columns(in) * out,
              grain, {Dy(), w, Dx(0)});
    }
    if (Wants(StepKind::kBackwardWeights) && Mode().train_weights) {
      FormInput();
      if (n.gradient_pieces) {
        Product(Kernel::kDenseWeights, rows, in, out, rows * Columns(in) * out,
                grain, {X(0), Dy()});
        Update(0, 0, 1, 1);
      } else {
        ForEachBlock(Out().c, [&](uint32_t, uint32_t count, Touch dw) {
          Touch dy = Dy();
          dy.bytes = dy.bytes / Out().c * count;
          Product(Kernel::kDenseWeights, rows, in, count,
                  rows * Columns(in) * count, grain, {X(0), dy, dw});
        });
      }
      if (n.weight_count > 1) {
        Stream(Kernel::kColumnSums, out, simd::kElementGrain, {Dy()});
      }
    }
  }

  // conv2d.cc, conv_dispatch.cc
  void Conv() {
    const NodePlan& n = Planned();
    const Conv2dParams& p = NodeAt(node_).As<Conv2dParams>();
    const simd::ConvShape s =
        WindowShape(p, In(), Out(), p.dilation_h, p.dilation_w, p.groups);
    const double taps = double{1} * s.kernel_h * s.kernel_w;
    const double in = s.in_c / s.groups, out = s.out_c / s.groups;
    const double pixels = double{1} * count_ * s.out_h * s.out_w;
    const double tiles =
        4.0 * count_ * ((s.out_h + 1) / 2) * ((s.out_w + 1) / 2);
    const double grain = simd::kMultiplyGrain;
    const Touch w = Tensor(n.weights[0]);
    enum { kForward, kInput, kWeights };
    const auto add = [&](int direction, bool winograd, double rows,
                         double out_c, std::initializer_list<Touch> touches) {
      constexpr Kernel kClasses[][3] = {
          {Kernel::kPointwiseForward, Kernel::kPointwiseInput,
           Kernel::kPointwiseWeights},
          {Kernel::kConvForward, Kernel::kConvInput, Kernel::kConvWeights},
          {Kernel::kStridedForward, Kernel::kStridedInput,
           Kernel::kStridedWeights},
          {Kernel::kFirstForward, Kernel::kConvInput, Kernel::kFirstWeights},
          {Kernel::kWinogradForward, Kernel::kWinogradInput,
           Kernel::kWinogradWeights}};
      const bool first = in <= 4 && taps > 1;
      const int row = winograd                           ? 4
                      : first && direction != kInput     ? 3
                      : taps == 1                        ? 0
                      : s.stride_h > 1 || s.stride_w > 1 ? 2
                                                         : 1;
      // Kernels of other sizes than 3x3 are as fast as one with as long a sum.
      const double sum = row == 3 ? in * taps : row == 0 ? in : in * taps / 9;
      const double macs = rows * taps * s.groups *
                          (direction == kForward ? in * Columns(out_c)
                           : row == 3 ? Columns(in * taps) / taps * out_c
                                      : Columns(in) * out_c);
      Product(kClasses[row][direction], rows, std::max(1.0, sum), out_c, macs,
              grain, touches);
    };
    if (!IsBackward(kind_)) {
      const bool winograd = simd::WinogradForwardApplies(s);
      add(kForward, winograd, winograd ? tiles : pixels, out, {X(0), w, Y()});
      return;
    }
    if (Wants(StepKind::kBackwardData) && Mode().need_dx[0]) {
      const bool winograd = simd::WinogradBackwardDataApplies(s);
      add(kInput, winograd, winograd ? tiles : pixels, out,
          {Dy(), w, Dx(0), n.accumulate[0] ? Dx(0) : Touch()});
    }
    if (Wants(StepKind::kBackwardWeights) && Mode().train_weights) {
      const bool winograd = simd::WinogradBackwardWeightsApplies(s);
      ForEachBlock(s.out_c, [&](uint32_t, uint32_t count, Touch dw) {
        Touch dy = Dy();
        dy.bytes = dy.bytes / s.out_c * count;
        add(kWeights, winograd, winograd ? tiles : pixels,
            static_cast<double>(count) / s.groups, {X(0), dy, dw});
      });
      if (p.bias)
        Stream(Kernel::kColumnSums, s.out_c, simd::kElementGrain, {Dy()});
    }
  }

  // depthwise_conv2d.cc
  void Depthwise() {
    const NodePlan& n = Planned();
    const DepthwiseConv2dParams& p = NodeAt(node_).As<DepthwiseConv2dParams>();
    const double macs = double{1} * count_ * Out().h * Out().w * Out().c *
                        p.kernel_h * p.kernel_w;
    const Touch w = Tensor(n.weights[0]);
    const auto add = [&](Kernel kernel, std::initializer_list<Touch> touches) {
      KernelCall call = New(kernel);
      call.x[0] = std::min(p.stride_h, p.stride_w);
      call.x[1] = Out().w;
      call.x[2] = Out().c;
      call.work = 2 * macs;
      call.parts = macs / simd::kMultiplyGrain;
      for (const Touch& touch : touches) call.Add(touch);
      calls_.push_back(call);
    };
    if (!IsBackward(kind_)) {
      return add(Kernel::kDepthwiseForward, {X(0), w, Y()});
    }
    if (Wants(StepKind::kBackwardData) && Mode().need_dx[0]) {
      add(Kernel::kDepthwiseInput,
          {Dy(), w, Dx(0), n.accumulate[0] ? Dx(0) : Touch()});
    }
    if (Wants(StepKind::kBackwardWeights) && Mode().train_weights) {
      add(Kernel::kDepthwiseWeights,
          {X(0), Dy(), Tensor(n.weight_gradients[0])});
      if (p.bias)
        Stream(Kernel::kColumnSums, Out().c, simd::kElementGrain, {Dy()});
    }
  }

  // batch_norm.cc
  void BatchNorm() {
    const NodeMode& mode = Mode();
    const double c = In().c;
    const bool live = mode.live_statistics && training_;
    constexpr size_t grain = simd::kElementGrain;
    if (!IsBackward(kind_)) {
      if (live) Stream(Kernel::kStats, c, grain, {X(0)}, IsLast() ? 1 : 0);
      if (IsLast() && !mode.derived) {
        Stream(Kernel::kForm, c, grain, {X(0), Y()}, live ? 0 : 1);
      }
      return;
    }
    if (Wants(StepKind::kBackwardReduce) && mode.train_weights) {
      Stream(Kernel::kSums, c, grain, {X(0), Dy()}, IsLast() ? 3 : 0);
    }
    if (Wants(StepKind::kBackwardData) && mode.need_dx[0]) {
      const bool more = Planned().accumulate[0];
      Stream(Kernel::kNormGradient, c, grain,
             {X(0), Dy(), Dx(0), more ? Dx(0) : Touch()});
    }
  }

  void StreamForward() {
    constexpr size_t grain = simd::kElementGrain;
    const double c = Out().c;
    switch (NodeAt(node_).kind) {
      case LayerKind::kAdd:
        return Stream(Kernel::kAdd, c, grain, {X(0), X(1), Y()});
      case LayerKind::kNormalize:
        return Stream(Kernel::kNormalize, c, grain, {X(0), Y()});
      case LayerKind::kRelu:
      case LayerKind::kRelu6:
        return Stream(Kernel::kForm, c, grain, {X(0), Y()});
      case LayerKind::kMaxPool:
        return Stream(Kernel::kMaxPoolForward, c, grain, {X(0), Y()});
      case LayerKind::kAvgPool:
        return Stream(Kernel::kAvgPoolForward, c, grain, {X(0), Y()});
      case LayerKind::kGlobalAvgPool:
        return Stream(Kernel::kColumnSums, c, grain, {X(0), Y()});
      case LayerKind::kDropout:
        return Stream(training_ ? Kernel::kDropout : Kernel::kCopy, c,
                      grain / 2, {X(0), Y()});
      case LayerKind::kSoftmaxCrossEntropy:
        return Stream(Kernel::kSoftmax, c, grain / 4, {X(0), Y()});
      case LayerKind::kMeanSquaredError:
        return Stream(Kernel::kMask, c, grain,
                      {X(0), NodeAt(node_).input_count > 1 ? X(1) : X(0), Y()});
      default:  // flatten
        if (X(0).begin != Y().begin) {
          Stream(Kernel::kCopy, c, grain, {X(0), Y()});
        }
    }
  }

  void StreamBackward() {
    constexpr size_t grain = simd::kElementGrain;
    const double c = Out().c;
    const NodePlan& n = Planned();
    for (uint32_t k = 0; k < NodeAt(node_).input_count; ++k) {
      if (!n.mode.need_dx[k]) continue;
      const Touch dx = Dx(k), more = n.accumulate[k] ? dx : Touch();
      switch (NodeAt(node_).kind) {
        case LayerKind::kAdd:
          if (n.mode.activation != 0) {
            Stream(Kernel::kMask, c, grain, {Y(), Dy(), dx, more});
          } else if (n.accumulate[k]) {
            Stream(Kernel::kAdd, c, grain, {Dy(), dx, dx});
          } else if (dx.begin != Dy().begin) {
            Stream(Kernel::kCopy, c, grain, {Dy(), dx});
          }
          break;
        case LayerKind::kRelu:
        case LayerKind::kRelu6:
        case LayerKind::kSoftmaxCrossEntropy:
        case LayerKind::kMeanSquaredError:
          Stream(Kernel::kMask, c, grain, {Y(), Dy(), dx, more});
          break;
        case LayerKind::kMaxPool:
          Stream(Kernel::kMaxPoolInput, c, grain, {X(0), Dy(), dx, more});
          break;
        case LayerKind::kAvgPool:
          Stream(Kernel::kAvgPoolInput, c, grain, {Dy(), dx, more});
          break;
        case LayerKind::kGlobalAvgPool:
          Stream(Kernel::kFill, c, grain, {Dy(), dx, more});
          break;
        case LayerKind::kDropout:
          Stream(Kernel::kDropout, c, grain / 2, {Dy(), dx, more});
          break;
        default:  // flatten
          if (dx.begin != Dy().begin || n.accumulate[k]) {
            Stream(Kernel::kCopy, c, grain, {Dy(), dx, more});
          }
      }
    }
  }

  const Plan& plan_;
  const uint32_t rows_;
  const bool training_;
  uint32_t node_ = 0, first_ = 0, count_ = 0;
  StepKind kind_ = StepKind::kForward;
  std::vector<KernelCall> calls_;
};

}  // namespace

std::vector<KernelCall> CallsOf(const Plan& plan, uint32_t rows,
                                bool training) {
  return CallLister(plan, rows, training).List();
}

}  // namespace temper::sim
