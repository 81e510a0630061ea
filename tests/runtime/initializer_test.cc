// First values: moments of each initialiser, the double functions below them
// against the C library, and which initialiser the trainer gives to which
// tensor.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/exact_math.h"
#include "temper/initializers.h"
#include "temper/random.h"
#include "temper/registry.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Bench;

// Distance in units of the last place of `expected`.
double Ulps(double actual, long double expected) {
  const double size = std::fabs(static_cast<double>(expected));
  const double ulp =
      std::nextafter(size, std::numeric_limits<double>::infinity()) - size;
  return static_cast<double>(std::fabs(actual - expected)) / ulp;
}

TEST(ExactMath, LogIsTheLibrarys) {
  double worst = 0.0;
  const auto check = [&](double x) {
    worst = std::max(worst, Ulps(exact::Log(x), std::log((long double)x)));
  };
  EXPECT_EQ(exact::Log(1.0), 0.0);
  for (uint32_t i = 0; i < 200000; ++i) {
    // What Box-Muller takes, (0, 1], and its ends.
    check((RandomWord(1, i, 0, 0, 0) + 1.0) * 0x1p-32);
    check((i + 1.0) * 0x1p-32);
    if (i > 0) check((0x1p32 - i) * 0x1p-32);
  }
  for (int e = -1022; e < 1024; ++e) {
    for (uint32_t i = 0; i < 40; ++i) {
      check(std::ldexp(1.0 + RandomWord(2, i, 0, 0, 0) * 0x1p-32, e));
    }
  }
  check(1.4142135623730951), check(1.4142135623730949);
  check(1.0 + 0x1p-52), check(1.0 - 0x1p-53);
  EXPECT_LE(worst, 4.0);
}

// sin(2 pi t) for t in [-1, 1], by symmetry from [-1/4, 1/4]: the angle near a
// zero must not carry the rounding of pi.
long double SinOfTurns(long double t) {
  if (t > 0.5L) return SinOfTurns(t - 1.0L);
  if (t < -0.5L) return SinOfTurns(t + 1.0L);
  if (t > 0.25L) t = 0.5L - t;
  if (t < -0.25L) t = -0.5L - t;
  return std::sin(2.0L * 3.14159265358979323846264338327950288L * t);
}

TEST(ExactMath, SinCosTurnsIsTheLibrarys) {
  double worst = 0.0;
  const auto check = [&](double u) {
    const exact::SinCos got = exact::SinCosTurns(u);
    worst = std::max(worst, Ulps(got.sin, SinOfTurns(u)));
    worst = std::max(worst, Ulps(got.cos, SinOfTurns(0.25L - u)));
  };
  for (uint32_t i = 0; i < 200000; ++i) {
    check(RandomWord(3, i, 0, 0, 0) * 0x1p-32);
    check(i / 200000.0);
  }
  for (int eighth = 0; eighth <= 8; ++eighth) {
    for (int i = -2000; i <= 2000; ++i) {
      const double u = eighth * 0.125 + i * 0x1p-32;
      if (u >= 0.0 && u <= 1.0) check(u);
    }
  }
  EXPECT_LE(worst, 4.0);
  EXPECT_EQ(exact::SinCosTurns(0.0).sin, 0.0);
  EXPECT_EQ(exact::SinCosTurns(0.25).cos, 0.0);
  EXPECT_EQ(exact::SinCosTurns(0.5).cos, -1.0);
  EXPECT_EQ(exact::SinCosTurns(1.0).cos, 1.0);
}

