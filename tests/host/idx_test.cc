// The IDX reader: what it delivers, and everything that it refuses.
#include "ports/host/data/kinds/idx.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "ports/host/data/class_match.h"
#include "ports/host/data/dataset.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::Bytes;
using ::temper::testing::ExpectFailure;
using ::temper::testing::Gzip;
using ::temper::testing::Idx;
using ::temper::testing::Ramp;
using ::temper::testing::TempFolder;

constexpr const char* kImages = "train-images-idx3-ubyte";
constexpr const char* kLabels = "train-labels-idx1-ubyte";
constexpr uint32_t kH = 5, kW = 3, kSample = kH * kW;

Bytes LabelBytes(uint32_t n, uint32_t classes = 3) {
  Bytes out(n);
  for (uint32_t i = 0; i < n; ++i) out[i] = static_cast<uint8_t>(i % classes);
  return out;
}

struct Folder : TempFolder {
  explicit Folder(uint32_t n = 12)
      : images(Idx({n, kH, kW}, Ramp(n * kSample))),
        labels(Idx({n}, LabelBytes(n))) {}
  std::string Spec(const std::string& options = "") const {
    return "idx:" + path() + (options.empty() ? "" : "?" + options);
  }
  void WritePlain() const {
    Write(kImages, images);
    Write(kLabels, labels);
  }
  void WriteGzip() const {
    Write(std::string(kImages) + ".gz", Gzip(images));
    Write(std::string(kLabels) + ".gz", Gzip(labels));
  }
  Bytes images, labels;
};

void ExpectSamples(const Dataset& data, const Bytes& file, size_t header) {
  ASSERT_EQ(data.labels.size(), data.ids.size());
  for (size_t i = 0; i < data.size(); ++i) {
    EXPECT_EQ(0, std::memcmp(
                     data.Sample(i),
                     file.data() + header +
                         static_cast<size_t>(data.ids[i]) * data.SampleBytes(),
                     data.SampleBytes()))
        << "sample " << i;
  }
}

