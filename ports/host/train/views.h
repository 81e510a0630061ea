// Test-time views: the same picture mirrored or moved by a few pixels, whose
// predictions are averaged (test-time augmentation, as in AlexNet's ten crops).
#ifndef TEMPER_PORTS_HOST_TRAIN_VIEWS_H_
#define TEMPER_PORTS_HOST_TRAIN_VIEWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "temper/graph.h"

namespace temper::host {

struct View {
  bool mirrored = false;        // left and right
  int32_t right = 0, down = 0;  // pixels; what comes in repeats the border
};

// "flip", "shift" or "shift=2" (pixels: up, down, left, right), commas between.
// The picture as it is comes first. kUsage.
std::vector<View> ReadViews(const std::string& text);

// One sample of (h, w, c) into `out`, of the same size.
void MakeView(const View& view, const Shape& shape, const uint8_t* in,
              uint8_t* out);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_VIEWS_H_
