// The NumPy reader: files written by hand as numpy.save writes them, of every
// version, type and order; what X and Y become; what is refused, and how.
#include "ports/host/data/kinds/npy.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "ports/host/data/kinds/npy_format.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::Bytes;
using ::temper::testing::ExpectFailure;
using ::temper::testing::Gzip;
using ::temper::testing::TempFolder;

// A file with this header, padded to 64 bytes as NumPy does.
Bytes File(uint8_t major, std::string header, const Bytes& data) {
  const size_t start = major == 1 ? 10 : 12;
  header.append(63 - (start + header.size()) % 64, ' ');
  header += '\n';
  Bytes file = {0x93, 'N', 'U', 'M', 'P', 'Y', major, 0};
  for (size_t i = 0; i < start - 8; ++i) {
    file.push_back(static_cast<uint8_t>(header.size() >> (8 * i)));
  }
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), data.begin(), data.end());
  return file;
}
std::string Header(const std::string& descr, const std::string& shape,
                   bool fortran = false) {
  return "{'descr': '" + descr +
         "', 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + ", }";
}
Bytes Npy(const std::string& descr, const std::string& shape, const Bytes& data,
          bool fortran = false, uint8_t major = 1) {
  return File(major, Header(descr, shape, fortran), data);
}

// The elements' bytes, lowest first or last.
template <class T>
Bytes Elements(const std::vector<T>& values, bool big = false) {
  Bytes bytes;
  for (const T& value : values) {
    uint8_t raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    if (big) std::reverse(raw, raw + sizeof(T));
    bytes.insert(bytes.end(), raw, raw + sizeof(T));
  }
  return bytes;
}

TrainingData Load(const Bytes& x, const Bytes& y = {},
                  const std::string& options = "", NpyOptions npy = {}) {
  const auto reader =
      OpenNpy(OpenMemory(x, "x.npy"),
              y.empty() ? nullptr : OpenMemory(y, "y.npy"), npy);
  return LoadFrom(*reader, ParseDataSpec("npy:x,y" + options));
}
std::vector<float> Floats(const Dataset& data) {
  std::vector<float> values(data.samples.size() / 4);
  std::memcpy(values.data(), data.samples.data(), 4 * values.size());
  return values;
}
std::vector<float> ValuesOf(const Bytes& y, TargetKind kind) {
  // Two samples, whatever they are.
  const Bytes x = Npy("|u1", "(2, 1)", {1, 2});
  return Load(x, y, "", {.targets = kind}).train.values;
}

