// The batch loader: order, rows, restart, and no allocation in an epoch.
#include "ports/host/data/loader.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <set>
#include <thread>

#include "simd/rows.h"
#include "temper/mixup.h"
#include "temper/random.h"
#include "tests/host/count_allocations.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::allocations;
using ::temper::testing::ExpectFailure;

// Sample i has id 3 i + 1, label i % 5 and bytes that are a function of i.
Dataset MakeDataset(size_t n, Shape shape = {3, 5, 1, ElementType::kU8}) {
  Dataset data;
  data.shape = shape;
  data.class_names = {"a", "b", "c", "d", "e"};
  data.samples = SampleBlock(n * data.SampleBytes());
  for (size_t i = 0; i < n; ++i) {
    data.labels.push_back(static_cast<int32_t>(i % 5));
    data.ids.push_back(3 * i + 1);
    for (size_t j = 0; j < data.SampleBytes(); ++j) {
      data.samples.data()[i * data.SampleBytes() + j] =
          static_cast<uint8_t>(i * 13 + j);
    }
  }
  return data;
}

// Every row is a whole sample; returns the ids in order.
std::vector<uint64_t> ReadEpoch(const Dataset& data, Loader& loader,
                                std::vector<uint32_t>* rows = nullptr) {
  std::vector<uint64_t> ids;
  while (const Batch* batch = loader.Next()) {
    if (rows != nullptr) rows->push_back(batch->rows);
    const auto* input = static_cast<const uint8_t*>(batch->input);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(input) % 64, 0u);
    for (uint32_t r = 0; r < batch->rows; ++r) {
      const size_t i = static_cast<size_t>(batch->sample_ids[r] / 3);
      EXPECT_EQ(batch->labels[r], data.labels[i]);
      EXPECT_EQ(0, std::memcmp(input + r * data.SampleBytes(), data.Sample(i),
                               data.SampleBytes()));
      ids.push_back(batch->sample_ids[r]);
    }
  }
  EXPECT_EQ(loader.Next(), nullptr);
  return ids;
}

TEST(Loader, KeepsTheOrderWithoutShuffle) {
  const Dataset data = MakeDataset(10);
  for (const uint32_t batch : {1u, 2u, 3u, 7u, 10u, 11u, 1000u}) {
    SCOPED_TRACE(batch);
    Loader loader(data, {.batch = batch});
    EXPECT_EQ(loader.Next(), nullptr);  // no epoch yet
    for (uint32_t epoch = 0; epoch < 3; ++epoch) {
      loader.StartEpoch(epoch);
      std::vector<uint32_t> rows;
      EXPECT_EQ(ReadEpoch(data, loader, &rows), data.ids);
      EXPECT_EQ(rows.size(), loader.BatchesPerEpoch());
      EXPECT_EQ(rows.size(), (10 + batch - 1) / batch);
      EXPECT_EQ(rows.back(), (10 - 1) % batch + 1);
    }
  }
}

// The classes of an epoch's samples, and which samples they are.
struct Drawn {
  std::vector<int32_t> labels;
  std::vector<uint8_t> firsts;  // the first byte tells samples apart
  std::vector<uint64_t> ids;

  friend bool operator==(const Drawn&, const Drawn&) = default;
};
Drawn DrawEpoch(Loader& loader, size_t sample_bytes) {
  Drawn drawn;
  while (const Batch* batch = loader.Next()) {
    const auto* input = static_cast<const uint8_t*>(batch->input);
    for (uint32_t r = 0; r < batch->rows; ++r) {
      drawn.labels.push_back(batch->labels[r]);
      drawn.firsts.push_back(input[r * sample_bytes]);
      drawn.ids.push_back(batch->sample_ids[r]);
    }
  }
  return drawn;
}

