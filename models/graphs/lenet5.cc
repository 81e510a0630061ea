// LeNet-5 (LeCun et al., "Gradient-based learning applied to document
// recognition", 1998) in its usual modern form: ReLU instead of tanh, full
// connections in the second convolution, plain pooling, softmax at the end; norms
// (norm=batch) after convolutions and hidden dense layers.
// For 28x28x1: 6@28x28, 6@14x14, 16@10x10, 16@5x5, 120, 84, classes.
#include "models/graphs/builder.h"

namespace temper::models {
namespace {

enum class Pool : uint32_t { kMax, kAvg };
struct LeNet5Params {
  Pool pool = Pool::kMax;
};
constexpr Field kFields[] = {
    TEMPER_FIELD_CHOICE(LeNet5Params, pool, "max|avg",
                        "2x2 pooling: the maximum, or the mean as in 1998"),
};

void Build(const LeNet5Params& p, Builder& b) {
  const auto pool = [&](const char* name, Tensor x) {
    return p.pool == Pool::kMax ? b.MaxPool(name, x, 2, 2)
                                : b.AvgPool(name, x, 2, 2);
  };
  b.set_no_norms();
  Tensor x = b.Input();
  x = b.Conv("conv1", x, 6, 5, 1);  // padding 2
  x = b.Relu("relu1", b.Norm("bn1", x));
  x = pool("pool1", x);
  Conv2dParams conv2;  // without padding
  conv2.out_channels = 16;
  conv2.kernel_h = conv2.kernel_w = 5;
  conv2.bias = b.BiasBeforeNorm();
  x = b.Conv("conv2", x, conv2);
  x = b.Relu("relu2", b.Norm("bn2", x));
  x = pool("pool2", x);
  constexpr auto kDense = Builder::Follows::kDense;
  x = b.Relu("relu3", b.Norm("bn3", b.Dense("fc1", x, 120), kDense));
  x = b.Relu("relu4", b.Norm("bn4", b.Dense("fc2", x, 84), kDense));
  b.Head(x);
}

}  // namespace

const ModelInfo kLeNet5 = {
    .name = "lenet5",
    .help = "LeNet-5 with ReLU",
    .input = {28, 28, 1},
    .min_h = 12,
    .min_w = 12,
    .classes = 10,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<LeNet5Params>,
    .build = BuildWith<LeNet5Params, Build>,
};

}  // namespace temper::models
