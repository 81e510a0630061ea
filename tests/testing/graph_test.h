// What tests of the program share: graphs built by hand, the same graphs with
// nothing fused, and weights under which activations open, close and saturate.
#ifndef TEMPER_TESTS_TESTING_GRAPH_TEST_H_
#define TEMPER_TESTS_TESTING_GRAPH_TEST_H_

#include <cmath>
#include <string>
#include <vector>

#include "temper/temper.h"

namespace temper::testing {

// A graph as one writes it: an image through normalize to a loss.
class Builder {
 public:
  explicit Builder(Shape input) {
    at_ = graph.Add("input", InputParams{input.h, input.w, input.c});
    at_ = graph.Add("normalize", NormalizeParams{1.0f, 0}, at_);
  }
  template <class Params, class... Inputs>
  uint32_t Add(const char* name, const Params& params, Inputs... inputs) {
    return at_ = graph.Add(name, params, inputs...);
  }
  template <class Params>
  uint32_t Then(const char* name, const Params& params) {
    return Add(name, params, at_);
  }
  // A convolution that keeps the size of the image.
  uint32_t Conv(const char* name, uint32_t channels, uint32_t kernel = 3) {
    return ConvOf(name, channels, kernel, at_);
  }
  uint32_t ConvOf(const char* name, uint32_t channels, uint32_t kernel,
                  uint32_t input) {
    Conv2dParams p;
    p.out_channels = channels;
    p.kernel_h = p.kernel_w = kernel;
    p.pad_top = p.pad_bottom = p.pad_left = p.pad_right = kernel / 2;
    return Add(name, p, input);
  }
  uint32_t Depthwise(const char* name, uint32_t stride) {
    DepthwiseConv2dParams p;
    p.stride_h = p.stride_w = stride;
    p.pad_top = p.pad_bottom = p.pad_left = p.pad_right = 1;
    return Then(name, p);
  }
  uint32_t Norm(const char* name) { return Then(name, BatchNormParams{}); }
  Graph Finish() {
    Then("pool", GlobalAvgPoolParams{});
    return Classify();
  }
  Graph Classify() {
    Then("head", DenseParams{5});
    Then("loss", SoftmaxCrossEntropyParams{});
    return graph;
  }
  uint32_t at() const { return at_; }
  Graph graph;

 private:
  uint32_t at_;
};

// The same network with a dropout of rate 0 after every batch norm and add.
// from[i]: what node i of the copy was, or kNoNode.
inline Graph Unfused(const Graph& graph, std::vector<uint32_t>* from) {
  Graph copy;
  std::vector<uint32_t> to;
  for (uint32_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    uint32_t inputs[kMaxInputs];
    for (uint32_t k = 0; k < node.input_count; ++k) {
      inputs[k] = to[node.inputs[k]];
    }
    uint32_t at = copy.AddNode(node.kind, node.name, node.params,
                               sizeof(node.params), inputs, node.input_count);
    from->push_back(i);
    if (node.kind == LayerKind::kBatchNorm || node.kind == LayerKind::kAdd) {
      at = copy.Add(std::string(node.name) + "/open", DropoutParams{0.0f, 0},
                    at);
      from->push_back(kNoNode);
    }
    to.push_back(at);
  }
  return copy;
}

// Values under which every activation opens, closes and saturates: of the
// tensor's number, which the dropouts do not change.
inline void Fill(Trainer* trainer) {
  trainer->Initialize(3);
  uint32_t number = 0;
  for (const TensorView& v : trainer->Tensors()) {
    const std::string name = v.spec->name;
    ++number;
    for (uint32_t i = 0; i < v.count; ++i) {
      const uint32_t word = RandomWord(5, i, number, 0, 0);
      const float u = static_cast<float>(word >> 8) * 0x1p-24f;
      switch (v.spec->role) {
        case WeightRole::kKernel:
          v.data[i] = (2 * u - 1) *
                      std::sqrt(3.0f / static_cast<float>(v.spec->fan_in));
          break;
        case WeightRole::kGamma:
          v.data[i] = 3 * u - 0.5f;
          break;
        case WeightRole::kBeta:
          v.data[i] = 4 * u - 1;
          break;
        default:
          if (name == "running_mean") v.data[i] = u - 0.5f;
          if (name == "running_var") v.data[i] = u + 0.5f;
      }
    }
  }
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_GRAPH_TEST_H_
