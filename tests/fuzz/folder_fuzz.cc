// Fuzz target: the reader of folders of pictures. Input: one byte of choices,
// then files: a byte for the name, two for the size, the bytes. They lie in a
// folder of their own, a part of them in folders of classes.
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "ports/host/base/failure.h"
#include "ports/host/data/dataset.h"
#include "ports/host/data/kinds/folder.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/host/picture_files.h"

namespace {

namespace fs = std::filesystem;
using temper::host::Dataset;

void Require(bool condition) { temper::fuzz::Require(condition, "folder"); }

// Lives as long as the process.
struct Folder {
  std::string path = access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-XXXXXX"
                                                   : "/tmp/fuzz-XXXXXX";
  Folder() { Require(mkdtemp(path.data()) != nullptr); }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

constexpr std::string_view kNames[] = {
    "a/1", "a/2.png", "a/.3",   "b/1",   "b/deep/2",    "10/1",
    "9/1", "x",       "c/\xff", "d\n/1", "b/Thumbs.db", "\xc3\xa9/1"};

void CheckDataset(const Dataset& data) {
  Require(data.size() > 0);
  Require(data.samples.size() == data.size() * data.SampleBytes());
  Require(data.labels.size() == data.size() &&
          data.names.size() == data.size());
  for (size_t i = 0; i < data.size(); ++i) {
    Require(i == 0 || data.ids[i - 1] < data.ids[i]);
    Require(static_cast<size_t>(data.labels[i]) < data.class_names.size());
    Require(!data.SampleName(i).empty());
  }
  (void)Fingerprint(data);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1) return 0;
  static const Folder folder;
  constexpr std::string_view kSpecs[] = {
      "folder:x", "folder:x?limit=2", "folder:x?val=0.5",
      "folder:x?val=0.5&split=val&seed=3", "folder:x?split=test"};
  const uint8_t choice = bytes[0];
  for (size_t at = 1; at + 3 <= size;) {
    const std::string_view name = kNames[bytes[at] % std::size(kNames)];
    const size_t n = std::min<size_t>(
        bytes[at + 1] | static_cast<size_t>(bytes[at + 2]) << 8, size - at - 3);
    const fs::path path = fs::path(folder.path) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes + at + 3),
               static_cast<std::streamsize>(n));
    at += 3 + n;
  }
  temper::host::FolderOptions options;
  options.limits = {1 << 12, 1 << 14, 64};
  options.strict = (choice & 16) != 0;
  if ((choice & 32) != 0) {
    options.size = {3, 4};
    if ((choice & 128) != 0) options.working = {6, 8};
  }
  if ((choice & 64) != 0) options.channels = 1;
  try {
    const auto reader = OpenFolders({folder.path}, options);
    const temper::host::DataSpec spec =
        temper::host::ParseDataSpec(kSpecs[choice % std::size(kSpecs)]);
    const temper::host::TrainingData data = LoadFrom(*reader, spec);
    if (spec.split != "val") CheckDataset(data.train);
    if (data.val) CheckDataset(*data.val);
  } catch (const temper::host::Failure& failure) {
    Require(failure.kind == temper::host::ErrorKind::kBadData ||
            failure.kind == temper::host::ErrorKind::kUnsupported);
    Require(!failure.message.empty() && failure.message.size() < 8192);
  }
  for (const auto& entry : fs::directory_iterator(folder.path)) {
    fs::remove_all(entry.path());
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  using namespace temper::testing;
  const Bytes png = WritePng({.w = 3, .h = 2, .rows = {1, 2, 3, 4, 5, 6}});
  const Bytes jpeg = WriteJpeg({.samples = Bytes(192, 90)});
  std::vector<Bytes> seeds;
  for (uint8_t choice = 0; choice < 242; choice += 13) {
    Bytes seed = {choice};
    for (const uint8_t name : {0, 1, 3, 4, 5, 6, 11}) {
      const Bytes& file = name % 2 == 0 ? png : jpeg;
      seed.push_back(name);
      seed.push_back(static_cast<uint8_t>(file.size()));
      seed.push_back(static_cast<uint8_t>(file.size() >> 8));
      seed.insert(seed.end(), file.begin(), file.end());
    }
    seeds.push_back(std::move(seed));
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {"\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "GIF89a", "<html>"};
}
void Repair(Bytes*, int64_t) {}
uint64_t Mutations() { return 3000; }

}  // namespace temper::fuzz
