// Sample statistics. Definitions: stats.h.
#include "ports/host/data/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ports/host/base/failure.h"

namespace temper::host {
namespace {

struct Moments {
  double mean = 0.0, variance = 0.0;  // unscaled
};

// Sums of n values x and x^2 in integers. The mean is found around the nearest
// integer m, because sum x^2 / n - mean^2 would cancel: sum (x - m)^2 is exact
// in 64 bits (unsigned arithmetic wraps, the true values do not).
struct ByteSums {
  uint64_t sum = 0, squares = 0;

  void Add(uint8_t x) {
    sum += x;
    squares += uint32_t{x} * x;
  }
  Moments Finish(uint64_t n) const {
    const uint64_t m = (sum + n / 2) / n;
    const auto shifted = static_cast<int64_t>(sum - n * m);
    const auto shifted_squares =
        static_cast<int64_t>(squares - 2 * m * sum + n * m * m);
    const double count = static_cast<double>(n);
    const double offset = static_cast<double>(shifted) / count;
    Moments out;
    out.mean = static_cast<double>(m) + offset;
    out.variance =
        static_cast<double>(shifted_squares) / count - offset * offset;
    return out;
  }
};

// `period` statistics; element i of a sample belongs to statistic i % period.
std::vector<Moments> ByteMoments(const Dataset& data, size_t period) {
  const size_t elements = static_cast<size_t>(data.shape.Count());
  std::vector<ByteSums> sums(period);
  for (size_t i = 0; i < data.size(); ++i) {
    const uint8_t* sample = data.Sample(i);
    for (size_t j = 0; j < elements; j += period) {
      for (size_t k = 0; k < period; ++k) sums[k].Add(sample[j + k]);
    }
  }
  std::vector<Moments> out;
  const uint64_t n = uint64_t{data.size()} * (elements / period);
  for (const ByteSums& s : sums) out.push_back(s.Finish(n));
  return out;
}

// Two passes: the mean, then the squares of the distances from it.
std::vector<Moments> FloatMoments(const Dataset& data, size_t period) {
  const size_t elements = static_cast<size_t>(data.shape.Count());
  std::vector<Moments> out(period);
  const double n =
      static_cast<double>(uint64_t{data.size()} * (elements / period));
  const auto for_each = [&](auto&& f) {
    for (size_t i = 0; i < data.size(); ++i) {
      const uint8_t* sample = data.Sample(i);
      for (size_t j = 0; j < elements; ++j) {
        float x;
        std::memcpy(&x, sample + 4 * j, 4);
        f(out[j % period], static_cast<double>(x));
      }
    }
  };
  for_each([](Moments& m, double x) { m.mean += x; });
  for (Moments& m : out) m.mean /= n;
  for_each(
      [](Moments& m, double x) { m.variance += (x - m.mean) * (x - m.mean); });
  for (Moments& m : out) m.variance /= n;
  return out;
}

SampleStats Stats(const Dataset& train, size_t period, float scale) {
  if (train.size() == 0 || period == 0) {
    Fail(ErrorKind::kBug, "statistics of no samples", train.source, "", "");
  }
  const bool bytes = train.shape.type == ElementType::kU8;
  SampleStats out;
  out.scale = scale;
  // 255 itself, where the float is only the nearest to 1/255.
  const double divisor = scale == 1.0f / 255.0f ? 255.0 : 1.0 / scale;
  size_t constant = 0;
  size_t first_constant = 0;
  for (const Moments& m :
       bytes ? ByteMoments(train, period) : FloatMoments(train, period)) {
    float std = static_cast<float>(std::sqrt(m.variance) / std::abs(divisor));
    if (!(std > 0.0f)) {
      if (constant++ == 0) first_constant = out.std.size();
      std = 1.0f;
    }
    out.mean.push_back(static_cast<float>(m.mean / divisor));
    out.std.push_back(std);
  }
  if (constant > 0) {
    out.notes.push_back(fmt::format(
        "{} of {} {} never change (the first: {}); they are not divided",
        constant, period, period == train.shape.c ? "channels" : "pixels",
        first_constant));
  }
  return out;
}

}  // namespace

namespace {

SampleStats Channel(const Dataset& train, float scale) {
  return ChannelStats(train, scale);
}
SampleStats Pixel(const Dataset& train, float scale) {
  return PixelStats(train, scale);
}
// Means alone. What never changes needs no note: nothing is divided.
SampleStats MeansOf(SampleStats stats) {
  std::fill(stats.std.begin(), stats.std.end(), 1.0f);
  stats.notes.clear();
  return stats;
}
SampleStats ChannelMean(const Dataset& train, float scale) {
  return MeansOf(ChannelStats(train, scale));
}
SampleStats MeanImage(const Dataset& train, float scale) {
  return MeansOf(PixelStats(train, scale));
}

// The least and the largest value, scaled: of bytes those that a byte can have.
struct Range {
  double least = 0.0, most = 0.0;
};
Range RangeOf(const Dataset& train, float scale) {
  // 255 itself, where the float is only the nearest to 1/255.
  const double divisor = scale == 1.0f / 255.0f ? 255.0 : 1.0 / double{scale};
  if (train.shape.type == ElementType::kU8) return {0.0, 255.0 / divisor};
  float least = 0, most = 0;
  bool first = true;
  const size_t elements = static_cast<size_t>(train.shape.Count());
  for (size_t i = 0; i < train.size(); ++i) {
    for (size_t j = 0; j < elements; ++j) {
      float x;
      std::memcpy(&x, train.Sample(i) + 4 * j, 4);
      least = first ? x : std::min(least, x);
      most = first ? x : std::max(most, x);
      first = false;
    }
  }
  const double a = double{least} / divisor, b = double{most} / divisor;
  return {std::min(a, b), std::max(a, b)};
}

// (x - origin) / width, the same for every channel.
SampleStats OneRange(const Dataset& train, float scale, double origin,
                     double width) {
  SampleStats out;
  out.scale = scale;
  if (!(static_cast<float>(width) > 0.0f)) {
    out.notes.push_back("all values are the same; they are not divided");
    width = 1.0;
  }
  out.mean.assign(train.shape.c, static_cast<float>(origin));
  out.std.assign(train.shape.c, static_cast<float>(width));
  return out;
}
SampleStats Unit(const Dataset& train, float scale) {
  const Range r = RangeOf(train, scale);
  return OneRange(train, scale, r.least, r.most - r.least);
}
SampleStats Signed(const Dataset& train, float scale) {
  const Range r = RangeOf(train, scale);
  return OneRange(train, scale, (r.least + r.most) / 2, (r.most - r.least) / 2);
}

constexpr NormalizeKind kNormalizeKinds[] = {
    {"channel", "mean and deviation of each channel",
     Preprocessing::Kind::kMeanStd, false, Channel},
    {"pixel", "mean and deviation of each pixel",
     Preprocessing::Kind::kMeanImage, true, Pixel},
    {"mean_image", "minus the mean image", Preprocessing::Kind::kMeanImageOnly,
     true, MeanImage},
    {"channel_mean", "minus the mean of each channel",
     Preprocessing::Kind::kChannelMean, false, ChannelMean},
    {"unit", "to [0, 1]", Preprocessing::Kind::kUnit, false, Unit},
    {"signed", "to [-1, 1]", Preprocessing::Kind::kSigned, false, Signed},
    {"none", "as they are", Preprocessing::Kind::kNone, false, nullptr},
};

}  // namespace

std::span<const NormalizeKind> NormalizeKinds() { return kNormalizeKinds; }

const NormalizeKind* FindNormalizeKind(std::string_view name) {
  for (const NormalizeKind& kind : kNormalizeKinds) {
    if (name == kind.name) return &kind;
  }
  return nullptr;
}

std::string NormalizeNames() {
  std::string names;
  for (const NormalizeKind& kind : kNormalizeKinds) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", kind.name);
  }
  return names;
}

float UsualScale(const Dataset& data) {
  return data.shape.type == ElementType::kU8 ? 1.0f / 255.0f : 1.0f;
}

SampleStats ChannelStats(const Dataset& train, float scale) {
  return Stats(train, train.shape.c, scale);
}

SampleStats PixelStats(const Dataset& train, float scale) {
  SampleStats out =
      Stats(train, static_cast<size_t>(train.shape.Count()), scale);
  out.per_pixel = true;
  return out;
}

}  // namespace temper::host
