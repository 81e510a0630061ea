// See channels.h.
#include "ports/host/data/channels.h"

#include <fmt/format.h>

#include <cstring>

#include "ports/host/base/failure.h"

namespace temper::host {

Channels ReadChannels(std::string_view text) {
  if (text.empty()) return Channels::kAsData;
  for (const Channels channels : {Channels::kRgb, Channels::kBgr}) {
    if (text == ChannelsName(channels)) return channels;
  }
  Fail(ErrorKind::kUsage, "--channels", Printable(text), "",
       "It is rgb, bgr or left out");
}

Shape WithChannels(Shape shape, Channels channels, std::string_view where) {
  if (channels == Channels::kAsData) return shape;
  if (shape.c != 1 && shape.c != 3) {
    Fail(ErrorKind::kMismatch, "the samples have no colours", where,
         fmt::format("they have {} channels, and the model reads {}", shape.c,
                     ChannelsName(channels)),
         "Use samples with 1 channel or 3");
  }
  shape.c = 3;
  return shape;
}

void FitSample(const Shape& from, Channels channels, const uint8_t* sample,
               uint8_t* to) {
  const size_t unit = from.type == ElementType::kU8 ? 1 : 4;
  const size_t pixels = static_cast<size_t>(from.h) * from.w;
  if (channels == Channels::kAsData) {
    if (to != sample) std::memcpy(to, sample, pixels * from.c * unit);
    return;
  }
  if (from.c == 1) {
    for (size_t i = 0; i < pixels; ++i) {
      for (size_t c = 0; c < 3; ++c) {
        std::memcpy(to + (3 * i + c) * unit, sample + i * unit, unit);
      }
    }
    return;
  }
  if (to != sample) std::memcpy(to, sample, 3 * pixels * unit);
  if (channels != Channels::kBgr) return;
  for (size_t i = 0; i < pixels; ++i) {
    uint8_t red[4];
    uint8_t* const pixel = to + 3 * i * unit;
    std::memcpy(red, pixel, unit);
    std::memcpy(pixel, pixel + 2 * unit, unit);
    std::memcpy(pixel + 2 * unit, red, unit);
  }
}

void FitChannels(Channels channels, Dataset* data) {
  data->channels = channels;
  if (channels == Channels::kAsData) return;
  const Shape from = data->shape;
  const Shape to = WithChannels(from, channels, data->source);
  if (from == to && channels == Channels::kRgb) return;
  const bool moves =
      from.c != to.c || data->samples.mapped() || !data->places.empty();
  SampleBlock fitted;
  const size_t bytes =
      static_cast<size_t>(to.Count()) * (to.type == ElementType::kU8 ? 1 : 4);
  if (moves) fitted = SampleBlock(bytes * data->size());
  for (size_t i = 0; i < data->size(); ++i) {
    FitSample(from, channels, data->Sample(i),
              (moves ? fitted.data() : data->samples.data()) + i * bytes);
  }
  if (moves) {
    data->samples = std::move(fitted);
    data->places.clear();
  }
  data->shape = to;
  if (data->resized) data->resized->c = to.c;
}

}  // namespace temper::host
