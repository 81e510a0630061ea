// Fuzz target: what a report reads of a run folder: tables of numbers and
// plan.json, and the pictures that are made of them.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include "models/files/text.h"
#include "ports/host/base/json_text.h"
#include "ports/host/report/arena_map.h"
#include "ports/host/report/run_data.h"
#include "ports/host/report/svg_chart.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

void Require(bool condition) { temper::fuzz::Require(condition, "report"); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace temper::host;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const NumberTable table = ParseNumbers(text, 1000);
  for (const bool log : {false, true}) {
    SvgChart chart;
    chart.title = std::string(text.substr(0, 64));
    chart.log_x = chart.log_y = log;
    for (const auto& [name, column] : table.columns) {
      Require(column.size() == table.rows);
      chart.series.push_back(
          {name, PointsOf(table, name, name), log, false, 1});
    }
    const std::string svg = ChartSvg(chart);
    Require(temper::IsUtf8(svg));
    Require(svg.find("nan") == svg.npos || text.find("nan") != text.npos);
  }
  try {
    const std::string map = ArenaMapSvg(ParseValue(text, 4096));
    Require(temper::IsUtf8(map));
  } catch (const std::exception&) {
    // No JSON.
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds;
  for (const std::string& text :
       {std::string("epoch,train_loss,val_loss\n1,2.3,\n2,1.5,1.6\n"),
        std::string("step,lr\n1,1e-7\n2,1e300\n3,-1\n4,inf\n5,nan\n"),
        std::string(
            "{\"arena_bytes\": 4096, \"tensors\": [{\"kind\": \"weight\", "
            "\"layer\": \"fc\", \"slot\": 0, \"bytes\": 64, \"offset\": "
            "128, \"first_step\": 0, \"last_step\": 3}]}")}) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {"epoch", "arena_bytes", "tensors",    "1e308", "-1e308",
          "nan",   "\n",          "first_step", "<svg>"};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
