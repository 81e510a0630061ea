// The catalogue of layers: one parameter struct per layer and, at the bottom,
// the one list of them. Parameters are 32-bit integers and floats only, so that
// a graph can be stored as bytes and read on any device.
//
// Shapes are per sample, channels last: (h, w, c). The batch is the leading
// dimension of every tensor at run time. Names and defaults are PyTorch's.
// Each layer's mathematics is at the top of runtime/layers/<name>.cc.
#ifndef TEMPER_LAYERS_H_
#define TEMPER_LAYERS_H_

#include <cstdint>

namespace temper {

enum class ElementType : uint32_t { kF32 = 0, kU8 = 1 };

// The samples handed to Trainer::Step. The first node of every graph.
struct InputParams {
  uint32_t h = 1, w = 1, c = 1;
  uint32_t element_type = 0;  // ElementType: 0 = f32, 1 = u8
};

// y = (x * scale - mean) / std, with mean and std stored in the model:
// per channel (per_pixel = 0, shape (c)) or per element (1, shape (h, w, c)).
// The only layer that reads u8. Not trained. scale 0 stands for what the
// input's type needs, 1/255 for u8 and 1 for f32; Graph::Add puts that number
// in.
struct NormalizeParams {
  float scale = 0.0f;
  uint32_t per_pixel = 0;
};

// y = x W^T + b over the flattened sample. W (out_features, in_features).
struct DenseParams {
  uint32_t out_features = 0;
  uint32_t bias = 1;
};

// Cross-correlation, as PyTorch's Conv2d. W (out_channels, kernel_h, kernel_w,
// in_channels / groups). Zero padding, each side on its own.
struct Conv2dParams {
  uint32_t out_channels = 0;
  uint32_t kernel_h = 1, kernel_w = 1;
  uint32_t stride_h = 1, stride_w = 1;
  uint32_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  uint32_t dilation_h = 1, dilation_w = 1;
  uint32_t groups = 1;
  uint32_t bias = 1;
};

// One filter per channel. W (kernel_h, kernel_w, channels).
struct DepthwiseConv2dParams {
  uint32_t kernel_h = 3, kernel_w = 3;
  uint32_t stride_h = 1, stride_w = 1;
  uint32_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  uint32_t dilation_h = 1, dilation_w = 1;
  uint32_t bias = 1;
};

// Per channel over batch, h and w. momentum is the weight of the new value in
// the running statistics (PyTorch's convention). unbiased_variance = 1 stores
// the N-1 variance in running_var (PyTorch), 0 the population one (ONNX).
struct BatchNormParams {
  float eps = 1e-5f;
  float momentum = 0.1f;
  uint32_t unbiased_variance = 1;
};

struct ReluParams {};
struct Relu6Params {};
// y = x > 0 ? x : slope * x.
struct LeakyReluParams {
  float slope = 0.01f;  // > 0
};
// The same with a trained slope per channel, init at first (He et al. 2015).
struct PreluParams {
  float init = 0.25f;
};
// y = x > 0 ? x : alpha * (e^x - 1).
struct EluParams {
  float alpha = 1.0f;  // > 0
};
struct SigmoidParams {};
struct TanhParams {};
struct HardSigmoidParams {};  // min(max(x + 3, 0), 6) / 6
struct HardSwishParams {};    // x * hard_sigmoid(x)
struct SiluParams {};         // x * sigmoid(x)
// x * Phi(x), the standard normal distribution.
struct GeluParams {
  uint32_t approx = 0;  // 0: exact (erf), 1: by tanh
};
// log(1 + e^(beta x)) / beta.
struct SoftplusParams {
  float beta = 1.0f;  // > 0
};

// Padding counts as minus infinity. The first maximum wins; NaN wins.
struct MaxPoolParams {
  uint32_t kernel_h = 2, kernel_w = 2;
  uint32_t stride_h = 2, stride_w = 2;
  uint32_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
};

struct AvgPoolParams {
  uint32_t kernel_h = 2, kernel_w = 2;
  uint32_t stride_h = 2, stride_w = 2;
  uint32_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  uint32_t count_include_pad = 1;  // PyTorch's default
};

struct GlobalAvgPoolParams {};
struct AddParams {};
// Two or more inputs of equal h and w; channels after each other.
struct ConcatParams {};
// Product of two inputs; the second one may be (1, 1, c): one factor per channel
// (squeeze-excite).
struct MultiplyParams {};

// Over the channels of each position, each sample by itself; weight and bias
// (c). PyTorch's LayerNorm(c), channels last.
struct LayerNormParams {
  float eps = 1e-5f;
};
// Over h, w and the channels of a group, each sample by itself; weight and bias
// (c). No running statistics. `groups` divides c.
struct GroupNormParams {
  uint32_t groups = 1;
  float eps = 1e-5f;
};

// Nearest neighbour: every pixel becomes factor x factor ones.
struct UpsampleParams {
  uint32_t factor = 2;
};
struct FlattenParams {};

// Inverted dropout (scale 1/(1-rate) while training) unless classic = 1: then
// nothing is scaled while training and everything by (1-rate) in inference.
struct DropoutParams {
  float rate = 0.5f;  // [0, 1)
  uint32_t classic = 0;
};

// Softmax and cross-entropy on logits (classes); output: the probabilities.
// Targets are class indices. label_smoothing as PyTorch: in [0, 1).
struct SoftmaxCrossEntropyParams {
  float label_smoothing = 0.0f;
};

// Sigmoid and cross-entropy on logits, each output by itself: several labels a
// sample, or one output for two classes; output: the probabilities.
struct BinaryCrossEntropyParams {
  float label_smoothing = 0.0f;
};

// Cross-entropy, times (1 - p)^gamma of the target's probability p (Lin et al.
// 2017): samples that are easy count less. After softmax.
struct FocalParams {
  float gamma = 2.0f;  // 0: cross-entropy
  float label_smoothing = 0.0f;
};
// The same after sigmoid, each output by itself.
struct BinaryFocalParams {
  float gamma = 2.0f;
  float label_smoothing = 0.0f;
};

// Mean over all elements of d^2 / 2 where |d| <= delta, delta (|d| - delta / 2)
// beyond, d = prediction - target (PyTorch's HuberLoss). Targets as of the mean
// squared error.
struct HuberParams {
  float delta = 1.0f;
};

// Mean over all elements of (prediction - target)^2. A second input is the
// target (autoencoders: the normalised sample); with one input the targets come
// with the batch. Output: the prediction.
struct MeanSquaredErrorParams {};

// The one list of layers: enumerator suffix and params struct, file name.
#define TEMPER_LAYERS(LAYER)                        \
  LAYER(Input, input)                               \
  LAYER(Normalize, normalize)                       \
  LAYER(Dense, dense)                               \
  LAYER(Conv2d, conv2d)                             \
  LAYER(DepthwiseConv2d, depthwise_conv2d)          \
  LAYER(BatchNorm, batch_norm)                      \
  LAYER(Relu, relu)                                 \
  LAYER(Relu6, relu6)                               \
  LAYER(LeakyRelu, leaky_relu)                      \
  LAYER(Prelu, prelu)                               \
  LAYER(Elu, elu)                                   \
  LAYER(Sigmoid, sigmoid)                           \
  LAYER(Tanh, tanh)                                 \
  LAYER(HardSigmoid, hard_sigmoid)                  \
  LAYER(HardSwish, hard_swish)                      \
  LAYER(Silu, silu)                                 \
  LAYER(Gelu, gelu)                                 \
  LAYER(Softplus, softplus)                         \
  LAYER(MaxPool, max_pool)                          \
  LAYER(AvgPool, avg_pool)                          \
  LAYER(GlobalAvgPool, global_avg_pool)             \
  LAYER(Add, add)                                   \
  LAYER(Flatten, flatten)                           \
  LAYER(Dropout, dropout)                           \
  LAYER(Concat, concat)                             \
  LAYER(Multiply, multiply)                         \
  LAYER(LayerNorm, layer_norm)                      \
  LAYER(GroupNorm, group_norm)                      \
  LAYER(Upsample, upsample)                         \
  LAYER(SoftmaxCrossEntropy, softmax_cross_entropy) \
  LAYER(MeanSquaredError, mean_squared_error)       \
  LAYER(BinaryCrossEntropy, binary_cross_entropy)   \
  LAYER(Focal, focal)                               \
  LAYER(BinaryFocal, binary_focal)                  \
  LAYER(Huber, huber)

enum class LayerKind : uint32_t {
#define TEMPER_LAYER_ENUM(Name, file) k##Name,
  TEMPER_LAYERS(TEMPER_LAYER_ENUM)
#undef TEMPER_LAYER_ENUM
      kCount
};

template <class Params>
struct LayerKindOf;
template <class Params>
inline constexpr bool kIsLayerParams = false;
#define TEMPER_LAYER_KIND(Name, file)                      \
  template <>                                              \
  struct LayerKindOf<Name##Params> {                       \
    static constexpr LayerKind value = LayerKind::k##Name; \
  };                                                       \
  template <>                                              \
  inline constexpr bool kIsLayerParams<Name##Params> = true;
TEMPER_LAYERS(TEMPER_LAYER_KIND)
#undef TEMPER_LAYER_KIND

}  // namespace temper

#endif  // TEMPER_LAYERS_H_