TEST(Idx, ReadsPlainAndGzipAlike) {
  const Folder plain, packed;
  plain.WritePlain();
  packed.WriteGzip();
  const Dataset a = LoadDataset(plain.Spec());
  const Dataset b = LoadDataset(packed.Spec());
  EXPECT_EQ(a.shape, (Shape{kH, kW, 1, ElementType::kU8}));
  EXPECT_EQ(a.size(), 12u);
  EXPECT_EQ(a.class_names, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(a.ClassCounts(), (std::vector<uint64_t>{4, 4, 4}));
  EXPECT_EQ(a.split, "train");
  EXPECT_TRUE(a.notes.empty());
  ExpectSamples(a, plain.images, 16);
  EXPECT_EQ(Fingerprint(a), Fingerprint(b));
  EXPECT_GE(a.MemoryBytes(), 12 * kSample + 12 * 12);
}

TEST(Idx, FindsDotNamesAndTheTestSplit) {
  const Folder folder;
  folder.Write("t10k-images.idx3-ubyte.gz", Gzip(folder.images));
  folder.Write("t10k-labels.idx1-ubyte", folder.labels);
  const Dataset data = LoadDataset(folder.Spec("split=test"));
  EXPECT_EQ(data.size(), 12u);
  EXPECT_EQ(data.split, "test");
  ExpectFailure(ErrorKind::kNotFound, {"train-images-idx3-ubyte"},
                [&] { (void)LoadDataset(folder.Spec()); });
}

TEST(Idx, ReadsColour) {
  const TempFolder folder;
  const Bytes images = Idx({4, 2, 3, 4}, Ramp(4 * 24));
  folder.Write("train-images-idx4-ubyte", images);
  folder.Write(kLabels, Idx({4}, LabelBytes(4, 2)));
  const Dataset data = LoadDataset("idx:" + folder.path());
  EXPECT_EQ(data.shape, (Shape{2, 3, 4, ElementType::kU8}));
  ExpectSamples(data, images, 20);
}

TEST(Idx, SelectsWithoutKeepingTheRest) {
  for (const bool gzip : {false, true}) {
    SCOPED_TRACE(gzip);
    const Folder folder(60);
    gzip ? folder.WriteGzip() : folder.WritePlain();
    const TrainingData data = LoadTrainingData(
        folder.Spec("classes=2,0&names=a,b,c&per_class=10&val=0.3&seed=4"));
    ASSERT_TRUE(data.val.has_value());
    EXPECT_EQ(data.train.size(), 14u);
    EXPECT_EQ(data.val->size(), 6u);
    EXPECT_EQ(data.val->split, "val");
    EXPECT_EQ(data.train.class_names, (std::vector<std::string>{"c", "a"}));
    EXPECT_EQ(data.train.samples.size(), 14 * kSample);
    for (const Dataset* part : {&data.train, &*data.val}) {
      ExpectSamples(*part, folder.images, 16);
      for (size_t i = 0; i < part->size(); ++i) {
        EXPECT_EQ(part->labels[i], part->ids[i] % 3 == 2 ? 0 : 1);
      }
    }
    const Dataset val = LoadDataset(folder.Spec(
        "classes=2,0&names=a,b,c&per_class=10&val=0.3&seed=4&split=val"));
    EXPECT_EQ(Fingerprint(val), Fingerprint(*data.val));
    EXPECT_NE(Fingerprint(data.train), Fingerprint(*data.val));
  }
}

TEST(Idx, TheRestOfTheFileIsCheckedToo) {
  // limit=1 needs the first image only, but a broken end is still an error.
  const Folder folder(60);
  folder.Write(kLabels, folder.labels);
  Bytes packed = Gzip(folder.images);
  packed[packed.size() - 8] ^= 1;  // CRC-32
  folder.Write(std::string(kImages) + ".gz", packed);
  ExpectFailure(ErrorKind::kBadData, {"incorrect data check", kImages},
                [&] { (void)LoadDataset(folder.Spec("limit=1")); });
}

TEST(Idx, MissingThings) {
  ExpectFailure(ErrorKind::kNotFound, {"/no/such/folder"},
                [] { (void)LoadDataset("idx:/no/such/folder"); });
  const Folder folder;
  ExpectFailure(ErrorKind::kNotFound, {folder.path(), kImages},
                [&] { (void)LoadDataset(folder.Spec()); });
  folder.Write(kImages, folder.images);
  ExpectFailure(ErrorKind::kNotFound, {kLabels},
                [&] { (void)LoadDataset(folder.Spec()); });
  ExpectFailure(ErrorKind::kNotFound, {"not a folder"},
                [&] { (void)LoadDataset("idx:" + folder.File(kImages)); });
}

TEST(Idx, RefusesWhatIsNoFile) {
  const Folder folder;
  folder.Write(kImages, folder.images);
  ASSERT_EQ(mkfifo(folder.File(kLabels).c_str(), 0600), 0);
  ExpectFailure(ErrorKind::kBadData, {"not a regular file"},
                [&] { (void)LoadDataset(folder.Spec()); });
}

TEST(Idx, SplitsThatAreNotForTraining) {
  const Folder folder;
  folder.WritePlain();
  ExpectFailure(ErrorKind::kUsage, {"split=test is not for training"},
                [&] { (void)LoadTrainingData(folder.Spec("split=test")); });
}

// One changed file, one message.
void ExpectImagesRefused(const Bytes& images, ErrorKind kind,
                         std::vector<std::string> words) {
  const Folder folder;
  folder.WritePlain();
  folder.Write(kImages, images);
  words.push_back(kImages);
  ExpectFailure(kind, words, [&] { (void)LoadDataset(folder.Spec()); });
}

TEST(Idx, RefusesBadHeaders) {
  const Folder good;
  const auto changed = [&](size_t at, Bytes bytes) {
    Bytes out = good.images;
    std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<long>(at));
    return out;
  };
  ExpectImagesRefused({}, ErrorKind::kBadData,
                      {"byte 0", "ends inside the IDX header"});
  ExpectImagesRefused(changed(0, {1}), ErrorKind::kBadData,
                      {"not an IDX file: it starts with 01 00"});
  ExpectImagesRefused(changed(1, {9}), ErrorKind::kBadData,
                      {"not an IDX file"});
  ExpectImagesRefused(Gzip(good.images), ErrorKind::kBadData,
                      {"gzip data in a file without"});
  ExpectImagesRefused(changed(2, {0x09}), ErrorKind::kUnsupported, {"int8"});
  ExpectImagesRefused(changed(2, {0x0b}), ErrorKind::kUnsupported, {"int16"});
  ExpectImagesRefused(changed(2, {0x0c}), ErrorKind::kUnsupported, {"int32"});
  ExpectImagesRefused(changed(2, {0x0d}), ErrorKind::kUnsupported, {"float32"});
  ExpectImagesRefused(changed(2, {0x0e}), ErrorKind::kUnsupported, {"float64"});
  ExpectImagesRefused(changed(2, {0x0a}), ErrorKind::kBadData,
                      {"unknown element type 0x0a"});
  ExpectImagesRefused(changed(3, {0}), ErrorKind::kBadData, {"0 dimensions"});
  ExpectImagesRefused(changed(3, {5}), ErrorKind::kBadData, {"5 dimensions"});
  ExpectImagesRefused(changed(4, {0, 0, 0, 0}), ErrorKind::kBadData,
                      {"dimension 0 is 0"});
  ExpectImagesRefused(changed(8, {0, 0, 0, 0}), ErrorKind::kBadData,
                      {"dimension 1 is 0"});
  // 2^32 * 2^32 * ... wraps; 2^31 * 2^31 * 4 = 2^64 = 0 does, too.
  ExpectImagesRefused(changed(4, Bytes(12, 0xff)), ErrorKind::kBadData,
                      {"4294967295 x 4294967295"});
  ExpectImagesRefused(changed(4, {0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 4}),
                      ErrorKind::kBadData,
                      {"2147483648 x 2147483648 x 4 bytes", "only 180"});
  // Little-endian sizes.
  ExpectImagesRefused(changed(4, {12, 0, 0, 0, kH, 0, 0, 0, kW, 0, 0, 0}),
                      ErrorKind::kBadData, {"look little-endian"});
}

