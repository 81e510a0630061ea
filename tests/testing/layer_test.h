// One layer against a scalar twin in double:
//
//   TestLayer(MakeCase(DenseParams{10}, {{1, 1, 7}}, rows, batch), twin);
//
// on every target of this machine, with 1 and 3 threads. Besides the plain run:
// accumulating dx, without dx, without dw, in place in both directions,
// evaluation with the training plan and with a plan of its own. CheckTwin
// compares a twin's backward with central differences of its forward.
// Next: layer_run.h (one run); tests/layers/relu_test.cc (the shortest test).
#ifndef TEMPER_TESTS_TESTING_LAYER_TEST_H_
#define TEMPER_TESTS_TESTING_LAYER_TEST_H_

#include <cmath>
#include <vector>

#include "tests/reference/norm.h"
#include "tests/testing/gradient.h"
#include "tests/testing/layer_run.h"

namespace temper::testing {

using Values = std::vector<double>;

// One step in double. x are the inputs as the layer reads them: formed, where
// they are derived. forward fills y (and row_loss), from x and weights;
// backward fills dx, or adds to it, and adds to dw; it may change weights
// (running statistics).
struct Twin {
  LayerCase c;
  StepContext step;
  bool accumulate = false;
  std::vector<Values> x, weights, dx, dw;
  Values y, dy, targets, row_loss, class_weights;

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

// A derived input with y = x * scale + shift exact, in float as in double: the
// twin then closes the same elements and reads the same numbers. y lies in
// [-10, 10], much of it beyond 0 and 6, some at both.
inline void MakeExact(Buffer* x, Buffer* scale, Buffer* shift) {
  for (size_t i = 0; i < x->size(); ++i) {
    (*x)[i] = std::round((*x)[i] * 64) / 64;
  }
  for (size_t i = 0; i < scale->size(); ++i) {
    (*scale)[i] = std::round((*scale)[i] * 8);
    (*shift)[i] = std::round((*shift)[i] * 8) / 4;
  }
}
// x as the layer reads it.
inline Values FormedInput(const LayerCase& c, const LayerData& d, size_t k) {
  Values x = Doubles(d.x[k]);
  if (!c.mode.derived_input[k]) return x;
  const size_t channels = c.in[k].c;
  reference::ScaleShift<double>(x.size() / channels, channels, x.data(),
                                Doubles(d.scale[k]).data(),
                                Doubles(d.shift[k]).data(), x.data());
  reference::Activate(x.size(), c.formed_by[k], x.data());
  return x;
}

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
    d.labels.push_back(
        static_cast<int32_t>(RandomWord(seed, r, 0, 0, 0) % c.out.c));
    d.ids.push_back(1000 + 7 * r);
  }
  for (size_t k = 0; k < c.in.size(); ++k) {
    d.scale.push_back(Buffer(c.in[k].c).Randomize(++seed));
    d.shift.push_back(Buffer(c.in[k].c).Randomize(++seed));
    if (!c.mode.derived_input[k]) continue;
    MakeExact(&d.x[k], &d.scale[k], &d.shift[k]);
  }
  if (twin.prepare != nullptr) twin.prepare(c, &d);
  return d;
}

// The twin's whole step, on the numbers or on a function of each of them.
template <class F>
Twin RunTwin(const LayerCase& c, const LayerData& d, const LayerTwin& twin,
             bool accumulate, F&& f) {
  Twin t;
  t.c = c;
  t.step = StepOf(c, d);
  t.accumulate = accumulate;
  const auto apply = [&](Values to) {
    for (double& v : to) v = f(v);
    return to;
  };
  const auto map = [&](const Buffer& from) { return apply(Doubles(from)); };
  for (size_t k = 0; k < c.in.size(); ++k) {
    t.x.push_back(apply(FormedInput(c, d, k)));
    t.dx.push_back(accumulate ? map(d.dx[k]) : Values(d.dx[k].size()));
  }
  for (size_t w = 0; w < d.weights.size(); ++w) {
    t.weights.push_back(map(d.weights[w]));
    t.dw.push_back(map(d.dw[w]));
  }
  t.dy = map(d.dy);
  t.targets = map(d.targets);
  if (c.training) t.class_weights = map(d.class_weights);
  t.y.resize(c.rows * c.out.Count());
  t.row_loss.resize(c.rows);
  twin.forward(&t);
  if (c.mode.backward && c.training) twin.backward(&t);
  return t;
}

