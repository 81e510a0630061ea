// A sample turned, resized and moved at random: what rotate and affine share.
#ifndef TEMPER_RUNTIME_AUGMENT_WARP_H_
#define TEMPER_RUNTIME_AUGMENT_WARP_H_

#include "runtime/augment.h"

namespace temper {

struct Warp {
  float degrees = 0.0f;
  float scale_min = 1.0f, scale_max = 1.0f;  // in either order
  float translate = 0.0f;                    // part of height and width
};

// call.sample from `from`, a copy of it, with numbers drawn within `warp`: bilinear,
// 0 outside; u8 results are rounded to the nearest, halves up.
void WarpSample(const AugmentCall& call, const void* from, const Warp& warp);

}  // namespace temper

#endif  // TEMPER_RUNTIME_AUGMENT_WARP_H_
