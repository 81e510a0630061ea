// Folders of pictures: which files are samples of which class, and what becomes
// of those that cannot be read.
#include "ports/host/data/kinds/folder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

#include "ports/host/data/kinds/file_tree.h"
#include "tests/host/host_test.h"
#include "tests/host/picture_files.h"

namespace temper::host {
namespace {

using ::temper::testing::Bytes;
using ::temper::testing::ExpectFailure;
using ::temper::testing::TempFolder;
using ::temper::testing::WritePng;

Bytes Gray(uint8_t value, uint32_t side = 4) {
  return WritePng({.w = side, .h = side, .rows = Bytes(side * side, value)});
}

// A folder with pictures; a path's folders are made.
class Photos : public TempFolder {
 public:
  void Add(const std::string& name, const Bytes& content) const {
    std::filesystem::create_directories(
        std::filesystem::path(File(name)).parent_path());
    Write(name, content);
  }
  std::string Spec(const std::string& options = "") const {
    return "folder:" + path() + (options.empty() ? "" : "?" + options);
  }
};

// Values of the samples, each of which is flat.
std::vector<int> Values(const Dataset& data) {
  std::vector<int> values;
  for (size_t i = 0; i < data.size(); ++i) values.push_back(*data.Sample(i));
  return values;
}

bool HasNote(const Dataset& data, std::string_view word) {
  for (const std::string& note : data.notes) {
    if (note.find(word) != std::string::npos) return true;
  }
  return false;
}

TEST(Folder, ClassesAndOrder) {
  Photos photos;
  photos.Add("dog/b.png", Gray(21));
  photos.Add("dog/a.PNG", Gray(20));
  photos.Add("cat/deep/er/1.png", Gray(11));
  photos.Add("cat/1.png", Gray(10));
  photos.Add("cat/no_ending", Gray(12));
  photos.Add("\xc3\x84pfel/1.png", Gray(30));
  const Dataset data = LoadDataset(photos.Spec());
  EXPECT_EQ(data.class_names,
            (std::vector<std::string>{"cat", "dog", "\xc3\x84pfel"}));
  EXPECT_TRUE(data.named);
  // In turn: the first of each class, then the second.
  EXPECT_EQ(Values(data), (std::vector<int>{10, 20, 30, 11, 21, 12}));
  EXPECT_EQ(data.labels, (std::vector<int32_t>{0, 1, 2, 0, 1, 0}));
  EXPECT_EQ(data.SampleName(3), photos.path() + "/cat/deep/er/1.png");
  EXPECT_EQ(data.shape, (Shape{4, 4, 1, ElementType::kU8}));
  ASSERT_TRUE(data.pictures.has_value());
  EXPECT_EQ(*data.pictures, PictureFit());
  // Options of every kind.
  EXPECT_EQ(Values(LoadDataset(photos.Spec("limit=3"))),
            (std::vector<int>{10, 20, 30}));
  EXPECT_EQ(Values(LoadDataset(photos.Spec("classes=dog,cat&per_class=1"))),
            (std::vector<int>{10, 20}));
  const TrainingData parts =
      LoadTrainingData(photos.Spec("classes=cat,dog&val=0.4"));
  EXPECT_EQ(parts.train.size() + parts.val->size(), 5u);
  EXPECT_EQ(parts.val->names.size(), parts.val->size());
}

TEST(Folder, WholeNumbersAsNumbers) {
  Photos photos;
  for (const char* name : {"10", "2", "1", "0"}) {
    photos.Add(std::string(name) + "/a.png", Gray(1));
  }
  EXPECT_EQ(LoadDataset(photos.Spec()).class_names,
            (std::vector<std::string>{"0", "1", "2", "10"}));
  photos.Add("x/a.png", Gray(1));
  EXPECT_EQ(LoadDataset(photos.Spec()).class_names,
            (std::vector<std::string>{"0", "1", "10", "2", "x"}));
}

TEST(Folder, WhatSystemsLeaveIsNotThere) {
  Photos photos;
  photos.Add("a/1.png", Gray(1));
  for (const char* name :
       {"a/.hidden.png", "a/._1.png", "a/Thumbs.db", "a/desktop.ini",
        "a/.DS_Store", ".git/x.png", "__MACOSX/a.png", "a/@eaDir/1.png"}) {
    photos.Add(name, Gray(9));
  }
  photos.Add("README.txt", Bytes{'x'});
  std::filesystem::create_directories(photos.File("empty/.x"));
  const Dataset data = LoadDataset(photos.Spec());
  EXPECT_EQ(Values(data), (std::vector<int>{1}));
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"a"}));
  EXPECT_TRUE(HasNote(data, "'empty' is empty"));
  EXPECT_TRUE(HasNote(data, "1 files lie beside"));
}