struct Expected {
  Twin values;
  Twin sizes, terms;  // of the sum of each number, if the twin is linear
  Bounds bounds;
};
inline void SetBounds(const LayerTwin& twin, Expected* expected) {
  Expected& e = *expected;
  const Twin &t = e.values, &sizes = e.sizes, &terms = e.terms;
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
}
inline Expected Expect(const LayerCase& c, const LayerData& d,
                       const LayerTwin& twin, bool accumulate) {
  const auto run = [&](auto&& f) { return RunTwin(c, d, twin, accumulate, f); };
  Expected e;
  e.values = run([](double v) { return v; });
  if (twin.linear) {
    e.sizes = run([](double v) { return std::fabs(v); });
    e.terms = run([](double) { return 1.0; });
  }
  SetBounds(twin, &e);
  return e;
}
// The same with dx added to what is there: of a linear twin, one term more.
inline Expected Accumulated(Expected e, const LayerCase& c, const LayerData& d,
                            const LayerTwin& twin) {
  if (!twin.linear) return Expect(c, d, twin, true);
  if (!c.mode.backward || !c.training) return e;
  for (size_t k = 0; k < d.dx.size(); ++k) {
    for (size_t i = 0; i < d.dx[k].size(); ++i) {
      e.values.dx[k][i] += d.dx[k][i];
      e.sizes.dx[k][i] += std::fabs(d.dx[k][i]);
      e.terms.dx[k][i] += 1.0;
    }
  }
  SetBounds(twin, &e);
  return e;
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

// Everything at the top of this file for one case. most_parts (may be null)
// rises to the number of threads that were given work.
inline void TestLayer(const LayerCase& c, const LayerTwin& twin,
                      uint32_t* most_parts = nullptr) {
  SCOPED_TRACE(NameOf(c));
  uint32_t unused = 0;
  if (most_parts == nullptr) most_parts = &unused;
  const LayerData data = MakeData(c, twin);
  LayerCase evaluation = c;
  evaluation.training = false;
  const Expected plain = Expect(c, data, twin, false),
                 added = Accumulated(plain, c, data, twin),
                 evaluated = twin.linear
                                 ? plain  // the same y
                                 : Expect(evaluation, data, twin, false);
  std::vector<LayerRun> exact;  // of the first exact target
  ForEachTarget([&](simd::Target target) {
    std::vector<LayerRun> first;  // of this target
    for (const uint32_t threads : {1u, 3u}) {
      SCOPED_TRACE(threads);
      const ParallelRunner runner = CountedRunner(threads, most_parts);
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
      o.mode.activation = c.mode.activation;
      o.mode.derived = c.mode.derived;
      std::copy_n(c.mode.derived_input, kMaxInputs, o.mode.derived_input);
      ExpectSameBits(eval, run(o), kY, "plan without training");
      if (NeedsOf(c, o.mode, threads).in_place && !c.mode.derived) {
        o.over_x = true;
        ExpectSameBits(eval, run(o), kY, "evaluation in place");
      }

      const Needs needs = NeedsOf(c, c.mode, threads);
      if ((needs.in_place || needs.view) && !needs.keep_input[0] &&
          !c.mode.derived) {
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

// The cases again with derived inputs, all activations in turn.
inline std::vector<LayerCase> Derived(std::vector<LayerCase> cases) {
  for (size_t i = 0; i < cases.size(); ++i) {
    for (uint32_t k = 0; k < cases[i].node.input_count; ++k) {
      cases[i].mode.derived_input[k] = true;
      cases[i].formed_by[k] = static_cast<simd::Activation>((i + k) % 3);
    }
  }
  return cases;
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

// Numbers that change and numbers that follow: what CheckTwin's time grows
// with.
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
