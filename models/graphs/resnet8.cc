// ResNet-8, the image classifier of MLPerf Tiny: a 3x3 stem and three residual
// blocks of 16, 32 and 64 channels, the last two with stride 2. Where the shape
// changes, the skip connection is a 1x1 convolution with bias and without
// batch norm, in both variants.
#include "models/graphs/builder.h"

namespace temper::models {
namespace {

Tensor Block(Builder& b, const std::string& prefix, Tensor input,
             uint32_t channels, uint32_t stride) {
  const Tensor x = b.ResidualBranch(prefix, input, channels, stride);
  Tensor skip = input;
  if (input.c != channels || stride != 1)
    skip = b.Conv(prefix + "skip", input, channels, 1, stride,
                  Builder::Bias::kAlways);
  return b.Relu(prefix + "relu2", b.Add(prefix + "add", x, skip));
}

void Build(const VariantParams& p, Builder& b) {
  b.set_variant(p.variant);
  Tensor x = b.Input();
  x = b.Conv("conv1", x, 16, 3, 1);
  x = b.Norm("bn1", x);
  x = b.Relu("relu1", x);
  x = Block(b, "block1.", x, 16, 1);
  x = Block(b, "block2.", x, 32, 2);
  x = Block(b, "block3.", x, 64, 2);
  b.Head(b.GlobalAvgPool("pool", x));
}

}  // namespace

const ModelInfo kResNet8 = {
    .name = "resnet8",
    .help = "ResNet-8 of MLPerf Tiny, image classification",
    .input = {32, 32, 3},
    .min_h = 3,
    .min_w = 3,
    .classes = 10,
    .fields = ListOf(kVariantFields),
    .defaults = DefaultsOf<VariantParams>,
    .build = BuildWith<VariantParams, Build>,
};

}  // namespace temper::models
