// See builder.h. Shapes follow from the parameters here; Graph::Check derives
// them again, by itself, and refuses what does not fit.
#include "models/graphs/builder.h"

#include <algorithm>

#include "temper/registry.h"

namespace temper::models {
namespace {

// "auto|relu|relu6|...".
const std::string& ActivationNames() {
  static const std::string names = [] {
    std::string text = "auto";
    const Catalogue catalogue = ActivationCatalogue();
    for (uint32_t i = 0; i < catalogue.count; ++i) {
      text += '|';
      text += catalogue.entry(i).name;
    }
    return text;
  }();
  return names;
}

uint32_t OutputSize(uint32_t size, uint32_t before, uint32_t after,
                    uint32_t kernel, uint32_t stride) {
  const uint32_t padded = size + before + after;
  return padded < kernel ? 0 : (padded - kernel) / stride + 1;
}

}  // namespace

FieldList ModelCommonFields() {
  static const Field kFields[] = {
      TEMPER_FIELD(ModelCommon, activation, kU32, 0,
                   LastChoice(ActivationNames()),
                   "in place of the model's own, with its defaults", "", "",
                   ActivationNames()),
      TEMPER_FIELD_CHOICE(ModelCommon, norm, "auto|batch|group|layer|none",
                          "normalization layers, in place of the model's own"),
      TEMPER_FIELD_CHOICE(
          ModelCommon, head, "auto|softmax|sigmoid",
          "sigmoid: one output for two classes, or one for each of several "
          "labels; auto: that for several labels, else softmax"),
  };
  return ListOf(kFields);
}

void Builder::Pad(uint32_t size, uint32_t kernel, uint32_t stride,
                  uint32_t* before, uint32_t* after) const {
  if (!mlperf_) {
    *before = *after = kernel / 2;
    return;
  }
  const uint32_t covered = ((size + stride - 1) / stride - 1) * stride + kernel;
  const uint32_t total = covered > size ? covered - size : 0;
  *before = total / 2;
  *after = total - *before;
}

Tensor Builder::Input() {
  InputParams input{input_.h, input_.w, input_.c,
                    static_cast<uint32_t>(input_.type)};
  const uint32_t node = graph_.Add("input", input);
  return {graph_.Add("normalize", NormalizeParams{}, node), input_.h, input_.w,
          input_.c};
}

Tensor Builder::Conv(const std::string& name, Tensor x, uint32_t out_channels,
                     uint32_t kernel, uint32_t stride, Bias bias) {
  Conv2dParams p;
  p.out_channels = out_channels;
  p.kernel_h = p.kernel_w = kernel;
  p.stride_h = p.stride_w = stride;
  p.bias = BiasBeforeNorm() || bias == Bias::kAlways;
  Pad(x.h, kernel, stride, &p.pad_top, &p.pad_bottom);
  Pad(x.w, kernel, stride, &p.pad_left, &p.pad_right);
  return Conv(name, x, p);
}

Tensor Builder::Conv(const std::string& name, Tensor x, Conv2dParams p) {
  return {graph_.Add(name, p, x.node),
          OutputSize(x.h, p.pad_top, p.pad_bottom, p.kernel_h, p.stride_h),
          OutputSize(x.w, p.pad_left, p.pad_right, p.kernel_w, p.stride_w),
          p.out_channels};
}

Tensor Builder::Depthwise(const std::string& name, Tensor x, uint32_t kernel,
                          uint32_t stride) {
  DepthwiseConv2dParams p;
  p.kernel_h = p.kernel_w = kernel;
  p.stride_h = p.stride_w = stride;
  p.bias = BiasBeforeNorm();
  Pad(x.h, kernel, stride, &p.pad_top, &p.pad_bottom);
  Pad(x.w, kernel, stride, &p.pad_left, &p.pad_right);
  return {graph_.Add(name, p, x.node),
          OutputSize(x.h, p.pad_top, p.pad_bottom, kernel, stride),
          OutputSize(x.w, p.pad_left, p.pad_right, kernel, stride), x.c};
}

Tensor Builder::Norm(const std::string& name, Tensor x, Follows follows) {
  std::string own = name;
  const size_t at = own.rfind("bn");
  const auto rename = [&](char letter) {
    if (at != std::string::npos) own[at] = letter;
  };
  const auto done = [&](uint32_t node) { return Tensor{node, x.h, x.w, x.c}; };
  switch (norm_) {
    case NormKind::kNone:
      return x;
    case NormKind::kLayer:
      rename('l');
      return done(graph_.Add(own, LayerNormParams{}, x.node));
    case NormKind::kGroup: {
      rename('g');
      GroupNormParams p;
      p.groups = std::clamp(x.c / 16, 1u, 32u);
      while (x.c % p.groups != 0) --p.groups;
      return done(graph_.Add(own, p, x.node));
    }
    default:
      break;
  }
  BatchNormParams p;
  if (mlperf_) {
    p.eps = 1e-3f;
    p.momentum = 0.01f;
    p.unbiased_variance = follows == Follows::kConvolution;
  }
  return done(graph_.Add(own, p, x.node));
}

Tensor Builder::Activate(LayerKind own, std::string name, Tensor x) {
  LayerKind kind = own;
  if (activation_ != 0) {
    kind = LayerByName(ActivationCatalogue().entry(activation_ - 1).name);
  }
  if (const size_t at = name.rfind("relu");
      kind != own && at != std::string::npos) {
    name.replace(at, 4, LayerName(kind));
  }
  uint8_t params[sizeof(Node::params)];
  DefaultParams(kind, params);
  return {graph_.AddNode(kind, name, params, sizeof(params), &x.node, 1), x.h,
          x.w, x.c};
}

Tensor Builder::Relu(const std::string& name, Tensor x) {
  return Activate(LayerKindOf<ReluParams>::value, name, x);
}

Tensor Builder::Relu6(const std::string& name, Tensor x) {
  return Activate(LayerKindOf<Relu6Params>::value, name, x);
}

Tensor Builder::Dense(const std::string& name, Tensor x,
                      uint32_t out_features) {
  DenseParams p;
  p.out_features = out_features;
  return {graph_.Add(name, p, x.node), 1, 1, out_features};
}

Tensor Builder::Dropout(const std::string& name, Tensor x, double rate) {
  DropoutParams p;
  p.rate = static_cast<float>(rate);
  return {graph_.Add(name, p, x.node), x.h, x.w, x.c};
}

Tensor Builder::Add(const std::string& name, Tensor a, Tensor b) {
  return {graph_.Add(name, AddParams{}, a.node, b.node), a.h, a.w, a.c};
}

Tensor Builder::MaxPool(const std::string& name, Tensor x, uint32_t h,
                        uint32_t w) {
  MaxPoolParams p;
  p.kernel_h = p.stride_h = h;
  p.kernel_w = p.stride_w = w;
  return MaxPool(name, x, p);
}

Tensor Builder::MaxPool(const std::string& name, Tensor x, MaxPoolParams p) {
  return {graph_.Add(name, p, x.node),
          OutputSize(x.h, p.pad_top, p.pad_bottom, p.kernel_h, p.stride_h),
          OutputSize(x.w, p.pad_left, p.pad_right, p.kernel_w, p.stride_w),
          x.c};
}

Tensor Builder::AvgPool(const std::string& name, Tensor x, uint32_t h,
                        uint32_t w) {
  AvgPoolParams p;
  p.kernel_h = p.stride_h = h;
  p.kernel_w = p.stride_w = w;
  return {graph_.Add(name, p, x.node), OutputSize(x.h, 0, 0, h, h),
          OutputSize(x.w, 0, 0, w, w), x.c};
}

Tensor Builder::GlobalAvgPool(const std::string& name, Tensor x) {
  return {graph_.Add(name, GlobalAvgPoolParams{}, x.node), 1, 1, x.c};
}

Tensor Builder::SeparableBlock(const std::string& prefix, Tensor x,
                               uint32_t out_channels, uint32_t stride) {
  x = Depthwise(prefix + "depthwise", x, 3, stride);
  x = Norm(prefix + "bn1", x);
  x = Relu(prefix + "relu1", x);
  x = Conv(prefix + "pointwise", x, out_channels, 1, 1);
  x = Norm(prefix + "bn2", x);
  return Relu(prefix + "relu2", x);
}

Tensor Builder::ResidualBranch(const std::string& prefix, Tensor x,
                               uint32_t out_channels, uint32_t stride) {
  x = Conv(prefix + "conv1", x, out_channels, 3, stride);
  x = Norm(prefix + "bn1", x);
  x = Relu(prefix + "relu1", x);
  x = Conv(prefix + "conv2", x, out_channels, 3, 1);
  return Norm(prefix + "bn2", x);
}

void Builder::Head(Tensor x) {
  const bool sigmoid =
      head_ == HeadKind::kSigmoid || targets_.kind == TargetKind::kMultiHot;
  const bool one = sigmoid && targets_.kind == TargetKind::kClasses;
  x = Dense("fc", x, one ? 1 : targets_.width);
  if (targets_.kind == TargetKind::kValues) {
    graph_.Add("loss", MeanSquaredErrorParams{}, x.node);
  } else if (sigmoid) {
    graph_.Add("loss", BinaryCrossEntropyParams{}, x.node);
  } else {
    graph_.Add("loss", SoftmaxCrossEntropyParams{}, x.node);
  }
}

void Builder::MeanSquaredError(Tensor x, Tensor target) {
  graph_.Add("loss", MeanSquaredErrorParams{}, x.node, target.node);
}

}  // namespace temper::models
