// Fuzz target: packs. Input: one byte that says whether the checksums are set
// right (else a changed byte would be all that is ever seen), then the file.
// Whatever the bytes, opening ends with a Failure or with a view every part of
// which can be read.
#include <cstring>
#include <span>
#include <string>

#include "ports/host/base/failure.h"
#include "ports/host/data/pack_file.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using temper::host::ErrorKind;
using temper::host::PackHeader;
using temper::host::PackView;

void Require(bool condition) { temper::fuzz::Require(condition, "pack"); }

// Reads all that the view promises: a sanitizer sees what lies outside.
void Walk(const PackView& view, std::span<const uint8_t> file) {
  const uint64_t bytes = view.samples * view.shape.Count() *
                         (view.shape.type == temper::ElementType::kU8 ? 1 : 4);
  Require(view.data + bytes <= file.data() + file.size());
  uint64_t sum = 0;
  for (uint64_t i = 0; i < bytes; ++i) sum += view.data[i];
  for (uint64_t i = 0; view.labels != nullptr && i < view.samples; ++i) {
    Require(view.labels[i] >= 0 &&
            static_cast<uint32_t>(view.labels[i]) < view.targets.width);
  }
  const uint64_t floats = view.samples * view.targets.Floats();
  for (uint64_t i = 0; view.values != nullptr && i < floats; ++i) {
    float v;
    std::memcpy(&v, view.values + i, sizeof(v));
    sum += v > 0;
  }
  Require(sum != 1 || bytes > 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1) return 0;
  // As mmap gives it: aligned.
  std::vector<uint64_t> room((size - 1 + 7) / 8 + 1);
  std::memcpy(room.data(), bytes + 1, size - 1);
  const std::span<uint8_t> file(reinterpret_cast<uint8_t*>(room.data()),
                                size - 1);
  if ((bytes[0] & 1) != 0 && file.size() >= temper::host::kPackData) {
    temper::host::SealPack(file);
  }
  try {
    Walk(temper::host::OpenPack(file, "fuzz.pack", (bytes[0] & 2) == 0), file);
  } catch (const temper::host::Failure& failure) {
    Require(failure.kind == ErrorKind::kBadData ||
            failure.kind == ErrorKind::kUnsupported);
    Require(!failure.message.empty() && failure.message.size() < 4096);
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds;
  for (const TargetKind kind :
       {TargetKind::kNone, TargetKind::kClasses, TargetKind::kValues,
        TargetKind::kMultiHot, TargetKind::kSoft}) {
    host::PackHeader header = {};
    header.type = static_cast<uint32_t>(kind) % 2;
    header.h = header.w = 1;
    header.c = 3;
    header.targets = static_cast<uint32_t>(kind);
    header.width = kind == TargetKind::kNone ? 0 : 2;
    header.samples = 5;
    host::PackText text;
    if (kind == TargetKind::kClasses) text.classes = {"a", "b"};
    if (header.type == 0) {
      text.columns = {{"x", {}, {}}, {"y", {"p", "q"}, {}}};
    } else {
      text.pictures.emplace();
    }
    const std::string json = host::WritePackText(text);
    header.text_bytes = json.size();
    Require(host::LayOutPack(&header), "pack");
    Bytes seed(1 + static_cast<size_t>(header.file_bytes), 0);
    seed[0] = 1;
    std::memcpy(seed.data() + 1, &header, sizeof(header));
    std::memcpy(seed.data() + 1 + header.text_offset, json.data(), json.size());
    const std::span<uint8_t> file(seed.data() + 1, seed.size() - 1);
    host::SealPack(file);
    seeds.push_back(seed);
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {"TEMPERPK",
          "{\"classes\":[",
          "\"columns\":\"",
          "\"pictures\":{",
          "\"fit\":",
          "\"background\":[",
          "\xff\xff\xff\xff\xff\xff\xff\x7f"};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
