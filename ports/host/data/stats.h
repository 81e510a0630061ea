// Mean and standard deviation of a data set's samples: what the normalize layer
// stores in the model. Values are multiplied by `scale` first (u8: 1/255, so
// that they lie in [0, 1]; f32: 1), as the layer does: y = (x * scale - mean) /
// std.
//
// Population statistics (divided by N). u8 samples are summed in integers, so
// the result is exact up to the last few double operations and the same bits on
// every machine; f32 samples are summed in double in the order of the samples.
#ifndef TEMPER_PORTS_HOST_DATA_STATS_H_
#define TEMPER_PORTS_HOST_DATA_STATS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ports/host/data/dataset.h"

namespace temper::host {

struct SampleStats {
  bool per_pixel = false;
  float scale = 1.0f;
  // (c) per channel, or (h, w, c) per pixel (the mean image).
  std::vector<float> mean;
  // Never 0: where all values are equal it is 1 and a note says so.
  std::vector<float> std;
  std::vector<std::string> notes;
};

// What values are multiplied by if nothing else is asked for.
float UsualScale(const Dataset& data);

// How samples are normalised (--normalize): y = (x * scale - mean) / std.
struct NormalizeKind {
  const char* name;
  const char* help;
  Preprocessing::Kind kind;  // as model files have it
  bool per_pixel;
  SampleStats (*stats)(const Dataset& train, float scale);  // null: none
};
std::span<const NormalizeKind> NormalizeKinds();
// Null for an unknown name.
const NormalizeKind* FindNormalizeKind(std::string_view name);
// "channel, pixel, ...": for help and messages.
std::string NormalizeNames();

// Over the training part only: anything else would leak the test data.
SampleStats ChannelStats(const Dataset& train, float scale);
SampleStats PixelStats(const Dataset& train, float scale);
inline SampleStats ChannelStats(const Dataset& train) {
  return ChannelStats(train, UsualScale(train));
}
inline SampleStats PixelStats(const Dataset& train) {
  return PixelStats(train, UsualScale(train));
}

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_STATS_H_
