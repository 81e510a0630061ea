// Charts fit a terminal, and what they mark stands where it belongs.
#include "ports/cli/chart.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace temper::host {
namespace {

Chart Valley() {
  Chart chart;
  double x = 1e-6;
  for (int i = 0; i < 100; ++i, x *= 1.2) {
    chart.points.push_back({x, i < 40   ? 2.3
                               : i < 80 ? 2.3 - 0.04 * (i - 40)
                                        : 0.7 + 0.5 * (i - 80)});
  }
  chart.bottom = 0.5;
  chart.top = 2.5;
  chart.low = chart.points[45].x;
  chart.high = chart.points[80].x;
  chart.mark = chart.points[60].x;
  return chart;
}

TEST(Chart, FitsATerminal) {
  const std::vector<std::string> lines = DrawLogX(Valley());
  ASSERT_GT(lines.size(), 10u);
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), 80u) << line;
    EXPECT_TRUE(std::all_of(line.begin(), line.end(),
                            [](char c) { return c >= ' ' && c <= '~'; }));
  }
  // It starts high, has its lowest row filled, and leaves at the top.
  EXPECT_NE(lines.front().find('^'), std::string::npos);
  EXPECT_NE(lines.back().find("1e-5"), std::string::npos);
}

TEST(Chart, MarksTheRangeAndTheRateInIt) {
  const std::vector<std::string> lines = DrawLogX(Valley());
  const auto falls =
      std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
        return line.find("falls") != std::string::npos;
      });
  ASSERT_NE(falls, lines.end());
  const size_t first = falls->find('='), last = falls->rfind('=');
  const size_t mark = falls->find('#');
  EXPECT_LT(first, mark);
  EXPECT_LT(mark, last);
}

TEST(Chart, OfNothingIsNothing) {
  EXPECT_TRUE(DrawLogX({}).empty());
  Chart one;
  one.points = {{1, 1}};
  EXPECT_TRUE(DrawLogX(one).empty());
  Chart flat;  // all values are the same, and so is the range shown
  flat.points = {{1, 1}, {10, 1}};
  flat.bottom = flat.top = 1;
  EXPECT_FALSE(DrawLogX(flat).empty());
}

}  // namespace
}  // namespace temper::host
