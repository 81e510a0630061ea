// The registry: everything that a job can name (layers, losses, activations,
// optimizers, schedules, initializers, augmentations), each with a line of help
// and the fields of its parameters. Made from the lists in layers.h,
// optimizers.h, ...; options, help texts, tables in pages and messages are made
// from it.
// Next: models/spec.h (the text that names an entry and its parameters).
#ifndef TEMPER_REGISTRY_H_
#define TEMPER_REGISTRY_H_

#include <cstdint>
#include <string_view>

#include "temper/fields.h"

namespace temper {

struct Entry {
  const char* name = "";
  const char* help = "";    // one line
  const char* shapes = "";  // of layers: input and output, per sample
  FieldList fields = {};
  // Fills a params struct (kMaxParams bytes suffice for any). Null: there are
  // no parameters.
  void (*defaults)(void* params) = nullptr;
};
inline constexpr uint32_t kMaxParams = 192;  // bytes; a SizeList fits

// Catalogue::common of initializers.
struct InitializeCommon {
  uint32_t zero_residual = 2;  // a ZeroResidual
};

struct Catalogue {
  const char* name = "";      // "optimizers"
  const char* singular = "";  // "optimizer"
  uint32_t count = 0;
  // Entry i; in the catalogues of optimizers, schedules, initializers, update
  // hooks and augmentations, that of the kind with the number i. Initializers
  // have one more, the last one, "auto".
  Entry (*entry)(uint32_t i) = nullptr;
  // Fields that every entry has in addition to its own (the warm-up of
  // schedules), and what fills a params struct of theirs. Null: with zeros.
  FieldList common = {};
  void (*common_defaults)(void* params) = nullptr;

  // The common fields as an entry without a name.
  Entry Common() const {
    return {.fields = common, .defaults = common_defaults};
  }

  // `count` for an unknown name.
  uint32_t Find(std::string_view wanted) const {
    uint32_t i = 0;
    while (i < count && wanted != entry(i).name) ++i;
    return i;
  }
};

Catalogue LayerCatalogue();  // without losses and activations
Catalogue LossCatalogue();
Catalogue ActivationCatalogue();
Catalogue OptimizerCatalogue();
Catalogue ScheduleCatalogue();
Catalogue InitializerCatalogue();
Catalogue AugmentationCatalogue();
Catalogue UpdateHookCatalogue();

// All of them, in this order.
inline constexpr Catalogue (*kCatalogues[])() = {
    LayerCatalogue,        LossCatalogue,      ActivationCatalogue,
    OptimizerCatalogue,    ScheduleCatalogue,  InitializerCatalogue,
    AugmentationCatalogue, UpdateHookCatalogue};

}  // namespace temper

#endif  // TEMPER_REGISTRY_H_
