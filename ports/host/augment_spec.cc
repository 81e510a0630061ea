// The parser of --augment. Grammar: augment_spec.h.
#include "ports/host/augment_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "ports/host/data_spec.h"
#include "ports/host/failure.h"

namespace temper::host {
namespace {

[[noreturn]] void Bad(std::string_view where, std::string_view why,
                      std::string_view remedy) {
  Fail(kExitUsage, "--augment", Printable(where), why, remedy);
}

float Amount(std::string_view item, std::string_view text) {
  const std::optional<double> value = ParseDecimal(text);
  if (!value) {
    Bad(item, fmt::format("'{}' is not a decimal number", Printable(text)),
        "Write an amount such as 4 or 0.2.");
  }
  // No amount comes near a float's limits.
  return static_cast<float>(std::min(*value, 1e30));
}

}  // namespace

std::vector<Augmentation> ParseAugmentations(std::string_view text,
                                             const Shape& shape) {
  std::vector<Augmentation> list;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    if (item.empty() || comma + 1 == text.size()) {
      Bad(text, "the list has an empty item",
          "Write items separated by single commas.");
    }
    text.remove_prefix(comma == std::string_view::npos ? text.size()
                                                       : comma + 1);
    const size_t equals = item.find('=');
    const std::string_view name = item.substr(0, equals);
    Augmentation a;
    a.kind = AugmentByName(name);
    if (a.kind == AugmentKind::kCount) {
      constexpr auto kCount = static_cast<uint32_t>(AugmentKind::kCount);
      std::string_view names[kCount];
      for (uint32_t i = 0; i < kCount; ++i) {
        names[i] = AugmentName(static_cast<AugmentKind>(i));
      }
      Bad(name, "there is no such augmentation", Suggest(name, names));
    }
    a.amount = equals == std::string_view::npos
                   ? DefaultAmount(a.kind)
                   : Amount(item, item.substr(equals + 1));
    if (std::isnan(a.amount)) {
      Bad(item, "it needs an amount", fmt::format("Write {}=AMOUNT.", name));
    }
    const Status status = CheckAugmentation(a, shape);
    if (!status.ok()) {
      Bad(item, fmt::format("allowed is: {}", status.message),
          fmt::format("Samples here are {} high and {} wide.", shape.h,
                      shape.w));
    }
    if (list.size() == kMaxAugmentations) {
      Bad(item, fmt::format("more than {} augmentations", kMaxAugmentations),
          "Leave some out.");
    }
    list.push_back(a);
  }
  return list;
}

}  // namespace temper::host
