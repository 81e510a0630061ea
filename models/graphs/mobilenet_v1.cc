// MobileNet v1 (Howard et al., 2017), at width 0.25 and 96x96x3 the person
// detector of MLPerf Tiny: a 3x3 convolution with stride 2 and 13 depthwise
// separable blocks. A width of w gives floor(w * channels) channels.
#include <algorithm>

#include "models/graphs/builder.h"

namespace temper::models {
namespace {

struct MobileNetV1Params {
  double width = 0.25;
  Variant variant = Variant::kPytorch;
};
constexpr Field kFields[] = {
    TEMPER_FIELD(MobileNetV1Params, width, kF64, 0.03125, 4,
                 "factor for the number of channels"),
    TEMPER_VARIANT_FIELD(MobileNetV1Params),
};

struct Block {
  uint32_t channels, stride;
};
constexpr Block kBlocks[] = {
    {64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2},  {512, 1},
    {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1},
};

void Build(const MobileNetV1Params& p, Builder& b) {
  b.set_variant(p.variant);
  const auto scaled = [&](uint32_t channels) {
    return static_cast<uint32_t>(channels * p.width);
  };
  Tensor x = b.Input();
  x = b.Conv("conv1", x, scaled(32), 3, 2);
  x = b.Norm("bn1", x);
  x = b.Relu("relu1", x);
  uint32_t number = 0;
  for (const Block& block : kBlocks) {
    const std::string prefix = "block" + std::to_string(++number) + ".";
    x = b.SeparableBlock(prefix, x, scaled(block.channels), block.stride);
  }
  b.Head(b.GlobalAvgPool("pool", x));
}

}  // namespace

// From 17 pixels on, the last layer with a stride reads more than one pixel.
const ModelInfo kMobileNetV1 = {
    .name = "mobilenet_v1",
    .help = "MobileNet v1; at width 0.25 MLPerf Tiny's person detector",
    .input = {96, 96, 3},
    .min_h = 17,
    .min_w = 17,
    .classes = 2,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<MobileNetV1Params>,
    .build = BuildWith<MobileNetV1Params, Build>,
};

}  // namespace temper::models
