// See views.h.
#include "ports/host/train/views.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "ports/host/base/failure.h"

namespace temper::host {
namespace {

constexpr int32_t kMostPixels = 64;

[[noreturn]] void Bad(const std::string& text, std::string_view why) {
  Fail(ErrorKind::kUsage, "--views", Printable(text), why,
       "Write flip, shift=PIXELS or both with a comma");
}

int32_t Pixels(const std::string& text, std::string_view item) {
  const size_t equals = item.find('=');
  if (equals == std::string_view::npos) return 1;
  int32_t pixels = 0;
  const char* const end = item.data() + item.size();
  const auto [at, error] =
      std::from_chars(item.data() + equals + 1, end, pixels);
  if (error != std::errc() || at != end || pixels < 1 || pixels > kMostPixels) {
    Bad(text, "a shift is 1 to 64 pixels");
  }
  return pixels;
}

}  // namespace

std::vector<View> ReadViews(const std::string& text) {
  std::vector<View> views = {{}};
  bool flip = false, shift = false;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string item = text.substr(begin, end - begin);
    begin = end + 1;
    if (item == "flip" && !flip) {
      flip = true;
      views.push_back({true, 0, 0});
    } else if ((item == "shift" || item.starts_with("shift=")) && !shift) {
      shift = true;
      const int32_t n = Pixels(text, item);
      for (const View& view : {View{false, n, 0}, View{false, -n, 0},
                               View{false, 0, n}, View{false, 0, -n}}) {
        views.push_back(view);
      }
    } else {
      Bad(text, flip && item == "flip" ? "flip is given twice"
                                       : "there is no such view");
    }
  }
  return views;
}

void MakeView(const View& view, const Shape& shape, const uint8_t* in,
              uint8_t* out) {
  const int64_t h = shape.h, w = shape.w;
  const size_t pixel =
      size_t{shape.c} * (shape.type == ElementType::kU8 ? 1 : sizeof(float));
  for (int64_t y = 0; y < h; ++y) {
    const int64_t from_y = std::clamp<int64_t>(y - view.down, 0, h - 1);
    for (int64_t x = 0; x < w; ++x) {
      int64_t from_x = std::clamp<int64_t>(x - view.right, 0, w - 1);
      if (view.mirrored) from_x = w - 1 - from_x;
      std::memcpy(out + static_cast<size_t>(y * w + x) * pixel,
                  in + static_cast<size_t>(from_y * w + from_x) * pixel, pixel);
    }
  }
}

}  // namespace temper::host
