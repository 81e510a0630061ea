// Reads tests/golden/<name>.json and makes what the file does not store: the
// first state, the samples and the labels, all from Philox. The definitions are
// at the top of pytorch_reference.py, the reasons in
// docs/design/002-pytorch-agreement.md.
//
// How far a tensor is from the reference is estimated from n projections on
// random signs: (p_j - reference_j)^2 has the expectation |x - reference|^2, so
// the root of their mean estimates the distance within about 1 / sqrt(2 n).
#ifndef TEMPER_TESTS_GOLDEN_GOLDEN_H_
#define TEMPER_TESTS_GOLDEN_GOLDEN_H_

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "temper/temper.h"

namespace temper::testing {

// |x - reference| <= max(kRatio * PyTorch's own float32 distance, kFloor *
// scale)
inline constexpr double kRatio = 3.0;
inline constexpr double kFloor = 1e-5;
inline constexpr double kLossFloor = 1e-6;  // relative; float32 resolves 6e-8

// What is known of a tensor, or of a tensor's gradient.
struct GoldenValue {
  bool present = false;
  double norm = 0;        // of the reference
  double scale = 0;       // what errors are relative to
  double fp32_error = 0;  // |PyTorch's float32 - reference| / scale
  std::vector<double> projections;
};

struct GoldenTensor {
  uint32_t node = 0, slot = 0;
  std::string node_name, name;
  uint64_t count = 0;
  std::vector<std::pair<uint32_t, int32_t>>
      nudges;            // channel, multiple of 2^-10
  GoldenValue gradient;  // absent for running statistics
  GoldenValue after;     // the tensor after one step
};

struct Golden {
  std::string model;
  uint32_t state = 0, rows = 0, classes = 0, nodes = 0;
  uint64_t seed = 0, parameters = 0;
  Shape input;
  float learning_rate = 0, momentum = 0, weight_decay = 0;
  double loss = 0, fp32_loss_gap = 0;
  std::vector<double> losses, fp32_loss_gaps;  // of a run; may be empty
  std::vector<GoldenTensor> tensors;
};

// TEMPER_GOLDEN_DIR comes from tests/CMakeLists.txt. A file that is missing or
// broken ends the test program: JSON access is not checked without exceptions.
inline Golden LoadGolden(const std::string& name) {
  std::ifstream file(std::string(TEMPER_GOLDEN_DIR "/") + name + ".json");
  const auto j = nlohmann::json::parse(file, nullptr, false);
  if (j.is_discarded()) {
    std::fprintf(stderr, "cannot read golden file %s\n", name.c_str());
    std::abort();
  }
  Golden g;
  g.model = j.at("model");
  g.state = j.at("state");
  g.rows = j.at("rows");
  g.classes = j.at("classes");
  g.nodes = j.at("nodes");
  g.seed = j.at("seed");
  g.parameters = j.at("parameters");
  g.input = {j.at("input")[0], j.at("input")[1], j.at("input")[2]};
  g.learning_rate = j.at("learning_rate");
  g.momentum = j.at("momentum");
  g.weight_decay = j.at("weight_decay");
  g.loss = j.at("loss");
  g.fp32_loss_gap = j.at("fp32_loss_gap");
  if (j.contains("losses")) {
    g.losses = j.at("losses").get<std::vector<double>>();
    g.fp32_loss_gaps = j.at("fp32_loss_gaps").get<std::vector<double>>();
  }
  for (const auto& t : j.at("tensors")) {
    GoldenTensor& tensor = g.tensors.emplace_back();
    tensor.node = t.at("node");
    tensor.slot = t.at("slot");
    tensor.node_name = t.at("name");
    tensor.name = t.at("tensor");
    tensor.count = t.at("count");
    if (t.contains("nudges")) tensor.nudges = t.at("nudges");
    for (const char* key : {"gradient", "after"}) {
      if (!t.contains(key)) continue;
      const auto& v = t.at(key);
      (key[0] == 'g' ? tensor.gradient : tensor.after) = {
          true, v.at("norm"), v.at("scale"), v.at("fp32_error"),
          v.at("projections").get<std::vector<double>>()};
    }
  }
  return g;
}

inline constexpr uint32_t kSamples = 0, kLabels = 1, kSigns = 2, kShift = 16,
                          kMomentum = 8192;  // streams of RandomUse::kTest

struct GoldenBatch {
  std::vector<float> input;
  std::vector<int32_t> labels;

