// Shared by the benches: data, a check against a twin in double before
// anything is timed, and yardsticks measured once per target in the same
// process: the FMA peak and the bandwidth of a copy that no cache holds.
//
// A bench that finds a wrong result skips it with an error, and Finish() makes
// the process fail. Times are the thread's CPU time, as Google Benchmark
// takes it; use --benchmark_repetitions for medians.
// Next: depthwise_bench.cc, conv_bench.cc.
#ifndef TEMPER_BENCH_BENCH_SUPPORT_H_
#define TEMPER_BENCH_BENCH_SUPPORT_H_

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ports/host/machine/machine.h"
#include "simd/target.h"
#include "temper/random.h"

namespace temper::bench {

// Uniform in [-1, 1), a function of the seed; 64-byte aligned, as tensors in
// the arena are, with a readable tail.
class Floats {
 public:
  explicit Floats(size_t n = 0, uint64_t seed = 0)
      : size_(n), lines_(n / 16 + 2) {
    for (size_t i = 0; i < n; ++i) {
      data()[i] = static_cast<float>(static_cast<int32_t>(
                      RandomWord(seed, static_cast<uint32_t>(i), 0, 0, 0))) *
                  0x1p-31f;
    }
  }
  float* data() { return lines_.data()->f; }
  const float* data() const { return lines_.data()->f; }
  size_t size() const { return size_; }
  void Zero() { lines_.assign(lines_.size(), Line{}); }
  std::vector<double> Doubles() const {
    return std::vector<double>(data(), data() + size_);
  }
  std::vector<double> Magnitudes() const {
    std::vector<double> m = Doubles();
    for (double& v : m) v = std::fabs(v);
    return m;
  }

 private:
  struct alignas(64) Line {
    float f[16];
  };
  size_t size_;
  std::vector<Line> lines_;
};

struct Yardsticks {
  double peak_gflops, copy_gbytes;
};

// Of one thread with the given target, which stays forced.
inline const Yardsticks& UseTarget(const std::string& target) {
  static std::map<std::string, Yardsticks> known;
  simd::ForceTarget(target.c_str());
  const auto found = known.find(target);
  if (found != known.end()) return found->second;
  // The copy is memcpy's: the same for all targets.
  const double copy = known.empty() ? host::CopyGbytesPerSecond({})
                                    : known.begin()->second.copy_gbytes;
  const Yardsticks y{host::FmaPeakGflops({}), copy};
  // Not to stdout: there --benchmark_format=json writes.
  std::fprintf(stderr,
               "%s: FMA peak %.1f GFLOP/s, copy %.1f GB/s, ridge %.1f flop/B\n",
               target.c_str(), y.peak_gflops, y.copy_gbytes,
               y.peak_gflops / y.copy_gbytes);
  return known[target] = y;
}

inline bool& AnyWrong() {
  static bool wrong = false;
  return wrong;
}

// The library calls a benchmark again with more iterations: the first call of
// a name checks.
inline bool NeedsCheck(const std::string& name) {
  static std::set<std::string> checked;
  return checked.insert(name).second;
}

// |actual - expected| <= rtol * magnitude, element by element. False, and the
// benchmark skipped, if not.
inline bool Within(benchmark::State& state, const std::string& name,
                   const float* actual, const std::vector<double>& expected,
                   const std::vector<double>& magnitude, double rtol) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::fabs(actual[i] - expected[i]) <= rtol * magnitude[i]) continue;
    AnyWrong() = true;
    const std::string what = name + ": wrong at " + std::to_string(i) + ": " +
                             std::to_string(actual[i]) + ", twin " +
                             std::to_string(expected[i]);
    std::fprintf(stderr, "%s\n", what.c_str());
    state.SkipWithError(what.c_str());
    return false;
  }
  return true;
}

// The bound of a chain of roundings, where magnitude is the twin's sum over
// absolute values.
inline bool Verify(benchmark::State& state, const std::string& name,
                   const float* actual, const std::vector<double>& expected,
                   const std::vector<double>& magnitude, double terms) {
  return Within(state, name, actual, expected, magnitude,
                (terms + 2) * 0x1p-24);
}

// The cache that holds a working set, by the system's sizes of one core's
// caches.
inline const char* Level(double bytes) {
#ifdef _SC_LEVEL1_DCACHE_SIZE
  if (bytes <= static_cast<double>(sysconf(_SC_LEVEL1_DCACHE_SIZE)))
    return "L1";
  if (bytes <= static_cast<double>(sysconf(_SC_LEVEL2_CACHE_SIZE))) return "L2";
#endif
  return "beyond L2";
}

// The thread's CPU time.
inline double ThreadSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Seconds per call of run().
template <class Run>
double Time(benchmark::State& state, Run&& run) {
  const double begin = ThreadSeconds();
  for (auto _ : state) {
    run();
    benchmark::ClobberMemory();
  }
  return (ThreadSeconds() - begin) / static_cast<double>(state.iterations());
}

// Counters of a kernel that does `flops` operations on tensors of `bytes`, each
// counted once. The label is the roofline class: below the ridge (peak over
// bandwidth) memory bounds what no cache holds.
inline void Report(benchmark::State& state, const Yardsticks& y, double seconds,
                   double flops, double bytes) {
  state.counters["GFLOP/s"] = 1e-9 * flops / seconds;
  state.counters["pct_of_peak"] = 1e-7 * flops / seconds / y.peak_gflops;
  state.counters["pct_of_copy"] = 1e-7 * bytes / seconds / y.copy_gbytes;
  const double intensity = flops / bytes;
  char label[96];
  std::snprintf(
      label, sizeof(label), "%s-bound: %.1f flop/B, lies in %s",
      intensity < y.peak_gflops / y.copy_gbytes ? "memory" : "compute",
      intensity, Level(bytes));
  state.SetLabel(label);
}

// Calls f(name) for the exact targets of this CPU, best first.
template <class F>
void ForEachExactTarget(F&& f) {
  simd::Target targets[32];
  const size_t count = simd::SupportedTargets(targets, 32);
  for (size_t i = 0; i < count; ++i) {
    if (targets[i].exact) f(std::string(targets[i].name));
  }
}

// After all is registered: runs, returns the process's exit code.
inline int Finish(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 64;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return AnyWrong() ? 1 : 0;
}

}  // namespace temper::bench

#endif  // TEMPER_BENCH_BENCH_SUPPORT_H_
