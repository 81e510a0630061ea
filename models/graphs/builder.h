// Shared by the model files: a graph under construction that knows the shape of
// each tensor, so that padding can follow the input's size, and the field that
// chooses between two conventions.
//
//   pytorch  symmetric padding kernel / 2, no bias in front of a batch norm,
//            batch norm eps 1e-5, momentum 0.1
//   mlperf   as the Keras models of MLPerf Tiny: output ceil(size / stride),
//            the odd pixel of padding at the bottom and right ("same"), every
//            convolution with a bias, eps 1e-3, Keras momentum 0.99 (= 0.01
//            here)
#ifndef TEMPER_MODELS_GRAPHS_BUILDER_H_
#define TEMPER_MODELS_GRAPHS_BUILDER_H_

#include <cstdint>
#include <string>

#include "models/graphs/models.h"
#include "runtime/table.h"
#include "temper/graph.h"

namespace temper::models {

// The field of a model's params that chooses between the two conventions above.
enum class Variant : uint32_t { kPytorch, kMlperf };
// clang-format off
#define TEMPER_VARIANT_FIELD(Params) \
  TEMPER_FIELD_CHOICE(Params, variant, "pytorch|mlperf", \
                      "padding, biases and batch norm as in PyTorch or as in " \
                      "the Keras models of MLPerf Tiny")
// clang-format on
// Params of the models that have no other field.
struct VariantParams {
  Variant variant = Variant::kPytorch;
};
inline constexpr Field kVariantFields[] = {TEMPER_VARIANT_FIELD(VariantParams)};

// The options that every model has. 0: the model's own.
enum class NormKind : uint32_t { kOwn, kBatch, kGroup, kLayer, kNone };
enum class HeadKind : uint32_t { kAuto, kSoftmax, kSigmoid };
struct ModelCommon {
  uint32_t activation = 0;          // 1 + its number in ActivationCatalogue()
  uint32_t norm = 0;                // NormKind
  HeadKind head = HeadKind::kAuto;  // of models with targets
};
FieldList ModelCommonFields();

// ModelInfo::build of a model whose params are a Params.
template <class Params, void (*kBuild)(const Params& params, Builder& builder)>
void BuildWith(const void* params, Builder& builder) {
  kBuild(*static_cast<const Params*>(params), builder);
}

// A node of the graph and the shape of its output.
struct Tensor {
  uint32_t node = 0;
  uint32_t h = 1, w = 1, c = 1;

  uint64_t Count() const { return uint64_t{h} * w * c; }
};

class Builder {
 public:
  Builder(Shape input, const Targets& targets, const ModelCommon& common,
          Graph* graph)
      : input_(input),
        targets_(targets),
        activation_(common.activation),
        norm_(common.norm == 0 ? NormKind::kBatch
                               : static_cast<NormKind>(common.norm)),
        norm_is_own_(common.norm == 0),
        head_(common.head),
        graph_(*graph) {}

  void set_variant(Variant variant) { mlperf_ = variant == Variant::kMlperf; }
  bool mlperf() const { return mlperf_; }
  // Of models that have no norms unless they are asked for.
  void set_no_norms() {
    if (norm_is_own_) norm_ = NormKind::kNone;
  }
  // Whether convolutions that a norm follows, if there are norms, have a bias.
  bool BiasBeforeNorm() const { return mlperf_ || norm_ == NormKind::kNone; }

  // "input" and "normalize": u8 is scaled by 1/255, f32 is taken as it is.
  Tensor Input();

  // bias: kernels that no norm follows have one in both conventions.
  enum class Bias { kUnlessNorm, kAlways };
  Tensor Conv(const std::string& name, Tensor x, uint32_t out_channels,
              uint32_t kernel, uint32_t stride, Bias bias = Bias::kUnlessNorm);
  Tensor Conv(const std::string& name, Tensor x, Conv2dParams params);
  Tensor Depthwise(const std::string& name, Tensor x, uint32_t kernel,
                   uint32_t stride);
  // Keras keeps the N-1 variance of images (TensorFlow's fused kernel), as
  // PyTorch does, but the population variance after dense layers.
  enum class Follows { kConvolution, kDense };
  // The norm that the model has: nothing, or a layer whose name has "gn" or "ln"
  // in place of "bn" if it is no batch norm. Groups of 16 channels or more.
  Tensor Norm(const std::string& name, Tensor x,
              Follows follows = Follows::kConvolution);
  // The activation that the model has, ReLU or ReLU6 unless another is asked
  // for, which then takes the place of "relu" in the name too.
  Tensor Relu(const std::string& name, Tensor x);
  Tensor Relu6(const std::string& name, Tensor x);
  Tensor Dense(const std::string& name, Tensor x, uint32_t out_features);
  Tensor Dropout(const std::string& name, Tensor x, double rate);
  Tensor Add(const std::string& name, Tensor a, Tensor b);
  // Adjacent windows of h x w, or as the parameters say.
  Tensor MaxPool(const std::string& name, Tensor x, uint32_t h, uint32_t w);
  Tensor MaxPool(const std::string& name, Tensor x, MaxPoolParams params);
  Tensor AvgPool(const std::string& name, Tensor x, uint32_t h, uint32_t w);
  Tensor GlobalAvgPool(const std::string& name, Tensor x);

  // depthwise 3x3, bn1 (Norm), relu1 (Relu), pointwise, bn2, relu2, each after `prefix`.
  Tensor SeparableBlock(const std::string& prefix, Tensor x,
                        uint32_t out_channels, uint32_t stride);

  // conv1 (with the stride), bn1, relu1, conv2, bn2, each after `prefix`: a
  // ResNet's basic block without its skip connection.
  Tensor ResidualBranch(const std::string& prefix, Tensor x,
                        uint32_t out_channels, uint32_t stride);

  // The head: "fc", a dense layer with an output for each class or value, and
  // "loss", the one for such targets: softmax for classes, sigmoid for several
  // labels or by ModelCommon::head; then two classes have one output.
  void Head(Tensor x);
  // "loss" against another tensor.
  void MeanSquaredError(Tensor x, Tensor target);

  // Padding of one direction, by the convention.
  void Pad(uint32_t size, uint32_t kernel, uint32_t stride, uint32_t* before,
           uint32_t* after) const;

 private:
  Tensor Activate(LayerKind own, std::string name, Tensor x);

  Shape input_;
  Targets targets_;
  uint32_t activation_;
  NormKind norm_;
  bool norm_is_own_;
  HeadKind head_;
  Graph& graph_;
  bool mlperf_ = false;
};

}  // namespace temper::models

#endif  // TEMPER_MODELS_GRAPHS_BUILDER_H_
