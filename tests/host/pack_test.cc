// Packs: what is read from one is what it was made of, in order and bits; it is
// mapped, not read; and whatever is wrong with one is said.
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>

#include "ports/host/data/dataset.h"
#include "ports/host/data/pack_file.h"
#include "ports/host/data/pack_writer.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::Bytes;
using ::temper::testing::ExpectFailure;
using ::temper::testing::Idx;
using ::temper::testing::Ramp;
using ::temper::testing::TempFolder;

constexpr uint32_t kSamples = 40;

// 5 classes, 4x3 pictures.
std::string WriteIdx(const TempFolder& folder) {
  Bytes labels(kSamples);
  for (uint32_t i = 0; i < kSamples; ++i) {
    labels[i] = static_cast<uint8_t>(i * 7 % 5);
  }
  folder.Write("train-images-idx3-ubyte",
               Idx({kSamples, 4, 3}, Ramp(kSamples * 12)));
  folder.Write("train-labels-idx1-ubyte", Idx({kSamples}, labels));
  return "idx:" + folder.path();
}

PackResult Pack(const std::string& spec, const std::string& path) {
  return WritePack(ParseDataSpec(spec), path);
}

void ExpectSame(const Dataset& a, const Dataset& b) {
  EXPECT_EQ(a.shape, b.shape);
  EXPECT_EQ(a.targets, b.targets);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.values, b.values);
  EXPECT_EQ(a.ids, b.ids);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(0, std::memcmp(a.Sample(i), b.Sample(i), a.SampleBytes())) << i;
  }
}

TEST(Pack, IsWhatItWasMadeOf) {
  const TempFolder folder;
  const std::string idx = WriteIdx(folder), pack = folder.File("a.pack");
  const PackResult result = Pack(idx, pack);
  EXPECT_EQ(result.samples, kSamples);
  EXPECT_EQ(result.file_bytes, std::filesystem::file_size(pack));
  for (const std::string options :
       {"", "?limit=7", "?per_class=2&seed=3", "?classes=3,1", "?val=0.25"}) {
    const TrainingData a = LoadTrainingData(idx + options);
    const TrainingData b = LoadTrainingData("pack:" + pack + options);
    ExpectSame(a.train, b.train);
    EXPECT_EQ(Fingerprint(a.train), Fingerprint(b.train)) << options;
    ASSERT_EQ(a.val.has_value(), b.val.has_value());
    if (a.val) ExpectSame(*a.val, *b.val);
  }
}

TEST(Pack, IsNotHeldInMemory) {
  const TempFolder folder;
  const std::string idx = WriteIdx(folder), pack = folder.File("a.pack");
  Pack(idx, pack);
  EXPECT_LT(LoadDataset("pack:" + pack).MemoryBytes() + kSamples * 12,
            LoadDataset(idx).MemoryBytes() + 1);
}

TEST(Pack, ASelectionIsADataSetOfItsOwn) {
  const TempFolder folder;
  const std::string idx = WriteIdx(folder), pack = folder.File("a.pack");
  Pack(idx + "?classes=4,2", pack);
  const Dataset data = LoadDataset("pack:" + pack);
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"4", "2"}));
  EXPECT_EQ(data.ids[0], 0u);
  EXPECT_EQ(data.ids.back(), data.size() - 1);
}

// Samples of a pack are mapped, and yet are written.
TEST(Pack, OfAPackHasItsSamples) {
  const TempFolder folder;
  std::string table = "a,b,y\n";
  for (int i = 0; i < 9; ++i) {
    table += fmt::format("{},{},{}\n", i, i * i, 0.5 * i);
  }
  folder.Write("a.csv", table);
  for (const std::string& source :
       {WriteIdx(folder), "csv:" + folder.File("a.csv") + "?target=y"}) {
    const std::string first = folder.File("first.pack");
    const std::string second = folder.File("second.pack");
    Pack(source, first);
    Pack("pack:" + first + "?limit=7", second);
    ExpectSame(LoadDataset("pack:" + first + "?limit=7"),
               LoadDataset("pack:" + second));
    ExpectFailure(ErrorKind::kCannotCreate, {"the data are read from it"},
                  [&] { Pack("pack:" + first + "?limit=2", first); });
  }
}

