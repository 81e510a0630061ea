// Any bytes as a model file, with the checksum put right first: without that no
// mutation would get past it. What is accepted is written and read again.
#include <cstring>

#include "models/hash.h"
#include "models/model_file.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/allocations.h"
#include "tests/testing/model_files.h"

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  ModelFile model = testing::SmallModel();
  Bytes full, bare;
  Require(SaveModelFile(model, &full).ok(), "the model is good");
  model.optimizer_state.clear();
  model.training.clear();
  model.classes.clear();
  Require(SaveModelFile(model, &bare).ok(), "the model is good");
  return {full, bare};
}

std::vector<std::string> Words() {
  return {"training.",
          "classes",
          "\\\"mean_image\\\"",
          "\\\"none\\\"",
          "\\\"f32\\\"",
          "optimizer.",
          "\\\"inputs\\\":[\\\"fc\\\"]",
          "\\\"layer\\\":\\\"relu\\\"",
          "\\\"h\\\":1,",
          "\"x\":\"\",",
          "\\\"\\\",",
          "[",
          "]",
          "{",
          "}",
          ",",
          "\"",
          "\\\"",
          "0",
          "1",
          "4294967296"};
}

void Repair(Bytes* input, int64_t grown) {
  if (input->size() < 8) return;
  uint64_t length = 0;
  for (size_t i = 0; i < 8; ++i) length |= uint64_t{(*input)[i]} << (8 * i);
  length += static_cast<uint64_t>(grown);
  for (size_t i = 0; i < 8; ++i) (*input)[i] = length >> (8 * i) & 0xff;
}

}  // namespace temper::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace temper;
  using fuzz::Require;
  fuzz::Bytes file(data, data + size);
  SafetensorsView view;
  if (!ParseSafetensors(file, &view).ok()) return 0;
  const SafetensorsMetadata* stored = view.FindMetadata("checksum");
  if (stored != nullptr && stored->bytes == 16) {
    const auto digits = HexDigits(FileChecksum(file, stored->offset));
    std::memcpy(file.data() + stored->offset, digits.data(), digits.size());
  }
  ModelFile model;
  FileError error;
  {
    testing::Allocations allocations;
    error = LoadModelFile(file, &model);
    Require(allocations.peak() <=
                limits::kMemoryBase + limits::kMemoryFactor * size,
            "loading obeys the memory law");
  }
  if (!error.ok()) {
    for (const char c : error.message) {
      Require(c >= 0x20 && c < 0x7f, "messages are printable");
    }
    Require(!error.message.empty(), "a refusal says why");
    return 0;
  }
  fuzz::Bytes written, again;
  error = SaveModelFile(model, &written);
  // Only the header may have become too large: the file's own writer may have
  // used a shorter spelling.
  if (!error.ok()) {
    Require(error.message.find("limit") != std::string::npos,
            "what is read can be written");
    return 0;
  }
  ModelFile reread;
  Require(LoadModelFile(written, &reread).ok(), "what is written can be read");
  Require(SaveModelFile(reread, &again).ok() && again == written,
          "one model is one file");
  return 0;
}