TEST(Npy, ReadsEveryVersion) {
  for (const uint8_t major : {1, 2, 3}) {
    const Dataset data =
        Load(Npy("<f4", "(2, 3)", Elements<float>({1, 2, 3, 4, 5, 6}), false,
                 major),
             Npy("<i8", "(2,)", Elements<int64_t>({1, 0}), false, major))
            .train;
    EXPECT_EQ(data.shape, (Shape{1, 1, 3, ElementType::kF32}));
    EXPECT_EQ(Floats(data), (std::vector<float>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(data.labels, (std::vector<int32_t>{1, 0}));
    EXPECT_EQ(data.targets, (Targets{TargetKind::kClasses, 2}));
  }
}

// As old versions and other programs write it.
TEST(Npy, ReadsOtherSpellings) {
  for (const std::string header :
       {"{\"shape\":(2L,1L),\"fortran_order\":False,\"descr\":\"<f4\"}",
        "{ 'fortran_order' : False , 'shape' : ( 2 , 1 , ) , 'descr' : '<f4' }",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1)}\n  \n"}) {
    const Bytes x = File(1, header, Elements<float>({7, 8}));
    EXPECT_EQ(Floats(Load(x).train), (std::vector<float>{7, 8})) << header;
  }
}

template <class T>
void ExpectType(const std::string& name, const std::vector<T>& values) {
  std::vector<float> expected;
  for (const T& v : values) expected.push_back(static_cast<float>(v));
  for (const bool big : {false, true}) {
    const Bytes y =
        Npy((big ? ">" : "<") + name, "(2,)", Elements(values, big));
    EXPECT_EQ(ValuesOf(y, TargetKind::kValues), expected) << name << big;
  }
}

TEST(Npy, ReadsEveryTypeInBothByteOrders) {
  ExpectType<int8_t>("i1", {-128, 127});
  ExpectType<int16_t>("i2", {-32768, 258});
  ExpectType<int32_t>("i4", {-2147483648, 16777217});
  // Rounded once: by way of double the second would become 2^60.
  ExpectType<int64_t>("i8", {-9000000000000000000,
                             (int64_t{1} << 60) + (int64_t{1} << 36) + 1});
  ExpectType<uint8_t>("u1", {0, 255});
  ExpectType<uint16_t>("u2", {1, 65535});
  ExpectType<uint32_t>("u4", {1, 4294967295u});
  ExpectType<uint64_t>("u8", {1, 18446744073709551615u});
  ExpectType<float>("f4", {-1.5f, 3.4028235e38f});
  ExpectType<double>("f8", {0.1, -1e-300});
  EXPECT_EQ(ValuesOf(Npy("|b1", "(2,)", {0, 1}), TargetKind::kValues),
            (std::vector<float>{0, 1}));
  EXPECT_EQ(ValuesOf(Npy("|i1", "(2,)", {255, 1}), TargetKind::kValues),
            (std::vector<float>{-1, 1}));
}

TEST(Npy, ReadsHalves) {
  const std::vector<uint16_t> halves = {0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff,
                                        0x0001, 0x83ff, 0x0400, 0x3555, 0x5640};
  const std::vector<float> expected = {
      0.0f,     -0.0f,       1.0f,     -2.0f,       65504.0f,
      0x1p-24f, -0x3ffp-24f, 0x1p-14f, 0x1.554p-2f, 100.0f};
  for (const bool big : {false, true}) {
    const Bytes x = Npy(big ? ">f2" : "<f2", "(1, 10)", Elements(halves, big));
    const std::vector<float> values = Floats(Load(x).train);
    ASSERT_EQ(values.size(), 10u);
    for (size_t i = 0; i < 10; ++i) {
      EXPECT_EQ(std::bit_cast<uint32_t>(values[i]),
                std::bit_cast<uint32_t>(expected[i]))
          << i;
    }
  }
  for (const uint16_t odd : {0x7c00, 0xfc00, 0x7e00}) {
    const Bytes x = Npy("<f2", "(1, 1)", Elements<uint16_t>({odd}));
    ExpectFailure(ErrorKind::kBadData, {"sample 0, element 0"},
                  [&] { (void)Load(x); });
  }
}

// Doubles round to the nearest float, and to infinity where IEEE 754 does.
TEST(Npy, RoundsDoubles) {
  const double most = std::numeric_limits<float>::max();
  const Bytes x = Npy(
      "<f8", "(1, 4)",
      Elements<double>({1 + 0x1p-24, 1 + 0x1.8p-24, 0x1.fffffefp127, -most}));
  EXPECT_EQ(
      Floats(Load(x).train),
      (std::vector<float>{1, 1 + 0x1p-23f, 3.4028235e38f, -3.4028235e38f}));
  for (const double large : {0x1.ffffffp127, -1e300}) {
    ExpectFailure(ErrorKind::kBadData, {"sample 1, element 0", "inf"}, [&] {
      (void)Load(Npy("<f8", "(2, 1)", Elements<double>({1, large})));
    });
  }
}

// x[i][j][k][l] = 1000 i + 100 j + 10 k + l in shape (2, 3, 4, 5).
Bytes Numbered(bool fortran) {
  std::vector<float> values(120);
  for (uint32_t i = 0; i < 2; ++i) {
    for (uint32_t j = 0; j < 3; ++j) {
      for (uint32_t k = 0; k < 4; ++k) {
        for (uint32_t l = 0; l < 5; ++l) {
          const uint32_t at = fortran ? i + 2 * (j + 3 * (k + 4 * l))
                                      : ((i * 3 + j) * 4 + k) * 5 + l;
          values[at] = static_cast<float>(1000 * i + 100 * j + 10 * k + l);
        }
      }
    }
  }
  return Npy("<f4", "(2, 3, 4, 5)", Elements(values), fortran);
}

TEST(Npy, OrderAndLayout) {
  for (const bool fortran : {false, true}) {
    for (const bool first : {false, true}) {
      const Dataset data =
          Load(Numbered(fortran), {}, "", {.channels_first = first}).train;
      EXPECT_EQ(data.shape, first ? (Shape{4, 5, 3, ElementType::kF32})
                                  : (Shape{3, 4, 5, ElementType::kF32}));
      const std::vector<float> values = Floats(data);
      size_t at = 0;
      for (uint32_t i = 0; i < 2; ++i) {
        for (uint32_t h = 0; h < data.shape.h; ++h) {
          for (uint32_t w = 0; w < data.shape.w; ++w) {
            for (uint32_t c = 0; c < data.shape.c; ++c) {
              const uint32_t number =
                  first ? 100 * c + 10 * h + w : 100 * h + 10 * w + c;
              ASSERT_EQ(values[at++], static_cast<float>(1000 * i + number));
            }
          }
        }
      }
    }
  }
  // Bytes stay bytes, in Fortran order, too: (3, 2) by columns.
  const Dataset bytes =
      Load(Npy("|u1", "(3, 2)", {1, 2, 3, 4, 5, 6}, true)).train;
  EXPECT_EQ(bytes.shape, (Shape{1, 1, 2, ElementType::kU8}));
  EXPECT_EQ(0, std::memcmp(bytes.samples.data(), "\1\4\2\5\3\6", 6));
}

// Rows longer than a block, and more rows than one holds.
TEST(Npy, LargeArraysAreStreamed) {
  for (const bool fortran : {false, true}) {
    const size_t n = 5000, k = 9;
    std::vector<double> values(n * k);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < k; ++j) {
        values[fortran ? j * n + i : i * k + j] =
            static_cast<double>(i * 16 + j);
      }
    }
    const Bytes x = Npy("<f8", "(5000, 9)", Elements(values), fortran);
    const TrainingData data = Load(x, {}, "?val=0.1&limit=4000&seed=3");
    EXPECT_EQ(data.train.size() + data.val->size(), 4000u);
    EXPECT_EQ(data.val->size(), 400u);
    for (const Dataset* part : {&data.train, &*data.val}) {
      const std::vector<float> floats = Floats(*part);
      for (size_t i = 0; i < part->size(); ++i) {
        for (size_t j = 0; j < k; ++j) {
          ASSERT_EQ(floats[i * k + j],
                    static_cast<float>(part->ids[i] * 16 + j));
        }
      }
    }
  }
  std::vector<uint16_t> wide(2 * 20000);
  for (size_t i = 0; i < wide.size(); ++i) wide[i] = static_cast<uint16_t>(i);
  const std::vector<float> floats =
      Floats(Load(Npy(">u2", "(2, 20000)", Elements(wide, true))).train);
  for (size_t i = 0; i < wide.size(); ++i) ASSERT_EQ(floats[i], wide[i]);
}

