// UTF-8 in, and what of it is printed.
#include "models/files/text.h"

#include <gtest/gtest.h>

#include <string>

#include "models/files/error.h"

namespace temper {
namespace {

constexpr const char* kStar = "\xc3\xa9toile";  // 6 columns
constexpr const char* kHan = "\xe7\xbf\x98\xe5\xa4\xb4\xe5\x89\xaa";  // 3 wide

TEST(Text, Utf8StaysAsItIs) {
  for (const std::string text :
       {kStar, kHan, "\xf0\x9f\x8e\x89", "\xd7\x90\xd7\x91", "a b~"}) {
    EXPECT_EQ(Shown(text), text);
    EXPECT_TRUE(IsShowable(text));
    EXPECT_EQ(Quoted(text), "\"" + text + "\"");
  }
}

TEST(Text, ControlsOfAnyKindAreEscaped) {
  EXPECT_EQ(Shown("a\x1b[31m\n"), "a\\x1b[31m\\x0a");
  EXPECT_EQ(Shown("\x7f"), "\\x7f");
  EXPECT_EQ(Shown("\xc2\x9b[2J"), "\\xc2\\x9b[2J");       // C1
  EXPECT_EQ(Shown("\xe2\x80\xae"), "\\xe2\\x80\\xae");    // RLO
  EXPECT_EQ(Shown("\xe2\x81\xa6x"), "\\xe2\\x81\\xa6x");  // LRI
  EXPECT_EQ(Shown("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");    // LINE SEPARATOR
  EXPECT_EQ(Shown("\xef\xbb\xbfshirt"), "\\xef\\xbb\\xbfshirt");
  EXPECT_EQ(Shown(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Shown("St\xf6vel"), "St\\xf6vel");          // Latin-1
  EXPECT_EQ(Shown("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(Shown("a\tb\n\r", "\n\t"), "a\tb\n\\x0d");
  EXPECT_FALSE(IsShowable("a\n"));
  EXPECT_TRUE(IsShowable("a\n", "\n"));
}

TEST(Text, IsCutAtWholeCharacters) {
  EXPECT_EQ(Shown(kStar, {}, 1), "\xc3\xa9...");
  EXPECT_EQ(Shown(kHan, {}, 3), "\xe7\xbf\x98...");
  EXPECT_EQ(Shown(kHan, {}, 6), kHan);
  EXPECT_EQ(Shown("ab\x1b", {}, 5), "ab...");  // no half escape
  // A mark takes no column, but not any number of them.
  std::string marks = "e";
  for (int i = 0; i < 1000; ++i) marks += "\xcc\x81";
  EXPECT_EQ(Columns("e\xcc\x81"), 1u);
  EXPECT_LT(Shown(marks, {}, 10).size(), 200u);
}

TEST(Text, CellsHaveTheirWidth) {
  EXPECT_EQ(LeftCell("ab", 4), "ab  ");
  EXPECT_EQ(RightCell("ab", 4), "  ab");
  EXPECT_EQ(RightCell(kStar, 8), std::string("  ") + kStar);
  EXPECT_EQ(LeftCell(kHan, 8), std::string(kHan) + "  ");
  EXPECT_EQ(RightCell(kHan, 6, 5), "  \xe7\xbf\x98\xe5\xa4\xb4");
  EXPECT_EQ(LeftCell("abcdef", 4), "abcdef");
  EXPECT_EQ(LeftCell("abcdef", 4, 3), "abc ");
}

}  // namespace
}  // namespace temper
