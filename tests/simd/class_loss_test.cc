// simd/focal.h, simd/sigmoid_loss.h and the Huber loss: against stored PyTorch
// results, and the same bits on all exact targets and any number of threads.
// (tests/layers has the twins.)
#include <map>
#include <span>
#include <string>

#include "simd/focal.h"
#include "simd/loss.h"
#include "simd/sigmoid_loss.h"
#include "tests/golden/losses.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::Near;

constexpr size_t kRows = 4, kClasses = 5, kCount = kRows * kClasses;

// The formulas of tests/golden/pytorch_losses.py.
struct Numbers {
  Buffer z{kCount}, soft{kCount}, hot{kCount}, values{kCount};
  Buffer weights{kClasses};
  int32_t labels[kRows] = {3, 0, 4, 2};

  Numbers() {
    for (size_t i = 0; i < kCount; ++i) {
      z[i] = (static_cast<float>((i * 7) % 19) - 9) / 2 + (i == 8 ? 20 : 0);
      hot[i] = i % 3 == 0 ? 1.0f : 0.0f;
      values[i] = (static_cast<float>((i * 5) % 13) - 6) / 4;
    }
    for (size_t r = 0; r < kRows; ++r) {
      float sum = 0;
      for (size_t i = r * kClasses; i < (r + 1) * kClasses; ++i) {
        sum += static_cast<float>((i * 3) % 4 + 1);
      }
      for (size_t i = r * kClasses; i < (r + 1) * kClasses; ++i) {
        soft[i] = static_cast<float>((i * 3) % 4 + 1) / sum;
      }
    }
    for (size_t j = 0; j < kClasses; ++j) {
      weights[j] = static_cast<float>(j + 1) / 4;
    }
  }
};

TEST(ClassLoss, MatchesPyTorch) {
  const Numbers n;
  const std::map<std::string, simd::ClassTargets> softmax = {
      {"Weighted", {n.labels, nullptr, n.weights, 0.0f, 0.0f}},
      {"WeightedSmoothed", {n.labels, nullptr, n.weights, 0.1f, 0.0f}},
      {"WeightedSoft", {nullptr, n.soft, n.weights, 0.0f, 0.0f}},
      {"WeightedSoftSmoothed", {nullptr, n.soft, n.weights, 0.1f, 0.0f}},
      {"Focal", {n.labels, nullptr, nullptr, 0.0f, 2.0f}},
      {"FocalWeightedSoft", {nullptr, n.soft, n.weights, 0.1f, 1.5f}}};
  const std::map<std::string, simd::BinaryTargets> sigmoid = {
      {"Binary", {nullptr, n.hot, nullptr, nullptr, 0.0f, 0.0f}},
      {"BinaryWeighted", {nullptr, n.hot, n.weights, nullptr, 0.0f, 0.0f}},
      {"BinaryFocal", {nullptr, n.hot, nullptr, nullptr, 0.0f, 2.0f}},
      {"BinaryFocalWeighted",
       {nullptr, n.hot, n.weights, nullptr, 0.0f, 0.5f}}};
  size_t compared = 0;
  for (const testing::LossGolden& golden : testing::kLossGoldens) {
    SCOPED_TRACE(golden.name);
    testing::ForEachTarget([&](simd::Target) {
      Buffer p(kCount), loss(kRows), d(kCount);
      if (const auto at = softmax.find(golden.name); at != softmax.end()) {
        simd::SoftmaxFocal(kRows, kClasses, n.z, at->second, p, loss, {});
        simd::SoftmaxFocalBackward(kRows, kClasses, p, at->second, 1.0f / kRows,
                                   false, d, {});
      } else if (const auto in = sigmoid.find(golden.name);
                 in != sigmoid.end()) {
        simd::SigmoidFocal(kRows, kClasses, n.z, in->second, loss, {});
        simd::SigmoidFocalBackward(kRows, kClasses, n.z, in->second,
                                   1.0f / kCount, false, d, {});
      } else {
        ASSERT_STREQ(golden.name, "Huber");
        simd::Huber(kRows, kClasses, n.z, n.values, 1.25f, loss, {});
        simd::HuberBackward(kRows, kClasses, n.z, n.values, 1.25f,
                            1.0f / kCount, false, d, {});
      }
      for (size_t r = 0; r < kRows; ++r) {
        EXPECT_TRUE(Near(loss[r], golden.losses[r], 2e-6, 1e-6)) << r;
      }
      for (size_t i = 0; i < kCount; ++i) {
        EXPECT_TRUE(Near(d[i], golden.gradients[i], 4e-6, 2e-7)) << i;
      }
    });
    ++compared;
  }
  EXPECT_EQ(compared, softmax.size() + sigmoid.size() + 1);
}

TEST(ClassLoss, SameBitsOnExactTargetsAndAnyThreads) {
  for (const size_t classes : {1, 10, 37, 500}) {
    const size_t rows = 8000 / classes, n = rows * classes;
    Buffer x = Buffer(n).Randomize(1), t = Buffer(n).Randomize(2);
    Buffer weights = Buffer(classes + 1).Randomize(3);
    std::vector<int32_t> labels(rows);
    for (size_t r = 0; r < rows; ++r) {
      labels[r] = static_cast<int32_t>(
          RandomWord(4, static_cast<uint32_t>(r), 0, 0, 0) % classes);
    }
    for (size_t i = 0; i < n; ++i) x[i] *= 8, t[i] = std::fabs(t[i]);
    for (float& w : std::span(weights.data(), weights.size())) w += 1.5f;
    const simd::ClassTargets of[] = {
        {labels.data(), nullptr, weights, 0.1f, 2.0f},
        {nullptr, t, weights, 0.0f, 0.7f}};
    const simd::BinaryTargets binary[] = {
        {labels.data(), nullptr, weights, nullptr, 0.1f, 2.0f},
        {nullptr, t, weights, weights, 0.0f, 0.0f}};
    std::vector<Buffer> first;
    testing::ForEachTarget([&](simd::Target target) {
      if (!target.exact) return;
      for (const uint32_t threads : {1u, 3u}) {
        const ParallelRunner parallel = testing::ThreadRunner(threads);
        std::vector<Buffer> out;
        for (size_t k = 0; k < 2; ++k) {
          Buffer p(n), loss(rows), d(n, 0.5f), q(n), binary_loss(rows),
              e(n, 0.5f);
          simd::SoftmaxFocal(rows, classes, x, of[k], p, loss, parallel);
          simd::SoftmaxFocalBackward(rows, classes, p, of[k], 0.01f, true, d,
                                     parallel);
          simd::Sigmoids(n, x, q, parallel);
          simd::SigmoidFocal(rows, classes, x, binary[k], binary_loss,
                             parallel);
          simd::SigmoidFocalBackward(rows, classes, x, binary[k], 0.01f, true,
                                     e, parallel);
          for (Buffer* b : {&p, &loss, &d, &q, &binary_loss, &e}) {
            out.push_back(*b);
          }
        }
        Buffer loss(rows), d(n, 0.5f);
        simd::Huber(rows, classes, x, t, 0.7f, loss, parallel);
        simd::HuberBackward(rows, classes, x, t, 0.7f, 0.01f, true, d,
                            parallel);
        out.push_back(loss), out.push_back(d);
        if (first.empty()) first = out;
        for (size_t i = 0; i < out.size(); ++i) {
          EXPECT_TRUE(out[i].GuardsIntact() && out[i].SameBits(first[i]))
              << i << " with " << threads << " threads, " << classes;
        }
      }
    });
  }
}

}  // namespace
}  // namespace temper