TEST(Idx, RefusesOtherShapes) {
  const Bytes data = Ramp(360);
  ExpectImagesRefused(Idx({360}, data), ErrorKind::kBadData,
                      {"this file has 1"});
  ExpectImagesRefused(Idx({12, 30}, data), ErrorKind::kBadData,
                      {"this file has 2"});
  ExpectImagesRefused(Idx({12, 2, 3, 5}, data), ErrorKind::kBadData,
                      {"1 to 4 channels"});
  ExpectImagesRefused(Idx({360, 1, 1}, data), ErrorKind::kBadData,
                      {"360 images", "12 labels"});
  ExpectImagesRefused(Idx({1, 360, 1}, data), ErrorKind::kBadData,
                      {"1 images"});
  const Folder folder;
  folder.Write(kImages, folder.images);
  folder.Write(kLabels, Idx({12, 1}, LabelBytes(12)));
  ExpectFailure(ErrorKind::kBadData, {"labels have 1 dimension", "has 2"},
                [&] { (void)LoadDataset(folder.Spec()); });
}

// A sample larger than a graph can take, in a sparse file.
TEST(Idx, RefusesSamplesBeyondTheGraph) {
  const TempFolder folder;
  folder.Write(kImages, Idx({1, (1u << 20) + 1, 1}, Ramp((1u << 20) + 1)));
  folder.Write(kLabels, Idx({1}, {0}));
  ExpectFailure(ErrorKind::kUnsupported, {"1048577 x 1 x 1 is out of range"},
                [&] { (void)LoadDataset("idx:" + folder.path()); });
}

TEST(Idx, RefusesEveryTruncation) {
  const Folder good;
  for (const bool gzip : {false, true}) {
    for (const bool labels : {false, true}) {
      const Bytes whole = labels ? good.labels : good.images;
      const Bytes file = gzip ? Gzip(whole) : whole;
      const std::string name =
          std::string(labels ? kLabels : kImages) + (gzip ? ".gz" : "");
      for (size_t size = 0; size < file.size(); ++size) {
        SCOPED_TRACE(name + " cut to " + std::to_string(size));
        const Folder folder;
        if (labels) folder.Write(kImages, good.images);
        if (!labels) folder.Write(kLabels, good.labels);
        folder.Write(
            name, Bytes(file.begin(), file.begin() + static_cast<long>(size)));
        ExpectFailure(ErrorKind::kBadData, {name},
                      [&] { (void)LoadDataset(folder.Spec()); });
      }
    }
  }
}

TEST(Idx, RefusesTrailingBytes) {
  const Folder good;
  Bytes longer = good.images;
  longer.push_back(0);
  ExpectImagesRefused(longer, ErrorKind::kBadData, {"but 181 follow"});
  // Inside the gzip data, and after it.
  const struct {
    Bytes file;
    const char* word;
  } cases[] = {{Gzip(longer), "bytes follow the end of the data"},
               {[&] {
                  Bytes out = Gzip(good.images);
                  out.push_back(0);
                  return out;
                }(),
                "bytes follow the end of the gzip data"},
               {[&] {
                  Bytes out = Gzip(good.images);
                  out.insert(out.end(), {'g', 'a', 'r', 'b', 'a', 'g', 'e'});
                  return out;
                }(),
                "bytes follow the end of the gzip data"},
               {[&] {
                  Bytes out = Gzip(good.images);
                  const Bytes again = Gzip(good.images);
                  out.insert(out.end(), again.begin(), again.end());
                  return out;
                }(),
                "bytes follow the end of the data"}};
  for (const auto& c : cases) {
    const Folder folder;
    folder.Write(kLabels, good.labels);
    folder.Write(std::string(kImages) + ".gz", c.file);
    ExpectFailure(ErrorKind::kBadData, {c.word, kImages},
                  [&] { (void)LoadDataset(folder.Spec()); });
  }
}

