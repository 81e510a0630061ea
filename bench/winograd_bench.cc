// Winograd F(2x2, 3x3) against the direct kernels in one process: the 3x3
// layers of ResNet-8 (32x32 images) and ResNet-18 (96x96), all directions, on
// one thread, per target. GFLOP/s count the direct kernel's operations for
// both. The two run in turns, and each is quoted by its best run. Every result
// is compared with the direct kernel's before it is timed (the test compares
// both with a twin in double).
// Run: build/bench/bin/winograd_bench [target [rounds [layer [batch]]]]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ports/host/machine/machine.h"
#include "simd/conv.h"
#include "simd/target.h"
#include "simd/winograd.h"
#include "temper/random.h"

namespace temper {
namespace {

using Clock = std::chrono::steady_clock;
using simd::ConvShape;
using simd::Prologue;

struct Floats {
  std::vector<float> storage;
  size_t n;
  explicit Floats(size_t size, uint64_t seed = 0)
      : storage(size + 64), n(size) {
    for (size_t i = 0; i < n; ++i) {
      data()[i] = static_cast<float>(static_cast<int32_t>(
                      RandomWord(seed, static_cast<uint32_t>(i), 0, 0, 0))) *
                  0x1p-31f;
    }
  }
  float* data() {  // 64-byte aligned, as in an arena; 64 bytes past it
    return reinterpret_cast<float*>(
        (reinterpret_cast<uintptr_t>(storage.data()) + 63) / 64 * 64);
  }
};

// The relative difference of the norms.
double Distance(Floats& a, Floats& b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.n; ++i) {
    const double d = double{a.data()[i]} - b.data()[i];
    difference += d * d;
    norm += double{b.data()[i]} * b.data()[i];
  }
  return std::sqrt(difference / norm);
}

template <class Run>
double Seconds(Run&& run) {
  const auto begin = Clock::now();
  run();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// One line of the table. direct(out) and winograd(out) write the same tensor.
template <class Direct, class Winograd>
void Compare(const char* target, const char* layer, uint32_t batch,
             const char* direction, double flops, size_t size, size_t scratch,
             size_t direct_scratch, int rounds, Direct&& direct,
             Winograd&& winograd) {
  Floats a(size), b(size);
  direct(a.data());
  winograd(b.data());
  const double distance = Distance(b, a);
  if (!(distance < 1e-5)) {
    std::fprintf(stderr, "wrong result: %s %s %s: %g\n", target, layer,
                 direction, distance);
    std::exit(1);
  }
  // About 20 ms per turn.
  const double once = std::max(1e-6, Seconds([&] { direct(a.data()); }));
  const int repeats = std::clamp(static_cast<int>(0.02 / once), 1, 200);
  double best_direct = 1e9, best_winograd = 1e9;
  for (int r = 0; r < rounds; ++r) {
    for (int i = 0; i < repeats; ++i)
      best_direct = std::min(best_direct, Seconds([&] { direct(a.data()); }));
    for (int i = 0; i < repeats; ++i)
      best_winograd =
          std::min(best_winograd, Seconds([&] { winograd(b.data()); }));
  }
  std::printf("%-5s %-14s %3u  %-8s %8.1f %8.1f   %5.2fx  %6zu %6zu KB\n",
              target, layer, batch, direction, flops * 1e-9 / best_direct,
              flops * 1e-9 / best_winograd, best_direct / best_winograd,
              direct_scratch / 1024, scratch / 1024);
  std::fflush(stdout);
}

void Run(const char* target, const char* layer, const ConvShape& s,
         uint32_t batch, int rounds) {
  const size_t in = size_t{batch} * s.in_h * s.in_w * s.in_c;
  const size_t out = size_t{batch} * s.out_h * s.out_w * s.out_c;
  const size_t weights = size_t{9} * s.in_c * s.out_c;
  const double flops = 18.0 * static_cast<double>(out) * s.in_c;
  Floats x(in, 1), dy(out, 2), w(weights, 3);
  size_t bytes[3][2] = {
      {simd::direct::ConvForwardScratch(s, batch, 1, false),
       simd::WinogradForwardScratch(s, batch, 1)},
      {simd::direct::ConvBackwardDataScratch(s, batch, 1),
       simd::WinogradBackwardDataScratch(s, batch, 1)},
      {simd::direct::ConvBackwardWeightsScratch(s, batch, 1, false),
       simd::WinogradBackwardWeightsScratch(s, batch, 1)}};
  size_t most = 0;
  for (const auto& b : bytes) most = std::max({most, b[0], b[1]});
  Floats space(most / sizeof(float));
  Compare(
      target, layer, batch, "forward", flops, out, bytes[0][1], bytes[0][0],
      rounds,
      [&](float* y) {
        simd::direct::ConvForward(s, batch, x.data(), Prologue(), w.data(),
                                  nullptr, y, space.data(), {});
      },
      [&](float* y) {
        simd::WinogradForward(s, batch, x.data(), Prologue(), w.data(), nullptr,
                              y, space.data(), {});
      });
  Compare(
      target, layer, batch, "data", flops, in, bytes[1][1], bytes[1][0], rounds,
      [&](float* dx) {
        simd::direct::ConvBackwardData(s, batch, dy.data(), w.data(), false, dx,
                                       space.data(), {});
      },
      [&](float* dx) {
        simd::WinogradBackwardData(s, batch, dy.data(), w.data(), false, dx,
                                   space.data(), {});
      });
  Compare(
      target, layer, batch, "weights", flops, weights, bytes[2][1], bytes[2][0],
      rounds,
      [&](float* dw) {
        std::fill_n(dw, weights, 0.0f);
        simd::direct::ConvBackwardWeights(s, batch, x.data(), Prologue(),
                                          dy.data(), 0, s.out_c, dw,
                                          space.data(), {});
      },
      [&](float* dw) {
        std::fill_n(dw, weights, 0.0f);
        simd::WinogradBackwardWeights(s, batch, x.data(), Prologue(), dy.data(),
                                      0, s.out_c, dw, space.data(), {});
      });
}

void RunAll(const char* only, int rounds, const char* layer,
            uint32_t only_batch) {
  struct {
    const char* name;
    uint32_t size, in_c, out_c;
  } layers[] = {// ResNet-8 at 32x32 and ResNet-18 at 96x96
                {"16 @32x32", 32, 16, 16},
                {"32 @16x16", 16, 32, 32},
                {"64 @8x8", 8, 64, 64},
                {"64 @24x24", 24, 64, 64},
                {"128 @12x12", 12, 128, 128},
                {"256 @6x6", 6, 256, 256},
                {"512 @3x3", 3, 512, 512},
                // where it may not pay: few channels, small and odd maps
                {"3-16 @32x32", 32, 3, 16},
                {"8 @32x32", 32, 8, 8},
                {"8-16 @16x16", 16, 8, 16},
                {"24 @14x14", 14, 24, 24},
                {"16 @5x5", 5, 16, 16},
                {"64 @7x7", 7, 64, 64},
                {"64 @4x4", 4, 64, 64},
                {"64 @3x3", 3, 64, 64},
                {"64 @2x2", 2, 64, 64}};
  simd::Target targets[32];
  const size_t count = simd::SupportedTargets(targets, 32);
  for (size_t i = 0; i < count; ++i) {
    const char* const target = targets[i].name;
    if (!targets[i].exact || (only != nullptr && std::string(only) != target))
      continue;
    simd::ForceTarget(target);
    std::printf("%s: FMA peak %.1f GFLOP/s\n", target, host::FmaPeakGflops({}));
    std::printf("%34s %8s %8s  speedup  scratch: direct, Winograd\n", "",
                "direct", "Winograd");
    for (const auto& l : layers) {
      if (layer != nullptr && std::string(layer) != l.name) continue;
      for (const uint32_t batch : {1u, 8u, 32u}) {
        if (only_batch != 0 && only_batch != batch) continue;
        Run(target, l.name,
            {l.size, l.size, l.in_c, l.size, l.size, l.out_c, 3, 3, 1, 1, 1, 1,
             1, 1, 1},
            batch, rounds);
      }
    }
  }
  simd::ForceTarget(nullptr);
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  temper::RunAll(argc > 1 ? argv[1] : nullptr,
                 argc > 2 ? std::atoi(argv[2]) : 5,
                 argc > 3 ? argv[3] : nullptr,
                 argc > 4 ? static_cast<uint32_t>(std::atoi(argv[4])) : 0);
}
