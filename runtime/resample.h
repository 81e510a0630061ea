// Resampling of pictures with antialiasing: Pillow's BILINEAR. Each output pixel
// is the mean of the input under a triangle as wide as the reduction asks for,
// first along rows, then along columns, with weights of 22 bits and 8-bit values
// between the passes. The weights are made with whole numbers alone: the same
// bits on every machine. Allocates nothing.
// Next: augment/random_resized_crop.cc, ports/host/data/resize.h (who call it).
#ifndef TEMPER_RUNTIME_RESAMPLE_H_
#define TEMPER_RUNTIME_RESAMPLE_H_

#include <cstddef>
#include <cstdint>

namespace temper {

// A picture of in_h x in_w pixels becomes one of out_h x out_w, of which the
// window is written. Rows are row_bytes apart, so that a part of a picture is a
// picture, too. Sides from 1 to 65535, those of the output to 2^31; the window
// lies in the output.
struct Resampling {
  uint32_t in_h = 0, in_w = 0, c = 1;  // c: 1 or 3
  uint32_t out_h = 0, out_w = 0;
  struct Window {
    uint32_t y = 0, x = 0, h = 0, w = 0;
  } window;
  const uint8_t* from = nullptr;
  size_t from_row_bytes = 0;
  uint8_t* to = nullptr;
  size_t to_row_bytes = 0;
};

// Memory that Resample needs, aligned to 4; enough, too, for every smaller input
// with the same output. The pointers play no part.
size_t ResampleScratchBytes(const Resampling& r);

void Resample(const Resampling& r, void* scratch);

}  // namespace temper

#endif  // TEMPER_RUNTIME_RESAMPLE_H_
