// Fuzz target: the NumPy reader with gzip, selection and all kinds of targets.
// Input: one byte of choices, one of sources, two bytes of the length of the
// file of targets, that file, the samples. Whatever the bytes, the reader ends
// with a Failure or with a data set that keeps its promises.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "ports/host/base/failure.h"
#include "ports/host/data/dataset.h"
#include "ports/host/data/kinds/npy.h"
#include "ports/host/os/byte_source.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using temper::TargetKind;
using temper::host::ByteSource;
using temper::host::Dataset;

void Require(bool condition) { temper::fuzz::Require(condition, "npy"); }

void CheckDataset(const Dataset& data) {
  Require(data.size() > 0 && data.MemoryBytes() >= data.samples.size());
  Require(data.samples.size() == data.size() * data.SampleBytes());
  Require(data.values.size() == data.size() * data.targets.Floats());
  for (const float v : data.values) Require(std::isfinite(v));
  const bool labelled = data.targets.kind == TargetKind::kClasses;
  Require(data.labels.size() == (labelled ? data.size() : 0));
  Require(data.class_names.size() ==
          (data.targets.HasClasses() ? data.targets.width : 0));
  for (size_t i = 0; i < data.size(); ++i) {
    Require(i == 0 || data.ids[i - 1] < data.ids[i]);
    const int32_t c = data.ClassOf(i);
    Require(c >= -1 && c < static_cast<int32_t>(data.targets.width));
    Require(!labelled || c >= 0);
  }
  (void)data.ClassCounts();
  // Reads every byte: a number that was not filled in shows under MSan.
  (void)Fingerprint(data);
  if (data.shape.type == temper::ElementType::kU8) return;
  for (size_t i = 0; i < data.size() * data.shape.Count(); ++i) {
    float v;
    std::memcpy(&v, data.samples.data() + 4 * i, 4);
    Require(std::isfinite(v));
  }
}

// The bytes and then zeros, of unknown size: shapes that were changed are read,
// too.
class PaddedSource final : public ByteSource {
 public:
  explicit PaddedSource(std::span<const uint8_t> bytes)
      : ByteSource("padded"), bytes_(bytes) {}
  uint64_t MaxBytes() const override { return kMost; }
  bool ExactSize() const override { return false; }

 protected:
  size_t ReadSome(uint8_t* to, size_t n) override {
    n = static_cast<size_t>(std::min<uint64_t>(n, kMost - at_));
    for (size_t i = 0; i < n; ++i, ++at_) {
      to[i] = at_ < bytes_.size() ? bytes_[static_cast<size_t>(at_)] : 0;
    }
    return n;
  }

 private:
  static constexpr uint64_t kMost = 1 << 16;
  std::span<const uint8_t> bytes_;
  uint64_t at_ = 0;
};

std::unique_ptr<ByteSource> Open(std::span<const uint8_t> bytes, uint32_t how) {
  if (how == 3) return std::make_unique<PaddedSource>(bytes);
  auto source = temper::host::OpenMemory(bytes, "fuzz.npz");
  return how == 2 ? temper::host::OpenGzip(std::move(source))
                  : std::move(source);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 4) return 0;
  constexpr std::string_view kSpecs[] = {
      "npy:x,y",
      "npy:x,y?limit=3",
      "npy:x,y?classes=1,0&per_class=2&seed=1",
      "npy:x,y?val=0.3&split=val",
      "npy:x,y?val=0.3&seed=7",
      "npy:x,y?names=a,b,c",
      "npy:x,y?per_class=0:1,1:2",
      "npy:x,y?val=0.5&limit=5",
  };
  const uint8_t choice = bytes[0], how = bytes[1];
  const size_t target_size =
      std::min<size_t>(size - 4, bytes[2] | static_cast<size_t>(bytes[3]) << 8);
  const std::span<const uint8_t> rest(bytes + 4, size - 4);
  temper::host::NpyOptions options;
  options.channels_first = (choice & 8) != 0;
  if ((choice >> 4 & 7) < 5 && (choice >> 4 & 7) > 0) {
    options.targets = static_cast<TargetKind>(choice >> 4 & 7);
  }
  try {
    const auto reader = temper::host::OpenNpy(
        Open(rest.subspan(target_size), how & 3),
        target_size == 0 ? nullptr
                         : Open(rest.first(target_size), how >> 2 & 3),
        options);
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
namespace {

Bytes Npy(uint8_t major, const std::string& descr, bool fortran,
          const std::string& shape, size_t payload, uint8_t step) {
  std::string header = "{'descr': '" + descr +
                       "', 'fortran_order': " + (fortran ? "True" : "False") +
                       ", 'shape': " + shape + ", }\n";
  std::string start("\x93NUMPY");
  start += static_cast<char>(major);
  start += '\0';
  start += static_cast<char>(header.size());
  start.append(major == 1 ? 1 : 3, '\0');
  start += header;
  Bytes file(start.begin(), start.end());
  for (size_t i = 0; i < payload; ++i) {
    file.push_back(static_cast<uint8_t>(step == 0 ? 0 : i * step % 3));
  }
  return file;
}

}  // namespace

std::vector<Bytes> Seeds() {
  const Bytes samples[] = {
      Npy(1, "|u1", false, "(6, 2, 3)", 36, 7),
      Npy(2, "<f4", true, "(6, 5)", 120, 0),
      Npy(3, ">f8", false, "(6, 2, 2, 3)", 576, 0),
      Npy(1, "<f2", false, "(6, 4)", 48, 1),
      Npy(1, "|b1", true, "(6, 3, 2, 2)", 72, 1),
      Npy(1, ">i8", false, "(6, 2)", 96, 1),
  };
  // classes, values, values, multi_hot, soft (one-hot rows), classes.
  Bytes soft = Npy(1, "|u1", false, "(6, 3)", 18, 0);
  for (size_t i = 0; i < 6; ++i) soft[soft.size() - 18 + 3 * i + i % 3] = 1;
  const Bytes targets[] = {
      Npy(1, "|i1", false, "(6,)", 6, 1),
      Npy(2, "<f4", false, "(6, 2)", 48, 0),
      Npy(3, "<u2", true, "(6, 2)", 24, 0),
      Npy(1, "|u1", false, "(6, 3)", 18, 0),
      soft,
      {},
  };
  const uint8_t kinds[] = {0, 0, 2, 3, 4, 0};
  std::vector<Bytes> seeds;
  for (size_t i = 0; i < 6; ++i) {
    for (const uint8_t how : {0, 3, 12}) {
      const Bytes &x = samples[i], &y = targets[i];
      const uint8_t choice =
          static_cast<uint8_t>(kinds[i] << 4 | (i == 4 ? 8 : 0) | (i % 2 * 4));
      Bytes seed = {choice, how, static_cast<uint8_t>(y.size()), 0};
      seed.insert(seed.end(), y.begin(), y.end());
      seed.insert(seed.end(), x.begin(), x.end());
      seeds.push_back(seed);
    }
  }
  return seeds;
}
std::vector<std::string> Words() {
  using namespace std::string_literals;
  return {"\x93NUMPY\x01\0"s,
          "\x93NUMPY\x02\0"s,
          "'descr': "s,
          "'|O'"s,
          "'<f8'"s,
          "'>i4'"s,
          "'|u1'"s,
          "'<f2'"s,
          "True"s,
          "False"s,
          "'shape': ("s,
          "(6,)"s,
          "4294967296"s,
          "9223372036854775808"s,
          "PK\x03\x04"s,
          "\x1f\x8b\x08"s,
          "\xff\xff\xff\xff"s};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
