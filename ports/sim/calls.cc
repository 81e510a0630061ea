// The walk over a program that lists its kernel calls. See calls.h.
#include "ports/sim/calls.h"

#include <algorithm>
#include <span>

#include "runtime/layer.h"

namespace temper::sim {
namespace {

class CallLister final : public CostSink {
 public:
  CallLister(const Plan& plan, uint32_t rows, bool training)
      : plan_(plan), rows_(rows), training_(training) {}

  std::vector<KernelCall> List() {
    for (uint32_t s = 0; s < plan_.steps.size(); ++s) {
      const ProgramStep& step = plan_.steps[s];
      if (step.slab == 0) {
        Clear(step);
        Run(step, 0, rows_);
        if (step.kind == StepKind::kLoss && !training_) break;
        continue;
      }
      for (uint32_t q = s; q <= step.group_last; ++q) Clear(plan_.steps[q]);
      for (uint32_t first = 0; first < rows_; first += step.slab) {
        const uint32_t count = std::min(step.slab, rows_ - first);
        for (uint32_t q = s; q <= step.group_last; ++q) {
          Run(plan_.steps[q], first, count);
        }
      }
      s = step.group_last;
    }
    return std::move(calls_);
  }

  void Stream(Kernel kernel, double channels, size_t grain,
              std::initializer_list<Touch> touches,
              uint32_t small_calls) override {
    AddStream(kernel, channels, grain, {touches.begin(), touches.size()},
              small_calls);
  }
  void StreamNear(Kernel kernel, double channels, double bytes) override {
    KernelCall call = New(kernel);
    call.x[1] = channels;
    call.work = bytes;
    call.parts = bytes / 2 / sizeof(float) / simd::kElementGrain;
    calls_.push_back(call);
  }
  void Product(Kernel kernel, Sizes sizes, double multiply_adds,
               std::initializer_list<Touch> touches) override {
    KernelCall call = New(kernel);
    call.x[0] = std::max(1.0, sizes.a);
    call.x[1] = std::max(1.0, sizes.b);
    call.x[2] = sizes.c;
    call.work = 2 * multiply_adds;
    call.parts = multiply_adds / simd::kMultiplyGrain;
    for (const Touch& touch : touches) call.Add(touch);
    calls_.push_back(call);
  }
  // UpdateWeight of the trainer.
  void Update(uint32_t w, uint64_t first, uint64_t count,
              uint64_t total) override {
    const NodePlan& n = plan_.nodes[node_];
    const auto part = [&](Touch t) {
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
    AddStream(Kernel::kUpdate, 1, simd::kElementGrain, touches, 0);
  }

 private:
  KernelCall New(Kernel kernel) const {
    KernelCall call;
    call.kernel = kernel;
    call.kind = kind_;
    call.node = node_;
    return call;
  }
  void AddStream(Kernel kernel, double channels, size_t grain,
                 std::span<const Touch> touches, uint32_t small_calls) {
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

  Touch Tensor(uint32_t t) const {
    if (t == kNoTensor) return {};
    return {plan_.tensors[t].offset, plan_.tensors[t].bytes};
  }
  // Samples [first, first + count) of a node's output or its gradient.
  Touch Samples(uint32_t tensor, uint32_t node, uint32_t first,
                uint32_t count) const {
    const Touch whole = Tensor(tensor);
    if (whole.bytes == 0) return {};
    const uint64_t sample = plan_.shapes[node].Count() * sizeof(float);
    return {whole.begin + first * sample, count * sample};
  }
  // The same of what a step reads as a node's output.
  Touch Input(uint32_t from, StepKind kind, uint32_t first,
              uint32_t count) const {
    if (from == 0) {
      const Shape& shape = plan_.shapes[0];
      const uint64_t element = shape.type == ElementType::kU8 ? 1 : 4;
      const uint64_t sample = shape.Count() * element;
      return {plan_.arena_bytes + first * sample, count * sample};
    }
    const NodePlan& source = plan_.nodes[from];
    const bool again = IsBackward(kind) && source.output_again != kNoTensor;
    return Samples(again ? source.output_again : source.output, from, first,
                   count);
  }

  // ClearGradients of the trainer.
  void Clear(const ProgramStep& step) {
    if (!training_ || !IsBackward(step.kind) ||
        step.kind == StepKind::kBackwardData) {
      return;
    }
    node_ = step.node, kind_ = step.kind;
    const NodePlan& n = plan_.nodes[node_];
    for (uint32_t w = n.FirstWholeGradient(); w < n.weight_count; ++w) {
      if (n.weight_gradients[w] == kNoTensor) continue;
      Stream(Kernel::kFill, 1, simd::kElementGrain,
             {Tensor(n.weight_gradients[w])}, 0);
    }
  }

  void Run(const ProgramStep& step, uint32_t first, uint32_t count) {
    if (IsHook(step.kind)) return;  // see Update
    if (step.kind == StepKind::kSegment) return RunSegment(step);
    node_ = step.node, kind_ = step.kind;
    RunNode(first, count);
  }

  // As our own kernels would do it, one layer after the other, on a whole batch:
  // devices have no figures of the other backend.
  void RunSegment(const ProgramStep& step) {
    const Segment& segment = plan_.segments[plan_.nodes[step.node].segment];
    for (uint32_t i = segment.first; i <= segment.last; ++i) {
      node_ = i, kind_ = StepKind::kForward;
      RunNode(0, plan_.options.batch);
    }
  }

  void RunNode(uint32_t first, uint32_t count) {
    const Node& node = plan_.graph.nodes[node_];
    const NodePlan& n = plan_.nodes[node_];
    if (kind_ == StepKind::kUpdate) {
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
    Touch x[kMaxInputs], dx[kMaxInputs], weights[kMaxWeights], dw[kMaxWeights];
    Shape in[kMaxInputs];
    for (uint32_t k = 0; k < node.input_count; ++k) {
      const uint32_t from = node.inputs[k];
      in[k] = plan_.shapes[from];
      x[k] = Input(from, kind_, first, count);
      dx[k] = Samples(plan_.nodes[from].gradient, from, first, count);
    }
    for (uint32_t w = 0; w < n.weight_count; ++w) {
      weights[w] = Tensor(n.weights[w]);
      dw[w] = Tensor(n.weight_gradients[w]);
    }
    const Touch y =
        Samples(kind_ == StepKind::kRecompute ? n.output_again : n.output,
                node_, first, count);
    OpOf(node.kind).cost({node, n.mode, n, in, plan_.shapes[node_], kind_,
                          rows_, first, count, training_, x, y, weights,
                          Samples(n.gradient, node_, first, count), dx, dw},
                         this);
  }

  const Plan& plan_;
  const uint32_t rows_;
  const bool training_;
  uint32_t node_ = 0;  // of the step at hand
  StepKind kind_ = StepKind::kForward;
  std::vector<KernelCall> calls_;
};

}  // namespace

std::vector<KernelCall> CallsOf(const Plan& plan, uint32_t rows,
                                bool training) {
  return CallLister(plan, rows, training).List();
}

}  // namespace temper::sim