TEST(Pack, DoesNotMixAnomaliesWithTheRest) {
  const TempFolder folder;
  folder.Write("a.csv", "a,s\n1,ok\n2,ok\n3,bad\n");
  const std::string csv = "csv:" + folder.File("a.csv") + "?label=s&normal=ok";
  ExpectFailure(ErrorKind::kUsage, {"which samples are anomalies"},
                [&] { Pack(csv, folder.File("a.pack")); });
}

TEST(Pack, HoldsTablesWithTheirColumns) {
  const TempFolder folder;
  folder.Write("t.csv", "c,a,y\nred,1,0.5\nblue,2,1.5\nblue,,7\n");
  const std::string pack = folder.File("a.pack");
  const std::string table = "csv:" + folder.File("t.csv") + "?target=y";
  Pack(table + "&missing=drop", pack);
  const Dataset data = LoadDataset("pack:" + pack);
  EXPECT_EQ(data.values, (std::vector<float>{0.5f, 1.5f}));
  ASSERT_EQ(data.columns.size(), 2u);
  EXPECT_EQ(data.columns[0].values, (std::vector<std::string>{"blue", "red"}));
  // What is held out later must not decide what training sees.
  ExpectFailure(ErrorKind::kUsage, {"missing=mean", "training rows"},
                [&] { Pack(table + "&missing=mean", pack); });
}

// val= is asked of either, and training knows nothing of what it holds out.
TEST(Pack, OfATableIsTheTable) {
  const TempFolder folder;
  std::string text = "a,c,label\n";
  for (int i = 0; i < 20; ++i) {
    text += std::to_string(i * i) + (i % 3 == 0 ? ",u," : ",v,") +
            (i % 2 == 0 ? "x\n" : "y\n");
  }
  folder.Write("t.csv", text);
  const std::string table = "csv:" + folder.File("t.csv") + "?label=label";
  const std::string pack = folder.File("a.pack");
  Pack(table, pack);
  const TrainingData a = LoadTrainingData(table + "&val=0.3&seed=2");
  const TrainingData b = LoadTrainingData("pack:" + pack + "?val=0.3&seed=2");
  ExpectSame(a.train, b.train);
  ExpectSame(*a.val, *b.val);
  EXPECT_EQ(a.train.columns, b.train.columns);
}

TEST(Pack, ReplacesPacksAlone) {
  const TempFolder folder;
  const std::string idx = WriteIdx(folder), file = folder.File("thesis.txt");
  folder.Write("thesis.txt", "years of work");
  ExpectFailure(ErrorKind::kCannotCreate, {"thesis.txt", "--overwrite"},
                [&] { Pack(idx, file); });
  EXPECT_EQ(folder.Read("thesis.txt"), "years of work");
  CheckPackPlace(file, true);
  // Never what is no file.
  const std::string pipe = folder.File("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& place : {pipe, folder.path()}) {
    for (const bool overwrite : {false, true}) {
      ExpectFailure(ErrorKind::kCannotCreate, {"no file"},
                    [&] { CheckPackPlace(place, overwrite); });
    }
  }
  EXPECT_EQ(std::filesystem::status(pipe).type(),
            std::filesystem::file_type::fifo);
  WritePack(ParseDataSpec(idx), file, {}, true);
  Pack(idx, file);
}

// A class of which a pack has no sample is no error for who only judges.
TEST(Pack, MayLackAClassForAJudge) {
  const TempFolder folder;
  Bytes labels(kSamples, 1);
  folder.Write("t10k-images-idx3-ubyte",
               Idx({kSamples, 4, 3}, Ramp(kSamples * 12)));
  folder.Write("t10k-labels-idx1-ubyte", Idx({kSamples}, labels));
  const std::string pack = folder.File("a.pack");
  Pack("idx:" + folder.path() + "?split=test&names=a,b", pack);
  ExpectFailure(ErrorKind::kBadData, {"class 'a' has no sample"},
                [&] { LoadDataset("pack:" + pack); });
  std::vector<std::string> notes;
  const Dataset data =
      LoadDataset(SpecWithSplit("pack:" + pack, SplitUse::kEvaluate, &notes));
  EXPECT_EQ(data.size(), kSamples);
  EXPECT_TRUE(data.label_is_place);
}