  Batch View(uint32_t rows) const {
    Batch batch;
    batch.input = input.data();
    batch.labels = labels.empty() ? nullptr : labels.data();
    batch.rows = rows;
    return batch;
  }
};

inline GoldenBatch MakeBatch(const Golden& g, uint32_t number) {
  GoldenBatch batch;
  const uint32_t count = static_cast<uint32_t>(g.input.Count());
  batch.input.reserve(size_t{count} * g.rows);
  for (uint32_t s = 0; s < g.rows; ++s) {
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t word = RandomWord(
          g.seed, i, s, number, RandomStream(RandomUse::kTest, kSamples));
      batch.input.push_back(static_cast<float>(static_cast<int32_t>(word)) *
                            0x1p-31f);
    }
    if (g.classes == 0) continue;
    const uint32_t word = RandomWord(g.seed, 0, s, number,
                                     RandomStream(RandomUse::kTest, kLabels));
    batch.labels.push_back(static_cast<int32_t>(word % g.classes));
  }
  return batch;
}

// Initialize and the shifts of g.state. with_nudges: as the single step starts;
// without: as the run of losses does. Momentum buffers are left at zero unless
// with_momentum.
inline void MakeState(const Golden& g, bool with_nudges, bool with_momentum,
                      Trainer* trainer) {
  InitializeOptions options;
  options.kernel = InitializerKind::kHeNormal;
  options.zero_residual = ZeroResidual::kNo;
  trainer->Initialize(g.seed, options);
  const double a = 0.1 * g.state / 20;
  const auto normal = [&](uint32_t base, const TensorView& view, double size) {
    std::vector<float> z(view.count);
    InitializeNormal(g.seed, RandomStream(RandomUse::kTest, base + view.node),
                     view.slot, size, 0, view.count, z.data());
    return z;
  };
  const std::vector<TensorView>& tensors = trainer->Tensors();
  const LayerKind batch_norm = LayerKind::kBatchNorm;
  for (const GoldenTensor& tensor : g.tensors) {
    for (const TensorView& view : tensors) {
      if (view.node != tensor.node || view.slot != tensor.slot) continue;
      const WeightSpec& spec = *view.spec;
      double size = a / 10;
      if (trainer->plan().graph.nodes[view.node].kind == batch_norm) {
        size = a;
      } else if (spec.role == WeightRole::kKernel) {
        // The head is the last layer with weights.
        const bool head = view.node == g.tensors.back().node;
        size = a *
               (head ? double{options.head_std} : std::sqrt(2.0 / spec.fan_in));
      }
      const std::vector<float> shift = normal(kShift, view, size);
      for (uint64_t i = 0; i < view.count; ++i) {
        const bool variance = spec.rule == ValueRule::kNotNegative;
        view.data[i] += variance ? std::fabs(shift[i]) : shift[i];
      }
      if (!with_nudges) continue;
      for (const auto& [channel, multiple] : tensor.nudges) {
        view.data[channel] += static_cast<float>(multiple) * 0x1p-10f;
      }
    }
  }
  if (!with_momentum) return;
  for (const StateView& state : trainer->States()) {
    const TensorView& view = tensors[state.tensor];
    const std::vector<float> z = normal(kMomentum, view, a / 10);
    for (uint64_t i = 0; i < view.count; ++i) state.data[i] = z[i];
  }
}

// The estimate of |x - reference| / scale described at the top.
inline double EstimateError(const Golden& g, const GoldenTensor& tensor,
                            const GoldenValue& reference, const float* x) {
  std::vector<double> p(reference.projections.size(), 0.0);
  for (uint64_t i = 0; i < tensor.count; ++i) {
    const uint32_t word =
        RandomWord(g.seed, static_cast<uint32_t>(i), tensor.node, tensor.slot,
                   RandomStream(RandomUse::kTest, kSigns));
    for (size_t k = 0; k < p.size(); ++k) {
      p[k] += (word >> k) & 1 ? -double{x[i]} : double{x[i]};
    }
  }
  double sum = 0;
  for (size_t k = 0; k < p.size(); ++k) {
    sum +=
        (p[k] - reference.projections[k]) * (p[k] - reference.projections[k]);
  }
  return std::sqrt(sum / static_cast<double>(p.size())) / reference.scale;
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_GOLDEN_GOLDEN_H_
