// Messages of failures and the nearest name.
#include "ports/host/base/failure.h"

#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::ExpectFailure;

constexpr std::string_view kNames[] = {"split",     "classes", "names", "limit",
                                       "per_class", "val",     "seed"};

TEST(NearestName, FindsTypingErrors) {
  EXPECT_EQ(NearestName("clases", kNames), "classes");
  EXPECT_EQ(NearestName("Limit", kNames), "limit");
  EXPECT_EQ(NearestName("lmiit", kNames), "limit");  // one swap
  EXPECT_EQ(NearestName("perclass", kNames), "per_class");
  EXPECT_EQ(NearestName("vla", kNames), "val");
}

TEST(NearestName, KnowsAWordByAPartOfIt) {
  constexpr std::string_view kLayers[] = {"depthwise_conv2d", "conv2d", "relu"};
  EXPECT_EQ(NearestName("conv", kLayers), "conv2d");
  EXPECT_EQ(NearestName("Depthwise", kLayers), "depthwise_conv2d");
  EXPECT_EQ(NearestName("con", kLayers), "");  // three letters are in many
}

TEST(NearestName, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(NearestName("momentum", kNames), "");
  EXPECT_EQ(NearestName("", kNames), "");
  EXPECT_EQ(NearestName(std::string(5000, 'x'), kNames), "");
  constexpr std::string_view kLetters[] = {"a", "b"};
  EXPECT_EQ(NearestName("c", kLetters), "");
}

TEST(Suggest, ListsWhatIsKnown) {
  EXPECT_EQ(Suggest("limits", kNames), "Did you mean 'limit'?");
  EXPECT_EQ(Suggest("zzzzzz", kNames),
            "Known: split, classes, names, limit, per_class, val, seed.");
}

TEST(Printable, EscapesAndCuts) {
  EXPECT_EQ(Printable("a\x1b[31m\n"), "a\\x1b[31m\\x0a");
  EXPECT_EQ(Printable(std::string(100, 'a')), std::string(64, 'a') + "...");
}

TEST(Fail, HasFourPartsAndNoControls) {
  ExpectFailure(ErrorKind::kBadData, {"what: where: why\n  remedy"}, [] {
    Fail(ErrorKind::kBadData, "what", "where", "why", "remedy");
  });
  ExpectFailure(ErrorKind::kIo, {"what: \\x1b[2Jp\xc3\xbc: No space left"}, [] {
    FailErrno(ErrorKind::kIo, ENOSPC, "what", "\x1b[2Jp\xc3\xbc", "");
  });
  ExpectFailure(ErrorKind::kIo, {"\\xc2\\x9b"},
                [] { Fail(ErrorKind::kIo, "\xc2\x9b", "", "", ""); });
}

}  // namespace
}  // namespace temper::host
