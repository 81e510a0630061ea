// Random graphs of the layers that predict: odd shapes, all paddings, strides,
// dilations and groups, residual branches, batch norms that can be folded and
// that cannot. A function of the seed.
#ifndef TEMPER_TESTS_TESTING_RANDOM_GRAPH_H_
#define TEMPER_TESTS_TESTING_RANDOM_GRAPH_H_

#include <algorithm>
#include <string>
#include <vector>

#include "temper/temper.h"

namespace temper::testing {

class RandomGraph {
 public:
  explicit RandomGraph(uint64_t seed) : seed_(seed) {
    const Shape input = {1 + Draw(14), 1 + Draw(14), 1 + Draw(9)};
    at_ = graph.Add("input", InputParams{input.h, input.w, input.c});
    shapes_.push_back(input);
    Put(NormalizeParams{1.0f, Draw(2)});
    const uint32_t layers = 1 + Draw(10);
    for (uint32_t i = 0; i < layers; ++i) Layer();
    const Shape s = shapes_[at_];
    if (s.h * s.w != 1) {
      if (Draw(2) == 0 && s.Count() < 4096) {
        Put(FlattenParams{});
      } else {
        Put(GlobalAvgPoolParams{});
      }
    }
    if (Draw(3) == 0) Put(DropoutParams{0.3f, Draw(4) == 0});
    Put(DenseParams{2 + Draw(12), Draw(2)});
    if (Draw(5) == 0) Put(BatchNormParams{});
    Put(SoftmaxCrossEntropyParams{});
  }

  Graph graph;

 private:
  uint32_t Draw(uint32_t n) { return RandomWord(seed_, ++draws_, 0, 0, 0) % n; }

  template <class Params, class... More>
  bool Put(const Params& params, More... more) {
    Graph before = graph;
    const uint32_t node =
        graph.Add(std::to_string(graph.nodes.size()), params, at_, more...);
    std::vector<Shape> shapes;
    Graph whole = graph;
    // Only Check infers shapes, and it wants a loss.
    const bool loss = RoleOf(whole.nodes.back().kind) == LayerRole::kLoss;
    if (!loss) {
      uint32_t at = node;
      at = whole.Add("p", GlobalAvgPoolParams{}, at);
      whole.Add("loss", SoftmaxCrossEntropyParams{}, at);
    }
    if (!whole.Check(&shapes).ok()) {
      graph = std::move(before);
      return false;
    }
    shapes_ = shapes;
    at_ = node;
    return true;
  }

  template <class Params>
  void Window(Params* p, uint32_t most, uint32_t dilation) {
    const Shape s = shapes_[at_];
    p->kernel_h = 1 + Draw(std::min(most, s.h + 1));
    p->kernel_w = 1 + Draw(std::min(most, s.w + 1));
    p->stride_h = 1 + Draw(3);
    p->stride_w = 1 + Draw(3);
    const uint32_t h = (p->kernel_h - 1) * dilation + 1;
    const uint32_t w = (p->kernel_w - 1) * dilation + 1;
    p->pad_top = Draw(std::min(h, 3u));
    p->pad_bottom = Draw(std::min(h, 3u));
    p->pad_left = Draw(std::min(w, 3u));
    p->pad_right = Draw(std::min(w, 3u));
  }

  void Layer() {
    const Shape s = shapes_[at_];
    switch (Draw(11)) {
      case 0:
      case 1:
      case 2: {
        Conv2dParams p;
        const uint32_t dilation = 1 + Draw(2);
        Window(&p, 5, dilation);
        p.dilation_h = p.dilation_w = dilation;
        p.out_channels = 1 + Draw(20);
        p.bias = Draw(2);
        if (Draw(4) == 0) {
          p.groups = s.c;
          p.out_channels = s.c * (1 + Draw(3));
        }
        if (!Put(p)) return;
        if (Draw(2) == 0) Put(BatchNormParams{});
        Activation();
        break;
      }
      case 3: {
        DepthwiseConv2dParams p;
        const uint32_t dilation = 1 + Draw(2);
        Window(&p, 5, dilation);
        p.dilation_h = p.dilation_w = dilation;
        p.bias = Draw(2);
        if (!Put(p)) return;
        if (Draw(2) == 0) Put(BatchNormParams{});
        Activation();
        break;
      }
      case 4: {
        MaxPoolParams p;
        Window(&p, 3, 1);
        Put(p);
        break;
      }
      case 5: {
        AvgPoolParams p;
        Window(&p, 3, 1);
        p.count_include_pad = Draw(2);
        Put(p);
        break;
      }
      case 6:
        Put(BatchNormParams{});
        Activation();
        break;
      case 7: {
        // A residual branch that keeps the shape.
        const uint32_t from = at_;
        Conv2dParams p;
        p.out_channels = s.c;
        p.kernel_h = p.kernel_w = 3;
        p.pad_top = p.pad_bottom = p.pad_left = p.pad_right = 1;
        if (!Put(p)) return;
        if (Draw(2) == 0) Put(BatchNormParams{});
        if (Draw(2) == 0) Activation();
        Put(AddParams{}, from);
        Activation();
        break;
      }
      case 8:
        Put(DropoutParams{0.5f, Draw(2)});
        break;
      case 9:
        Norm(s);
        Activation();
        break;
      case 10:
        Combine(s);
        break;
    }
  }
  void Norm(const Shape& s) {
    if (Draw(2) == 0) {
      Put(LayerNormParams{});
    } else {
      Put(GroupNormParams{s.c % 2 == 0 && Draw(2) == 0 ? 2 : 1u});
    }
  }
  // Two tensors become one, or one a larger one.
  void Combine(const Shape& s) {
    const uint32_t from = at_;
    switch (Draw(4)) {
      case 0: {  // squeeze-excite
        Put(GlobalAvgPoolParams{});
        Conv2dParams p;
        p.out_channels = s.c;
        Put(p);
        if (Draw(2) == 0) {
          Put(SigmoidParams{});
        } else {
          Put(HardSigmoidParams{});
        }
        // The factors come second.
        const uint32_t factors = at_;
        at_ = from;
        Put(MultiplyParams{}, factors);
        break;
      }
      case 1: {
        Conv2dParams p;
        p.out_channels = 1 + Draw(9);
        if (!Put(p)) return;
        Activation();
        Put(ConcatParams{}, from);
        break;
      }
      case 2: {
        Activation();
        Put(MultiplyParams{}, from);
        break;
      }
      default:
        if (s.h * s.w < 64) Put(UpsampleParams{2 + Draw(2)});
        break;
    }
  }
  void Activation() {
    switch (Draw(15)) {
      case 0:
      case 1:
      case 2:
        Put(ReluParams{});
        break;
      case 3:
      case 4:
        Put(Relu6Params{});
        break;
      case 5:
        Put(LeakyReluParams{});
        break;
      case 6:
        Put(PreluParams{});
        break;
      case 7:
        Put(EluParams{});
        break;
      case 8:
        Put(SigmoidParams{});
        break;
      case 9:
        Put(TanhParams{});
        break;
      case 10:
        Put(HardSwishParams{});
        break;
      case 11:
        Put(SiluParams{});
        break;
      case 12:
        Put(GeluParams{Draw(2)});
        break;
      case 13:
        Put(SoftplusParams{});
        break;
      default:
        break;
    }
  }

  const uint64_t seed_;
  uint32_t draws_ = 0;
  uint32_t at_;
  std::vector<Shape> shapes_;
};

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_RANDOM_GRAPH_H_