// RFC 1952: a gzip file is a series of members.
TEST(Idx, ReadsGzipInSeveralMembers) {
  const Folder folder;
  const auto middle = folder.images.begin() + 77;
  Bytes packed = Gzip(Bytes(folder.images.begin(), middle));
  const Bytes rest = Gzip(Bytes(middle, folder.images.end()));
  packed.insert(packed.end(), rest.begin(), rest.end());
  folder.Write(std::string(kImages) + ".gz", packed);
  folder.Write(kLabels, folder.labels);
  ExpectSamples(LoadDataset(folder.Spec()), folder.images, 16);
}

TEST(Idx, RefusesDamagedGzip) {
  const Folder good;
  const Bytes packed = Gzip(good.images);
  const auto expect = [&](Bytes file, const char* word) {
    const Folder folder;
    folder.Write(kLabels, good.labels);
    folder.Write(std::string(kImages) + ".gz", file);
    ExpectFailure(ErrorKind::kBadData, {word, kImages},
                  [&] { (void)LoadDataset(folder.Spec()); });
  };
  expect(good.images, "not gzip data");
  Bytes bad = packed;
  bad[bad.size() - 5] ^= 0x80;
  expect(bad, "incorrect data check");
  bad = packed;
  bad[bad.size() - 4] ^= 1;
  expect(bad, "incorrect length check");
  bad = packed;
  bad[3] = 0xe0;  // reserved flags
  expect(bad, "not gzip data");
  // A header whose word deflate could never keep: refused before allocation.
  expect(Gzip(Idx({1000, 1000, 1000}, {})), "the file holds at most");
  EXPECT_LT(Gzip(Idx({1000, 1000, 1000}, {})).size(), 100u);
}

// Some bits of a gzip file carry nothing (times, padding between blocks): a
// flip is refused or changes no sample.
TEST(Idx, FlippedBitsNeverChangeSamples) {
  const Folder good;
  const Bytes packed = Gzip(good.images);
  const auto load = [&](const Bytes& images) {
    const auto reader = OpenIdx(OpenGzip(OpenMemory(images, "images")),
                                OpenMemory(good.labels, "labels"));
    return Fingerprint(LoadFrom(*reader, ParseDataSpec("idx:x")).train);
  };
  const uint64_t expected = load(packed);
  size_t refused = 0;
  for (size_t bit = 0; bit < 8 * packed.size(); ++bit) {
    Bytes bad = packed;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1u << bit % 8));
    try {
      EXPECT_EQ(load(bad), expected) << "bit " << bit;
    } catch (const Failure& failure) {
      ++refused;
      EXPECT_TRUE(failure.kind == ErrorKind::kBadData ||
                  failure.kind == ErrorKind::kUnsupported)
          << failure.message;
    }
  }
  // All but the time, the extra flags, the system and a few padding bits.
  EXPECT_GE(refused, 8 * (packed.size() - 8));
}

TEST(Idx, LabelsBeyondTheNames) {
  const Folder folder;
  folder.WritePlain();
  ExpectFailure(ErrorKind::kBadData, {"sample 2", "label 2 is out of range"},
                [&] { (void)LoadDataset(folder.Spec("names=a,b")); });
}

TEST(Idx, TransposesWhereTold) {
  const Folder folder;
  folder.WritePlain();
  const Dataset plain = LoadDataset(folder.Spec());
  const Dataset turned = LoadDataset(folder.Spec("transpose=1&limit=5"));
  EXPECT_EQ(turned.shape, (Shape{kW, kH, 1, ElementType::kU8}));
  for (size_t i = 0; i < turned.size(); ++i) {
    for (uint32_t y = 0; y < kH; ++y) {
      for (uint32_t x = 0; x < kW; ++x) {
        ASSERT_EQ(turned.Sample(i)[x * kH + y], plain.Sample(i)[y * kW + x]);
      }
    }
  }
  EXPECT_EQ(Fingerprint(LoadDataset(folder.Spec("transpose=0"))),
            Fingerprint(plain));
  ExpectFailure(ErrorKind::kUsage, {"transpose", "'yes'"},
                [&] { (void)LoadDataset(folder.Spec("transpose=yes")); });
  // Colours stay with their pixel.
  const TempFolder colour;
  colour.Write("train-images-idx4-ubyte",
               Idx({1, 1, 2, 3}, {1, 2, 3, 4, 5, 6}));
  colour.Write("train-labels-idx1-ubyte", Idx({1}, {0}));
  const Dataset pixel = LoadDataset("idx:" + colour.path() + "?transpose=1");
  EXPECT_EQ(pixel.shape, (Shape{2, 1, 3, ElementType::kU8}));
  EXPECT_EQ(Bytes(pixel.Sample(0), pixel.Sample(0) + 6),
            (Bytes{1, 2, 3, 4, 5, 6}));
}

