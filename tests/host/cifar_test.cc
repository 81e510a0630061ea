// CIFAR's binary files.
#include "ports/host/data/kinds/cifar.h"

#include <fmt/format.h>

#include <filesystem>

#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::Bytes;
using ::temper::testing::ExpectFailure;
using ::temper::testing::Gzip;
using ::temper::testing::TempFolder;

// `labels` records; pixel p of plane c is 10 * record + c + p % 7.
Bytes Records(const std::vector<Bytes>& labels) {
  Bytes out;
  for (size_t i = 0; i < labels.size(); ++i) {
    out.insert(out.end(), labels[i].begin(), labels[i].end());
    for (size_t c = 0; c < 3; ++c) {
      for (size_t p = 0; p < 1024; ++p) {
        out.push_back(static_cast<uint8_t>(10 * i + c + p % 7));
      }
    }
  }
  return out;
}

void WriteTen(const TempFolder& folder, const std::string& below = "") {
  std::filesystem::create_directories(folder.File(below));
  for (uint8_t i = 1; i <= 5; ++i) {
    folder.Write(below + fmt::format("data_batch_{}.bin", i),
                 Records({{i}, {0}, {9}}));
  }
  folder.Write(below + "test_batch.bin", Records({{3}, {4}}));
  folder.Write(below + "batches.meta.txt",
               "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\n"
               "truck\n\n");
}

TEST(Cifar, Ten) {
  for (const char* below : {"", "cifar-10-batches-bin/"}) {
    const TempFolder folder;
    WriteTen(folder, below);
    const std::string spec = "cifar:" + folder.path();
    const Dataset data = LoadDataset(spec + "?classes=0-5,9");
    EXPECT_EQ(data.size(), 15u);
    EXPECT_EQ(data.shape, (Shape{32, 32, 3, ElementType::kU8}));
    EXPECT_EQ(data.class_names[3], "cat");
    EXPECT_EQ(data.labels[0], 1);
    EXPECT_EQ(data.labels[2], 6);
    // Planes have become pixels.
    const uint8_t* const sample = data.Sample(4);
    for (size_t p = 0; p < 1024; ++p) {
      for (size_t c = 0; c < 3; ++c) {
        ASSERT_EQ(sample[3 * p + c], 10 + c + p % 7);
      }
    }
    const Dataset test = LoadDataset(spec + "?split=test&classes=cat,deer");
    EXPECT_EQ(test.labels, (std::vector<int32_t>{0, 1}));
    EXPECT_TRUE(HasSplit(ParseDataSpec(spec), "test"));
    // Only the second batch is read for them.
    EXPECT_EQ(LoadDataset(spec + "?classes=2").size(), 1u);
  }
}

TEST(Cifar, Hundred) {
  const TempFolder folder;
  folder.Write("train.bin", Records({{1, 42}, {0, 7}}));
  folder.Write("test.bin", Records({{19, 99}}));
  const std::string spec = "cifar:" + folder.path();
  EXPECT_EQ(LoadDataset(spec + "?classes=7,42").labels,
            (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(LoadDataset(spec + "?labels=coarse&classes=0,1").labels,
            (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(LoadDataset(spec + "?split=test&labels=coarse").label_count, 20u);
  folder.Write("fine_label_names.txt", "apple\nbear\n");
  ExpectFailure(ErrorKind::kBadData, {"fine_label_names.txt", "2 names for 100"},
                [&] { LoadDataset(spec); });
}

TEST(Cifar, WhatIsWrong) {
  const TempFolder folder;
  const std::string spec = "cifar:" + folder.path();
  ExpectFailure(ErrorKind::kNotFound, {"data_batch_1.bin", "binary version"},
                [&] { LoadDataset(spec); });
  folder.Write("data_batch_1", "\x80\x02}q");
  ExpectFailure(ErrorKind::kNotFound, {"version for Python"},
                [&] { LoadDataset(spec); });
  ExpectFailure(ErrorKind::kNotFound, {"/no/such"},
                [] { LoadDataset("cifar:/no/such"); });
  WriteTen(folder);
  ExpectFailure(ErrorKind::kUsage, {"labels", "one label"},
                [&] { LoadDataset(spec + "?labels=coarse"); });
  std::filesystem::remove(folder.File("data_batch_4.bin"));
  ExpectFailure(ErrorKind::kNotFound, {"data_batch_4.bin", "missing"},
                [&] { LoadDataset(spec); });
  const auto refused = [&](const Bytes& bytes, const std::string& word) {
    folder.Write("data_batch_4.bin", bytes);
    ExpectFailure(ErrorKind::kBadData, {"data_batch_4.bin", word},
                  [&] { LoadDataset(spec); });
  };
  const Bytes good = Records({{1}, {2}});
  refused(Bytes(good.begin(), good.end() - 1), "not whole records");
  refused({}, "not whole records");
  refused(Records({{1}, {10}}), "label 10 is not below 10");
  refused(Gzip(good), "gzip");
}

}  // namespace
}  // namespace temper::host
