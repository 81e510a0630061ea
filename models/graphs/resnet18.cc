// ResNet-18 (He et al., 2016): a 7x7 stem and a max pool, both with stride 2,
// and eight basic blocks, two each of 64, 128, 256 and 512 channels, every
// pair but the first beginning with stride 2. Where the shape changes, the skip
// connection is a 1x1 convolution without bias and a batch norm.
#include "models/graphs/builder.h"

namespace temper::models {
namespace {

Tensor Block(Builder& b, const std::string& prefix, Tensor input,
             uint32_t channels, uint32_t stride) {
  const Tensor x = b.ResidualBranch(prefix, input, channels, stride);
  Tensor skip = input;
  if (input.c != channels || stride != 1) {
    skip = b.Conv(prefix + "skip", input, channels, 1, stride);
    skip = b.Norm(prefix + "skip_bn", skip);
  }
  return b.Relu(prefix + "relu2", b.Add(prefix + "add", x, skip));
}

void Build(const void*, Builder& b) {
  Tensor x = b.Input();
  x = b.Conv("conv1", x, 64, 7, 2);
  x = b.Norm("bn1", x);
  x = b.Relu("relu1", x);
  MaxPoolParams pool;
  pool.kernel_h = pool.kernel_w = 3;
  pool.pad_top = pool.pad_bottom = pool.pad_left = pool.pad_right = 1;
  x = b.MaxPool("pool1", x, pool);  // stride 2
  x = Block(b, "block1.", x, 64, 1);
  x = Block(b, "block2.", x, 64, 1);
  x = Block(b, "block3.", x, 128, 2);
  x = Block(b, "block4.", x, 128, 1);
  x = Block(b, "block5.", x, 256, 2);
  x = Block(b, "block6.", x, 256, 1);
  x = Block(b, "block7.", x, 512, 2);
  x = Block(b, "block8.", x, 512, 1);
  b.Head(b.GlobalAvgPool("pool", x));
}

}  // namespace

// From 17 pixels on, the last stride still has two pixels to choose from.
const ModelInfo kResNet18 = {
    .name = "resnet18",
    .help = "ResNet-18, image classification",
    .input = {96, 96, 3},
    .min_h = 17,
    .min_w = 17,
    .classes = 10,
    .build = Build,
};

}  // namespace temper::models