struct Moments {
  double n, mean, variance, kurtosis, largest;
};
Moments MomentsOf(const float* x, size_t count) {
  Moments m = {static_cast<double>(count), 0, 0, 0, 0};
  for (size_t i = 0; i < count; ++i) m.mean += x[i] / m.n;
  double fourth = 0.0;
  for (size_t i = 0; i < count; ++i) {
    const double d = x[i] - m.mean;
    m.variance += d * d / m.n;
    fourth += d * d * d * d / m.n;
    m.largest = std::max(m.largest, std::fabs(double{x[i]}));
  }
  m.kurtosis = fourth / (m.variance * m.variance);
  return m;
}
// Five standard deviations of each estimate; kurtosis 3 (normal), 1.8
// (uniform).
void ExpectMoments(const Moments& m, double variance, double kurtosis) {
  EXPECT_NEAR(m.mean, 0.0, 5 * std::sqrt(variance / m.n));
  EXPECT_NEAR(m.variance, variance,
              5 * variance * std::sqrt((kurtosis - 1) / m.n));
}

constexpr size_t kCount = 200000;
std::vector<float> Draw(const Initializer& initializer, uint32_t fan_in,
                        uint32_t fan_out, uint64_t seed = 5, uint32_t node = 3,
                        uint32_t tensor = 0) {
  WeightSpec spec;
  spec.rank = 2;
  spec.dims[0] = 1;
  spec.dims[1] = kCount;
  spec.fan_in = fan_in;
  spec.fan_out = fan_out;
  std::vector<float> x(kCount);
  InitializeTensor(initializer, seed, node, tensor, spec, x.data());
  return x;
}
std::vector<float> Draw(InitializerKind kind, uint32_t fan_in, uint32_t fan_out,
                        uint64_t seed = 5, uint32_t node = 3,
                        uint32_t tensor = 0) {
  return Draw(Initializer(kind), fan_in, fan_out, seed, node, tensor);
}

TEST(Initializers, Moments) {
  for (const auto& [fan_in, fan_out] :
       {std::pair{1u, 1u}, {27u, 144u}, {4096u, 10u}, {1u << 20, 1u << 20}}) {
    const double he = 2.0 / fan_in,
                 xavier = 2.0 / (double{1} * fan_in + fan_out);
    const struct {
      InitializerKind kind;
      double variance;
      bool uniform;
    } kinds[] = {{InitializerKind::kHeNormal, he, false},
                 {InitializerKind::kHeUniform, he, true},
                 {InitializerKind::kXavierNormal, xavier, false},
                 {InitializerKind::kXavierUniform, xavier, true}};
    for (const auto& k : kinds) {
      SCOPED_TRACE(InitializerName(k.kind));
      const std::vector<float> x = Draw(k.kind, fan_in, fan_out);
      const Moments m = MomentsOf(x.data(), x.size());
      const double kurtosis = k.uniform ? 1.8 : 3.0;
      ExpectMoments(m, k.variance, kurtosis);
      EXPECT_NEAR(m.kurtosis, kurtosis, k.uniform ? 0.02 : 0.08);
      const double deviation = std::sqrt(k.variance);
      if (k.uniform) {
        EXPECT_LE(m.largest, std::sqrt(3.0) * deviation * (1 + 1e-7));
        EXPECT_GE(m.largest, std::sqrt(3.0) * deviation * 0.999);
      } else {
        // The largest that Box-Muller makes of 32 bits is 6.66.
        EXPECT_LE(m.largest, 6.67 * deviation);
        EXPECT_GE(m.largest, 4.0 * deviation);
      }
    }
  }
  for (const float v : Draw(InitializerKind::kZero, 9, 9)) {
    ASSERT_EQ(v, 0.0f);
    ASSERT_FALSE(std::signbit(v));
  }
}

