// See specs.h.
#include "ports/host/train/specs.h"

#include <fmt/format.h>

#include <cstring>

#include "models/spec.h"
#include "ports/host/base/failure.h"

namespace temper::host {
namespace {

[[noreturn]] void Bad(const char* option, std::string_view spec,
                      std::string_view why, const char* catalogue) {
  Fail(ErrorKind::kUsage, option, Printable(spec), why,
       fmt::format("`temper list {}` shows what there is", catalogue));
}

Choice Read(const char* option, const std::string& spec,
            const Catalogue& catalogue, uint64_t steps_per_epoch,
            void* common) {
  Choice choice;
  const std::string wrong =
      ReadSpec(spec, catalogue, steps_per_epoch, &choice, common);
  if (!wrong.empty()) Bad(option, spec, wrong, catalogue.name);
  return choice;
}

template <class Made, class Kind>
void Take(const Choice& choice, Kind* kind, Made* made) {
  *kind = static_cast<Kind>(choice.kind);
  std::memcpy(made->params, choice.params, sizeof(made->params));
}

}  // namespace

Optimizer ReadOptimizer(const std::string& spec) {
  Optimizer optimizer;
  Take(Read("--optimizer", spec, OptimizerCatalogue(), 0, nullptr),
       &optimizer.kind, &optimizer);
  return optimizer;
}

Schedule ReadSchedule(const std::string& spec, uint64_t steps_per_epoch) {
  Schedule schedule;
  Take(
      Read("--schedule", spec, ScheduleCatalogue(), steps_per_epoch, &schedule),
      &schedule.kind, &schedule);
  return schedule;
}

std::optional<Initializer> ReadInitializer(const std::string& spec) {
  if (spec == "auto") return std::nullopt;
  Initializer initializer = InitializerKind::kZero;
  Take(Read("--init", spec, InitializerCatalogue(), 0, nullptr),
       &initializer.kind, &initializer);
  return initializer;
}

std::vector<Augmentation> ReadAugmentations(std::string_view text,
                                            const Shape& shape) {
  constexpr const char* kOption = "--augment";
  const Catalogue catalogue = AugmentationCatalogue();
  std::vector<Augmentation> list;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    std::string item(text.substr(0, comma));
    if (item.empty() || comma + 1 == text.size()) {
      Fail(ErrorKind::kUsage, kOption, Printable(text),
           "the list has an empty item",
           "Write items separated by single commas");
    }
    text.remove_prefix(comma == std::string_view::npos ? text.size()
                                                       : comma + 1);
    const std::string given = item;
    const size_t equals = item.find('=');
    if (equals != std::string::npos && item.find('?') == std::string::npos) {
      const uint32_t kind = catalogue.Find(item.substr(0, equals));
      if (kind != catalogue.count && catalogue.entry(kind).fields.count == 1) {
        item = fmt::format("{}?{}{}", item.substr(0, equals),
                           catalogue.entry(kind).fields.begin()->name,
                           item.substr(equals));
      } else {
        item.resize(equals);  // unknown: the name is what is wrong
      }
    }
    Augmentation a;
    Take(Read(kOption, item, catalogue, 0, nullptr), &a.kind, &a);
    const Status status = CheckAugmentation(a, shape);
    if (!status.ok()) {
      Fail(ErrorKind::kUsage, kOption, Printable(given),
           fmt::format("allowed is: {}", status.message),
           fmt::format("Samples here are {} high and {} wide", shape.h,
                       shape.w));
    }
    if (list.size() == kMaxAugmentations) {
      Fail(ErrorKind::kUsage, kOption, Printable(given),
           fmt::format("more than {} augmentations", kMaxAugmentations),
           "Leave some out");
    }
    list.push_back(a);
  }
  return list;
}

}  // namespace temper::host
