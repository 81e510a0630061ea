// Image: a picture in memory, as a decoder makes it; and how large one may be.
// Next: decoder.h (formats), picture.h (from a file to a sample).
#ifndef TEMPER_PORTS_HOST_DATA_DECODERS_IMAGE_H_
#define TEMPER_PORTS_HOST_DATA_DECODERS_IMAGE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

namespace temper::host {

// Bytes that are not set before they are written: a decoder writes them all, and
// zeros first would cost a tenth of its time.
template <class T>
struct UnsetAllocator : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = UnsetAllocator<U>;
  };
  template <class U>
  void construct(U* at) {
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Args>
  void construct(U* at, Args&&... args) {
    ::new (static_cast<void*>(at)) U(std::forward<Args>(args)...);
  }
};
struct Pixels : std::vector<uint8_t, UnsetAllocator<uint8_t>> {
  using vector::vector;
  friend bool operator==(const Pixels& a, const std::vector<uint8_t>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }
};

struct Image {
  // c: 1 gray, 2 gray and alpha, 3 red green blue, 4 those and alpha.
  uint32_t h = 0, w = 0, c = 0;
  Pixels pixels;  // h * w * c, rows from the top
  // EXIF: how the stored picture is to be turned, 1 (not at all) to 8.
  uint32_t orientation = 1;
};

// A header costs nothing to write: what it announces is compared with these
// limits before memory is taken. A picture of up to `any_pixels` is always
// taken; a larger one needs a byte for every `pixels_per_byte` pixels, as no
// photo lacks, and none may have more than `most_pixels` or a side above
// kMaxPictureSide.
inline constexpr uint32_t kMaxPictureSide = 65535;
struct ImageLimits {
  uint64_t any_pixels = uint64_t{1} << 24;
  uint64_t most_pixels = uint64_t{1} << 27;
  uint64_t pixels_per_byte = 1024;
};

// kUnsupported unless h x w pixels are allowed in a file of this size;
// kBadData if there are none.
void CheckImageSize(std::string_view name, uint64_t h, uint64_t w,
                    uint64_t file_bytes, const ImageLimits& limits);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_DECODERS_IMAGE_H_