// Deviation or bound within 2 %, from the formulas of the papers.
TEST(Initializers, DeviationsAndBounds) {
  constexpr uint32_t kIn = 300, kOut = 500;
  const struct {
    Initializer initializer;
    double deviation;
    bool uniform;
  } kKinds[] = {
      {HeNormalParams{}, 0.0816496581, false},
      {HeNormalParams{{0.0f, 1}}, 0.0632455532, false},
      {HeNormalParams{{0.1f, 0}}, 0.0812444463, false},
      {HeUniformParams{{0.2f, 1}}, 0.0620173672, true},
      {XavierNormalParams{}, 0.05, false},
      {XavierNormalParams{{5.0f / 3}}, 0.0833333333, false},
      {XavierUniformParams{{2.0f}}, 0.1, true},
      {LecunNormalParams{}, 0.0577350269, false},
      {LecunUniformParams{}, 0.0577350269, true},
      {GaussianParams{}, 0.01, false},
      {GaussianParams{1.0f}, 1.0, false},
      {UniformParams{}, 0.0288675135, true},
      {UniformParams{0.3f}, 0.1732050808, true},
  };
  for (const auto& k : kKinds) {
    SCOPED_TRACE(InitializerName(k.initializer.kind));
    const std::vector<float> x = Draw(k.initializer, kIn, kOut);
    const Moments m = MomentsOf(x.data(), x.size());
    EXPECT_NEAR(m.mean, 0.0, 0.02 * k.deviation);
    EXPECT_NEAR(std::sqrt(m.variance), k.deviation, 0.02 * k.deviation);
    if (k.uniform) {
      const double bound = std::sqrt(3.0) * k.deviation;
      EXPECT_LE(m.largest, bound * (1 + 1e-6));
      EXPECT_GE(m.largest, bound * 0.98);
    }
  }
  for (const float v : Draw(ConstantInitializerParams{0.25f}, 1, 1)) {
    ASSERT_EQ(v, 0.25f);
  }
}

WeightSpec SpecOf(std::vector<uint32_t> dims, uint32_t fan_out) {
  WeightSpec spec;
  spec.rank = static_cast<uint32_t>(dims.size());
  std::copy(dims.begin(), dims.end(), spec.dims);
  spec.fan_out = fan_out;
  return spec;
}

TEST(Initializers, OrthogonalRowsOrColumns) {
  for (const auto& dims : {std::vector<uint32_t>{20, 50},
                           {50, 20},
                           {30, 30},
                           {8, 3, 3, 4},
                           {64, 3, 3, 2},
                           {3, 3, 40}}) {
    const WeightSpec spec = SpecOf(dims, 1);
    std::vector<float> x(spec.Count());
    InitializeTensor(OrthogonalParams{2.0f}, 1, 2, 0, spec, x.data());
    const size_t rows = dims.size() == 3 ? 9 : dims[0];
    const size_t columns = x.size() / rows;
    const bool wide = rows <= columns;
    const size_t count = wide ? rows : columns, length = wide ? columns : rows;
    for (size_t i = 0; i < count; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        double dot = 0;
        for (size_t k = 0; k < length; ++k) {
          dot += double{wide ? x[i * columns + k] : x[k * columns + i]} *
                 (wide ? x[j * columns + k] : x[k * columns + j]);
        }
        EXPECT_NEAR(dot, i == j ? 4.0 : 0.0, 2e-6) << i << " " << j;
      }
    }
  }
}

TEST(Initializers, DiracIsTheIdentity) {
  std::vector<float> x(4 * 3 * 5 * 6);
  InitializeTensor(DiracParams{}, 1, 2, 0, SpecOf({4, 3, 5, 6}, 15 * 4),
                   x.data());
  for (size_t o = 0; o < 4; ++o) {
    for (size_t tap = 0; tap < 15; ++tap) {
      for (size_t i = 0; i < 6; ++i) {
        // The middle of 3 by 5.
        EXPECT_EQ(x[(o * 15 + tap) * 6 + i], tap == 7 && i == o ? 1.0f : 0.0f);
      }
    }
  }
  // Two groups of two outputs, three inputs each.
  x.resize(4 * 3);
  InitializeTensor(DiracParams{}, 1, 2, 0, SpecOf({4, 1, 1, 3}, 2), x.data());
  EXPECT_EQ(x, (std::vector<float>{1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0}));
  x.resize(9 * 2);
  InitializeTensor(DiracParams{}, 1, 2, 0, SpecOf({3, 3, 2}, 9), x.data());
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(x[i], i / 2 == 4 ? 1.0f : 0.0f);
  }
  x.resize(6);
  InitializeTensor(DiracParams{}, 1, 2, 0, SpecOf({3, 2}, 3), x.data());
  EXPECT_EQ(x, (std::vector<float>{1, 0, 0, 1, 0, 0}));
}

