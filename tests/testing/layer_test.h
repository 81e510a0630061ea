// Runs one layer the way the trainer does (shape, needs, forward, backward by
// its LayerOp) and compares it with a scalar twin in double:
//
//   TestLayer(MakeCase(DenseParams{10}, {{1, 1, 7}}, rows, batch), twin, &splits)
//
// on every target of this machine, with 1 and 3 threads. Every buffer is of its
// own, filled with NaN where the layer must write, and guarded; scratch and
// saved have exactly the bytes that Needs asked for; what a layer did not ask
// to keep is NaN in backward. Beside the plain run: accumulating dx, without dx,
// without dw, in place in both directions, evaluation with the training plan
// and with a plan of its own. CheckTwin compares a twin's backward with central
// differences of its forward.
// Next: tests/layers/relu_test.cc (the shortest), conv2d_test.cc.
#ifndef TEMPER_TESTS_TESTING_LAYER_TEST_H_
#define TEMPER_TESTS_TESTING_LAYER_TEST_H_

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/layer.h"
#include "tests/testing/gradient.h"
#include "tests/testing/kernel_test.h"

namespace temper::testing {

using Values = std::vector<double>;

struct LayerCase {
  Node node;
  std::vector<Shape> in;
  Shape out;
  uint32_t rows = 1, batch = 1;  // of this step, planned
  NodeMode mode;
  bool training = true;
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
  Buffer dy{0}, targets{0};
  std::vector<int32_t> labels;
  std::vector<uint64_t> ids;
};

// One step in double. forward fills y (and row_loss), from x and weights;
// backward fills dx, or adds to it, and adds to dw; it may change weights
// (running statistics).
struct Twin {
  LayerCase c;
  StepContext step;
  bool accumulate = false;
  std::vector<Values> x, weights, dx, dw;
  Values y, dy, targets, row_loss;

