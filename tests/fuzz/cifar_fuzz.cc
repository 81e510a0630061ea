// Fuzz target: the CIFAR reader. Input: one byte of choices, one of how many
// bytes of the rest, times 32, are the first of two files.
#include <algorithm>
#include <span>
#include <string_view>

#include "ports/host/base/failure.h"
#include "ports/host/data/dataset.h"
#include "ports/host/data/kinds/cifar.h"
#include "ports/host/os/byte_source.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

void Require(bool condition) { temper::fuzz::Require(condition, "cifar"); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  constexpr std::string_view kSpecs[] = {
      "cifar:x?classes=0-3", "cifar:x?classes=0-3&limit=2",
      "cifar:x?val=0.5&classes=1,2", "cifar:x?split=test"};
  const uint8_t choice = bytes[0];
  const std::span<const uint8_t> rest(bytes + 2, size - 2);
  const size_t first = std::min<size_t>(rest.size(), size_t{bytes[1]} * 32);
  const auto opener = [](std::span<const uint8_t> part) {
    return [part] { return temper::host::OpenMemory(part, "fuzz"); };
  };
  std::vector<temper::host::SourceOpener> files = {opener(rest.first(first))};
  if (first < rest.size()) files.push_back(opener(rest.subspan(first)));
  const bool hundred = (choice & 4) != 0;
  const temper::host::CifarLayout layout =
      hundred ? temper::host::CifarLayout{2, choice & 8u ? 1u : 0u, 100}
              : temper::host::CifarLayout{};
  try {
    const auto reader = OpenCifar(std::move(files), layout, {});
    const temper::host::DataSpec spec =
        temper::host::ParseDataSpec(kSpecs[choice % 4]);
    const temper::host::TrainingData data = LoadFrom(*reader, spec);
    Require(data.train.size() > 0);
    Require(data.train.samples.size() == data.train.size() * 3072);
    for (const int32_t label : data.train.labels) {
      Require(label >= 0 &&
              static_cast<size_t>(label) < data.train.class_names.size());
    }
    (void)Fingerprint(data.train);
  } catch (const temper::host::Failure& failure) {
    Require(failure.kind == temper::host::ErrorKind::kBadData ||
            failure.kind == temper::host::ErrorKind::kUsage);
    Require(!failure.message.empty() && failure.message.size() < 4096);
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds;
  for (uint8_t choice = 0; choice < 16; choice += 3) {
    const size_t labels = (choice & 4) != 0 ? 2 : 1;
    Bytes seed = {choice, static_cast<uint8_t>((labels + 3072) * 2 / 32)};
    // A first file of whole records is a multiple of 32 bytes for neither: all
    // of it is one file then.
    if (choice % 2 == 0) seed[1] = 255;
    for (uint8_t i = 0; i < 4; ++i) {
      seed.insert(seed.end(), labels, i);
      for (size_t p = 0; p < 3072; ++p) {
        seed.push_back(static_cast<uint8_t>(p + i));
      }
    }
    seeds.push_back(std::move(seed));
  }
  return seeds;
}
std::vector<std::string> Words() {
  using namespace std::string_literals;
  return {"\x1f\x8b\x08"s, "\0"s, "\x09"s, "\x63"s, "\xff"s, "\x80\x02"s};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