TEST(Initializers, StreamsAreIndependentAndReproducible) {
  const auto kind = InitializerKind::kHeNormal;
  const std::vector<float> x = Draw(kind, 2, 2);  // variance 1
  EXPECT_TRUE(testing::SameBits(x, Draw(kind, 2, 2)));
  const auto correlation = [&](const std::vector<float>& y, size_t lag) {
    double sum = 0.0;
    for (size_t i = lag; i < x.size(); ++i) sum += double{x[i - lag]} * y[i];
    return sum / static_cast<double>(x.size());
  };
  const double far = 5 / std::sqrt(static_cast<double>(kCount));
  EXPECT_NEAR(correlation(Draw(kind, 2, 2, 6), 0), 0.0, far);
  EXPECT_NEAR(correlation(Draw(kind, 2, 2, 5, 4), 0), 0.0, far);
  EXPECT_NEAR(correlation(Draw(kind, 2, 2, 5, 3, 1), 0), 0.0, far);
  for (const size_t lag : {1, 2, 3, 4, 8}) {
    EXPECT_NEAR(correlation(x, lag), 0.0, far) << lag;
  }
}

TEST(Initializers, NormalStartsAnywhere) {
  std::vector<float> all(100);
  InitializeNormal(9, RandomStream(RandomUse::kNewHead, 2), 1, 0.25, 0,
                   all.size(), all.data());
  for (size_t first = 0; first < 30; ++first) {
    std::vector<float> part(37);
    InitializeNormal(9, RandomStream(RandomUse::kNewHead, 2), 1, 0.25, first,
                     part.size(), part.data());
    EXPECT_TRUE(testing::SameBits(
        part, {all.begin() + static_cast<long>(first),
               all.begin() + static_cast<long>(first + part.size())}));
  }
}

TEST(Initializers, Names) {
  for (uint32_t k = 0; k < static_cast<uint32_t>(InitializerKind::kCount);
       ++k) {
    const InitializerKind kind = static_cast<InitializerKind>(k);
    EXPECT_EQ(InitializerCatalogue().Find(InitializerName(kind)), k);
  }
  EXPECT_STREQ(InitializerName(InitializerKind::kHeNormal), "he_normal");
  EXPECT_EQ(InitializerCatalogue().Find("auto"),
            static_cast<uint32_t>(InitializerKind::kCount));
}

const TensorView& Tensor(const Bench& bench, const std::string& node,
                         const std::string& tensor) {
  const Graph& graph = bench.trainer.plan().graph;
  for (const TensorView& v : bench.trainer.Tensors()) {
    if (graph.nodes[v.node].name == node && v.spec->name == tensor) return v;
  }
  ADD_FAILURE() << "no tensor " << node << "." << tensor;
  return bench.trainer.Tensors()[0];
}
void ExpectAll(const TensorView& v, float value) {
  EXPECT_TRUE(std::all_of(v.data, v.data + v.count,
                          [&](float w) { return w == value; }));
}
void ExpectVariance(const TensorView& v, double variance) {
  ExpectMoments(MomentsOf(v.data, v.count), variance, 3.0);
}

