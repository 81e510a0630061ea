// The text of --augment: NAME or NAME=AMOUNT, separated by commas, in the order
// in which they are applied: hflip,crop=4,brightness=0.2. Names and amounts:
// temper/augment.h.
#ifndef TEMPER_PORTS_HOST_AUGMENT_SPEC_H_
#define TEMPER_PORTS_HOST_AUGMENT_SPEC_H_

#include <string_view>
#include <vector>

#include "temper/augment.h"

namespace temper::host {

// An empty text is an empty list. kExitUsage for what is unknown, out of range,
// or does not fit samples of this shape.
std::vector<Augmentation> ParseAugmentations(std::string_view text,
                                             const Shape& shape);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_AUGMENT_SPEC_H_
