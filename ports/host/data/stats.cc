// Sample statistics. Definitions: stats.h.
#include "ports/host/data/stats.h"

#include <fmt/format.h>

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
