// simd/winograd.h on shapes as models have them: more arithmetic than a unit
// test may ask for (testing/flops.h). What is tested: winograd_test.cc.
#include "simd/winograd.h"
#include "tests/reference/conv.h"
#include "tests/testing/winograd_problem.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::CheckBound;
using testing::Name;
using testing::ToDouble;
using Case = testing::WinogradCase;
using Problem = testing::WinogradProblem;
using Magnitudes = testing::WinogradMagnitudes;

const Case kCases[] = {
    {2, 8, 8, 64, 17, 1, 1, 1, 1},   {1, 9, 9, 17, 64, 1, 1, 1, 1},
    {2, 12, 12, 16, 24, 1, 1, 1, 1}, {1, 24, 24, 8, 16, 1, 1, 1, 1},
    {1, 32, 32, 16, 16, 1, 1, 1, 1}, {2, 6, 6, 40, 48, 1, 1, 1, 1},
    {5, 3, 2, 64, 64, 1, 1, 1, 1},   {1, 4, 4, 700, 40, 1, 1, 1, 1},
    {1, 4, 4, 33, 600, 1, 1, 1, 1},  {3, 16, 16, 16, 48, 1, 1, 1, 1},
    {5, 5, 5, 64, 64, 1, 1, 1, 1},   {2, 33, 31, 24, 40, 1, 1, 1, 1},
    {1, 8, 8, 96, 80, 1, 1, 1, 1},   {5, 6, 6, 130, 150, 1, 1, 1, 1},
    {5, 31, 32, 8, 3, 1, 1, 1, 1},   {1, 181, 190, 2, 3, 1, 1, 1, 1},
};

// Runs on several threads; `expected` holds the definition and its magnitudes.
template <class Kernel>
void Check(const Buffer& twin, const std::vector<double> (&expected)[2],
           size_t terms, Kernel&& kernel) {
  testing::ForEachTarget([&](simd::Target target) {
    Buffer first =
        twin;  // where the twin's bits are not promised: one thread's
    for (const uint32_t threads : {1u, 2u, 3u, 9u}) {
      SCOPED_TRACE(threads);
      const Buffer result = kernel(testing::ThreadRunner(threads));
      CheckBound(result, expected[0], expected[1], terms);
      if (!target.exact && threads == 1) first = result;
      EXPECT_TRUE(result.SameBits(first));
    }
  });
}

TEST(WinogradSlow, ForwardMatchesTheDefinitionAndTheTwin) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    std::vector<double> expected[2];
    for (auto& values : expected) values.resize(p.out);
    reference::ConvForward<double>(
        p.s, p.batch, ToDouble(p.x, false).data(), ToDouble(p.w, false).data(),
        ToDouble(p.bias, false).data(), expected[0].data());
    Magnitudes::Forward(p.s, p.batch, ToDouble(p.x, true).data(),
                        ToDouble(p.w, true).data(),
                        ToDouble(p.bias, true).data(), expected[1].data());
    Check(p.TwinForward(p.bias), expected, p.s.in_c,
          [&](const ParallelRunner& parallel) {
            return p.Forward(p.x, {}, p.bias, parallel);
          });
  }
}

TEST(WinogradSlow, BackwardDataMatchesTheDefinitionAndTheTwin) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    std::vector<double> expected[2] = {ToDouble(p.dx, false),
                                       ToDouble(p.dx, true)};
    reference::ConvBackwardData<double>(
        p.s, p.batch, ToDouble(p.dy, false).data(), ToDouble(p.w, false).data(),
        true, expected[0].data());
    Magnitudes::BackwardData(p.s, p.batch, ToDouble(p.dy, true).data(),
                             ToDouble(p.w, true).data(), true,
                             expected[1].data());
    Check(p.TwinBackwardData(true), expected, p.s.out_c,
          [&](const ParallelRunner& parallel) {
            return p.BackwardData(true, parallel);
          });
  }
}

TEST(WinogradSlow, BackwardWeightsMatchesTheDefinitionAndTheTwin) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    std::vector<double> expected[2] = {ToDouble(p.dw, false),
                                       ToDouble(p.dw, true)};
    reference::ConvBackwardWeights<double>(
        p.s, p.batch, ToDouble(p.x, false).data(), ToDouble(p.dy, false).data(),
        expected[0].data());
    Magnitudes::BackwardWeights(p.s, p.batch, ToDouble(p.x, true).data(),
                                ToDouble(p.dy, true).data(),
                                expected[1].data());
    Check(p.TwinBackwardWeights(), expected, p.Tiles(),
          [&](const ParallelRunner& parallel) {
            return p.BackwardWeights(p.x, {}, parallel);
          });
  }
}

}  // namespace
}  // namespace temper
