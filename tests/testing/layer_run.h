// One layer, its data and one run of it, the way the trainer does it: shape,
// needs, forward, backward, by its LayerOp. Every buffer is of its own, filled
// with NaN where the layer must write, and guarded; scratch and saved have
// exactly the bytes that Needs asked for; what a layer did not ask to keep is
// NaN in backward. Inputs, weights and dy must be as they were. Inputs may be
// derived, an activation absorbed and the output derived (LayerCase::mode).
// Next: layer_test.h, which compares runs with a twin.
#ifndef TEMPER_TESTS_TESTING_LAYER_RUN_H_
#define TEMPER_TESTS_TESTING_LAYER_RUN_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/layer.h"
#include "tests/testing/kernel_test.h"

namespace temper::testing {

struct LayerCase {
  Node node;
  std::vector<Shape> in;
  Shape out;
  uint32_t rows = 1, batch = 1;  // of this step, planned
  NodeMode mode;
  bool training = true;
  // Of derived inputs (mode.derived_input).
  simd::Activation formed_by[kMaxInputs] = {};
};

inline Needs NeedsOf(const LayerCase& c, const NodeMode& mode,
                     uint32_t threads) {
  Needs needs;
  OpOf(c.node.kind)
      .needs({c.node, c.in.data(), c.out, c.batch, threads, mode}, &needs);
  return needs;
}

// A node of a graph in which everything trains and every input wants its
// gradient. batch 0: as many as rows.
template <class Params>
LayerCase MakeCase(const Params& params, std::vector<Shape> in, uint32_t rows,
                   uint32_t batch = 0) {
  LayerCase c;
  c.node.kind = LayerKindOf<Params>::value;
  c.node.input_count = static_cast<uint32_t>(in.size());
  if (!std::is_empty_v<Params>) {
    std::memcpy(c.node.params, &params, sizeof(params));
  }
  c.in = std::move(in);
  c.rows = rows;
  c.batch = batch == 0 ? rows : batch;
  const LayerOp& op = OpOf(c.node.kind);
  const Status status = op.shape(c.node, c.in.data(), &c.out);
  EXPECT_TRUE(status.ok()) << status.message;
  EXPECT_GT(c.out.Count(), 0u);
  const Needs needs = NeedsOf(c, c.mode, 1);
  for (uint32_t w = 0; w < needs.weight_count; ++w) {
    c.mode.train_weights |= IsTrained(needs.weights[w].role);
  }
  c.mode.live_statistics = c.node.kind == LayerKind::kBatchNorm;
  c.mode.backward = op.backward != nullptr;
  for (uint32_t k = 0; k < c.node.input_count; ++k) {
    c.mode.need_dx[k] = c.mode.backward && (k == 0 || !IsLoss(c.node.kind));
  }
  return c;
}

inline std::string NameOf(const LayerCase& c) {
  std::string name = LayerName(c.node.kind);
  const auto add = [&](const Shape& s) {
    name += " (" + std::to_string(s.h) + ", " + std::to_string(s.w) + ", " +
            std::to_string(s.c) + ")";
  };
  for (const Shape& s : c.in) add(s);
  name += " ->";
  add(c.out);
  name += " rows " + std::to_string(c.rows) + "/" + std::to_string(c.batch);
  for (uint32_t k = 0; k < c.node.input_count; ++k) {
    if (!c.mode.derived_input[k]) continue;
    name += " input " + std::to_string(k) + " derived, activation " +
            std::to_string(static_cast<uint32_t>(c.formed_by[k]));
  }
  if (c.mode.activation != 0) {
    name += " absorbed activation " + std::to_string(c.mode.activation);
  }
  if (c.mode.derived) name += " derived";
  const FieldList list = LayerFields(c.node.kind);
  for (uint32_t i = 0; i < list.count; ++i) {
    uint32_t u;
    float f;
    std::memcpy(&u, c.node.params + list.fields[i].offset, sizeof(u));
    std::memcpy(&f, &u, sizeof(f));
    name += std::string(" ") + list.fields[i].name + "=" +
            (list.fields[i].type == Field::Type::kU32 ? std::to_string(u)
                                                      : std::to_string(f));
  }
  return name;
}

// Index of the node in its graph: keys dropout's stream.
inline constexpr uint32_t kTestNode = 5;

// What goes in. u8 samples are kept as floats and handed over as bytes.
struct LayerData {
  std::vector<Buffer> x, weights, dx, dw;  // dx, dw: values to be added to
  std::vector<Buffer> scale, shift;        // of every input; used where derived
  Buffer dy{0}, targets{0};
  Buffer class_weights{0};  // empty: none
  std::vector<int32_t> labels;
  std::vector<uint64_t> ids;
};

inline StepContext StepOf(const LayerCase& c, const LayerData& d) {
  StepContext step = {d.x[0], d.labels.data(), d.targets,   d.ids.data(),
                      c.rows, /*seed=*/11,     /*epoch=*/2, c.training};
  if (c.training && d.class_weights.size() > 0) {
    step.class_weights = d.class_weights;
  }
  return step;
}

// What came out. A derived y is formed here, as its readers would.
struct LayerRun {
  Buffer y{0}, saved{0};
  std::vector<Buffer> dx, dw, weights;
};
struct RunOptions {
  NodeMode mode;
  bool training = true;
  bool accumulate = false;
  bool over_x = false;  // y in the buffer of x[0]
  int over_dy = -1;     // dx[i] in the buffer of dy
};

inline Buffer BytesBuffer(uint64_t bytes) {
  EXPECT_EQ(bytes % sizeof(float), 0u);
  return Buffer(bytes / sizeof(float));
}

inline LayerRun RunLayer(const LayerCase& c, const LayerData& d,
                         const RunOptions& o, const ParallelRunner& parallel) {
  const LayerOp& op = OpOf(c.node.kind);
  const Needs needs = NeedsOf(c, o.mode, parallel.threads);
  LayerRun run;
  run.y = Buffer(c.rows * c.out.Count());
  run.saved = BytesBuffer(needs.saved_bytes);
  run.weights = d.weights;
  StepContext step = StepOf(c, d);
  step.training = o.training;
  if (!o.training) step.class_weights = nullptr;

  std::vector<Buffer> x = d.x;
  const float* px[kMaxInputs] = {};
  for (size_t k = 0; k < x.size(); ++k) px[k] = x[k];
  // The caller's own memory has no readable tail: exactly as long as it is.
  std::vector<uint8_t> bytes;
  std::unique_ptr<float[]> samples;
  if (c.in[0].type == ElementType::kU8) {
    bytes.assign(x[0].data(), x[0].data() + x[0].size());
    px[0] = reinterpret_cast<const float*>(bytes.data());
  } else if (c.node.kind == LayerKind::kNormalize) {
    samples.reset(new float[x[0].size()]);
    std::memcpy(samples.get(), x[0].data(), x[0].size() * sizeof(float));
    px[0] = samples.get();
  }
  if (o.over_x) {
    run.y = x[0];
    px[0] = run.y;
  }
  float* weights[kMaxWeights] = {};
  for (size_t w = 0; w < run.weights.size(); ++w) weights[w] = run.weights[w];
  float* dx[kMaxInputs] = {};
  float* dw[kMaxWeights] = {};
  bool accumulate[kMaxInputs] = {};
  simd::Prologue prologue[kMaxInputs];
  for (size_t k = 0; k < x.size(); ++k) {
    if (!o.mode.derived_input[k]) continue;
    prologue[k] = {d.scale[k], d.shift[k], c.formed_by[k]};
  }
  void* const saved = needs.saved_bytes == 0 ? nullptr : run.saved.data();
  const auto call = [&](StepKind kind, float* y, Buffer* scratch,
                        const float* dy) {
    return Call{c.node,
                kTestNode,
                o.mode,
                c.in.data(),
                c.out,
                kind,
                c.rows,
                0,
                c.rows,
                step,
                parallel,
                px,
                prologue,
                y,
                weights,
                saved,
                scratch->size() == 0 ? nullptr : scratch->data(),
                dy,
                dx,
                accumulate,
                dw};
  };
  Buffer scratch = BytesBuffer(needs.forward_scratch);
  op.forward(call(StepKind::kForward, run.y, &scratch, nullptr));
  EXPECT_TRUE(scratch.GuardsIntact()) << "forward scratch";
  EXPECT_TRUE(run.y.GuardsIntact()) << "y";
  EXPECT_TRUE(run.saved.GuardsIntact()) << "saved, in forward";
  for (size_t w = 0; w < run.weights.size(); ++w) {
    EXPECT_TRUE(run.weights[w].SameBits(d.weights[w])) << "forward wrote " << w;
  }
  if (o.mode.derived) {
    EXPECT_TRUE(run.y.SameBits(Buffer(run.y.size()))) << "y was written";
    simd::ApplyPrologue(run.y.size() / c.out.c, c.out.c, px[0],
                        DerivedCoefficients(saved, c.out.c, o.mode), run.y);
  }
  if (!o.training || !o.mode.backward) return run;

  // What is not kept may hold anything by now.
  std::vector<Buffer> poison;
  for (size_t k = 0; k < x.size(); ++k) {
    EXPECT_TRUE(x[k].SameBits(d.x[k]) && x[k].GuardsIntact()) << "x" << k;
    poison.emplace_back(x[k].size());
    if (!needs.keep_input[k]) px[k] = poison.back();
  }
  Buffer dead_y(run.y.size());
  Buffer dy = d.dy;
  const bool loss = IsLoss(c.node.kind);
  for (size_t k = 0; k < x.size(); ++k) {
    run.dx.push_back(o.accumulate ? d.dx[k] : Buffer(x[k].size()));
    accumulate[k] = o.accumulate;
    if (!o.mode.need_dx[k]) continue;
    dx[k] = static_cast<int>(k) == o.over_dy ? dy : run.dx[k];
  }
  run.dw = d.dw;
  for (uint32_t w = 0; w < needs.weight_count; ++w) {
    const bool trained = IsTrained(needs.weights[w].role);
    dw[w] = trained && o.mode.train_weights ? run.dw[w].data() : nullptr;
  }
  scratch = BytesBuffer(needs.backward_scratch);
  op.backward(call(StepKind::kBackward, needs.keep_output ? run.y : dead_y,
                   &scratch, loss ? nullptr : dy.data()));
  EXPECT_TRUE(scratch.GuardsIntact()) << "backward scratch";
  EXPECT_TRUE(run.saved.GuardsIntact()) << "saved, in backward";
  EXPECT_TRUE(dy.GuardsIntact()) << "dy";
  for (uint32_t w = 0; w < needs.weight_count; ++w) {
    EXPECT_TRUE(run.dw[w].GuardsIntact()) << "dw" << w;
    EXPECT_TRUE(run.weights[w].GuardsIntact()) << "weight " << w;
    if (dw[w] == nullptr) {
      EXPECT_TRUE(run.dw[w].SameBits(d.dw[w])) << w;
    }
  }
  for (size_t k = 0; k < x.size(); ++k) {
    EXPECT_TRUE(run.dx[k].GuardsIntact()) << "dx" << k;
    EXPECT_TRUE(x[k].SameBits(d.x[k])) << "backward wrote x" << k;
    if (static_cast<int>(k) == o.over_dy) run.dx[k] = dy;
  }
  if (o.over_dy < 0) {
    EXPECT_TRUE(dy.SameBits(d.dy)) << "backward wrote dy";
  }
  return run;
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_LAYER_RUN_H_
