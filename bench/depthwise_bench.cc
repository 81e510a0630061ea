// Depthwise convolution in its three directions, one thread, every exact
// target; "formed": x after batch norm and ReLU. Verified against the twins
// in double before timing. Operations: 2 per multiply-add inside the image.
//   TARGET/DIRECTION[_formed]/b BATCH_side_channels_kernel_stride
// Batch 1: what lies in one core's caches; batch 4: the layers of MobileNets
// and DS-CNN.
// Run: build/bench/bin/depthwise_bench --benchmark_filter=avx3/.*b1_
//        --benchmark_repetitions=3 --benchmark_report_aggregates_only
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "bench/bench_support.h"
#include "simd/depthwise.h"
#include "tests/reference/depthwise.h"

namespace temper {
namespace {

using bench::Floats;

// Multiply-adds of one row of outputs, border left out.
size_t Inside(uint32_t in, uint32_t out, uint32_t kernel, uint32_t stride,
              uint32_t pad) {
  size_t count = 0;
  for (uint32_t o = 0; o < out; ++o)
    for (uint32_t k = 0; k < kernel; ++k)
      count += o * stride + k >= pad && o * stride + k < in + pad;
  return count;
}

struct Problem {
  Problem(const simd::ConvShape& shape, uint32_t images, bool formed)
      : s(shape),
        batch(images),
        x(size_t{batch} * s.in_h * s.in_w * s.in_c, 1),
        w(size_t{s.kernel_h} * s.kernel_w * s.in_c, 2),
        y(size_t{batch} * s.out_h * s.out_w * s.in_c, 3),
        scale(s.in_c, 4),
        shift(s.in_c, 5),
        scratch(
            std::max(simd::DepthwiseForwardScratch(s, batch, 1, true),
                     simd::DepthwiseBackwardWeightsScratch(s, batch, 1, true)) /
            sizeof(float)) {
    if (formed)
      prologue = {scale.data(), shift.data(), simd::Activation::kRelu};
  }
  // x as the kernel sees it.
  Floats FormedX() const {
    Floats f = x;
    if (prologue.scale == nullptr) return f;
    for (size_t i = 0; i < f.size(); ++i) {
      const float v = std::fma(x.data()[i], scale.data()[i % s.in_c],
                               shift.data()[i % s.in_c]);
      f.data()[i] = v <= 0 ? 0.0f : v;
    }
    return f;
  }
  void Report(benchmark::State& state, const bench::Yardsticks& yard,
              double seconds) const {
    const size_t macs =
        Inside(s.in_h, s.out_h, s.kernel_h, s.stride_h, s.pad_top) *
        Inside(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left) * s.in_c *
        batch;
    bench::Report(state, yard, seconds, 2.0 * static_cast<double>(macs),
                  4.0 * static_cast<double>(x.size() + y.size() + w.size()));
  }
  simd::ConvShape s;
  uint32_t batch;
  Floats x, w, y, scale, shift, scratch;
  simd::Prologue prologue;
};

void Forward(benchmark::State& state, const std::string& name,
             const std::string& target, Problem& p) {
  const bench::Yardsticks& yard = bench::UseTarget(target);
  const auto run = [&] {
    simd::DepthwiseForward(p.s, p.batch, p.x.data(), p.prologue, p.w.data(),
                           nullptr, p.y.data(), p.scratch.data(), {});
  };
  if (bench::NeedsCheck(name)) {
    run();
    const Floats x = p.FormedX();
    std::vector<double> expected(p.y.size()), magnitude(p.y.size());
    const double* none = nullptr;
    reference::DepthwiseForward(p.s, p.batch, x.Doubles().data(),
                                p.w.Doubles().data(), none, expected.data());
    reference::DepthwiseForward(p.s, p.batch, x.Magnitudes().data(),
                                p.w.Magnitudes().data(), none,
                                magnitude.data());
    if (!bench::Verify(state, name, p.y.data(), expected, magnitude,
                       p.s.kernel_h * p.s.kernel_w))
      return;
  }
  const double seconds = bench::Time(state, run);
  p.Report(state, yard, seconds);
}

void BackwardData(benchmark::State& state, const std::string& name,
                  const std::string& target, Problem& p) {
  const bench::Yardsticks& yard = bench::UseTarget(target);
  const auto run = [&] {
    simd::DepthwiseBackwardData(p.s, p.batch, p.y.data(), p.w.data(), false,
                                p.x.data(), {});
  };
  if (bench::NeedsCheck(name)) {
    run();
    std::vector<double> expected(p.x.size()), magnitude(p.x.size());
    reference::DepthwiseBackwardData(p.s, p.batch, p.y.Doubles().data(),
                                     p.w.Doubles().data(), false,
                                     expected.data());
    reference::DepthwiseBackwardData(p.s, p.batch, p.y.Magnitudes().data(),
                                     p.w.Magnitudes().data(), false,
                                     magnitude.data());
    if (!bench::Verify(state, name, p.x.data(), expected, magnitude,
                       p.s.kernel_h * p.s.kernel_w))
      return;
  }
  const double seconds = bench::Time(state, run);
  p.Report(state, yard, seconds);
}

void BackwardWeights(benchmark::State& state, const std::string& name,
                     const std::string& target, Problem& p) {
  const bench::Yardsticks& yard = bench::UseTarget(target);
  Floats dw(p.w.size());
  const auto run = [&] {
    simd::DepthwiseBackwardWeights(p.s, p.batch, {0, p.batch}, p.x.data(),
                                   p.prologue, p.y.data(), dw.data(),
                                   p.scratch.data(), {});
  };
  if (bench::NeedsCheck(name)) {
    dw.Zero();
    run();
    const Floats x = p.FormedX();
    std::vector<double> expected(dw.size()), magnitude(dw.size());
    reference::DepthwiseBackwardWeights(p.s, p.batch, x.Doubles().data(),
                                        p.y.Doubles().data(), expected.data());
    reference::DepthwiseBackwardWeights(p.s, p.batch, x.Magnitudes().data(),
                                        p.y.Magnitudes().data(),
                                        magnitude.data());
    if (!bench::Verify(state, name, dw.data(), expected, magnitude,
                       static_cast<double>(p.batch) * p.s.out_h * p.s.out_w))
      return;
  }
  const double seconds = bench::Time(state, run);
  p.Report(state, yard, seconds);
}

void Register(const std::string& target, uint32_t batch, uint32_t side,
              uint32_t channels, uint32_t kernel, uint32_t stride) {
  const uint32_t pad = kernel / 2;
  const uint32_t out = (side + 2 * pad - kernel) / stride + 1;
  const simd::ConvShape s = {side,     side,   channels, out,    out,
                             channels, kernel, kernel,   stride, stride,
                             pad,      pad,    1,        1,      channels};
  const std::string shape =
      std::string("/b") + std::to_string(batch) + "_" + std::to_string(side) +
      "_" + std::to_string(channels) + "_" + std::to_string(kernel) + "_" +
      std::to_string(stride);
  const auto add = [&](const char* direction, auto run, bool formed) {
    const std::string name = target + "/" + direction + shape;
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
      Problem p(s, batch, formed);
      run(state, name, target, p);
    });
  };
  add("forward", Forward, false);
  add("backward_data", BackwardData, false);
  add("backward_weights", BackwardWeights, false);
  if (batch == 1) return;
  add("forward_formed", Forward, true);
  add("backward_weights_formed", BackwardWeights, true);
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  temper::bench::ForEachExactTarget([](const std::string& target) {
    for (const uint32_t stride : {1u, 2u})
      for (const uint32_t channels : {64u, 128u, 256u, 512u})
        for (const uint32_t side : {6u, 12u, 24u, 48u}) {
          // x and y within 1 MiB.
          if (side * side * channels <= (stride == 1 ? 131072u : 200000u))
            temper::Register(target, 1, side, channels, 3, stride);
        }
    const uint32_t models[][4] = {
        {48, 8, 3, 1},   {48, 16, 3, 2},  {24, 32, 3, 1},  {24, 24, 3, 1},
        {12, 64, 3, 1},  {25, 64, 3, 1},  {12, 64, 3, 2},  {6, 128, 3, 1},
        {3, 256, 3, 1},  {112, 32, 3, 1}, {112, 64, 3, 2}, {56, 128, 3, 1},
        {14, 512, 3, 1}, {7, 1024, 3, 1}, {28, 64, 5, 1},  {28, 64, 5, 2}};
    for (const auto& m : models)
      temper::Register(target, 4, m[0], m[1], m[2], m[3]);
  });
  return temper::bench::Finish(argc, argv);
}
