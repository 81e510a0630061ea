// DS-CNN, the keyword spotter of MLPerf Tiny (after Zhang et al., "Hello Edge",
// 2017): a 10x4 convolution with stride 2 over time x coefficients and four
// depthwise separable blocks of 64 channels.
#include "models/graphs/builder.h"

namespace temper::models {
namespace {

void Build(const VariantParams& p, Builder& b) {
  b.set_variant(p.variant);
  Tensor x = b.Input();
  const uint32_t input_h = x.h, input_w = x.w;
  Conv2dParams conv1;
  conv1.out_channels = 64;
  conv1.kernel_h = 10;
  conv1.kernel_w = 4;
  conv1.stride_h = conv1.stride_w = 2;
  conv1.bias = b.BiasBeforeNorm();
  if (b.mlperf()) {
    b.Pad(x.h, 10, 2, &conv1.pad_top, &conv1.pad_bottom);
    b.Pad(x.w, 4, 2, &conv1.pad_left, &conv1.pad_right);
  } else {  // 49x10 becomes 24x5
    conv1.pad_top = conv1.pad_bottom = 4;
    conv1.pad_left = conv1.pad_right = 1;
  }
  x = b.Conv("conv1", x, conv1);
  x = b.Norm("bn1", x);
  x = b.Relu("relu1", x);
  if (b.mlperf()) x = b.Dropout("dropout1", x, 0.2);
  for (const char* prefix : {"block1.", "block2.", "block3.", "block4."}) {
    x = b.SeparableBlock(prefix, x, 64, 1);
  }
  if (b.mlperf()) {
    x = b.Dropout("dropout2", x, 0.4);
    // Half the input's size: for 49x10 a window of 24x5 over 25x5, so that the
    // last row is left out, as in the Keras model.
    x = b.AvgPool("pool", x, input_h / 2, input_w / 2);
  } else {
    x = b.GlobalAvgPool("pool", x);
  }
  b.Head(x);
}

}  // namespace

const ModelInfo kDsCnn = {
    .name = "ds_cnn",
    .help = "DS-CNN of MLPerf Tiny, keyword spotting",
    .input = {49, 10, 1},
    .min_h = 2,
    .min_w = 2,
    .classes = 12,
    .fields = ListOf(kVariantFields),
    .defaults = DefaultsOf<VariantParams>,
    .build = BuildWith<VariantParams, Build>,
};

}  // namespace temper::models