// One class has 4 samples, another 196, three none: each comes half the time.
TEST(Loader, BalancedDrawsEveryClassEquallyOften) {
  Dataset data = MakeDataset(200);
  for (size_t i = 0; i < 200; ++i) data.labels[i] = i % 50 == 0 ? 4 : 1;
  Loader loader(data, {.batch = 16, .seed = 3, .balanced = true});
  EXPECT_EQ(
      loader.MemoryBytes() - LoaderBytes(data, {.batch = 16, .balanced = true}),
      2 * simd::kTailBytes - 3 * sizeof(size_t));
  uint64_t rare = 0, all = 0;
  std::set<uint8_t> firsts;
  Drawn first, second;
  for (uint32_t epoch = 0; epoch < 20; ++epoch) {
    loader.StartEpoch(epoch);
    const Drawn drawn = DrawEpoch(loader, data.SampleBytes());
    ASSERT_EQ(drawn.labels.size(), 200u);
    for (size_t i = 0; i < 200; ++i) {
      rare += drawn.labels[i] == 4;
      ++all;
      if (drawn.labels[i] == 4) firsts.insert(drawn.firsts[i]);
      EXPECT_EQ(drawn.ids[i], i);  // draws of a sample follow its position
    }
    (epoch == 0 ? first : second) = drawn;
  }
  EXPECT_EQ(all, 4000u);
  EXPECT_NEAR(static_cast<double>(rare), 2000, 150);  // 4.7 deviations
  EXPECT_EQ(firsts.size(), 4u);
  EXPECT_FALSE(first == second);
  // Of another batch size, and from the middle.
  Loader other(data, {.batch = 7, .seed = 3, .balanced = true});
  other.StartEpoch(0);
  EXPECT_TRUE(DrawEpoch(other, data.SampleBytes()) == first);
  loader.StartEpoch(0, 5);
  const Drawn rest = DrawEpoch(loader, data.SampleBytes());
  EXPECT_TRUE(std::equal(rest.labels.begin(), rest.labels.end(),
                         first.labels.begin() + 80, first.labels.end()));
}

TEST(Loader, HandsOutClassWeights) {
  const Dataset data = MakeDataset(10);
  Loader loader(data, {.batch = 4, .class_weights = {1, 2, 3, 4, 5}});
  loader.StartEpoch(0);
  EXPECT_EQ(loader.Next()->class_weights[4], 5.0f);
  Loader none(data, {.batch = 4});
  none.StartEpoch(0);
  EXPECT_EQ(none.Next()->class_weights, nullptr);
}

// A sample's fate is its id's and the epoch's: the same in batches of any size,
// in any order, and after a start in the middle of the epoch.
TEST(Loader, AugmentsBySampleAndEpoch) {
  const Dataset data = MakeDataset(23, {6, 5, 3, ElementType::kU8});
  const std::vector<Augmentation> list = {HFlipParams{0.5f}, CropParams{2},
                                          ContrastParams{0.5f}};
  const size_t bytes = data.SampleBytes();
  for (const uint32_t batch : {1u, 4u, 23u}) {
    for (const bool shuffle : {false, true}) {
      Loader loader(
          data,
          {.batch = batch, .seed = 5, .shuffle = shuffle, .augment = list});
      for (const uint32_t epoch : {0u, 3u}) {
        const uint64_t first = epoch == 0 ? 0 : loader.BatchesPerEpoch() / 2;
        loader.StartEpoch(epoch, first);
        size_t changed = 0, seen = 0;
        for (; const Batch* b = loader.Next();) {
          for (uint32_t r = 0; r < b->rows; ++r, ++seen) {
            const size_t i = static_cast<size_t>(b->sample_ids[r] / 3);
            std::vector<uint8_t> expected(data.Sample(i),
                                          data.Sample(i) + bytes);
            Augment(list.data(), 3, data.shape, 5, data.ids[i], epoch,
                    expected.data());
            const auto* got = static_cast<const uint8_t*>(b->input) + r * bytes;
            ASSERT_EQ(0, std::memcmp(got, expected.data(), bytes));
            changed += std::memcmp(got, data.Sample(i), bytes) != 0;
          }
        }
        EXPECT_EQ(seen, 23 - first * batch);
        EXPECT_GT(changed, seen * 3 / 4);
      }
    }
  }
}

TEST(Loader, DropsAShortLastBatch) {
  const Dataset data = MakeDataset(10);
  Loader loader(data, {.batch = 4, .drop_last = true});
  EXPECT_EQ(loader.BatchesPerEpoch(), 2u);
  loader.StartEpoch(0);
  EXPECT_EQ(ReadEpoch(data, loader).size(), 8u);
}

TEST(Loader, ShufflesByPhilox) {
  const Dataset data = MakeDataset(101);
  Loader loader(data, {.batch = 8, .seed = 42, .shuffle = true});
  std::set<std::vector<uint64_t>> orders;
  for (uint32_t epoch = 0; epoch < 4; ++epoch) {
    std::vector<std::pair<uint32_t, uint64_t>> keys;
    for (const uint64_t id : data.ids) {
      const auto i = static_cast<uint32_t>(id);
      keys.emplace_back(Philox(42, {i / 4, 0, epoch, 3u << 16})[i % 4], id);
    }
    std::sort(keys.begin(), keys.end());
    std::vector<uint64_t> expected;
    for (const auto& key : keys) expected.push_back(key.second);
    loader.StartEpoch(epoch);
    EXPECT_EQ(ReadEpoch(data, loader), expected) << "epoch " << epoch;
    orders.insert(expected);
  }
  EXPECT_EQ(orders.size(), 4u);
}

