// Fields of a table, and latencies: which calls count, and nearest ranks.
#include "ports/cli/predictions.h"

#include <gtest/gtest.h>

#include "ports/cli/latency.h"

namespace temper::host {
namespace {

TEST(Csv, FieldsAreQuotedWhereTheyNeedIt) {
  EXPECT_EQ(CsvField("a b.png"), "a b.png");
  EXPECT_EQ(CsvField(""), "");
  EXPECT_EQ(CsvField("cat, big"), "\"cat, big\"");
  EXPECT_EQ(CsvField("say \"hi\""), "\"say \"\"hi\"\"\"");
  EXPECT_EQ(CsvField("a\nb"), "\"a\nb\"");
  EXPECT_EQ(CsvField(" a"), "\" a\"");
}

TEST(Latency, NearestRanks) {
  Latency latency;
  EXPECT_EQ(latency.Text(), "");
  latency.Add(1, 100.0);
  EXPECT_EQ(latency.Seconds(50), 100.0);  // the only one
  for (int i = 100; i >= 1; --i) latency.Add(1, i);
  EXPECT_EQ(latency.calls(), 100u);  // without the first
  EXPECT_EQ(latency.Seconds(50), 50.0);
  EXPECT_EQ(latency.Seconds(90), 90.0);
  EXPECT_EQ(latency.Seconds(99), 99.0);
  EXPECT_EQ(latency.Seconds(100), 100.0);
  EXPECT_EQ(latency.Seconds(0.1), 1.0);
}

TEST(Latency, CallsOfOneSize) {
  Latency latency;
  latency.Add(4, 9.0);
  latency.Add(8, 1.0);
  latency.Add(8, 2.0);
  latency.Add(3, 5.0);  // the short last batch
  EXPECT_EQ(latency.samples(), 8u);
  EXPECT_EQ(latency.calls(), 1u);
  EXPECT_EQ(latency.Seconds(50), 2.0);
}

}  // namespace
}  // namespace temper::host
