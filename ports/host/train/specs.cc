// See specs.h.
#include "ports/host/train/specs.h"

#include <fmt/format.h>

#include <algorithm>
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

InitializeOptions ReadInitializer(const std::string& spec) {
  InitializeCommon common;
  const Choice choice =
      Read("--init", spec, InitializerCatalogue(), 0, &common);
  InitializeOptions options;
  options.zero_residual = static_cast<ZeroResidual>(common.zero_residual);
  if (choice.kind == static_cast<uint32_t>(InitializerKind::kCount)) {
    return options;  // auto
  }
  Initializer initializer = InitializerKind::kZero;
  Take(choice, &initializer.kind, &initializer);
  options.kernel = initializer;
  return options;
}

std::vector<UpdateHook> ReadClipping(std::string_view text) {
  constexpr const char* kOption = "--clip";
  // The short name of a hook's only field, in the order in which they run.
  constexpr struct {
    std::string_view name;
    const char* hook;
    const char* field;
  } kKinds[] = {{"value", "clip_value", "value"},
                {"norm", "clip_norm", "max_norm"}};
  const std::string given = std::string(text);
  std::optional<UpdateHook> read[std::size(kKinds)];
  for (bool more = !text.empty(); more;) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
    const size_t equals = item.find('=');
    const std::string_view name = item.substr(0, equals);
    size_t k = 0;
    while (k < std::size(kKinds) && kKinds[k].name != name) ++k;
    if (k == std::size(kKinds) || equals == std::string_view::npos ||
        item.find_first_of("?&", equals) != std::string_view::npos) {
      Fail(ErrorKind::kUsage, kOption, Printable(given),
           "it is norm=X, value=X or both with a comma between: "
           "norm=1,value=0.5",
           "A usual norm is 1 or 10");
    }
    if (read[k]) {
      Fail(ErrorKind::kUsage, kOption, Printable(given),
           fmt::format("{} is given twice", name), "Give it once");
    }
    const std::string_view value = item.substr(equals + 1);
    const Catalogue catalogue = UpdateHookCatalogue();
    Choice choice;
    // Told by the name that the user has written.
    if (!ReadSpec(
             fmt::format("{}?{}={}", kKinds[k].hook, kKinds[k].field, value),
             catalogue, &choice)
             .empty()) {
      const Field& field = *catalogue.entry(catalogue.Find(kKinds[k].hook))
                                .fields.Find(kKinds[k].field);
      Fail(ErrorKind::kUsage, kOption, Printable(given),
           fmt::format("{} must be {}, not '{}'", name, RangeText(field),
                       Printable(value)),
           "A usual norm is 1 or 10");
    }
    UpdateHook& hook = read[k].emplace();
    Take(choice, &hook.kind, &hook);
  }
  std::vector<UpdateHook> hooks;
  for (const std::optional<UpdateHook>& hook : read) {
    if (hook) hooks.push_back(*hook);
  }
  return hooks;
}

std::optional<UpdateHook> ReadAverage(const std::string& spec,
                                      uint64_t steps_per_epoch,
                                      uint64_t total_steps) {
  constexpr const char* kOption = "--average";
  if (spec.empty()) return std::nullopt;
  UpdateHook hook;
  Take(Read(kOption, spec, UpdateHookCatalogue(), steps_per_epoch, nullptr),
       &hook.kind, &hook);
  if (hook.kind == UpdateHookKind::kEma) return hook;
  if (hook.kind != UpdateHookKind::kSwa) {
    Fail(ErrorKind::kUsage, kOption, Printable(spec), "that is no average",
         "Use ema or swa");
  }
  SpecText text;
  SplitSpec(spec, &text);
  SwaParams swa = hook.As<SwaParams>();
  if (total_steps == 0) return hook;
  if (text.Find("start") == nullptr) {
    const uint64_t epochs = total_steps / steps_per_epoch;
    const uint64_t before = epochs * 3 / 4 * steps_per_epoch;
    const uint64_t times = (total_steps - before - 1) / swa.every;
    swa.start = static_cast<uint32_t>(
        std::min<uint64_t>(total_steps - times * swa.every, UINT32_MAX));
  }
  if (swa.start == 0) swa.start = swa.every;  // not the first step
  return UpdateHook(swa);
}

uint64_t FirstAveragedStep(const std::vector<UpdateHook>& hooks) {
  for (const UpdateHook& hook : hooks) {
    if (hook.kind == UpdateHookKind::kSwa) return hook.As<SwaParams>().start;
  }
  return 1;
}

std::vector<Augmentation> ReadAugmentations(
    std::string_view text, const Shape& shape,
    const std::optional<Shape>& stored) {
  const std::string whole(text);
  constexpr const char* kOption = "--augment";
  const Catalogue catalogue = AugmentationCatalogue();
  if (!text.empty() && shape.h == 1 && shape.w == 1) {
    Fail(ErrorKind::kUsage, kOption, Printable(text),
         fmt::format("augmentations are for pictures, samples here are {} "
                     "numbers in a row",
                     shape.c),
         "Leave it out");
  }
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
  const Status status =
      CheckAugmentations(list.data(), static_cast<uint32_t>(list.size()),
                         stored.value_or(shape), shape);
  if (!status.ok()) {
    Fail(ErrorKind::kUsage, kOption, Printable(whole), status.message, "");
  }
  return list;
}

}  // namespace temper::host
