// Sample statistics against two-pass sums in long double.
#include "ports/host/data/stats.h"

#include <cmath>
#include <cstring>

#include "temper/random.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

template <class T>
Dataset MakeDataset(const std::vector<T>& values, Shape shape) {
  Dataset data;
  data.shape = shape;
  data.shape.type = sizeof(T) == 1 ? ElementType::kU8 : ElementType::kF32;
  data.class_names = {"a"};
  data.labels.resize(values.size() / shape.Count());
  data.ids.resize(data.labels.size());
  data.samples = SampleBlock(values.size() * sizeof(T));
  std::memcpy(data.samples.data(), values.data(), data.samples.size());
  return data;
}

template <class T>
void ExpectStats(const SampleStats& stats, const std::vector<T>& values,
                 size_t period, long double divisor) {
  ASSERT_EQ(stats.mean.size(), period);
  ASSERT_EQ(stats.std.size(), period);
  for (size_t k = 0; k < period; ++k) {
    long double sum = 0, squares = 0, n = 0;
    for (size_t i = k; i < values.size(); i += period, ++n) sum += values[i];
    const long double mean = sum / n;
    for (size_t i = k; i < values.size(); i += period) {
      squares += (values[i] - mean) * (values[i] - mean);
    }
    const long double std = std::sqrt(squares / n);
    EXPECT_FLOAT_EQ(stats.mean[k], static_cast<float>(mean / divisor));
    EXPECT_FLOAT_EQ(stats.std[k],
                    std == 0 ? 1.0f : static_cast<float>(std / divisor));
  }
}

std::vector<uint8_t> RandomBytes(size_t n) {
  std::vector<uint8_t> out(n);
  for (size_t i = 0; i < n; ++i) {
    out[i] = static_cast<uint8_t>(
        RandomWord(1, static_cast<uint32_t>(i), 0, 0, 0) >> 24);
  }
  return out;
}

TEST(Stats, BytesPerChannelAndPerPixel) {
  for (const Shape shape : {Shape{5, 7, 3}, Shape{1, 1, 1}, Shape{28, 28, 1}}) {
    const std::vector<uint8_t> values = RandomBytes(31 * shape.Count());
    const Dataset data = MakeDataset(values, shape);
    const SampleStats channel = ChannelStats(data);
    EXPECT_FALSE(channel.per_pixel);
    EXPECT_EQ(channel.scale, 1.0f / 255.0f);
    EXPECT_TRUE(channel.notes.empty());
    ExpectStats(channel, values, shape.c, 255.0L);
    const SampleStats pixel = PixelStats(data);
    EXPECT_TRUE(pixel.per_pixel);
    ExpectStats(pixel, values, shape.Count(), 255.0L);
  }
}

TEST(Stats, FloatsAreNotScaled) {
  std::vector<float> values(24 * 6);
  for (size_t i = 0; i < values.size(); ++i) {
    // A large mean: sum x^2 / n - mean^2 would lose every digit in float.
    values[i] = 1e4f + static_cast<float>(i * i % 17) * 0.125f;
  }
  const Dataset data = MakeDataset(values, Shape{2, 1, 3});
  const SampleStats stats = ChannelStats(data);
  EXPECT_EQ(stats.scale, 1.0f);
  ExpectStats(stats, values, 3, 1.0L);
  ExpectStats(PixelStats(data), values, 6, 1.0L);
}

TEST(Stats, ConstantChannelsAreNotDivided) {
  // Channel 1 is always 200; channel 2 differs once in 20000.
  std::vector<uint8_t> values(20000 * 3, 200);
  for (size_t i = 0; i < values.size(); i += 3) {
    values[i] = static_cast<uint8_t>(i);
  }
  values[2] = 201;
  const SampleStats stats = ChannelStats(MakeDataset(values, Shape{1, 1, 3}));
  ExpectStats(stats, values, 3, 255.0L);
  EXPECT_EQ(stats.std[1], 1.0f);
  EXPECT_LT(stats.std[2], 1e-4f);
  ASSERT_EQ(stats.notes.size(), 1u);
  EXPECT_NE(stats.notes[0].find("1 of 3 channels"), std::string::npos)
      << stats.notes[0];
}

TEST(Stats, ExtremesAreExact) {
  const std::vector<uint8_t> white(1000, 255), black(1000, 0);
  EXPECT_EQ(ChannelStats(MakeDataset(white, Shape{10, 10, 1})).mean[0], 1.0f);
  EXPECT_EQ(ChannelStats(MakeDataset(black, Shape{10, 10, 1})).mean[0], 0.0f);
  std::vector<uint8_t> both(1000, 255);
  for (size_t i = 0; i < 500; ++i) both[i] = 0;
  const SampleStats half = ChannelStats(MakeDataset(both, Shape{10, 10, 1}));
  EXPECT_EQ(half.mean[0], 0.5f);
  EXPECT_EQ(half.std[0], 0.5f);
}

// The published statistics of the real training set: 0.2860 and 0.3530.
TEST(Stats, FashionMnist) {
  const std::string folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(folder)) {
    FAIL() << "dataset-fashion-mnist is not installed: run ./setup";
  }
  const SampleStats stats = ChannelStats(LoadDataset("idx:" + folder));
  EXPECT_NEAR(stats.mean[0], 0.2860f, 5e-5f);
  EXPECT_NEAR(stats.std[0], 0.3530f, 5e-5f);
}

}  // namespace
}  // namespace temper::host