TEST(Loader, StartsInTheMiddle) {
  const Dataset data = MakeDataset(50);
  Loader loader(data, {.batch = 7, .seed = 1, .shuffle = true});
  loader.StartEpoch(3);
  const std::vector<uint64_t> whole = ReadEpoch(data, loader);
  for (uint64_t first = 0; first <= loader.BatchesPerEpoch() + 1; ++first) {
    SCOPED_TRACE(first);
    loader.StartEpoch(3, first);
    const size_t skipped = std::min<size_t>(first * 7, whole.size());
    EXPECT_EQ(ReadEpoch(data, loader),
              std::vector<uint64_t>(whole.begin() + static_cast<long>(skipped),
                                    whole.end()));
  }
}

// An epoch may be left at any batch, also at once after its start.
TEST(Loader, RestartsAnywhere) {
  const Dataset data = MakeDataset(40);
  Loader loader(data, {.batch = 3, .seed = 9, .shuffle = true});
  loader.StartEpoch(5);
  const std::vector<uint64_t> expected = ReadEpoch(data, loader);
  for (int left_after = 0; left_after < 14; ++left_after) {
    loader.StartEpoch(static_cast<uint32_t>(left_after));
    for (int k = 0; k < left_after; ++k) ASSERT_NE(loader.Next(), nullptr);
    loader.StartEpoch(5);
    EXPECT_EQ(ReadEpoch(data, loader), expected) << left_after;
  }
  // Destroyed in the middle of an epoch.
  loader.StartEpoch(0);
  ASSERT_NE(loader.Next(), nullptr);
}

// Batches so large that the worker is still at one when the epoch is left.
TEST(Loader, RestartsWhileTheWorkerIsBusy) {
  const Dataset data = MakeDataset(24, {256, 256, 3, ElementType::kU8});
  Loader loader(data, {.batch = 8, .seed = 9, .shuffle = true});
  loader.StartEpoch(5);
  const std::vector<uint64_t> expected = ReadEpoch(data, loader);
  for (uint32_t epoch = 6; epoch < 26; ++epoch) {
    loader.StartEpoch(epoch);
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    loader.StartEpoch(5);
    ASSERT_EQ(ReadEpoch(data, loader), expected) << epoch;
  }
}

TEST(Loader, ABatchStaysWhileTheNextIsGathered) {
  const Dataset data = MakeDataset(64, {16, 16, 3, ElementType::kU8});
  Loader loader(data, {.batch = 4});
  loader.StartEpoch(0);
  std::vector<uint8_t> copy(4 * data.SampleBytes() + simd::kTailBytes);
  while (const Batch* batch = loader.Next()) {
    // The tail that kernels may read belongs to the buffer.
    std::memcpy(copy.data(), batch->input, copy.size());
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    ASSERT_EQ(0, std::memcmp(copy.data(), batch->input, copy.size()));
  }
}

TEST(Loader, ReadsFloats) {
  const Dataset data = MakeDataset(9, {1, 1, 3, ElementType::kF32});
  Loader loader(data, {.batch = 2, .seed = 3, .shuffle = true});
  loader.StartEpoch(0);
  EXPECT_EQ(ReadEpoch(data, loader).size(), 9u);
}