TEST(Folder, Parts) {
  Photos photos;
  photos.Add("train/a/1.png", Gray(1));
  photos.Add("train/b/1.png", Gray(2));
  photos.Add("Validation/a/1.png", Gray(3));
  photos.Add("test/b/1.png", Gray(4));
  EXPECT_EQ(Values(LoadDataset(photos.Spec())), (std::vector<int>{1, 2}));
  EXPECT_EQ(Values(LoadDataset(photos.Spec("split=val"))),
            (std::vector<int>{3}));
  const Dataset test = LoadDataset(photos.Spec("split=test"));
  EXPECT_EQ(Values(test), (std::vector<int>{4}));
  EXPECT_EQ(test.split, "test");
  const DataSpec spec = ParseDataSpec(photos.Spec());
  EXPECT_TRUE(HasSplit(spec, "test"));
  EXPECT_TRUE(HasSplit(spec, "val"));
  std::vector<std::string> notes;
  EXPECT_EQ(SpecWithSplit(photos.Spec(), SplitUse::kEvaluate, &notes).split,
            "test");
  std::filesystem::remove_all(photos.File("test"));
  EXPECT_EQ(SpecWithSplit(photos.Spec(), SplitUse::kEvaluate, &notes).split,
            "val");
  // What is held out: a model was trained on the rest.
  EXPECT_EQ(
      SpecWithSplit(photos.Spec("val=0.5"), SplitUse::kEvaluate, &notes).split,
      "val");
  EXPECT_EQ(
      SpecWithSplit(photos.Spec("val=0.5"), SplitUse::kPredict, &notes).split,
      "train");
  ExpectFailure(ErrorKind::kNotFound, {"no test split"},
                [&] { LoadDataset(photos.Spec("split=test")); });
  ExpectFailure(ErrorKind::kUsage, {"split=val is not for training"},
                [&] { LoadTrainingData(photos.Spec("split=val")); });
}

TEST(Folder, AClassMayBeCalledTrain) {
  Photos photos;
  photos.Add("train/1.png", Gray(1));
  photos.Add("bus/1.png", Gray(2));
  EXPECT_EQ(LoadDataset(photos.Spec()).class_names,
            (std::vector<std::string>{"bus", "train"}));
  EXPECT_FALSE(HasSplit(ParseDataSpec(photos.Spec()), "test"));
}

TEST(Folder, SeveralRootsAreOneSet) {
  Photos photos;
  photos.Add("one/a/1.png", Gray(1));
  photos.Add("two/a/1.png", Gray(2));
  photos.Add("two/b/1.png", Gray(3));
  const std::string spec =
      "folder:" + photos.File("one") + "," + photos.File("two");
  const Dataset data = LoadDataset(spec);
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(Values(data), (std::vector<int>{1, 3, 2}));
}