TEST(Initialize, ResNetByRole) {
  const Graph graph = testing::BuildOrDie("resnet8", {32, 32, 3}, 10);
  Bench bench;
  ASSERT_TRUE(bench.Start(graph, PlanOptions()).ok());
  for (const bool zero : {true, false}) {
    InitializeOptions options;
    options.zero_residual = zero ? ZeroResidual::kYes : ZeroResidual::kNo;
    bench.trainer.Initialize(1, options);
    for (const TensorView& v : bench.trainer.Tensors()) {
      const std::string name = graph.nodes[v.node].name;
      SCOPED_TRACE(name);
      const bool closes = name.ends_with("bn2");
      switch (v.spec->role) {
        case WeightRole::kKernel:
          // A ReLU follows everywhere, past batch norms and adds, but the head.
          ExpectVariance(v, name == graph.nodes[models::HeadNode(graph)].name
                                ? 1e-4
                                : 2.0 / v.spec->fan_in);
          break;
        case WeightRole::kGamma:
          ExpectAll(v, zero && closes ? 0.0f : 1.0f);
          break;
        case WeightRole::kBuffer:
          ExpectAll(v, std::string_view(v.spec->name) == "running_var" ||
                               std::string_view(v.spec->name) == "std"
                           ? 1.0f
                           : 0.0f);
          break;
        default:
          ExpectAll(v, 0.0f);
      }
    }
    for (const StateView& s : bench.trainer.States()) {
      EXPECT_TRUE(std::all_of(s.data, s.data + s.count,
                              [](float f) { return f == 0.0f; }));
      std::fill_n(s.data, s.count, 1.0f);  // for the second round
    }
  }
}

