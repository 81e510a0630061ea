// Multilayer perceptron: the flattened sample, hidden dense layers with ReLU,
// one dense layer as the head. With the default and 28x28 images: 784-128-10.
#include "models/graphs/builder.h"

namespace temper::models {
namespace {

constexpr ModelOption kOptions[] = {
    {"hidden", "128", ModelOption::Kind::kSizes, 1, 65536, nullptr,
     "units of each hidden layer, as in 256,128"},
    {"dropout", "0", ModelOption::Kind::kNumber, 0, 0.95, nullptr,
     "dropout rate after each hidden layer"},
};

void Build(const Options& options, Builder& b) {
  const double dropout = options.Number("dropout");
  Tensor x = b.Input();
  uint32_t layer = 0;
  for (const uint32_t units : options.Sizes("hidden")) {
    const std::string number = std::to_string(++layer);
    x = b.Dense("fc" + number, x, units);
    x = b.Relu("relu" + number, x);
    if (dropout > 0) x = b.Dropout("dropout" + number, x, dropout);
  }
  b.Head(x);
}

}  // namespace

const ModelInfo kMlp = {
    "mlp", "multilayer perceptron", {28, 28, 1}, 1, 1, 10, kOptions, Build};

}  // namespace temper::models
