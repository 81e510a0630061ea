// Fuzz target: the IDX reader with gzip and selection. Input: one byte of
// choices, two bytes of the length of the labels file, that file, the images.
// Whatever the bytes, the reader ends with a Failure or with a data set that
// keeps its promises.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>

#include "ports/host/base/failure.h"
#include "ports/host/data/dataset.h"
#include "ports/host/data/kinds/idx.h"
#include "ports/host/data/stats.h"
#include "ports/host/os/byte_source.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using temper::host::ByteSource;
using temper::host::Dataset;

void Require(bool condition) { temper::fuzz::Require(condition, "idx"); }

void CheckDataset(const Dataset& data) {
  Require(data.size() > 0 && data.ids.size() == data.size());
  Require(data.samples.size() == data.size() * data.SampleBytes());
  for (size_t i = 0; i < data.size(); ++i) {
    Require(data.labels[i] >= 0);
    Require(static_cast<size_t>(data.labels[i]) < data.class_names.size());
    Require(i == 0 || data.ids[i - 1] < data.ids[i]);
  }
  // Reads every byte: a sample that was not filled in shows under MSan.
  (void)Fingerprint(data);
  for (const float std : ChannelStats(data).std) Require(std > 0.0f);
}

std::unique_ptr<ByteSource> Open(std::span<const uint8_t> bytes, bool gzip) {
  auto source = temper::host::OpenMemory(bytes, "fuzz");
  return gzip ? temper::host::OpenGzip(std::move(source)) : std::move(source);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 3) return 0;
  constexpr std::string_view kSpecs[] = {
      "idx:x",
      "idx:x?limit=3",
      "idx:x?classes=1,0&per_class=2&seed=1",
      "idx:x?val=0.3&split=val",
      "idx:x?val=0.3&seed=7",
      "idx:x?names=a,b,c&split=test",
      "idx:x?per_class=0:1,1:2",
      "idx:x?classes=0-2,4&limit=5",
  };
  const uint8_t choice = bytes[0];
  const size_t label_size =
      std::min<size_t>(size - 3, bytes[1] | static_cast<size_t>(bytes[2]) << 8);
  const std::span<const uint8_t> rest(bytes + 3, size - 3);
  try {
    const auto reader =
        temper::host::OpenIdx(Open(rest.subspan(label_size), (choice & 8) != 0),
                              Open(rest.first(label_size), (choice & 16) != 0));
    const temper::host::DataSpec spec =
        temper::host::ParseDataSpec(kSpecs[choice % 8]);
    const temper::host::TrainingData data = LoadFrom(*reader, spec);
    if (spec.split != "val") CheckDataset(data.train);
    if (data.val.has_value()) CheckDataset(*data.val);
  } catch (const temper::host::Failure& failure) {
    Require(failure.kind == temper::host::ErrorKind::kBadData ||
            failure.kind == temper::host::ErrorKind::kUnsupported ||
            failure.kind == temper::host::ErrorKind::kUsage);
    Require(!failure.message.empty() && failure.message.size() < 4096);
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  // Six labels and six pictures of 2x3, plain, under every spec.
  const Bytes labels = {0, 0, 8, 1, 0, 0, 0, 6, 0, 1, 2, 0, 1, 2};
  Bytes images = {0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 2, 0, 0, 0, 3};
  for (uint8_t i = 0; i < 36; ++i)
    images.push_back(static_cast<uint8_t>(7 * i));
  std::vector<Bytes> seeds;
  for (uint8_t choice = 0; choice < 8; ++choice) {
    Bytes seed = {choice, static_cast<uint8_t>(labels.size()), 0};
    seed.insert(seed.end(), labels.begin(), labels.end());
    seed.insert(seed.end(), images.begin(), images.end());
    seeds.push_back(seed);
  }
  return seeds;
}
std::vector<std::string> Words() {
  using namespace std::string_literals;
  return {"\0\0\x08\x03"s,     "\0\0\x08\x01"s,     "\0\0\x0d\x03"s,
          "\xff\xff\xff\xff"s, "\x7f\xff\xff\xff"s, "\0\0\0\0"s,
          "\x1f\x8b\x08"s};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