// The description is checked, too, and said in words.
TEST(Pack, WrongDescriptionsAreSaid) {
  const TempFolder folder;
  const std::string idx = WriteIdx(folder), pack = folder.File("a.pack");
  Pack(idx, pack);
  const std::string good = folder.Read("a.pack");
  PackHeader header;
  std::memcpy(&header, good.data(), sizeof(header));
  const auto refuse = [&](const std::string& text, const char* word) {
    PackHeader changed = header;
    changed.text_bytes = text.size();
    ASSERT_TRUE(LayOutPack(&changed));
    std::string file = good.substr(0, header.text_offset) + text;
    std::memcpy(file.data(), &changed, sizeof(changed));
    SealPack({reinterpret_cast<uint8_t*>(file.data()), file.size()});
    folder.Write("b.pack", file);
    ExpectFailure(ErrorKind::kBadData, {"b.pack", word},
                  [&] { LoadDataset("pack:" + folder.File("b.pack")); });
  };
  const std::string fit = R"({"classes":["0","1","2","3","4"],"pictures":)";
  refuse(R"({"classes":{}})", "classes is no array");
  refuse(R"({"classes":["a","a","b","c","d"]})", "'a' is there twice");
  refuse(fit + R"({"fit":0,"background":[1,2,999]}})", "background");
  refuse(fit + R"({"fit":0,"background":[1,2]}})", "background");
  refuse(fit + R"({"fit":7,"background":[1,2,3]}})", "fit");
}

TEST(Pack, OneThatWasThereStaysUntilTheNewOneIsWhole) {
  const TempFolder folder;
  const std::string idx = WriteIdx(folder), pack = folder.File("a.pack");
  Pack(idx, pack);
  const std::string before = folder.Read("a.pack");
  ExpectFailure(ErrorKind::kUsage, {"val="},
                [&] { Pack(idx + "?val=0.5", pack); });
  folder.Write("broken.csv", "a,b\n1,2\n3\n");
  ExpectFailure(ErrorKind::kBadData, {"line 3"},
                [&] { Pack("csv:" + folder.File("broken.csv"), pack); });
  EXPECT_EQ(folder.Read("a.pack"), before);
  EXPECT_FALSE(std::filesystem::exists(folder.File(".a.pack.tmp")));
}

// Every byte counts; every cut is seen.
TEST(Pack, DamageIsSaid) {
  const TempFolder folder;
  const std::string idx = WriteIdx(folder), pack = folder.File("a.pack");
  Pack(idx, pack);
  const std::string good = folder.Read("a.pack");
  const std::string spec = "pack:" + folder.File("b.pack");
  for (const size_t at :
       {size_t{0}, size_t{9}, size_t{16}, size_t{40}, size_t{4096},
        size_t{4096 + 12 * kSamples + 70}, good.size() - 1}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    folder.Write("b.pack", bad);
    try {
      LoadDataset(spec);
      ADD_FAILURE() << "byte " << at;
    } catch (const Failure& failure) {
      EXPECT_TRUE(failure.kind == ErrorKind::kBadData ||
                  failure.kind == ErrorKind::kUnsupported)
          << failure.message;
    }
  }
  for (const size_t size :
       {size_t{1}, size_t{100}, size_t{4096}, good.size() - 1}) {
    folder.Write("b.pack", good.substr(0, size));
    ExpectFailure(ErrorKind::kBadData, {"b.pack"}, [&] { LoadDataset(spec); });
  }
  folder.Write("b.pack", good + "x");
  ExpectFailure(ErrorKind::kBadData, {"bytes"}, [&] { LoadDataset(spec); });
  folder.Write("b.pack", "");
  ExpectFailure(ErrorKind::kBadData, {"empty"}, [&] { LoadDataset(spec); });
  ExpectFailure(ErrorKind::kNotFound, {"c.pack"},
                [&] { LoadDataset("pack:" + folder.File("c.pack")); });
}

}  // namespace
}  // namespace temper::host
