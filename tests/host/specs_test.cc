// The text of --augment.
#include "ports/host/train/specs.h"

#include <string>

#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::ExpectFailure;

const Shape kShape = {28, 20, 1, ElementType::kU8};

TEST(AugmentSpec, ReadsAList) {
  EXPECT_TRUE(ReadAugmentations("", kShape).empty());
  const auto list = ReadAugmentations(
      "hflip,crop=4,vflip=0.25,brightness=0.2,contrast=.5,cutout=8", kShape);
  ASSERT_EQ(list.size(), 6u);
  EXPECT_EQ(list[0].kind, AugmentKind::kHFlip);
  EXPECT_EQ(list[0].As<HFlipParams>().p, 0.5f);
  EXPECT_EQ(list[1].kind, AugmentKind::kCrop);
  EXPECT_EQ(list[1].As<CropParams>().padding, 4u);
  EXPECT_EQ(list[2].kind, AugmentKind::kVFlip);
  EXPECT_EQ(list[2].As<VFlipParams>().p, 0.25f);
  EXPECT_EQ(list[4].As<ContrastParams>().amount, 0.5f);
  EXPECT_EQ(list[5].kind, AugmentKind::kCutout);
  // The grammar of all specs.
  const auto specs = ReadAugmentations("hflip?p=0.25,crop?padding=3", kShape);
  ASSERT_EQ(specs.size(), 2u);
  EXPECT_EQ(specs[0].As<HFlipParams>().p, 0.25f);
  EXPECT_EQ(specs[1].As<CropParams>().padding, 3u);
  EXPECT_EQ(ReadAugmentations("crop", kShape)[0].As<CropParams>().padding, 4u);
  // Twice is twice.
  EXPECT_EQ(ReadAugmentations("cutout=3,cutout=3", kShape).size(), 2u);
}

TEST(AugmentSpec, SaysWhatIsWrong) {
  const auto fails = [](const std::string& text, const std::string& says) {
    SCOPED_TRACE(text);
    ExpectFailure(ErrorKind::kUsage, {"--augment", says},
                  [&] { (void)ReadAugmentations(text, kShape); });
  };
  fails("hflop", "hflip");  // the nearest name
  fails(",", "empty item");
  fails("hflip,", "empty item");
  ExpectFailure(ErrorKind::kUsage, {"--augment", "pictures"}, [&] {
    (void)ReadAugmentations("hflip", {1, 1, 9});
  });
  fails("hflip,,vflip", "empty item");
  fails("=4", "unknown augmentation");
  fails("crop?side=3", "padding");
  fails("crop?padding=3&padding=4", "given twice");
  fails("crop=", "must be");
  fails("crop=four", "must be");
  fails("crop=4x", "must be");
  fails("crop=-4", "must be");
  fails("brightness=nan", "must be");
  fails("brightness=inf", "must be");
  fails("brightness=11", "0 to 10");
  fails("hflip=1.5", "0 to 1");
  fails("crop=0", "1 to 1024");
  fails("crop=2.5", "1 to 1024");
  fails("crop=21", "as many pixels");
  fails("cutout=99999999999999999999999999999999999999999", "");
  std::string many = "hflip";
  for (int i = 0; i < 16; ++i) many += ",hflip";
  fails(many, "more than 16");
}

}  // namespace
}  // namespace temper::host