  template <class Params>
  const Params& As() const {
    return c.node.As<Params>();
  }
};
// How far off each number may be.
struct Bounds {
  Values y, row_loss;
  std::vector<Values> dx, dw, weights;
};
struct LayerTwin {
  void (*forward)(Twin* twin);
  void (*backward)(Twin* twin);
  // Error: for layers that are linear in each of their tensors the classic
  // bound, terms * 2^-23 * sum of magnitudes; else rtol and atol; or bounds.
  bool linear = false;
  double rtol = 0.0, atol = 0.0;
  void (*bounds)(const Twin& twin, Bounds* bounds) = nullptr;
  // Changes the data from uniform in [-1, 1).
  void (*prepare)(const LayerCase& c, LayerData* data) = nullptr;
};

inline LayerData MakeData(const LayerCase& c, const LayerTwin& twin,
                          uint64_t seed = 1) {
  LayerData d;
  for (const Shape& s : c.in) {
    d.x.push_back(Buffer(c.rows * s.Count()).Randomize(++seed));
    d.dx.push_back(Buffer(c.rows * s.Count()).Randomize(++seed));
  }
  const Needs needs = NeedsOf(c, c.mode, 1);
  for (uint32_t w = 0; w < needs.weight_count; ++w) {
    d.weights.push_back(Buffer(needs.weights[w].Count()).Randomize(++seed));
    d.dw.push_back(Buffer(needs.weights[w].Count()).Randomize(++seed));
  }
  d.dy = Buffer(c.rows * c.out.Count()).Randomize(++seed);
  d.targets = Buffer(c.rows * c.out.Count()).Randomize(++seed);
  for (uint32_t r = 0; r < c.rows; ++r) {
    d.labels.push_back(static_cast<int32_t>(RandomWord(seed, r, 0, 0, 0) %
                                            c.out.c));
    d.ids.push_back(1000 + 7 * r);
  }
  if (twin.prepare != nullptr) twin.prepare(c, &d);
  return d;
}

inline StepContext StepOf(const LayerCase& c, const LayerData& d) {
  return {d.x[0],       d.labels.data(), d.targets, d.ids.data(), c.rows,
          /*seed=*/11, /*epoch=*/2,     c.training};
}

// The twin's whole step, on the numbers or on a function of each of them.
template <class F>
Twin RunTwin(const LayerCase& c, const LayerData& d, const LayerTwin& twin,
             bool accumulate, F&& f) {
  Twin t;
  t.c = c;
  t.step = StepOf(c, d);
  t.accumulate = accumulate;
  const auto map = [&](const Buffer& from) {
    Values to = Doubles(from);
    for (double& v : to) v = f(v);
    return to;
  };
  for (size_t k = 0; k < c.in.size(); ++k) {
    t.x.push_back(map(d.x[k]));
    t.dx.push_back(accumulate ? map(d.dx[k]) : Values(d.dx[k].size()));
  }
  for (size_t w = 0; w < d.weights.size(); ++w) {
    t.weights.push_back(map(d.weights[w]));
    t.dw.push_back(map(d.dw[w]));
  }
  t.dy = map(d.dy);
  t.targets = map(d.targets);
  t.y.resize(c.rows * c.out.Count());
  t.row_loss.resize(c.rows);
  twin.forward(&t);
  if (c.mode.backward && c.training) twin.backward(&t);
  return t;
}

struct Expected {
  Twin values;
  Bounds bounds;
};
inline Expected Expect(const LayerCase& c, const LayerData& d,
                       const LayerTwin& twin, bool accumulate) {
  Expected e{RunTwin(c, d, twin, accumulate, [](double v) { return v; }), {}};
  const Twin& t = e.values;
  Twin sizes, terms;
  if (twin.linear) {
    sizes = RunTwin(c, d, twin, accumulate, [](double v) { return std::fabs(v); });
    terms = RunTwin(c, d, twin, accumulate, [](double) { return 1.0; });
  }
  const auto bound = [&](const Values& value, const Values* size,
                         const Values* count) {
    Values b(value.size());
    for (size_t i = 0; i < b.size(); ++i) {
      b[i] = twin.linear ? (2 + (*count)[i]) * 0x1p-23 * (*size)[i]
                         : twin.rtol * std::fabs(value[i]) + twin.atol;
    }
    return b;
  };
  const auto bounds = [&](const std::vector<Values>& value,
                          const std::vector<Values>& size,
                          const std::vector<Values>& count) {
    std::vector<Values> b;
    for (size_t k = 0; k < value.size(); ++k) {
      b.push_back(twin.linear ? bound(value[k], &size[k], &count[k])
                              : bound(value[k], nullptr, nullptr));
    }
    return b;
  };
  e.bounds.y = bound(t.y, &sizes.y, &terms.y);
  e.bounds.row_loss = bound(t.row_loss, &sizes.row_loss, &terms.row_loss);
  e.bounds.dx = bounds(t.dx, sizes.dx, terms.dx);
  e.bounds.dw = bounds(t.dw, sizes.dw, terms.dw);
  e.bounds.weights = bounds(t.weights, t.weights, t.weights);
  if (twin.bounds != nullptr) twin.bounds(t, &e.bounds);
  return e;
}

// What came out.
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
  void* const saved = needs.saved_bytes == 0 ? nullptr : run.saved.data();
  const auto call = [&](float* y, Buffer* scratch, const float* dy) {
    return Call{c.node, kTestNode, o.mode, c.in.data(), c.out, c.rows, step,
                parallel, px, y, weights, saved,
                scratch->size() == 0 ? nullptr : scratch->data(), dy, dx,
                accumulate, dw};
  };
  Buffer scratch = BytesBuffer(needs.forward_scratch);
  op.forward(call(run.y, &scratch, nullptr));
  EXPECT_TRUE(scratch.GuardsIntact()) << "forward scratch";
  EXPECT_TRUE(run.y.GuardsIntact()) << "y";
  EXPECT_TRUE(run.saved.GuardsIntact()) << "saved, in forward";
  for (size_t w = 0; w < run.weights.size(); ++w) {
    EXPECT_TRUE(run.weights[w].SameBits(d.weights[w])) << "forward wrote " << w;
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
  op.backward(call(needs.keep_output ? run.y : dead_y, &scratch,
                   loss ? nullptr : dy.data()));
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

inline void ExpectNear(const char* what, size_t index, const Buffer& actual,
                       const Values& expected, const Values& bound) {
  ASSERT_EQ(actual.size(), expected.size()) << what << index;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (actual[i] == expected[i]) continue;  // infinity too
    if (std::isnan(actual[i]) && std::isnan(expected[i])) continue;
    ASSERT_LE(std::fabs(actual[i] - expected[i]), bound[i] + 1e-40)
        << what << index << " element " << i << " is " << actual[i]
        << " instead of " << expected[i];
  }
}

inline void ExpectRun(const LayerCase& c, const LayerData& d,
                      const LayerRun& run, const Expected& e) {
  ExpectNear("y", 0, run.y, e.values.y, e.bounds.y);
  if (IsLoss(c.node.kind)) {
    Buffer losses(c.rows);
    for (uint32_t r = 0; r < c.rows; ++r) losses[r] = run.saved[r];
    ExpectNear("row loss", 0, losses, e.values.row_loss, e.bounds.row_loss);
  }
  for (size_t w = 0; w < run.weights.size(); ++w) {
    // What the twin leaves alone, the layer must not touch.
    if (Doubles(d.weights[w]) == e.values.weights[w]) {
      EXPECT_TRUE(run.weights[w].SameBits(d.weights[w])) << "weight " << w;
    } else {
      ExpectNear("weight", w, run.weights[w], e.values.weights[w],
                 e.bounds.weights[w]);
    }
  }
  for (size_t k = 0; k < run.dx.size(); ++k) {
    if (!c.mode.need_dx[k]) continue;
    ExpectNear("dx", k, run.dx[k], e.values.dx[k], e.bounds.dx[k]);
  }
  for (size_t w = 0; w < run.dw.size(); ++w) {
    ExpectNear("dw", w, run.dw[w], e.values.dw[w], e.bounds.dw[w]);
  }
}

enum Part : uint32_t { kY = 1, kDx = 2, kDw = 4, kSaved = 8, kAll = 15 };
inline void ExpectSameBits(const LayerRun& a, const LayerRun& b, uint32_t parts,
                           const char* what) {
  const auto same = [&](const std::vector<Buffer>& p,
                        const std::vector<Buffer>& q, const char* name) {
    ASSERT_EQ(p.size(), q.size()) << what << ": " << name;
    for (size_t k = 0; k < p.size(); ++k) {
      EXPECT_TRUE(p[k].SameBits(q[k])) << what << ": " << name << k;
    }
  };
  if (parts & kY) {
    EXPECT_TRUE(a.y.SameBits(b.y)) << what << ": y";
  }
  if (parts & kSaved) {
    EXPECT_TRUE(a.saved.SameBits(b.saved)) << what << ": saved";
  }
  if (parts & kDx) same(a.dx, b.dx, "dx");
  if (parts & kDw) same(a.dw, b.dw, "dw"), same(a.weights, b.weights, "weight");
}

// A runner of several threads that counts how often work was split.
inline ParallelRunner CountedRunner(uint32_t threads, uint32_t* splits) {
  ParallelRunner runner;
  runner.threads = threads;
  runner.pool = splits;
  runner.run = [](void* pool, ParallelRunner::Task task, void* context,
                  uint32_t count) {
    ++*static_cast<uint32_t*>(pool);
    ThreadRunner(count).run(nullptr, task, context, count);
  };
  return runner;
}

// Everything at the top of this file for one case. splits (if not null) counts
// the parallel calls: a test whose every case is small tests no threads.
inline void TestLayer(const LayerCase& c, const LayerTwin& twin,
                      uint32_t* splits = nullptr) {
  SCOPED_TRACE(NameOf(c));
  uint32_t unused = 0;
  if (splits == nullptr) splits = &unused;
  const LayerData data = MakeData(c, twin);
  LayerCase evaluation = c;
  evaluation.training = false;
  const Expected plain = Expect(c, data, twin, false),
                 added = Expect(c, data, twin, true),
                 evaluated = Expect(evaluation, data, twin, false);
  std::vector<LayerRun> exact;  // of the first exact target
  ForEachTarget([&](simd::Target target) {
    std::vector<LayerRun> first;  // of this target
    for (const uint32_t threads : {1u, 3u}) {
      SCOPED_TRACE(threads);
      const ParallelRunner runner = CountedRunner(threads, splits);
      const RunOptions options{c.mode};
      const auto run = [&](const RunOptions& o) {
        return RunLayer(c, data, o, runner);
      };
      const LayerRun base = run(options);
      ExpectRun(c, data, base, plain);
      RunOptions o = options;
      o.accumulate = true;
      const LayerRun sum = run(o);
      ExpectRun(c, data, sum, added);

      o = options;
      o.training = false;
      const LayerRun eval = run(o);
      ExpectNear("evaluated y", 0, eval.y, evaluated.values.y,
                 evaluated.bounds.y);
      o.mode = NodeMode();
      ExpectSameBits(eval, run(o), kY, "plan without training");
      if (NeedsOf(c, o.mode, threads).in_place) {
        o.over_x = true;
        ExpectSameBits(eval, run(o), kY, "evaluation in place");
      }

      const Needs needs = NeedsOf(c, c.mode, threads);
      if ((needs.in_place || needs.view) && !needs.keep_input[0]) {
        o = options;
        o.over_x = true;
        ExpectSameBits(base, run(o), kAll, "in place");
      }
      for (uint32_t k = 0; k < c.node.input_count; ++k) {
        if (!needs.in_place_backward || !c.mode.need_dx[k]) continue;
        o = options;
        o.over_dy = static_cast<int>(k);
        ExpectSameBits(base, run(o), kAll, "backward in place");
      }
      if (c.mode.backward) {
        o = options;
        for (bool& need : o.mode.need_dx) need = false;
        const LayerRun without = run(o);
        ExpectSameBits(base, without, kY | kDw, "without dx");
        for (const Buffer& dx : without.dx) {
          EXPECT_TRUE(dx.SameBits(Buffer(dx.size()))) << "dx was written";
        }
      }
      if (c.mode.train_weights && !c.mode.live_statistics) {
        o = options;
        o.mode.train_weights = false;
        ExpectSameBits(base, run(o), kY | kDx, "without dw");
      }

      const std::vector<LayerRun> now = {base, sum, eval};
      if (first.empty()) first = now;
      if (target.exact && exact.empty()) exact = now;
      for (size_t i = 0; i < now.size(); ++i) {
        ExpectSameBits(now[i], first[i], kAll, "threads");
        if (target.exact) ExpectSameBits(now[i], exact[i], kAll, "targets");
      }
    }
  });
}

// The scalar whose gradient backward computes: the mean loss, or dy . y.
inline double Objective(const Twin& t) {
  double sum = 0.0;
  if (IsLoss(t.c.node.kind)) {
    for (const double loss : t.row_loss) sum += loss;
    return sum / t.c.rows;
  }
  for (size_t i = 0; i < t.y.size(); ++i) sum += t.dy[i] * t.y[i];
  return sum;
}

// Numbers that change and numbers that follow: what CheckTwin's time grows with.
inline uint64_t TwinWork(const LayerCase& c) {
  uint64_t count = 0;
  for (const Shape& s : c.in) count += c.rows * s.Count();
  const Needs needs = NeedsOf(c, c.mode, 1);
  for (uint32_t w = 0; w < needs.weight_count; ++w) {
    count += needs.weights[w].Count();
  }
  return count * (count + c.rows * c.out.Count());
}

// The twin's backward against central differences of its forward.
inline void CheckTwin(const LayerCase& c, const LayerTwin& twin) {
  SCOPED_TRACE(NameOf(c));
  const LayerData data = MakeData(c, twin, 77);
  const auto same = [](double v) { return v; };
  Twin t = RunTwin(c, data, twin, false, same);
  for (size_t w = 0; w < t.dw.size(); ++w) {
    for (size_t i = 0; i < t.dw[w].size(); ++i) t.dw[w][i] -= data.dw[w][i];
  }
  Twin at = RunTwin(c, data, twin, false, same);
  for (size_t w = 0; w < at.weights.size(); ++w) {
    at.weights[w] = Doubles(data.weights[w]);  // as before backward
  }
  const auto check = [&](Values* moved, const Values& gradient) {
    const Values before = *moved;
    ExpectGradient(before, gradient, [&](const double* value) {
      moved->assign(value, value + before.size());
      twin.forward(&at);
      return Objective(at);
    });
    *moved = before;
  };
  for (size_t k = 0; k < at.x.size(); ++k) {
    if (c.mode.need_dx[k]) check(&at.x[k], t.dx[k]);
  }
  const Needs needs = NeedsOf(c, c.mode, 1);
  for (uint32_t w = 0; w < needs.weight_count; ++w) {
    if (!c.mode.train_weights || !IsTrained(needs.weights[w].role)) continue;
    check(&at.weights[w], t.dw[w]);
  }
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_LAYER_TEST_H_