TEST(Idx, TheShapeIsCheckedBeforeSamplesAreRead) {
  // A small file that announces, and has, a huge sample.
  const TempFolder folder;
  Bytes images = Idx({1, 3000, 3000}, {});
  std::mt19937 random(1);  // which does not compress
  for (int i = 0; i < 9'000'000 / 1032; ++i) {
    images.push_back(static_cast<uint8_t>(random()));
  }
  folder.Write("train-images-idx3-ubyte.gz", Gzip(images));
  folder.Write("train-labels-idx1-ubyte", Idx({1}, {0}));
  struct Seen {};
  EXPECT_THROW(LoadDataset("idx:" + folder.path(),
                           [](const Shape& shape) {
                             EXPECT_EQ(shape.h, 3000u);
                             throw Seen{};
                           }),
               Seen);
}

TEST(Idx, WhatMayNotBeReadIsNotMissing) {
  const Folder folder;
  folder.WritePlain();
  ASSERT_EQ(chmod(folder.path().c_str(), 0), 0);
  // Root may read everything: another user may not.
  const bool root = geteuid() == 0;
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  ExpectFailure(ErrorKind::kIo, {"Permission denied"},
                [&] { (void)LoadDataset(folder.Spec()); });
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  chmod(folder.path().c_str(), 0700);
}

TEST(Idx, MatchesClassesByName) {
  const Folder folder;
  folder.WritePlain();
  Dataset data = LoadDataset(folder.Spec("names=a,b,c"));
  MatchClasses(data, {"x", "c", "b", "a"});
  EXPECT_EQ(data.labels[0], 3);
  EXPECT_EQ(data.labels[1], 2);
  EXPECT_EQ(data.labels[2], 1);
  EXPECT_EQ(data.class_names.size(), 4u);
  ExpectFailure(ErrorKind::kBadData, {"no class 'x'"}, [&] {
    Dataset other = LoadDataset(folder.Spec("names=a,b,x"));
    MatchClasses(other, {"a", "b", "c"});
  });
}

// Readers of other kinds deliver f32; the common checks are theirs as well.
class FloatReader final : public DataReader {
 public:
  explicit FloatReader(float odd) : odd_(odd) {}
  Index ReadIndex() override {
    return {Shape{1, 1, 2, ElementType::kF32}, {0, 1, 0}, {"a", "b"}};
  }
  Missing ReadSamples(const Wanted& wanted) override {
    for (const Placement& p : wanted) {
      const float values[2] = {1.0f, p.sample == 2 ? odd_ : 2.0f};
      std::memcpy(p.to, values, sizeof(values));
    }
    return {};
  }

 private:
  float odd_;
};

TEST(Dataset, RefusesValuesThatAreNotFinite) {
  const DataSpec spec = ParseDataSpec("idx:x");
  FloatReader good(3.0f);
  EXPECT_EQ(LoadFrom(good, spec).train.SampleBytes(), 8u);
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(),
                          -std::numeric_limits<float>::infinity()}) {
    FloatReader bad(odd);
    ExpectFailure(ErrorKind::kBadData, {"sample 2, element 1"},
                  [&] { (void)LoadFrom(bad, spec); });
  }
}

// Real data, from the package dataset-fashion-mnist.
TEST(Idx, ReadsFashionMnist) {
  const std::string folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(folder)) {
    FAIL() << "dataset-fashion-mnist is not installed: run ./setup";
  }
  const Dataset test = LoadDataset("idx:" + folder + "?split=test");
  EXPECT_EQ(test.size(), 10000u);
  EXPECT_EQ(test.shape, (Shape{28, 28, 1, ElementType::kU8}));
  EXPECT_EQ(test.ClassCounts(), std::vector<uint64_t>(10, 1000));
  const Dataset train =
      LoadDataset("idx:" + folder + "?classes=0-7&limit=2000");
  EXPECT_EQ(train.size(), 2000u);
  EXPECT_EQ(train.class_names.size(), 8u);
  EXPECT_EQ(train.ids[0], 1u);  // sample 0 is an ankle boot, label 9
}

}  // namespace
}  // namespace temper::host