TEST(Npy, TargetsByTypeAndByOption) {
  const Bytes x = Npy("|u1", "(4, 2)", {1, 2, 3, 4, 5, 6, 7, 8});
  const auto kind = [&](const Bytes& y, NpyOptions options = {}) {
    return Load(x, y, "", options).train.targets;
  };
  const Bytes ints = Npy("<i4", "(4,)", Elements<int32_t>({2, 0, 1, 2}));
  const Bytes column = Npy("|u1", "(4, 1)", {2, 0, 1, 2});
  EXPECT_EQ(kind(ints), (Targets{TargetKind::kClasses, 3}));
  EXPECT_EQ(kind(column), (Targets{TargetKind::kClasses, 3}));
  EXPECT_EQ(kind(Npy("|b1", "(4,)", {1, 0, 1, 1})),
            (Targets{TargetKind::kClasses, 2}));
  EXPECT_EQ(kind(ints, {.targets = TargetKind::kValues}),
            (Targets{TargetKind::kValues, 1}));
  const Bytes floats = Npy("<f4", "(4,)", Elements<float>({2, 0, 1, 2}));
  EXPECT_EQ(kind(floats), (Targets{TargetKind::kValues, 1}));
  EXPECT_EQ(kind(floats, {.targets = TargetKind::kClasses}),
            (Targets{TargetKind::kClasses, 3}));
  const Bytes rows = Npy("|u1", "(4, 2)", {1, 0, 0, 1, 1, 0, 0, 1});
  EXPECT_EQ(kind(rows, {.targets = TargetKind::kMultiHot}),
            (Targets{TargetKind::kMultiHot, 2}));
  EXPECT_EQ(kind(rows, {.targets = TargetKind::kSoft}),
            (Targets{TargetKind::kSoft, 2}));
  EXPECT_EQ(kind(rows, {.targets = TargetKind::kValues}),
            (Targets{TargetKind::kValues, 2}));
  EXPECT_EQ(Load(x).train.targets, Targets{});
  ExpectFailure(ErrorKind::kUsage, {"targets=multi_hot", "(4, 2)"},
                [&] { (void)kind(rows); });
  ExpectFailure(ErrorKind::kBadData, {"one number a sample"},
                [&] { (void)kind(rows, {.targets = TargetKind::kClasses}); });
  ExpectFailure(ErrorKind::kBadData, {"probability for every class"},
                [&] { (void)kind(floats, {.targets = TargetKind::kSoft}); });
}

