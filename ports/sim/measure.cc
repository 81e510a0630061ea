// See measure.h. Every point is the median of a few samples of at least half a
// millisecond, after a warm-up, on data that stay where the last run left
// them.
#include "ports/sim/measure.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "simd/conv.h"
#include "simd/dense.h"
#include "simd/depthwise.h"
#include "simd/elementwise.h"
#include "simd/gemm.h"
#include "simd/loss.h"
#include "simd/machine.h"
#include "simd/norm.h"
#include "simd/pool.h"
#include "simd/prologue.h"
#include "simd/update.h"
#include "simd/winograd.h"

namespace temper::sim {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kMostBytes = 160 * kMiB;

// Seconds of f(): the median; for several threads the best, because they all
// wait for the one that something else disturbs. `enough`: how long to go on
// measuring.
enum class Take { kMedian, kBest };
template <class F>
double Time(F&& f, Take take, double enough = 0.006) {
  const auto run = [&](size_t times) {
    const auto begin = Clock::now();
    for (size_t i = 0; i < times; ++i) f();
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  run(1);
  const double once = std::max(run(1), 1e-8);
  const double sample = take == Take::kBest ? 0.0002 : 0.0005;
  const size_t times = static_cast<size_t>(std::max(1.0, sample / once));
  const size_t least = take == Take::kBest ? 15 : 5;
  std::vector<double> samples;
  double total = 0;
  while (samples.size() < least || (total < enough && samples.size() < 40)) {
    samples.push_back(run(times) / static_cast<double>(times));
    total += samples.back() * static_cast<double>(times);
  }
  std::sort(samples.begin(), samples.end());
  return samples[take == Take::kBest ? 0 : samples.size() / 2];
}

class Bench {
 public:
  Bench(const ParallelRunner& parallel, void* memory, size_t bytes,
        DeviceProfile* profile)
      : all_(parallel),
        memory_(static_cast<float*>(memory)),
        floats_(bytes / sizeof(float)),
        profile_(*profile) {
    // Small, of both signs, and no zero: nothing grows or becomes subnormal.
    for (size_t i = 0; i < floats_; ++i) {
      memory_[i] = (static_cast<float>(i * 40503 % 1024) + 0.5f) / 1024 - 0.5f;
    }
  }

  void Overhead() {
    // Different kernels on different small vectors, far apart as in a step,
    // where neither code nor data were just used.
    constexpr size_t kApart = 16384 + 64, kSets = 256;
    float* const x = New(kApart * kSets);
    const simd::Prologue relu = {x, x + 64, simd::Activation::kRelu};
    const double round = Time(
        [&] {
          for (size_t i = 0; i < kSets; ++i) {
            float* const at = x + i * kApart;
            simd::Add(16, at, at + 64, at + 128, {});
            simd::BatchStats(4, {0, 4}, 16, at, at + 64, at + 128, at + 192,
                             {});
            simd::Fill(16, 0.25f, at + 128, {});
            simd::ApplyPrologue(4, 16, at, relu, at + 192);
            simd::SgdUpdate(16, {1e-6f, 0.9f}, at, at + 64, at + 128, false,
                            {});
            simd::Activate(16, relu.activation, at, at + 64, {});
            simd::Copy(16, at, at + 128, {});
            simd::ActivateBackward(16, relu.activation, at, at + 64, false,
                                   at + 128, {});
          }
        },
        Take::kMedian, 0.01);
    profile_.overhead.call_us = round / (8 * kSets) * 1e6;
    double region = 0;
    if (all_.threads > 1) {
      region = Time(
          [&] {
            ParallelFor(all_, all_.threads, 1, [](size_t, size_t, size_t) {});
          },
          Take::kBest, 0.05);
    }
    profile_.overhead.region_us = region * 1e6;
    Clear();
  }

  void Threads() {
    auto& threads = profile_.threads;
    threads.compute = {1}, threads.memory = {1};
    // A product large enough for all, and a copy that no cache holds.
    const size_t m = 504 * all_.threads, n = 256, k = 256;
    const size_t copy = floats_ / 2;
    double product_one = 0, copy_one = 0;
    for (uint32_t t = 1; t <= all_.threads; ++t) {
      ParallelRunner some = all_;
      some.threads = t;
      if (t == 1) some = {};
      float* const a = New(m * k);
      float* const b = New(k * n);
      float* const c = New(m * n);
      const double product = Time(
          [&] { simd::MatMulUnpacked(m, n, k, a, k, b, n, false, c, n, some); },
          Take::kBest, 0.2);
      Clear();
      const double copied =
          Time([&] { simd::Copy(copy, memory_, memory_ + copy, some); },
               Take::kBest, 0.2);
      if (t == 1) {
        product_one = product, copy_one = copied;
        continue;
      }
      threads.compute.push_back(
          std::clamp(product_one / product, 1.0, 1.0 * t));
      threads.memory.push_back(std::clamp(copy_one / copied, 1.0, 1.0 * t));
    }
  }

  // The same work on what the same thread, or another one, worked on last.
  void Transfer() {
    profile_.threads.transfer_gbytes = 1e3;
    if (all_.threads < 2) return;
    constexpr size_t kFloats = 32768;
    struct Task {
      float* data;
      uint32_t threads;
      size_t shift;
    } task = {New(kFloats * all_.threads), all_.threads, 0};
    // In turn, again and again: the differences are small.
    std::vector<double> differences;
    for (int round = 0; round < 9; ++round) {
      double seconds[2];
      for (size_t moving = 0; moving < 2; ++moving) {
        seconds[moving] = Time(
            [&] {
              task.shift += moving;
              all_.run(
                  all_.pool,
                  [](void* context, uint32_t i, uint32_t) {
                    const Task& t = *static_cast<Task*>(context);
                    float* const at =
                        t.data + (i + t.shift) % t.threads * kFloats;
                    simd::Scale(kFloats, 1.0f, at, at, {});
                  },
                  &task, all_.threads, all_.threads);
            },
            Take::kBest);
      }
      differences.push_back(seconds[1] - seconds[0]);
    }
    std::sort(differences.begin(), differences.end());
    Clear();
    const double more = std::max(1e-9, differences[4]);
    profile_.threads.transfer_gbytes =
        std::clamp(kFloats * sizeof(float) / more * 1e-9, 1e-2, 1e3);
  }

  void Peak() {
    double best = 0;
    for (int i = 0; i < 20; ++i) {
      const auto begin = Clock::now();
      const double operations = simd::RunFmaLoop(200000);
      best = std::max(best, operations / Seconds(begin) * 1e-9);
    }
    profile_.cpu.peak_gflops = best;
  }

  void Measure(Kernel kernel) {
    auto& rate = profile_.rates[static_cast<size_t>(kernel)];
    const auto walk = [&](Grid* grid) {
      Grid now;
      SetAxes(kernel, &now);
      Walk(kernel, &now);
      // The better of this time and an earlier one.
      for (size_t i = 0; i < grid->values.size(); ++i) {
        now.values[i] = std::max(now.values[i], grid->values[i]);
      }
      *grid = std::move(now);
    };
    run_ = {};
    walk(&rate.grid);
    if (all_.threads == 1) return;
    run_ = all_;
    walk(&rate.all);
  }

 private:
  void Walk(Kernel kernel, Grid* out) {
    Grid& grid = *out;
    grid.values.clear();
    const auto axis = [&](uint32_t d) {
      return grid.axes[d].empty() ? std::vector<double>{1} : grid.axes[d];
    };
    for (const double x : axis(0)) {
      for (const double y : axis(1)) {
        for (const double z : axis(2)) {
          Clear();
          grid.values.push_back(Point(kernel, x, y, z) * 1e-9);
        }
      }
    }
  }

  static double Seconds(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }
  // A buffer of n floats and what kernels may read past it.
  float* New(size_t n) {
    const size_t room = simd::RoundUp(n, 16) + 16;
    // Buffers may overlap where memory is short: the time is nearly the same.
    if (used_ + room > floats_) used_ = 0;
    float* const p = memory_ + used_;
    used_ += room;
    return p;
  }
  float* NewBytes(size_t bytes) { return New(bytes / sizeof(float) + 16); }
  void Clear() { used_ = 0; }
  template <class F>
  double Timed(F&& f) const {
    return Time(f, run_.threads > 1 ? Take::kBest : Take::kMedian);
  }
  // What inputs after a batch norm are formed by.
  simd::Prologue Relu(uint32_t channels) {
    float *const one = New(channels), *const zero = New(channels);
    std::fill_n(one, channels, 1.0f);
    std::fill_n(zero, channels, 0.0f);
    return {one, zero, simd::Activation::kRelu};
  }

  void SetAxes(Kernel kernel, Grid* grid) const {
    const std::vector<double> channels = {8, 16, 32, 128, 512};
    switch (kernel) {
      case Kernel::kDenseForward:
      case Kernel::kDenseInput:
      case Kernel::kDenseWeights:
        grid->axes[0] = {1, 8, 32, 128};
        grid->axes[1] = grid->axes[2] = {8, 32, 128, 640};
        return;
      case Kernel::kPointwiseForward:
      case Kernel::kPointwiseInput:
      case Kernel::kPointwiseWeights:
        grid->axes[0] = {1, 16, 64, 256, 2048};
        grid->axes[1] = grid->axes[2] = channels;
        return;
      case Kernel::kConvForward:
      case Kernel::kConvInput:
      case Kernel::kConvWeights:
        grid->axes[0] = {16, 256, 1024};
        grid->axes[1] = grid->axes[2] = {8, 32, 128};
        return;
      case Kernel::kStridedForward:
      case Kernel::kStridedInput:
      case Kernel::kStridedWeights:
        grid->axes[0] = {16, 256, 1024};
        grid->axes[1] = grid->axes[2] = {8, 32, 128, 512};
        return;
      case Kernel::kFirstForward:
      case Kernel::kFirstWeights:
        grid->axes[0] = {256, 4096};
        grid->axes[1] = {9, 27, 147};
        grid->axes[2] = {8, 16, 32, 64};
        return;
      case Kernel::kWinogradForward:
      case Kernel::kWinogradInput:
      case Kernel::kWinogradWeights:
        grid->axes[0] = {16, 64, 256, 1024};
        grid->axes[1] = grid->axes[2] = {16, 32, 128, 512};
        return;
      case Kernel::kDepthwiseForward:
      case Kernel::kDepthwiseInput:
      case Kernel::kDepthwiseWeights:
        grid->axes[0] = {1, 2};
        grid->axes[1] = {3, 6, 12, 48};
        grid->axes[2] = {8, 16, 64, 256};
        return;
      case Kernel::kUpdate:
      case Kernel::kFill:
      case Kernel::kCopy:
        grid->axes[0] = Distances();
        grid->axes[1] = {1};
        return;
      case Kernel::kSoftmax:
        grid->axes[0] = {32768};
        grid->axes[1] = {10, 100};
        return;
      default:
        grid->axes[0] = Distances();
        grid->axes[1] = {8, 32, 256};
    }
  }
  std::vector<double> Distances() const {
    std::vector<double> distances;
    for (const double d : {24e3, 96e3, 384e3, 768e3, 1.5e6, 6e6, 24e6, 96e6}) {
      if (d <= 0.7 * static_cast<double>(floats_ * sizeof(float))) {
        distances.push_back(d);
      }
    }
    return distances;
  }

  double Point(Kernel kernel, double x, double y, double z) {
    const auto whole = [](double v) { return static_cast<uint32_t>(v); };
    switch (InfoOf(kernel).kind) {
      case KernelKind::kProduct:
        return Product(kernel, whole(x), whole(y), whole(z));
      case KernelKind::kDepthwise:
        return Depthwise(kernel, whole(x), whole(y), whole(z));
      case KernelKind::kStream:
        break;
    }
    return Stream(kernel, static_cast<size_t>(x), whole(y));
  }

  double Product(Kernel kernel, uint32_t rows, uint32_t in, uint32_t out) {
    switch (kernel) {
      case Kernel::kDenseForward:
      case Kernel::kDenseInput:
      case Kernel::kDenseWeights:
        return Dense(kernel, rows, in, out);
      case Kernel::kPointwiseForward:
      case Kernel::kPointwiseInput:
      case Kernel::kPointwiseWeights:
        return Conv(kernel, rows, in, out, 1, 1);
      case Kernel::kStridedForward:
      case Kernel::kStridedInput:
      case Kernel::kStridedWeights:
        return Conv(kernel, rows, in, out, 3, 2);
      case Kernel::kFirstForward:
      case Kernel::kFirstWeights:
        return in == 147  ? Conv(kernel, rows, 3, out, 7, 2)
               : in == 27 ? Conv(kernel, rows, 3, out, 3, 1)
                          : Conv(kernel, rows, 1, out, 3, 1);
      default:
        return Conv(kernel, rows, in, out, 3, 1);
    }
  }

  double Dense(Kernel kernel, uint32_t rows, uint32_t in, uint32_t out) {
    float* const x = New(size_t{rows} * in);
    float* const w = New(size_t{in} * out);
    float* const y = New(size_t{rows} * out);
    float* const packed = NewBytes(simd::PackedBytes(in, out));
    double seconds, columns;
    if (kernel == Kernel::kDenseForward) {
      columns = static_cast<double>(simd::RoundUp(out, 8)) * in;
      seconds = Timed([&] {
        simd::DenseForward(rows, in, out, {x}, w, nullptr, packed, y, run_);
      });
    } else if (kernel == Kernel::kDenseInput) {
      columns = static_cast<double>(simd::RoundUp(in, 8)) * out;
      seconds = Timed([&] {
        simd::MatMulUnpacked(rows, in, out, y, out, w, in, false, x, in, run_);
      });
    } else {
      columns = static_cast<double>(simd::RoundUp(in, 8)) * out;
      const auto take = [](void*, size_t, size_t, const float*) {};
      seconds = Timed([&] {
        simd::DenseBackward(rows, in, out, {x}, w, y, false, nullptr,
                            {take, nullptr}, run_);
      });
    }
    return 2.0 * rows * columns / seconds;
  }

  // A square image of `rows` output pixels, or several of 32 x 32.
  double Conv(Kernel kernel, uint32_t rows, uint32_t in, uint32_t out,
              uint32_t size, uint32_t stride) {
    uint32_t side = 1;
    while (side < 32 && (side + 1) * (side + 1) <= rows) ++side;
    const uint32_t batch = std::max(1u, rows / (side * side));
    simd::ConvShape s = {side * stride, side * stride, in,   side,   side,
                         out,           size,          size, stride, stride,
                         size / 2,      size / 2,      1,    1,      1};
    float* const x = New(size_t{batch} * s.in_h * s.in_w * in);
    float* const w = New(size_t{size} * size * in * out);
    float* const y = New(size_t{batch} * side * side * out);
    const bool samples =
        kernel == Kernel::kFirstForward || kernel == Kernel::kFirstWeights;
    const simd::Prologue relu = samples ? simd::Prologue() : Relu(in);
    const double taps = double{1} * size * size;
    const double in8 = static_cast<double>(simd::RoundUp(in, 8));
    double columns = in8 * out * taps;
    double seconds = 0;
    switch (kernel) {
      case Kernel::kWinogradForward: {
        float* const scratch =
            NewBytes(simd::WinogradForwardScratch(s, batch, run_.threads));
        columns = static_cast<double>(simd::RoundUp(out, 8)) * in * taps;
        seconds = Timed([&] {
          simd::WinogradForward(s, batch, x, relu, w, nullptr, y, scratch,
                                run_);
        });
        break;
      }
      case Kernel::kWinogradInput: {
        float* const scratch =
            NewBytes(simd::WinogradBackwardDataScratch(s, batch, run_.threads));
        seconds = Timed([&] {
          simd::WinogradBackwardData(s, batch, y, w, false, x, scratch, run_);
        });
        break;
      }
      case Kernel::kWinogradWeights: {
        float* const scratch = NewBytes(
            simd::WinogradBackwardWeightsScratch(s, batch, run_.threads));
        seconds = Timed([&] {
          simd::WinogradBackwardWeights(s, batch, x, relu, y, 0, out, w,
                                        scratch, run_);
        });
        break;
      }
      case Kernel::kPointwiseForward:
      case Kernel::kConvForward:
      case Kernel::kStridedForward:
      case Kernel::kFirstForward: {
        float* const scratch = NewBytes(
            simd::direct::ConvForwardScratch(s, batch, run_.threads, true));
        columns = static_cast<double>(simd::RoundUp(out, 8)) * in * taps;
        seconds = Timed([&] {
          simd::direct::ConvForward(s, batch, x, relu, w, nullptr, y, scratch,
                                    run_);
        });
        break;
      }
      case Kernel::kPointwiseInput:
      case Kernel::kConvInput:
      case Kernel::kStridedInput: {
        float* const scratch = NewBytes(
            simd::direct::ConvBackwardDataScratch(s, batch, run_.threads));
        seconds = Timed([&] {
          simd::direct::ConvBackwardData(s, batch, y, w, false, x, scratch,
                                         run_);
        });
        break;
      }
      default: {
        float* const scratch =
            NewBytes(simd::direct::ConvBackwardWeightsScratch(
                s, batch, run_.threads, true));
        if (kernel == Kernel::kFirstWeights) {
          columns = static_cast<double>(
                        simd::RoundUp(static_cast<size_t>(in * taps), 8)) *
                    out;
        }
        seconds = Timed([&] {
          simd::direct::ConvBackwardWeights(s, batch, x, relu, y, 0, out, w,
                                            scratch, run_);
        });
      }
    }
    return 2.0 * batch * side * side * columns / seconds;
  }

  double Depthwise(Kernel kernel, uint32_t stride, uint32_t side, uint32_t c) {
    // About 32 KB of results.
    const uint32_t batch = std::max(1u, 8192 / (side * side * c));
    const simd::ConvShape s = {
        side * stride, side * stride, c, side, side, c, 3, 3,
        stride,        stride,        1, 1,    1,    1, c};
    float* const x = New(size_t{batch} * s.in_h * s.in_w * c);
    float* const w = New(size_t{9} * c);
    float* const y = New(size_t{batch} * side * side * c);
    const simd::Prologue relu = Relu(c);
    double seconds;
    if (kernel == Kernel::kDepthwiseForward) {
      float* const scratch =
          NewBytes(simd::DepthwiseForwardScratch(s, batch, run_.threads, true));
      seconds = Timed([&] {
        simd::DepthwiseForward(s, batch, x, relu, w, nullptr, y, scratch, run_);
      });
    } else if (kernel == Kernel::kDepthwiseInput) {
      seconds = Timed(
          [&] { simd::DepthwiseBackwardData(s, batch, y, w, false, x, run_); });
    } else {
      float* const scratch = NewBytes(
          simd::DepthwiseBackwardWeightsScratch(s, batch, run_.threads, true));
      seconds = Timed([&] {
        simd::DepthwiseBackwardWeights(s, batch, {0, batch}, x, relu, y, w,
                                       scratch, run_);
      });
    }
    return 18.0 * batch * side * side * c / seconds;
  }

  // Tensors that together are `distance` bytes, gone through again and again.
  double Stream(Kernel kernel, size_t distance, uint32_t c) {
    const size_t floats = distance / sizeof(float);
    // A vector per channel: 1 for scales and variances, 0 for shifts and means.
    float* const one = New(c);
    float* const zero = New(c);
    float* const sink = New(c);
    float* const sink2 = New(c);
    std::fill_n(one, c, 1.0f);
    std::fill_n(zero, c, 0.0f);
    const simd::Prologue relu = {one, zero, simd::Activation::kRelu};
    const auto rows_of = [&](size_t tensors) {
      return std::max<size_t>(1, floats / tensors / c);
    };
    size_t rows = rows_of(2), bytes = 0;  // bytes: read and written
    double seconds = 0;
    switch (kernel) {
      case Kernel::kForm: {
        float *const x = New(rows * c), *const y = New(rows * c);
        bytes = 8 * rows * c;
        seconds =
            Timed([&] { simd::ApplyPrologue(rows, c, x, relu, y, run_); });
        break;
      }
      case Kernel::kStats: {
        rows = rows_of(1);
        float* const x = New(rows * c);
        float* const scratch = NewBytes(simd::BatchStatsScratch(rows, c));
        bytes = 4 * rows * c;
        seconds = Timed([&] {
          simd::BatchStats(rows, {0, rows}, c, x, sink, sink2, scratch, run_);
        });
        break;
      }
      case Kernel::kSums: {
        float *const x = New(rows * c), *const dy = New(rows * c);
        float* const scratch = NewBytes(simd::BatchNormSumsScratch(rows, c));
        bytes = 8 * rows * c;
        seconds = Timed([&] {
          simd::BatchNormSums(rows, {0, rows}, c, x, relu, dy, zero, one, sink,
                              sink2, scratch, run_);
        });
        break;
      }
      case Kernel::kNormGradient: {
        float *const x = New(rows * c), *const dy = New(rows * c);
        bytes = 12 * rows * c;
        seconds = Timed([&] {
          simd::BatchNormBackward(rows, {0, rows}, c, x, relu, dy, zero, one,
                                  one, zero, zero, false, dy, run_);
        });
        break;
      }
      case Kernel::kAdd: {
        rows = rows_of(3);
        float *const a = New(rows * c), *const b = New(rows * c);
        float* const y = New(rows * c);
        const simd::Prologue scale = {one, zero, simd::Activation::kNone};
        bytes = 12 * rows * c;
        seconds = Timed([&] {
          simd::AddThrough(rows, c, a, scale, b, {}, simd::Activation::kRelu, y,
                           run_);
        });
        break;
      }
      case Kernel::kMask: {
        rows = rows_of(3);
        float *const y = New(rows * c), *const dy = New(rows * c);
        float* const dx = New(rows * c);
        bytes = 12 * rows * c;
        seconds = Timed([&] {
          simd::ActivateBackward(rows * c, relu.activation, y, dy, false, dx,
                                 run_);
        });
        break;
      }
      case Kernel::kCopy: {
        float *const x = New(rows * c), *const y = New(rows * c);
        bytes = 8 * rows * c;
        seconds = Timed([&] { simd::Copy(rows * c, x, y, run_); });
        break;
      }
      case Kernel::kFill: {
        rows = rows_of(1);
        float* const y = New(rows * c);
        bytes = 4 * rows * c;
        seconds = Timed([&] { simd::Fill(rows * c, 0.25f, y, run_); });
        break;
      }
      case Kernel::kUpdate: {
        rows = rows_of(3);
        float *const g = New(rows * c), *const w = New(rows * c);
        float* const v = New(rows * c);
        bytes = 20 * rows * c;
        seconds = Timed([&] {
          simd::SgdUpdate(rows * c, {1e-6f, 0.9f, 5e-4f}, g, w, v,
                          run_.threads > 1, run_);
        });
        break;
      }
      case Kernel::kColumnSums: {
        rows = rows_of(1);
        float* const x = New(rows * c);
        float* const scratch = NewBytes(simd::ColumnSumsScratch(rows, c));
        bytes = 4 * rows * c;
        seconds =
            Timed([&] { simd::ColumnSums(rows, c, x, sink, scratch, run_); });
        break;
      }
      case Kernel::kNormalize: {
        float *const x = New(rows * c), *const y = New(rows * c);
        bytes = 8 * rows * c;
        seconds = Timed([&] {
          simd::NormalizeF32(rows * c, c, x, 1.0f, zero, one, y, run_);
        });
        break;
      }
      case Kernel::kDropout: {
        float *const x = New(rows * c), *const y = New(rows * c);
        const uint64_t id = 0;
        bytes = 8 * rows * c;
        seconds = Timed([&] {
          simd::Dropout(1, rows * c, x, 2.0f, 1u << 31, 1, &id, 0, 0, false, y,
                        run_);
        });
        break;
      }
      case Kernel::kSoftmax: {
        float *const x = New(rows * c), *const y = New(rows * c);
        float* const loss = New(rows);
        int32_t* const labels = reinterpret_cast<int32_t*>(New(rows));
        std::fill_n(labels, rows, 0);
        bytes = 8 * rows * c;
        seconds = Timed([&] {
          simd::SoftmaxCrossEntropy(rows, c, x, labels, 0.0f, y, loss, run_);
        });
        std::fill_n(reinterpret_cast<float*>(labels), rows, 0.5f);
        break;
      }
      default:
        return Pool(kernel, distance, c);
    }
    return static_cast<double>(bytes) / seconds;
  }

  // Windows of 3x3 with stride 2, images of 32 x 32 or one smaller.
  double Pool(Kernel kernel, size_t distance, uint32_t c) {
    const bool input =
        kernel == Kernel::kMaxPoolInput || kernel == Kernel::kAvgPoolInput;
    const bool max =
        kernel == Kernel::kMaxPoolInput || kernel == Kernel::kMaxPoolForward;
    // x and y, or also dx.
    const double pixel = (input && max ? 2.25 : 1.25) * c * sizeof(float);
    const double pixels = static_cast<double>(distance) / pixel;
    uint32_t side = 2;
    while (side < 32 && (side + 2) * (side + 2) <= pixels) side += 2;
    const uint32_t batch =
        std::max(1u, static_cast<uint32_t>(pixels / (double{1} * side * side)));
    const uint32_t half = side / 2;
    const simd::ConvShape s = {side, side, c, half, half, c, 3, 3,
                               2,    2,    1, 1,    1,    1, c};
    const size_t in = size_t{batch} * side * side * c;
    const size_t out = size_t{batch} * half * half * c;
    float *const x = New(in), *const y = New(out);
    float* const dx = input && max ? New(in) : x;
    const simd::AvgPoolOptions options = {0, 0, true};
    double seconds;
    if (kernel == Kernel::kMaxPoolForward) {
      seconds = Timed([&] { simd::MaxPoolForward(s, batch, x, y, run_); });
    } else if (kernel == Kernel::kMaxPoolInput) {
      seconds = Timed(
          [&] { simd::MaxPoolBackward(s, batch, x, y, false, dx, run_); });
    } else if (kernel == Kernel::kAvgPoolForward) {
      seconds =
          Timed([&] { simd::AvgPoolForward(s, options, batch, x, y, run_); });
    } else {
      seconds = Timed(
          [&] { simd::AvgPoolBackward(s, options, batch, y, false, x, run_); });
    }
    return sizeof(float) *
           static_cast<double>(in + out + (input && max ? in : 0)) / seconds;
  }

  const ParallelRunner& all_;
  float* const memory_;
  const size_t floats_;
  DeviceProfile& profile_;
  ParallelRunner run_;  // of the measurement at hand
  size_t used_ = 0;
};

}  // namespace

size_t MeasureBytes(uint64_t device_bytes) {
  return static_cast<size_t>(std::clamp<uint64_t>(
      device_bytes / 3 / kMiB * kMiB, 48 * kMiB, kMostBytes));
}

void MeasureKernels(const ParallelRunner& parallel, void* memory, size_t bytes,
                    const std::function<void(const char*)>& progress,
                    DeviceProfile* profile) {
  Bench bench(parallel, memory, bytes, profile);
  progress("peak, threads");
  bench.Peak();
  bench.Overhead();
  bench.Threads();
  bench.Transfer();
  // Twice, half a minute apart: whatever else the machine does at one time can
  // only make a kernel slower.
  for (int round = 0; round < 2; ++round) {
    for (uint32_t k = 0; k < kKernels; ++k) {
      progress(kKernelInfo[k].name);
      bench.Measure(static_cast<Kernel>(k));
    }
  }
}

}  // namespace temper::sim
