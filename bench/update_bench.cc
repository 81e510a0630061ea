// Optimizer updates as a part of the copy's bandwidth in the same process, one
// thread, every exact target: bytes read and written by an element over the time,
// sizes in L2 and of 64 MiB a stream. That they compute what is right is asked by
// tests/simd/update_test.cc; here the weights must have moved and be finite.
//   TARGET/OPTIMIZER/elements
#include <cmath>
#include <string>
#include <vector>

#include "bench/bench_support.h"
#include "simd/update.h"

namespace temper {
namespace {

using bench::Floats;

constexpr size_t kSizes[] = {16000, size_t{16} << 20};

struct State {
  explicit State(size_t count) : n(count), g(n, 1), w(n, 2), a(n), b(n) {
    a.Zero();
    b.Zero();
  }
  size_t n;
  Floats g, w, a, b;  // a, b: moments, zero at first
};

struct Update {
  const char* name;
  double flops, bytes;  // of an element
  bool (*run)(State&);
};

// Bytes: g and w read, w written, and every moment read and written.
const Update kUpdates[] = {
    {"sgd", 2, 12,
     [](State& s) {
       return simd::SgdUpdate(s.n, {.lr = 1e-4f}, s.g.data(), s.w.data(),
                              nullptr, false, {});
     }},
    {"sgd_momentum_decay", 6, 20,
     [](State& s) {
       return simd::SgdUpdate(s.n,
                              {.lr = 1e-4f, .momentum = 0.9f, .decay = 5e-4f},
                              s.g.data(), s.w.data(), s.a.data(), false, {});
     }},
    {"classical_momentum", 5, 20,
     [](State& s) {
       return simd::MomentumUpdate(s.n, {.lr = 1e-4f}, s.g.data(), s.w.data(),
                                   s.a.data(), false, {});
     }},
    {"rmsprop", 8, 20,
     [](State& s) {
       return simd::RmspropUpdate(s.n, {.lr = 1e-4f}, s.g.data(), s.w.data(),
                                  s.a.data(), nullptr, nullptr, false, {});
     }},
    {"adagrad", 7, 20,
     [](State& s) {
       return simd::AdagradUpdate(s.n, {.lr = 1e-4f}, s.g.data(), s.w.data(),
                                  s.a.data(), false, {});
     }},
    {"adam", 11, 28,
     [](State& s) {
       return simd::AdamUpdate(s.n, {.lr = 1e-4f}, s.g.data(), s.w.data(),
                               s.a.data(), s.b.data(), nullptr, false, {});
     }},
    {"adamw", 12, 28,
     [](State& s) {
       return simd::AdamUpdate(s.n, {.lr = 1e-4f, .keep = 0.999999f},
                               s.g.data(), s.w.data(), s.a.data(), s.b.data(),
                               nullptr, false, {});
     }},
};

void Run(benchmark::State& state, const std::string& target,
         const Update& update, size_t n) {
  const bench::Yardsticks yard = bench::UseTarget(target);
  State s(n);
  const float before = s.w.data()[n / 2];
  bool finite = true;
  const double seconds = bench::Time(state, [&] { finite &= !update.run(s); });
  if (!finite || s.w.data()[n / 2] == before) {
    bench::AnyWrong() = true;
    state.SkipWithError("the weights did not move, or are not finite");
    return;
  }
  const double elements = static_cast<double>(n);
  bench::Report(state, yard, seconds, update.flops * elements,
                update.bytes * elements);
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  using namespace temper;
  bench::ForEachExactTarget([](const std::string& target) {
    for (const Update& update : kUpdates) {
      for (const size_t n : kSizes) {
        const std::string name =
            target + "/" + update.name + "/" + std::to_string(n);
        benchmark::RegisterBenchmark(
            name.c_str(), [target, &update, n](benchmark::State& state) {
              Run(state, target, update, n);
            });
      }
    }
  });
  return bench::Finish(argc, argv);
}
