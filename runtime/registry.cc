// The catalogues, made from the tables of the families. See temper/registry.h.
#include "temper/registry.h"

#include "runtime/augment.h"
#include "runtime/initializer.h"
#include "runtime/layer.h"
#include "runtime/optimizer.h"
#include "runtime/schedule.h"
#include "runtime/update_hook.h"

namespace temper {
namespace {

template <class Op>
Entry EntryOf(const Op& op) {
  Entry entry = {.name = op.name,
                 .help = op.help,
                 .fields = op.fields,
                 .defaults = op.defaults};
  if constexpr (requires { op.shapes; }) entry.shapes = op.shapes;
  return entry;
}
template <class Kind>
Entry EntryAt(uint32_t i) {
  return EntryOf(OpOf(static_cast<Kind>(i)));
}
template <class Kind>
Catalogue CatalogueOf(const char* name, const char* singular) {
  return {name, singular, static_cast<uint32_t>(Kind::kCount), EntryAt<Kind>};
}

enum class Part { kLosses, kActivations, kOthers };
Part PartOf(LayerKind kind) {
  switch (OpOf(kind).role) {
    case LayerRole::kLoss:
      return Part::kLosses;
    case LayerRole::kActivation:
      return Part::kActivations;
    default:
      return Part::kOthers;
  }
}
// The layers of one part, numbered from 0 in the order of the list.
template <Part part, class Visit>
void EachOf(Visit&& visit) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < static_cast<uint32_t>(LayerKind::kCount); ++i) {
    const LayerKind kind = static_cast<LayerKind>(i);
    if (PartOf(kind) == part) visit(n++, kind);
  }
}
template <Part part>
Catalogue LayersOf(const char* name, const char* singular) {
  Catalogue catalogue = {name, singular, 0, [](uint32_t wanted) {
                           Entry entry;
                           EachOf<part>([&](uint32_t n, LayerKind kind) {
                             if (n == wanted) entry = EntryOf(OpOf(kind));
                           });
                           return entry;
                         }};
  EachOf<part>([&](uint32_t n, LayerKind) { catalogue.count = n + 1; });
  return catalogue;
}

static_assert(sizeof(Node::params) <= kMaxParams);
static_assert(sizeof(Optimizer::params) <= kMaxParams);
static_assert(sizeof(Schedule::params) <= kMaxParams);
static_assert(sizeof(Initializer::params) <= kMaxParams);
static_assert(sizeof(Augmentation::params) <= kMaxParams);
static_assert(sizeof(UpdateHook::params) <= kMaxParams);

}  // namespace

Catalogue LayerCatalogue() {
  return LayersOf<Part::kOthers>("layers", "layer");
}
Catalogue LossCatalogue() { return LayersOf<Part::kLosses>("losses", "loss"); }
Catalogue ActivationCatalogue() {
  return LayersOf<Part::kActivations>("activations", "activation");
}
Catalogue OptimizerCatalogue() {
  return CatalogueOf<OptimizerKind>("optimizers", "optimizer");
}
Catalogue ScheduleCatalogue() {
  Catalogue catalogue = CatalogueOf<ScheduleKind>("schedules", "schedule");
  catalogue.common = CommonScheduleFields();
  return catalogue;
}
Catalogue InitializerCatalogue() {
  Catalogue catalogue =
      CatalogueOf<InitializerKind>("initializers", "initializer");
  // One more: which of them a layer gets is Trainer::Initialize's choice.
  ++catalogue.count;
  catalogue.entry = [](uint32_t i) -> Entry {
    if (i < static_cast<uint32_t>(InitializerKind::kCount)) {
      return EntryAt<InitializerKind>(i);
    }
    return {"auto",
            "by the activation that follows: he_normal, or xavier_normal"};
  };
  catalogue.common = CommonInitializerFields();
  catalogue.common_defaults = DefaultsOf<InitializeCommon>;
  return catalogue;
}
Catalogue UpdateHookCatalogue() {
  return CatalogueOf<UpdateHookKind>("update_hooks", "update hook");
}
Catalogue AugmentationCatalogue() {
  return CatalogueOf<AugmentKind>("augmentations", "augmentation");
}

}  // namespace temper
