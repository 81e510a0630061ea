// Fuzz target: text tables with all options. Input: two bytes of choices, then
// the file. Whatever the bytes, the reader ends with a Failure or with a data
// set whose numbers are finite.
#include <cmath>
#include <cstring>
#include <span>
#include <string_view>

#include "ports/host/base/failure.h"
#include "ports/host/data/dataset.h"
#include "ports/host/data/kinds/csv.h"
#include "ports/host/os/byte_source.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using temper::host::CsvOptions;
using temper::host::Dataset;
using temper::host::ErrorKind;

void Require(bool condition) { temper::fuzz::Require(condition, "csv"); }

void CheckDataset(const Dataset& data) {
  Require(data.size() > 0);
  Require(data.samples.size() == data.size() * data.SampleBytes());
  Require(temper::InputsOf(data.columns) == data.shape.Count());
  for (size_t i = 0; i < data.samples.size() / 4; ++i) {
    float v;
    std::memcpy(&v, data.samples.data() + 4 * i, 4);
    Require(std::isfinite(v));
  }
  for (const float v : data.values) Require(std::isfinite(v));
  Require(data.anomalies.empty() || data.anomalies.size() == data.size());
  for (const int32_t label : data.labels) {
    Require(label >= 0 && static_cast<size_t>(label) < data.class_names.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  constexpr std::string_view kSpecs[] = {
      "csv:t", "csv:t?limit=3", "csv:t?val=0.3&seed=7", "csv:t?per_class=1"};
  constexpr char kDelimiters[] = {',', ';', '\t', ' '};
  CsvOptions options;
  if ((bytes[0] & 1) != 0) {
    options.label = "b";
  } else if ((bytes[0] & 2) != 0) {
    options.target = {"b"};
  }
  if ((bytes[0] & 4) != 0) options.ignore = {"a"};
  if ((bytes[0] & 8) != 0) options.categorical = {"c"};
  options.header = static_cast<CsvOptions::Header>((bytes[0] >> 4 & 3) % 3);
  if (options.header == CsvOptions::Header::kNo && !options.label.empty()) {
    options.label = "1";
  }
  if (!options.label.empty() && (bytes[1] & 0x40) != 0) options.normal = "x";
  if (const int missing = bytes[0] >> 6; missing < 3) {
    options.missing = static_cast<CsvOptions::Missing>(missing);
    if (missing == 1) options.keep_na = {"c"};
  }
  options.delimiter = kDelimiters[bytes[1] & 3];
  options.decimal = (bytes[1] & 4) != 0 && options.delimiter != ',' ? ',' : '.';
  std::vector<temper::TableColumn> columns;
  if ((bytes[1] & 8) != 0) {
    columns = {{"c", {"x", "y"}, {}}, {"a", {}, 1.0f}};
  }
  const std::span<const uint8_t> file(bytes + 2, size - 2);
  try {
    const auto reader = temper::host::OpenCsv(
        [&] { return temper::host::OpenMemory(file, "t"); }, options, columns);
    temper::host::DataSpec spec =
        temper::host::ParseDataSpec(kSpecs[bytes[1] >> 4 & 3]);
    spec.judged = (bytes[1] & 0x80) != 0;
    const temper::host::TrainingData data = LoadFrom(*reader, spec);
    CheckDataset(data.train);
    if (data.val) CheckDataset(*data.val);
  } catch (const temper::host::Failure& failure) {
    Require(failure.kind == ErrorKind::kBadData ||
            failure.kind == ErrorKind::kUnsupported ||
            failure.kind == ErrorKind::kMismatch ||
            failure.kind == ErrorKind::kUsage);
    Require(!failure.message.empty() && failure.message.size() < 8192);
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  constexpr std::string_view kTables[] = {
      "a,b,c\n1,x,y\n2,z,\n,w,x\n",
      "a,b,c\r\n\"1\",\"x, \"\"y\"\"\",\"l\nm\"\r\n3.5e2,q,r\r\n",
      "1,2,3\n4,5,6\n7,NaN,9\n",
      "a;b;c\n1,5;0;x\n2;1;y\n",
      "a\tb\tc\n1\t2\tx\n",
      "a b   c\n 1 2  x \n",
      "\xef\xbb\xbf"
      "a,b,c\n16777217,1,x\n1e-400,2,y\n",
  };
  std::vector<Bytes> seeds;
  for (const std::string_view table : kTables) {
    for (const uint8_t how : {0x01, 0x02, 0x41, 0x82, 0x25, 0x8d}) {
      for (const uint8_t more : {0x00, 0x15, 0x2a, 0x38, 0xe0}) {
        Bytes seed = {how, more};
        seed.insert(seed.end(), table.begin(), table.end());
        seeds.push_back(seed);
      }
    }
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {"\"",    "\"\"", ",",     ";",        "\r\n",         "\t", "NaN",
          "1e400", "0x10", "a,b,c", "\xff\xfe", "\xef\xbb\xbf", "1,5"};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
