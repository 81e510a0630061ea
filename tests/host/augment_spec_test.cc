// The text of --augment.
#include "ports/host/augment_spec.h"

#include <string>

#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::ExpectFailure;

const Shape kShape = {28, 20, 1, ElementType::kU8};

TEST(AugmentSpec, ReadsAList) {
  EXPECT_TRUE(ParseAugmentations("", kShape).empty());
  const auto list = ParseAugmentations(
      "hflip,crop=4,vflip=0.25,brightness=0.2,contrast=.5,cutout=8", kShape);
  ASSERT_EQ(list.size(), 6u);
  EXPECT_EQ(list[0].kind, AugmentKind::kHFlip);
  EXPECT_EQ(list[0].amount, 0.5f);
  EXPECT_EQ(list[1].kind, AugmentKind::kCrop);
  EXPECT_EQ(list[1].amount, 4.0f);
  EXPECT_EQ(list[2].kind, AugmentKind::kVFlip);
  EXPECT_EQ(list[2].amount, 0.25f);
  EXPECT_EQ(list[4].amount, 0.5f);
  EXPECT_EQ(list[5].kind, AugmentKind::kCutout);
  // Twice is twice.
  EXPECT_EQ(ParseAugmentations("cutout=3,cutout=3", kShape).size(), 2u);
}

TEST(AugmentSpec, SaysWhatIsWrong) {
  const auto fails = [](const std::string& text, const std::string& says) {
    SCOPED_TRACE(text);
    ExpectFailure(kExitUsage, {"--augment", says},
                  [&] { (void)ParseAugmentations(text, kShape); });
  };
  fails("hflop", "hflip");  // the nearest name
  fails(",", "empty item");
  fails("hflip,", "empty item");
  fails("hflip,,vflip", "empty item");
  fails("=4", "no such augmentation");
  fails("crop", "crop=AMOUNT");
  fails("crop=", "not a decimal number");
  fails("crop=four", "not a decimal number");
  fails("crop=4x", "not a decimal number");
  fails("crop=-4", "not a decimal number");
  fails("crop=1e1", "not a decimal number");
  fails("brightness=nan", "not a decimal number");
  fails("brightness=inf", "not a decimal number");
  fails("brightness=11", "from 0 to 10");
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
