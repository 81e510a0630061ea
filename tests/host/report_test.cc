// What a report is made of: axes, charts, tables of numbers, pictures, maps.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/data/decoders/decoder.h"
#include "ports/host/report/arena_map.h"
#include "ports/host/report/html.h"
#include "ports/host/report/png_writer.h"
#include "ports/host/report/run_data.h"
#include "ports/host/report/svg_chart.h"

namespace temper::host {
namespace {

size_t CountOf(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != text.npos;
       at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

TEST(AxisTicks, AreRoundNumbersInTheRange) {
  EXPECT_EQ(AxisTicks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(AxisTicks(-1, 1, 4), (std::vector<double>{-1, -0.5, 0, 0.5, 1}));
  for (const double scale : {1e-12, 1e-3, 1.0, 7e6, 1e200}) {
    const std::vector<double> ticks = AxisTicks(0.3 * scale, 2.9 * scale, 5);
    ASSERT_GE(ticks.size(), 2u) << scale;
    ASSERT_LE(ticks.size(), 8u) << scale;
    EXPECT_GE(ticks.front(), 0.299 * scale);
    EXPECT_LE(ticks.back(), 2.901 * scale);
  }
  EXPECT_TRUE(AxisTicks(1, 1, 5).empty());
  EXPECT_LE(AxisTicks(1e15, 1e15 + 1, 5).size(), 64u);
}

TEST(ChartSvg, KeepsTheExtremesOfManyPoints) {
  SvgChart chart;
  SvgSeries series;
  for (int i = 0; i < 100000; ++i) {
    series.points.push_back({double(i), i == 77777 ? 100.0 : 1.0});
  }
  chart.series.push_back(series);
  const std::string svg = ChartSvg(chart);
  EXPECT_LT(svg.size(), 40000u);
  // The one high point is the top of the plot: y = 34 + 4 % room.
  SvgChart alone = chart;
  alone.series[0].points = {{0, 1}, {77777, 100}, {99999, 1}};
  const std::string few = ChartSvg(alone);
  const size_t from = few.find(" d=\"M", few.find("class=\"l")) + 5;
  const std::string top = few.substr(few.find("L", from) + 1, 20);
  const std::string y =
      top.substr(top.find(' '), top.find('L') - top.find(' '));
  EXPECT_NE(svg.find(y + "L"), svg.npos) << y;
}

TEST(ChartSvg, WhatIsNotFiniteBreaksTheLine) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  SvgChart chart;
  chart.series.push_back(
      {"", {{1, 1}, {2, nan}, {3, 2}, {4, 3}}, false, false, 0});
  const std::string svg = ChartSvg(chart);
  EXPECT_EQ(svg.find("nan"), svg.npos);
  const std::string path = svg.substr(svg.find("class=\"l c0\""));
  EXPECT_EQ(CountOf(path, "M"), 2u);  // a point, then a line
  chart.log_y = true;
  chart.series[0].points = {{1, 0}, {2, -1}};
  EXPECT_FALSE(HasPoints(chart));
  EXPECT_EQ(ChartSvg(chart).find("nan"), std::string::npos);
  chart.log_y = false;
  chart.series[0].points = {{1, -1e308}, {2, 1e308}, {3, 1}};
  EXPECT_EQ(ChartSvg(chart).find("inf"), std::string::npos);
}

TEST(Report, TextIsEscaped) {
  EXPECT_EQ(Escaped("<a href='x'>&\"\x1b"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\\x1b");
  EXPECT_EQ(HtmlTable({{"a"}, {"<b>"}}).find("<b>"), std::string::npos);
}

TEST(Report, PngUriIsBase64) {
  EXPECT_EQ(PngUri(""), "data:image/png;base64,");
  EXPECT_EQ(PngUri("f"), "data:image/png;base64,Zg==");
  EXPECT_EQ(PngUri("fo"), "data:image/png;base64,Zm8=");
  EXPECT_EQ(PngUri("foobar"), "data:image/png;base64,Zm9vYmFy");
  EXPECT_EQ(PngUri("\xff\xff\xff"), "data:image/png;base64,////");
}

TEST(Report, PngFileHoldsThePixels) {
  const std::vector<uint8_t> pixels = {0,  10, 20,  30,  40,  50,
                                       60, 70, 255, 128, 127, 1};
  const std::string file = PngFile(pixels.data(), 2, 2, 3);
  EXPECT_EQ(file.substr(1, 3), "PNG");
  EXPECT_THROW(PngFile(pixels.data(), 2, 2, 2), Failure);
  const std::string gray = PngFile(pixels.data(), 3, 4, 1);
  EXPECT_LT(gray.size(), 200u);
}

TEST(ParseNumbers, ReadsWhatIsWhole) {
  const NumberTable t =
      ParseNumbers("epoch,loss,val\n1,2.5,\n2,1e-3,inf\n3,0.5,0.1,7\n4,1,1\n");
  EXPECT_EQ(t.rows, 2u);  // the third has a field too many
  ASSERT_NE(t.Column("val"), nullptr);
  EXPECT_TRUE(std::isnan((*t.Column("val"))[0]));
  EXPECT_EQ(*t.Last("loss"), 1e-3);
  EXPECT_EQ(PointsOf(t, "epoch", "loss").size(), 2u);
  EXPECT_EQ(t.At("loss", 1), 1e-3);
  EXPECT_FALSE(t.At("val", 0));
  EXPECT_EQ(t.Column("other"), nullptr);
  EXPECT_EQ(ParseNumbers("a,a\n1,2\n").rows, 0u);
  EXPECT_EQ(ParseNumbers("a\n1\n2").rows, 1u);  // the last line is not whole
  EXPECT_EQ(ParseNumbers("a\n1\n2\n3\n", 2).rows, 2u);
  EXPECT_EQ(ParseNumbers("").rows, 0u);
}

TEST(ArenaMap, DrawsTensorsWhereTheyLie) {
  const auto map = [](const char* text) {
    return ArenaMapSvg(ParseValue(text, 1000));
  };
  const std::string svg = map(
      R"({"arena_bytes": 1024, "tensors": [{"kind": "weight", "layer": "a<b",
      "bytes": 512, "offset": 512, "first_step": 0, "last_step": 3}]})");
  EXPECT_EQ(CountOf(svg, "<rect class=\"b "), 1u);
  EXPECT_NE(svg.find("a&lt;b weight 512 B"), svg.npos);
  // The lower half of the arena is free: the block begins in the middle.
  EXPECT_NE(svg.find("y=\"216.0\""), svg.npos) << svg;
  for (const char* bad :
       {"null", "{}", "{\"arena_bytes\": 8, \"tensors\": 3}",
        "{\"arena_bytes\": 8, \"tensors\": [1]}",
        "{\"arena_bytes\": 8, \"tensors\": [{\"bytes\": 9, \"offset\": 0, "
        "\"first_step\": 0, \"last_step\": 0}]}"}) {
    EXPECT_EQ(map(bad), "") << bad;
  }
}

}  // namespace
}  // namespace temper::host
