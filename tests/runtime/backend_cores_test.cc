// XNNPACK chooses kernels by the type of the cores, which cpuinfo does not see
// under an emulator. Here a child writes a type into cpuinfo's table before the
// library looks: each one's kernels agree with ours, a row alone with the same
// row in a batch, and with the library of Debian 12 they are different kernels.
// Elsewhere than on 64-bit ARM nothing goes by the type of the cores: skipped.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/testing/backend_test.h"
#include "tests/testing/graph_test.h"

namespace temper::testing {
namespace {

constexpr uint32_t kRows = 3;

// Of cpuinfo.h: its header is not among what temper is built with.
constexpr uint32_t kNoCore = 0;  // leave it as it is
constexpr uint32_t kA53 = 0x00300353, kA72 = 0x00300372, kA76 = 0x00300376;
struct CpuinfoCore {
  uint32_t processor_start, processor_count, core_id;
  const void *cluster, *package;
  uint32_t vendor, uarch;
};
struct CpuinfoUarch {
  uint32_t uarch;
};

bool SetCore(uint32_t type) {
  if (type == kNoCore) return true;
  const auto initialize =
      reinterpret_cast<bool (*)()>(dlsym(RTLD_DEFAULT, "cpuinfo_initialize"));
  const auto core = reinterpret_cast<CpuinfoCore* (*)(uint32_t)>(
      dlsym(RTLD_DEFAULT, "cpuinfo_get_core"));
  const auto uarch = reinterpret_cast<CpuinfoUarch* (*)(uint32_t)>(
      dlsym(RTLD_DEFAULT, "cpuinfo_get_uarch"));
  if (initialize == nullptr || core == nullptr || uarch == nullptr ||
      !initialize() || core(0) == nullptr) {
    return false;
  }
  core(0)->uarch = type;
  if (uarch(0) != nullptr) uarch(0)->uarch = type;
  return true;
}

Graph TheGraph() {
  return BuildOrDie("mobilenet_v1?width=0.25", {32, 32, 3}, 10);
}

// Logits of the batch, then those of its first row alone.
std::vector<float> LogitsOn(Backend backend) {
  std::vector<float> all;
  const TestBatch samples({32, 32, 3}, 10, kRows, 3);
  for (const uint32_t rows : {kRows, 1u}) {
    PlanOptions options;
    options.batch = rows;
    options.training = false;
    options.backend = backend;
    BackendBench bench;
    if (!bench.Start(TheGraph(), options).ok()) return {};
    Fill(&bench.trainer);
    if (!bench.trainer.Evaluate(samples.View(rows)).status.ok()) return {};
    const std::vector<float> logits = bench.Logits(rows);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

// What a child with this type of core computes; empty: it could not.
std::vector<float> InChild(uint32_t type, size_t count) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    const bool ready = SetCore(type) && UseRegion();
    const std::vector<float> logits =
        ready ? LogitsOn(Backend::kXnnpack) : std::vector<float>();
    const size_t bytes = logits.size() * sizeof(float);
    _exit(write(ends[1], logits.data(), bytes) == static_cast<ssize_t>(bytes)
              ? 0
              : 1);
  }
  close(ends[1]);
  std::vector<float> logits(count);
  size_t got = 0;
  const size_t want = count * sizeof(float);
  for (ssize_t n = 1; n > 0 && got < want; got += static_cast<size_t>(n)) {
    n = read(ends[0], reinterpret_cast<char*>(logits.data()) + got, want - got);
    if (n < 0) break;
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0 || got != want) logits.clear();
  return logits;
}

TEST(BackendCores, EveryTypeAgrees) {
  const BackendTraits info = BackendInfo(Backend::kXnnpack);
  if (!info.available) GTEST_SKIP() << "built without XNNPACK";
#ifndef __aarch64__
  GTEST_SKIP() << "types of cores matter on 64-bit ARM";
#endif
  std::vector<uint32_t> types = {kNoCore};
#ifdef __aarch64__
  types.insert(types.end(), {kA53, kA72, kA76});
#endif
  const std::vector<float> ours = LogitsOn(Backend::kHighway);
  ASSERT_EQ(ours.size(), (kRows + 1) * 10u);
  std::vector<std::vector<float>> seen;
  for (const uint32_t type : types) {
    SCOPED_TRACE(type);
    const std::vector<float> logits = InChild(type, ours.size());
    ASSERT_EQ(logits.size(), ours.size());
    EXPECT_LE(RelativeDifference(logits, ours), 2e-5);
    const std::vector<float> in_batch(logits.begin(), logits.begin() + 10);
    const std::vector<float> alone(logits.end() - 10, logits.end());
    EXPECT_LE(RelativeDifference(alone, in_batch), 2e-5);
    bool known = false;
    for (const std::vector<float>& other : seen) {
      known = known || SameBits(other, logits);
    }
    if (!known) seen.push_back(logits);
  }
#ifdef __aarch64__
  if (std::string(info.library) == "libXNNPACK.so.0") {
    EXPECT_GT(seen.size(), 1u) << "the same kernels for all cores";
  }
#endif
}

}  // namespace
}  // namespace temper::testing
