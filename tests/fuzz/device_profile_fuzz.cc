// Fuzz target: device profiles. What is accepted can be estimated with, and
// written and read again.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ports/sim/profile.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using temper::sim::DeviceProfile;
  DeviceProfile p;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (!temper::sim::ParseProfile(text, &p).empty()) return 0;
  for (const auto& rate : p.rates) {
    for (const double x : {0.5, 8.0, 1e4, 1e12}) {
      for (const bool levels : {false, true}) {
        const double v = rate.grid.At({x, x, x}, levels);
        if (!(v > 0) || !std::isfinite(v)) abort();
      }
    }
  }
  if (p.threads.compute.size() != p.cpu.cores) abort();
  DeviceProfile again;
  if (!temper::sim::ParseProfile(temper::sim::ProfileToml(p), &again).empty()) {
    abort();
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  // A small one: most of a real profile are numbers like each other.
  sim::DeviceProfile p;
  if (!sim::ParseProfile(sim::BuiltInProfiles()[0].text, &p).empty()) abort();
  for (auto& rate : p.rates) {
    for (auto& axis : rate.grid.axes) {
      if (!axis.empty()) axis.erase(axis.begin() + 1, axis.end());
    }
    rate.grid.values.erase(rate.grid.values.begin() + 1,
                           rate.grid.values.end());
    rate.provenance.source.assign(1, 's');
  }
  auto& rate = p.rates[0];
  rate.grid.axes[0] = {1, 2};
  rate.grid.values = {1, 2};
  rate.all = rate.grid;
  const std::string text = sim::ProfileToml(p);
  std::vector<Bytes> seeds = {{text.begin(), text.end()}};
  // Of other versions: classes that it does not have, and one that is not
  // known.
  for (size_t k = 0; k < p.rates.size(); ++k) {
    p.rates[k].stand_in = k % 3 != 0 && k != static_cast<size_t>(Kernel::kCopy);
  }
  const std::string other =
      sim::ProfileToml(p) + "[kernels.later]\nsize = [1, 2]\n";
  seeds.push_back({other.begin(), other.end()});
  // Deeper than the stack, if the parser were asked: what changes in them must
  // not bring it there.
  std::string dots;
  for (int i = 0; i < 200000; ++i) dots += "a.";
  for (const char* before : {"", "x = {y = '''z'''', 'q\"' = \"\\\"\", "}) {
    std::string deep = before + dots + "a = 1\n";
    seeds.push_back({deep.begin(), deep.end()});
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {"cores",
          "= 0",
          "= -1",
          "nan",
          "inf",
          "1e400",
          "[[",
          "[1, 2]",
          "\"\"\"",
          "'''",
          "{a=1}",
          "= true",
          "\\u001b",
          "gflops",
          "stride",
          "99999999999999999999",
          "1979-05-27",
          "0x10",
          "[kernels.form]",
          "[kernels.later]",
          "[.",
          "[[,",
          "#",
          "'",
          "\"",
          "\\",
          "\n",
          "'='.",
          "{a.a.a.a = [{a.a = [["};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
