// MobileNet v2 (Sandler et al., 2018): a 3x3 convolution with stride 2, 17
// inverted residuals (expand, depthwise, project; no activation after the
// projection) and a 1x1 convolution to 1280 channels. ReLU6 throughout. A width
// of w gives w * channels rounded to a multiple of 8, as torchvision does; the
// last convolution keeps its 1280 channels below width 1.
#include <algorithm>

#include "models/graphs/builder.h"

namespace temper::models {
namespace {

struct MobileNetV2Params {
  double width = 1;
};
constexpr Field kFields[] = {
    TEMPER_FIELD(MobileNetV2Params, width, kF64, 0.03125, 4,
                 "factor for the number of channels"),
};

struct Stage {
  uint32_t expansion, channels, blocks, stride;
};
constexpr Stage kStages[] = {
    {1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2},  {6, 64, 4, 2},
    {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
};

// The multiple of 8 that is nearest, but never more than 10 % below.
uint32_t Scaled(uint32_t channels, double width) {
  const double wanted = channels * width;
  const uint32_t nearest =
      std::max(8u, static_cast<uint32_t>(wanted + 4) / 8 * 8);
  return nearest < 0.9 * wanted ? nearest + 8 : nearest;
}

Tensor InvertedResidual(Builder& b, const std::string& prefix, Tensor input,
                        uint32_t expansion, uint32_t channels,
                        uint32_t stride) {
  Tensor x = input;
  uint32_t number = 0;  // of the batch norm; there may be no expansion
  const auto name = [&](const char* what) {
    return prefix + what + std::to_string(number);
  };
  if (expansion != 1) {
    ++number;
    x = b.Conv(prefix + "expand", x, expansion * input.c, 1, 1);
    x = b.Norm(name("bn"), x);
    x = b.Relu6(name("relu"), x);
  }
  ++number;
  x = b.Depthwise(prefix + "depthwise", x, 3, stride);
  x = b.Norm(name("bn"), x);
  x = b.Relu6(name("relu"), x);
  ++number;
  x = b.Conv(prefix + "project", x, channels, 1, 1);
  x = b.Norm(name("bn"), x);
  if (stride != 1 || input.c != channels) return x;
  return b.Add(prefix + "add", x, input);
}

void Build(const MobileNetV2Params& p, Builder& b) {
  const double width = p.width;
  Tensor x = b.Input();
  x = b.Conv("conv1", x, Scaled(32, width), 3, 2);
  x = b.Norm("bn1", x);
  x = b.Relu6("relu1", x);
  uint32_t number = 0;
  for (const Stage& stage : kStages) {
    for (uint32_t i = 0; i < stage.blocks; ++i) {
      const std::string prefix = "block" + std::to_string(++number) + ".";
      x = InvertedResidual(b, prefix, x, stage.expansion,
                           Scaled(stage.channels, width),
                           i == 0 ? stage.stride : 1);
    }
  }
  x = b.Conv("conv2", x, Scaled(1280, std::max(1.0, width)), 1, 1);
  x = b.Norm("bn2", x);
  x = b.Relu6("relu2", x);
  b.Head(b.GlobalAvgPool("pool", x));
}

}  // namespace

// From 17 pixels on, the last layer with a stride reads more than one pixel.
const ModelInfo kMobileNetV2 = {
    .name = "mobilenet_v2",
    .help = "MobileNet v2, image classification",
    .input = {96, 96, 3},
    .min_h = 17,
    .min_w = 17,
    .classes = 10,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<MobileNetV2Params>,
    .build = BuildWith<MobileNetV2Params, Build>,
};

}  // namespace temper::models
