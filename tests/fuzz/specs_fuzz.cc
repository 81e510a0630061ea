// Fuzz target: the specs of a job. What is accepted is used: augmentations run
// on a sample, a schedule is asked for rates, and a completed spec reads back as
// the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "ports/host/train/layer_groups.h"
#include "ports/host/train/phases.h"
#include "ports/host/train/specs.h"
#include "ports/host/train/views.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

// What one parser makes of the text; kUsage is the only way out.
template <class Body>
void Try(Body&& body) {
  try {
    body();
  } catch (const temper::host::Failure& failure) {
    if (failure.kind != temper::host::ErrorKind::kUsage) abort();
  }
}

void Same(const void* a, const void* b, size_t bytes) {
  if (std::memcmp(a, b, bytes) != 0) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const temper::Shape shape = {5, 7, 3, temper::ElementType::kU8};
  Try([&] {
    const auto list = temper::host::ReadAugmentations(text, shape);
    const auto count = static_cast<uint32_t>(list.size());
    uint8_t from[5 * 7 * 3], sample[5 * 7 * 3];
    std::vector<uint32_t> scratch(
        temper::AugmentScratchBytes(list.data(), count, shape, shape) / 4 + 1);
    for (size_t i = 0; i < sizeof(from); ++i) {
      from[i] = static_cast<uint8_t>(i * 7);
    }
    for (uint64_t id = 0; id < 3; ++id) {
      temper::AugmentFrom(list.data(), count, shape, from, shape, size, id, 0,
                          sample, scratch.data());
    }
  });
  const std::string spec(text);
  Try([&] {
    std::vector<temper::host::PhaseOptions> phases, again;
    if (!temper::host::ReadPhases(text, &phases).empty()) return;
    const std::string wrong =
        temper::host::ReadPhases(temper::host::PhasesText(phases), &again);
    if (!wrong.empty() || phases != again) abort();
  });
  Try([&] { (void)temper::host::CheckGroup(spec); });
  Try([&] { (void)temper::host::ReadViews(spec); });
  Try([&] {
    const temper::Optimizer a = temper::host::ReadOptimizer(spec);
    const temper::Optimizer b = temper::host::ReadOptimizer(
        temper::CompleteSpec(spec, temper::OptimizerCatalogue()));
    Same(a.params, b.params, sizeof(a.params));
  });
  Try([&] {
    temper::Schedule a = temper::host::ReadSchedule(spec, 7);
    const temper::Schedule b = temper::host::ReadSchedule(
        temper::CompleteSpec(spec, temper::ScheduleCatalogue()), 7);
    Same(a.params, b.params, sizeof(a.params));
    if (a.warmup != b.warmup) abort();
    a.base_lr = 0.1;
    a.total_steps = 100;
    if (!temper::CheckSchedule(a).ok()) return;
    for (uint64_t step = 0; step < 100; ++step) {
      const double rate = temper::LearningRate(a, step);
      if (!(rate >= 0 && rate <= 0.1)) abort();
    }
  });
  Try([&] { (void)temper::host::ReadInitializer(spec); });
  Try([&] { (void)temper::host::ReadClipping(spec); });
  Try([&] { (void)temper::host::ReadAverage(spec, 7, 100); });
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds;
  for (const std::string text :
       {"hflip", "hflip=0.3,vflip,crop=4", "brightness=0.2,contrast=0.9",
        "cutout=5,cutout=1,crop=5", "crop?padding=2,hflip?p=1",
        "rotate=20,affine?degrees=9&scale_min=0.5&translate=0.2,alternating_"
        "flip",
        "sgd?momentum=0.5&nesterov&weight_decay=1e-4",
        "step?step_size=2e&gamma=0.5&warmup=30s", "cosine?min_lr=0.01",
        "he_normal"}) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {"hflip", "vflip", "crop=",     "brightness=", "contrast=", "cutout=",
          ",",     "=",     "0.5",       "1e9",         "nan",       "-1",
          "?",     "&",     "sgd",       "step",        "cosine",    "constant",
          "e",     "s",     "momentum=", "step_size=",  "warmup=",   "min_lr="};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