// Two residual blocks without batch norm, an identity and a projected skip.
Graph PlainResidual() {
  Graph g;
  Conv2dParams p;
  p.kernel_h = p.kernel_w = 3;
  p.pad_top = p.pad_bottom = p.pad_left = p.pad_right = 1;
  p.out_channels = 16;
  uint32_t x = g.Add("input", InputParams{6, 6, 16});
  x = g.Add("normalize", NormalizeParams{}, x);
  uint32_t y = g.Add("a1", p, x);
  y = g.Add("relu_a", ReluParams{}, y);
  y = g.Add("a2", p, y);
  x = g.Add("add_a", AddParams{}, y, x);
  x = g.Add("relu1", ReluParams{}, x);
  y = g.Add("b1", p, x);
  y = g.Add("relu_b", ReluParams{}, y);
  y = g.Add("b2", p, y);
  const uint32_t skip = g.Add("skip", p, x);
  x = g.Add("add_b", AddParams{}, skip, y);  // the skip first
  x = g.Add("relu2", ReluParams{}, x);
  x = g.Add("pool", GlobalAvgPoolParams{}, x);
  x = g.Add("head", DenseParams{200}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  return g;
}

TEST(Initialize, ResidualBranchWithoutBatchNormEndsInZeros) {
  Bench bench;
  ASSERT_TRUE(bench.Start(PlainResidual(), PlanOptions()).ok());
  InitializeOptions options;
  options.zero_residual = ZeroResidual::kYes;
  bench.trainer.Initialize(1, options);
  const double he = 2.0 / (16 * 9);
  ExpectAll(Tensor(bench, "a2", "weight"), 0.0f);
  ExpectAll(Tensor(bench, "b2", "weight"), 0.0f);
  for (const char* name : {"a1", "b1", "skip"}) {
    SCOPED_TRACE(name);
    ExpectVariance(Tensor(bench, name, "weight"), he);
  }
  options.zero_residual = ZeroResidual::kNo;
  bench.trainer.Initialize(1, options);
  ExpectVariance(Tensor(bench, "a2", "weight"), he);
  ExpectVariance(Tensor(bench, "b2", "weight"), he);
}

// fc1 -> pooled, dropped, normed, flattened -> relu; fc2 -> fc3 -> head.
Graph Mixed() {
  Graph g;
  uint32_t x = g.Add("input", InputParams{1, 1, 50});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("fc1", DenseParams{200}, x);
  x = g.Add("drop", DropoutParams{}, x);
  x = g.Add("bn", BatchNormParams{}, x);
  x = g.Add("pool", GlobalAvgPoolParams{}, x);
  x = g.Add("flat", FlattenParams{}, x);
  x = g.Add("relu6", Relu6Params{}, x);
  x = g.Add("fc2", DenseParams{100}, x);
  x = g.Add("fc3", DenseParams{300}, x);
  x = g.Add("relu", ReluParams{}, x);
  x = g.Add("head", DenseParams{90}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  return g;
}

// Three branches grow from what was drawn, eight and ten from zero.
TEST(Initialize, DeepResidualNetsStartAtZero) {
  for (const auto& [name, deep] :
       {std::pair{"resnet8", false}, std::pair{"resnet18", true},
        std::pair{"mobilenet_v2", true}}) {
    SCOPED_TRACE(name);
    Bench bench;
    const Graph graph = testing::BuildOrDie(name, {32, 32, 3}, 10);
    ASSERT_TRUE(bench.Start(graph, {.batch = 2}).ok());
    bench.trainer.Initialize(1);
    uint32_t zeros = 0;
    for (const TensorView& v : bench.trainer.Tensors()) {
      if (v.spec->role == WeightRole::kGamma) zeros += v.data[0] == 0.0f;
    }
    EXPECT_EQ(zeros > 0, deep);
  }
}

TEST(Initialize, HeWhereAReluFollowsXavierElsewhere) {
  Bench bench;
  ASSERT_TRUE(bench.Start(Mixed(), PlanOptions()).ok());
  bench.trainer.Initialize(1);
  ExpectVariance(Tensor(bench, "fc1", "weight"), 2.0 / 50);
  // Another weighted layer comes before the ReLU.
  ExpectVariance(Tensor(bench, "fc2", "weight"), 2.0 / (200 + 100));
  ExpectVariance(Tensor(bench, "fc3", "weight"), 2.0 / 100);
  ExpectVariance(Tensor(bench, "head", "weight"), 1e-4);
  ExpectAll(Tensor(bench, "head", "bias"), 0.0f);

  InitializeOptions options;
  options.kernel = InitializerKind::kXavierUniform;
  options.head_std = 0.5f;
  bench.trainer.Initialize(1, options);
  const Moments m = MomentsOf(Tensor(bench, "fc1", "weight").data, 50 * 200);
  ExpectMoments(m, 2.0 / (50 + 200), 1.8);
  EXPECT_LE(m.largest, std::sqrt(6.0 / 250) * (1 + 1e-6));
  ExpectVariance(Tensor(bench, "head", "weight"), 0.25);
}

TEST(Initialize, TheLastLayerIsNoHeadIfAReluFollows) {
  Graph g;
  uint32_t x = g.Add("input", InputParams{1, 1, 100});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("fc", DenseParams{100}, x);
  x = g.Add("relu", ReluParams{}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  Bench bench;
  ASSERT_TRUE(bench.Start(g, PlanOptions()).ok());
  bench.trainer.Initialize(1);
  ExpectVariance(Tensor(bench, "fc", "weight"), 2.0 / 100);
}

TEST(Initialize, KeepsTheDatasStatistics) {
  Bench bench;
  ASSERT_TRUE(bench.Start(Mixed(), PlanOptions()).ok());
  ExpectAll(Tensor(bench, "normalize", "mean"), 0.0f);
  ExpectAll(Tensor(bench, "normalize", "std"), 1.0f);
  std::fill_n(Tensor(bench, "normalize", "mean").data, 50, 0.25f);
  std::fill_n(Tensor(bench, "normalize", "std").data, 50, 4.0f);
  bench.trainer.Initialize(2);
  ExpectAll(Tensor(bench, "normalize", "mean"), 0.25f);
  ExpectAll(Tensor(bench, "normalize", "std"), 4.0f);
}

}  // namespace
}  // namespace temper
