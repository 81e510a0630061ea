// The anomaly detector of MLPerf Tiny: a dense autoencoder
// n-128-128-128-128-8-128-128-128-128-n, batch norm and ReLU after every layer
// but the last. It learns to reproduce the normalised sample; the mean squared
// error of a sample is its anomaly score. There is no classifier.
#include "models/graphs/builder.h"

namespace temper::models {
namespace {

constexpr uint32_t kUnits[] = {128, 128, 128, 128, 8, 128, 128, 128, 128};

void Build(const VariantParams& p, Builder& b) {
  b.set_variant(p.variant);
  const Tensor input = b.Input();
  Tensor x = input;  // dense layers read it flattened
  uint32_t layer = 0;
  for (const uint32_t units : kUnits) {
    const std::string number = std::to_string(++layer);
    x = b.Dense("fc" + number, x, units);
    x = b.Norm("bn" + number, x, Builder::Follows::kDense);
    x = b.Relu("relu" + number, x);
  }
  b.MeanSquaredError(b.Dense("fc10", x, static_cast<uint32_t>(input.Count())),
                     input);
}

}  // namespace

const ModelInfo kFcAutoencoder = {
    .name = "fc_autoencoder",
    .help = "dense autoencoder of MLPerf Tiny, anomaly detection",
    .input = {1, 1, 640},
    .fields = ListOf(kVariantFields),
    .defaults = DefaultsOf<VariantParams>,
    .build = BuildWith<VariantParams, Build>,
};

}  // namespace temper::models