// Rows are mixed with the last but them, classes as probabilities, and an epoch's
// batches are the same ones wherever it begins.
TEST(Loader, MixesRows) {
  const Dataset data = MakeDataset(11);
  const LoaderOptions plain = {.batch = 4, .seed = 3, .shuffle = true};
  LoaderOptions options = plain;
  options.mixup_alpha = 0.4f;
  options.outputs = 6;
  Loader loader(data, options), unmixed(data, plain);
  EXPECT_EQ(loader.MemoryBytes(),
            LoaderBytes(data, options) + 2 * simd::kTailBytes);
  loader.StartEpoch(2);
  unmixed.StartEpoch(2);
  const size_t bytes = data.SampleBytes();
  while (const Batch* batch = loader.Next()) {
    const Batch* const before = unmixed.Next();
    ASSERT_EQ(batch->labels, nullptr);
    const auto* const x = static_cast<const uint8_t*>(batch->input);
    const auto* const from = static_cast<const uint8_t*>(before->input);
    for (uint32_t r = 0; r < batch->rows; ++r) {
      const uint32_t other = batch->rows - 1 - r;
      EXPECT_EQ(batch->sample_ids[r], before->sample_ids[r]);
      const float share =
          r == other ? 1.0f
                     : MixupShare({0.4f, 3}, 2,
                                  before->sample_ids[std::min(r, other)]);
      for (size_t i = 0; i < bytes; ++i) {
        ASSERT_NEAR(
            x[r * bytes + i],
            share * from[r * bytes + i] + (1 - share) * from[other * bytes + i],
            0.51);
      }
      for (int32_t k = 0; k < 6; ++k) {
        const float want = share * (before->labels[r] == k) +
                           (1 - share) * (before->labels[other] == k);
        ASSERT_NEAR(batch->targets[r * 6 + static_cast<uint32_t>(k)], want,
                    1e-6);
      }
    }
  }
  loader.StartEpoch(2, 1);
  const Batch* const again = loader.Next();
  const uint64_t id = again->sample_ids[0];
  unmixed.StartEpoch(2, 1);
  EXPECT_EQ(unmixed.Next()->sample_ids[0], id);
}

TEST(Loader, BringsTheTargets) {
  Dataset data = MakeDataset(11);
  data.labels.clear();
  data.targets = {TargetKind::kValues, 3};
  for (size_t i = 0; i < 33; ++i) data.values.push_back(static_cast<float>(i));
  Loader loader(data, {.batch = 4, .seed = 3, .shuffle = true});
  EXPECT_EQ(loader.MemoryBytes(),
            LoaderBytes(data, {.batch = 4}) + 2 * simd::kTailBytes);
  loader.StartEpoch(1);
  size_t rows = 0;
  while (const Batch* batch = loader.Next()) {
    EXPECT_EQ(batch->labels, nullptr);
    for (uint32_t r = 0; r < batch->rows; ++r, ++rows) {
      const size_t i = static_cast<size_t>(batch->sample_ids[r] / 3);
      for (size_t j = 0; j < 3; ++j) {
        EXPECT_EQ(batch->targets[3 * r + j], data.values[3 * i + j]);
      }
    }
  }
  EXPECT_EQ(rows, 11u);
  data.targets = {};
  Loader none(data, {.batch = 4});
  none.StartEpoch(0);
  const Batch* const batch = none.Next();
  EXPECT_TRUE(batch->labels == nullptr && batch->targets == nullptr);
}

TEST(Loader, AnEpochAllocatesNothing) {
  const Dataset data = MakeDataset(3000);
  Loader loader(data, {.batch = 16, .seed = 1, .shuffle = true});
  EXPECT_GE(loader.MemoryBytes(),
            2 * 16 * (data.SampleBytes() + 12) + 3000 * 8);
  // The counter counts at all, in other threads as well.
  const uint64_t first = allocations.load();
  std::thread([] { delete new volatile int(1); }).join();
  ASSERT_GT(allocations.load(), first);

  // The worker is on its feet once it has delivered: a sanitizer allocates when
  // a thread starts.
  loader.StartEpoch(0);
  ASSERT_NE(loader.Next(), nullptr);
  const uint64_t before = allocations.load();
  uint64_t rows = 0;
  for (uint32_t epoch = 0; epoch < 3; ++epoch) {
    loader.StartEpoch(epoch);
    while (const Batch* batch = loader.Next()) rows += batch->rows;
  }
  const uint64_t after = allocations.load();
  EXPECT_EQ(after - before, 0u);
  EXPECT_EQ(rows, 9000u);
}

TEST(Loader, RefusesWhatCannotWork) {
  const Dataset data = MakeDataset(10);
  ExpectFailure(ErrorKind::kUsage, {"--batch"},
                [&] { Loader loader(data, {.batch = 0}); });
  ExpectFailure(ErrorKind::kBadData,
                {"10 samples are fewer than one batch of 11"},
                [&] { Loader loader(data, {.batch = 11, .drop_last = true}); });
  const Dataset empty = MakeDataset(0);
  ExpectFailure(ErrorKind::kBadData, {"0 samples"},
                [&] { Loader loader(empty, {.batch = 1}); });
}

}  // namespace
}  // namespace temper::host