TEST(Folder, SizesAndChannels) {
  Photos photos;
  photos.Add("a/1.png",
             WritePng({.w = 6, .h = 2, .colour = 2, .rows = Bytes(36, 100)}));
  const auto shape = [&](const std::string& options,
                         const ModelInput& defaults = {}) {
    const Dataset data = LoadDataset(photos.Spec(options), {}, defaults);
    return fmt::format("{}x{}x{}", data.shape.h, data.shape.w, data.shape.c);
  };
  EXPECT_EQ(shape(""), "2x6x3");
  EXPECT_EQ(shape("size=8x4"), "8x4x3");
  EXPECT_EQ(shape("size=8&channels=1"), "8x8x1");
  const ModelInput model = {Shape{5, 7, 1, ElementType::kU8}};
  EXPECT_EQ(shape("", model), "5x7x1");
  EXPECT_EQ(shape("channels=3", model), "5x7x3");
  EXPECT_EQ(shape("size=3x3", model), "3x3x1");
  // Bars above and below, of the colour that is asked for, or of the model's.
  Dataset data = LoadDataset(photos.Spec("size=6x6&fit=pad&background=black"));
  EXPECT_EQ(data.Sample(0)[0], 0);
  EXPECT_EQ(data.Sample(0)[6 * 3 * 2], 100);
  EXPECT_EQ(data.pictures->mode, PictureFit::Mode::kPad);
  const ModelInput padded = {Shape{6, 6, 3, ElementType::kU8},
                             {PictureFit::Mode::kPad, {1, 2, 3}}};
  data = LoadDataset(photos.Spec(), {}, padded);
  EXPECT_EQ(data.Sample(0)[1], 2);
  data = LoadDataset(photos.Spec("fit=stretch"), {}, padded);
  EXPECT_EQ(data.Sample(0)[1], 100);
  EXPECT_EQ(data.pictures->background[1], 2);
}

TEST(Folder, RefusesOptions) {
  const struct {
    const char* options;
    std::vector<std::string> words;
  } cases[] = {
      {"size=0x4", {"size", "'0x4' is no size", "HxW"}},
      {"size=4x", {"no size"}},
      {"size=16385", {"no size"}},
      {"channels=2", {"neither 1 nor 3"}},
      {"fit=crap", {"no fit 'crap'", "Did you mean 'crop'?"}},
      {"background=red", {"no colour"}},
      {"background=ff00", {"no colour"}},
      {"strict=yes", {"neither 0 nor 1"}},
      {"szie=4", {"no option 'szie'", "Did you mean 'size'?"}},
      {"transpose=1", {"no option 'transpose'"}},
  };
  for (const auto& c : cases) {
    ExpectFailure(ErrorKind::kUsage, c.words,
                  [&] { ParseDataSpec(std::string("folder:x?") + c.options); });
  }
}

TEST(Folder, WhatCannotBeReadIsLeftOutAndNamed) {
  Photos photos;
  for (int i = 0; i < 8; ++i) {
    photos.Add(fmt::format("a/{}.png", i), Gray(static_cast<uint8_t>(i)));
    photos.Add(fmt::format("b/{}.png", i), Gray(static_cast<uint8_t>(10 + i)));
  }
  Bytes cut = Gray(1);
  cut.resize(cut.size() - 20);
  photos.Add("a/3.png", cut);
  const std::string html = "<!DOCTYPE html>";
  photos.Add("b/5.png", Bytes(html.begin(), html.end()));
  const Dataset data = LoadDataset(photos.Spec());
  EXPECT_EQ(Values(data), (std::vector<int>{0, 10, 1, 11, 2, 12, 13, 4, 14, 5,
                                            6, 16, 7, 17}));
  EXPECT_EQ(data.labels.size(), data.size());
  EXPECT_EQ(data.names.size(), data.size());
  EXPECT_EQ(data.ids[6], 7u);  // numbers are those of the files that are there
  EXPECT_EQ(data.samples.size(), data.size() * data.SampleBytes());
  EXPECT_TRUE(HasNote(data, "2 of 16 files cannot be read"));
  EXPECT_TRUE(HasNote(data, "a/3.png: the PNG"));
  EXPECT_TRUE(HasNote(data, "HTML"));
  ExpectFailure(ErrorKind::kBadData, {"a/3.png", "PNG"},
                [&] { LoadDataset(photos.Spec("strict=1")); });
  // Held-out samples, too.
  const TrainingData parts = LoadTrainingData(photos.Spec("val=0.25"));
  EXPECT_EQ(parts.train.size() + parts.val->size(), 14u);
  // Only what is wanted is read.
  EXPECT_TRUE(LoadDataset(photos.Spec("limit=4")).notes.size() == 1);
}

