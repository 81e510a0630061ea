// Samples with the channels that a model wants (Preprocessing::Channels): gray
// becomes three equal ones, red and blue change places.
#ifndef TEMPER_PORTS_HOST_DATA_CHANNELS_H_
#define TEMPER_PORTS_HOST_DATA_CHANNELS_H_

#include <cstdint>
#include <string_view>

#include "ports/host/data/dataset.h"

namespace temper::host {

using Channels = Preprocessing::Channels;

// "", "rgb", "bgr"; kUsage.
Channels ReadChannels(std::string_view text);

// What samples of a shape become. kMismatch: neither one channel nor three.
Shape WithChannels(Shape shape, Channels channels, std::string_view where);

// One sample of `from` as WithChannels has it. `to` may be `sample` where the
// number of channels stays.
void FitSample(const Shape& from, Channels channels, const uint8_t* sample,
               uint8_t* to);

// All samples of a data set, whose shape changes with them.
void FitChannels(Channels channels, Dataset* data);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_CHANNELS_H_
