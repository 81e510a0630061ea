// Multilayer perceptron: the flattened sample, hidden dense layers with ReLU,
// one dense layer as the head. With the default and 28x28 images: 784-128-10.
#include "models/graphs/builder.h"

namespace temper::models {
namespace {

struct MlpParams {
  SizeList hidden = {1, {128}};
  double dropout = 0;
};
constexpr Field kFields[] = {
    TEMPER_FIELD(MlpParams, hidden, kSizes, 1, 65536,
                 "units of each hidden layer, as in 256,128; empty: none"),
    TEMPER_FIELD(MlpParams, dropout, kF64, 0, 0.95,
                 "dropout rate after each hidden layer"),
};

void Build(const MlpParams& p, Builder& b) {
  b.set_no_norms();
  Tensor x = b.Input();
  for (uint32_t layer = 0; layer < p.hidden.count; ++layer) {
    const std::string number = std::to_string(layer + 1);
    x = b.Dense("fc" + number, x, p.hidden.values[layer]);
    x = b.Norm("bn" + number, x, Builder::Follows::kDense);
    x = b.Relu("relu" + number, x);
    if (p.dropout > 0) x = b.Dropout("dropout" + number, x, p.dropout);
  }
  b.Head(x);
}

}  // namespace

const ModelInfo kMlp = {
    .name = "mlp",
    .help = "multilayer perceptron",
    .input = {28, 28, 1},
    .classes = 10,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<MlpParams>,
    .build = BuildWith<MlpParams, Build>,
};

}  // namespace temper::models