TEST(Folder, TooManyBrokenFilesAreNoData) {
  Photos photos;
  photos.Add("a/1.png", Gray(1));
  for (const char* name : {"a/2.png", "b/1.png"}) photos.Add(name, Bytes{'x'});
  ExpectFailure(ErrorKind::kBadData, {"2 of 3 files cannot be read", "a text"},
                [&] { LoadDataset(photos.Spec("size=4")); });
  photos.Add("a/3.png", Gray(1));
  // A class of which nothing is left cannot be learnt.
  ExpectFailure(ErrorKind::kBadData, {"no sample of class 'b' could be read"},
                [&] { LoadDataset(photos.Spec("size=4")); });
}

TEST(Folder, NoFoldersOfClasses) {
  Photos photos;
  ExpectFailure(ErrorKind::kBadData, {"no pictures of classes", "empty"},
                [&] { LoadDataset(photos.Spec()); });
  photos.Add("1.png", Gray(1));
  ExpectFailure(ErrorKind::kBadData, {"1 files lie in it, but no folders"},
                [&] { LoadDataset(photos.Spec()); });
  ExpectFailure(ErrorKind::kNotFound, {"cannot find the data", "/no/such"},
                [] { LoadDataset("folder:/no/such"); });
  ExpectFailure(ErrorKind::kNotFound, {"1.png"},
                [&] { LoadDataset(photos.Spec() + "/1.png"); });
}

TEST(Folder, MoreThanTheMemoryIsSaidBeforeAnythingIsRead) {
  Photos photos;
  for (int i = 0; i < 300; ++i) photos.Add(fmt::format("a/{}", i), Bytes{'x'});
  // 300 samples of 805 GB; not one of the files can be read.
  ExpectFailure(ErrorKind::kDoesNotFit,
                {"300 samples of", "are available", "size="},
                [&] { LoadDataset(photos.Spec("size=16384&channels=3")); });
}

TEST(Folder, LinksAreFollowedOnce) {
  Photos photos;
  photos.Add("a/1.png", Gray(1));
  std::filesystem::create_directory_symlink("..", photos.File("a/loop"));
  std::filesystem::create_symlink("1.png", photos.File("a/2.png"));
  std::filesystem::create_symlink("nowhere", photos.File("a/0.png"));
  ASSERT_EQ(mkfifo(photos.File("a/pipe").c_str(), 0600), 0);
  EXPECT_EQ(ListTree(photos.File("a")),
            (std::vector<std::string>{"0.png", "1.png", "2.png", "pipe"}));
  // A pipe is no picture and holds nobody up; nor does a link to nothing.
  const Dataset data = LoadDataset(photos.Spec("size=4"));
  EXPECT_EQ(data.size(), 2u);
  EXPECT_TRUE(HasNote(data, "2 of 4"));
}

// What lies beside a class, or anywhere else, is not of the class.
TEST(Folder, LinksOutOfAClassAreNotFollowed) {
  Photos photos, other;
  photos.Add("a/1.png", Gray(1));
  photos.Add("a/deep/2.png", Gray(2));
  photos.Add("b/3.png", Gray(3));
  other.Add("4.png", Gray(4));
  namespace fs = std::filesystem;
  fs::create_directory_symlink("..", photos.File("a/loop"));
  fs::create_directory_symlink("/", photos.File("a/system"));
  fs::create_directory_symlink(photos.File("b"), photos.File("a/other"));
  fs::create_directory_symlink("deep", photos.File("a/again"));
  // A class itself may lie elsewhere.
  fs::create_directory_symlink(other.path(), photos.File("c"));
  const Dataset data = LoadDataset(photos.Spec());
  EXPECT_EQ(Values(data), (std::vector<int>{1, 3, 4, 2}));
  EXPECT_EQ(data.labels, (std::vector<int32_t>{0, 1, 2, 0}));
  EXPECT_TRUE(HasNote(data, "3 links"));
}

}  // namespace
}  // namespace temper::host