TEST(Npy, TargetsInFortranOrder) {
  const Bytes x = Npy("|u1", "(3, 1)", {1, 2, 3});
  const Bytes y =
      Npy("<f4", "(3, 2)", Elements<float>({1, 2, 3, 4, 5, 6}), true);
  const Dataset data = Load(x, y, "?limit=2").train;
  EXPECT_EQ(data.values, (std::vector<float>{1, 4, 2, 5}));
  EXPECT_EQ(data.MemoryBytes(), 2u + 4 * 4 + 2 * 8);
}

TEST(Npy, TargetsAreChecked) {
  const Bytes x = Npy("|u1", "(2, 1)", {1, 2});
  const auto refused = [&](const Bytes& y, TargetKind kind,
                           const std::vector<std::string>& words) {
    ExpectFailure(ErrorKind::kBadData, words,
                  [&] { (void)Load(x, y, "", {.targets = kind}); });
  };
  const auto f4 = [](const std::string& shape, const std::vector<float>& v) {
    return Npy("<f4", shape, Elements(v));
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  refused(f4("(2, 2)", {1, 2, 3, nan}), TargetKind::kValues,
          {"sample 1, target 1", "nan"});
  refused(f4("(2,)", {1, 0.5f}), TargetKind::kClasses,
          {"sample 1", "0.5 is no class number", "targets=values"});
  refused(f4("(2,)", {-1, 0}), TargetKind::kClasses, {"sample 0", "-1"});
  refused(f4("(2,)", {nan, 0}), TargetKind::kClasses, {"nan"});
  refused(Npy("<i8", "(2,)", Elements<int64_t>({1, 4294967296})),
          TargetKind::kClasses, {"sample 1", "4294967296"});
  refused(Npy("<u8", "(2,)", Elements<uint64_t>({~uint64_t{0}, 1})),
          TargetKind::kClasses, {"18446744073709551615"});
  refused(f4("(2, 2)", {1, 0, 0, 2}), TargetKind::kMultiHot,
          {"sample 1", "target 1 is 2", "0 or 1"});
  refused(f4("(2, 2)", {1, 0, 1.5f, -0.5f}), TargetKind::kSoft,
          {"sample 1", "not a probability"});
  refused(f4("(2, 2)", {1, 0, 0.5f, 0.4f}), TargetKind::kSoft,
          {"sample 1", "add up to 0.9"});
}

TEST(Npy, CountsWhatIsNotFinite) {
  const float inf = std::numeric_limits<float>::infinity();
  const Bytes x =
      Npy("<f4", "(3, 2)", Elements<float>({1, 2, inf, inf, 3, inf}));
  ExpectFailure(ErrorKind::kBadData,
                {"sample 1, element 0", "3 values in 2 samples"},
                [&] { (void)Load(x); });
}

TEST(Npy, SelectionOfSamplesWithoutLabels) {
  const Bytes x = Npy("|u1", "(10, 1)", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  const Bytes y =
      Npy("<f4", "(10,)", Elements<float>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  const TrainingData data = Load(x, y, "?val=0.3&limit=8");
  EXPECT_EQ(data.train.size(), 6u);
  EXPECT_EQ(data.val->size(), 2u);
  for (const Dataset* part : {&data.train, &*data.val}) {
    EXPECT_TRUE(part->class_names.empty() && part->labels.empty());
    for (size_t i = 0; i < part->size(); ++i) {
      EXPECT_EQ(part->values[i], static_cast<float>(part->ids[i]));
      EXPECT_EQ(part->Sample(i)[0], part->ids[i]);
      EXPECT_LT(part->ids[i], 8u);
      EXPECT_EQ(part->ClassOf(i), -1);
    }
  }
  EXPECT_NE(data.val->ids, Load(x, y, "?val=0.3&limit=8&seed=1").val->ids);
  for (const std::string option : {"classes=0", "per_class=2", "names=a,b,c"}) {
    ExpectFailure(ErrorKind::kUsage, {option.substr(0, 5), "values"},
                  [&] { (void)Load(x, y, "?" + option); });
    ExpectFailure(ErrorKind::kUsage, {"missing"},
                  [&] { (void)Load(x, {}, "?" + option); });
  }
  // Every column is a class.
  const Bytes soft =
      Npy("<f4", "(10, 2)",
          Elements<float>({1, 0, .5f, .5f, 0, 1, .25f, .75f, 1, 0,
                           1, 0, 1,   0,   1, 0, 1,    0,    1, 0}));
  const NpyOptions options = {.targets = TargetKind::kSoft};
  const Dataset named = Load(x, soft, "?names=cat,dog", options).train;
  EXPECT_EQ(named.class_names, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(named.ClassCounts(), (std::vector<uint64_t>{8, 2}));
  EXPECT_EQ(Load(x, soft, "", options).train.class_names,
            (std::vector<std::string>{"0", "1"}));
  ExpectFailure(ErrorKind::kBadData, {"3 names for 2 classes"},
                [&] { (void)Load(x, soft, "?names=a,b,c", options); });
}

TEST(Npy, FingerprintsTellTargetsApart) {
  const Bytes x = Npy("|u1", "(2, 1)", {1, 2});
  const Bytes y = Npy("|u1", "(2, 2)", {1, 0, 0, 1});
  const Bytes z = Npy("|u1", "(2, 2)", {0, 1, 0, 1});
  std::vector<uint64_t> seen = {Fingerprint(Load(x).train)};
  for (const Bytes& targets : {y, z}) {
    for (const TargetKind kind :
         {TargetKind::kValues, TargetKind::kMultiHot, TargetKind::kSoft}) {
      seen.push_back(
          Fingerprint(Load(x, targets, "", {.targets = kind}).train));
    }
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

TEST(Npy, RefusesOtherThings) {
  const Bytes good = Npy("<f4", "(1, 2)", Elements<float>({1, 2}));
  const auto refused = [](const Bytes& x, ErrorKind kind,
                          const std::vector<std::string>& words) {
    ExpectFailure(kind, words, [&] { (void)Load(x); });
  };
  refused(Npy("|O", "(1, 1)", {0x80, 4}), ErrorKind::kUnsupported,
          {"Python objects", "pickles", "astype"});
  for (const std::string type :
       {"<c8", "<U4", "|S1", "<M8[s]", "<f16", "|V2", "=f4", "f4", "<f", ""}) {
    refused(Npy(type, "(1, 1)", Elements<float>({1})), ErrorKind::kUnsupported,
            {"type '" + type + "'"});
  }
  refused(File(1,
               "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': "
               "(1, 1)}",
               {}),
          ErrorKind::kUnsupported, {"records"});
  refused(Npy("<f4", "()", Elements<float>({1})), ErrorKind::kBadData, {"()"});
  refused(Npy("<f4", "(2,)", Elements<float>({1, 2})), ErrorKind::kBadData,
          {"(n, h, w, c)", "(2,)"});
  refused(Npy("|u1", "(1, 1, 1, 1, 1)", {1}), ErrorKind::kBadData, {"(n, c)"});
  refused(Npy("<f4", "(0, 2)", {}), ErrorKind::kBadData, {"holds no numbers"});
  refused(Npy("<f4", "(2, 2)", Elements<float>({1, 2, 3})), ErrorKind::kBadData,
          {"(2, 2)", "12 bytes follow"});
  refused(Npy("<f4", "(1, 2)", Elements<float>({1, 2, 3})), ErrorKind::kBadData,
          {"12 bytes follow"});
  // Products that wrap round to what is there.
  refused(Npy("<f8", "(4294967296, 4294967296, 2)", {}), ErrorKind::kBadData,
          {"announces"});
  refused(Npy("<f8", "(2305843009213693953, 1)", Elements<double>({1})),
          ErrorKind::kBadData, {"announces"});
  refused(Npy("|u1", "(99999999999999999999, 1)", {1}), ErrorKind::kBadData,
          {"too large"});
  Bytes version = good;
  version[6] = 4;
  refused(version, ErrorKind::kUnsupported, {"version 4.0"});
  Bytes zip = {'P', 'K', 3, 4, 0, 0};
  refused(zip, ErrorKind::kBadData, {"ZIP"});
  ExpectFailure(ErrorKind::kUnsupported, {".npz", "unzip"}, [&] {
    (void)LoadFrom(*OpenNpy(OpenMemory(zip, "a.npz"), nullptr),
                   ParseDataSpec("npy:a.npz"));
  });
  for (const std::string header :
       {"", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1, 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1, 2)}",
        "{'descr': \"<f4', 'fortran_order': False, 'shape': (1, 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), 'x': 1}"}) {
    refused(File(1, header, Elements<float>({1, 2})), ErrorKind::kBadData,
            {"NumPy header", "x.npy"});
  }
  for (size_t size = 0; size < good.size(); ++size) {
    const Bytes cut(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
    refused(cut, ErrorKind::kBadData, {"x.npy"});
  }
  ExpectFailure(ErrorKind::kBadData, {"1 samples", "2 rows"}, [&] {
    (void)Load(good, Npy("|u1", "(2,)", {0, 1}));
  });
  ExpectFailure(ErrorKind::kUsage, {"layout=nchw", "(1, 2)"},
                [&] { (void)Load(good, {}, "", {.channels_first = true}); });
}

TEST(Npy, FilesByName) {
  const TempFolder folder;
  const Bytes x = Npy("|u1", "(2, 2)", {1, 2, 3, 4});
  const Bytes y = Npy("|u1", "(2,)", {1, 0});
  folder.Write("x.npy", x);
  folder.Write("y.npy.gz", Gzip(y));
  folder.Write("x.npy.gz", Gzip(x));
  const std::string path = folder.path();
  const Dataset plain =
      LoadDataset("npy:" + path + "/x.npy," + path + "/y.npy.gz");
  EXPECT_EQ(plain.labels, (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(Fingerprint(plain),
            Fingerprint(LoadDataset("npy:" + path + "/x.npy.gz," + path +
                                    "/y.npy.gz?targets=classes&layout=nhwc")));
  EXPECT_EQ(LoadDataset("npy:" + path + "/x.npy").targets, Targets{});
  const auto refused = [&](ErrorKind kind,
                           const std::vector<std::string>& words,
                           const std::string& rest) {
    ExpectFailure(kind, words,
                  [&] { (void)LoadDataset("npy:" + path + rest); });
  };
  refused(ErrorKind::kNotFound, {"z.npy"}, "/x.npy," + path + "/z.npy");
  refused(ErrorKind::kUsage, {"3 files", "2 at most"}, "/x.npy,y,z");
  refused(ErrorKind::kUsage, {"empty item"}, "/x.npy,");
  refused(ErrorKind::kUsage, {"layout", "nchw"}, "/x.npy?layout=nchv");
  refused(ErrorKind::kUsage, {"targets", "multi_hot"},
          "/x.npy," + path + "/y.npy.gz?targets=multihot");
  refused(ErrorKind::kUsage, {"no file of targets"}, "/x.npy?targets=values");
  refused(ErrorKind::kUsage, {"test split"}, "/x.npy?split=test");
  refused(ErrorKind::kBadData, {"it is not a regular file"}, "");
  // A gzip header's word is not worth memory.
  folder.Write("large.npy.gz", Gzip(Npy("<f8", "(40000000, 1000)", Bytes(64))));
  refused(ErrorKind::kBadData, {"at most"}, "/large.npy.gz");
}

}  // namespace
}  // namespace temper::host
