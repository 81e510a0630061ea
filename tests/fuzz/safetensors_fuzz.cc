// Any bytes as a safetensors file: what is accepted covers the file exactly,
// and nothing costs more memory than the law of models/files/limits.h.
#include <set>

#include "models/files/model_file.h"
#include "models/files/safetensors.h"
#include "models/files/text.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/allocations.h"
#include "tests/testing/model_files.h"

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds = {
      testing::Safetensors("{}", 0),
      testing::Safetensors(
          R"({"__metadata__":{"format":"pt","a":"\u00e4\n"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[24,30]},"e":{"dtype":"I64","shape":[0,7],"data_offsets":[30,30]}}    )",
          30),
      testing::Safetensors(
          R"({"b":{"shape":[],"data_offsets":[4,5],"dtype":"U8"},"a":{"dtype":"F4","shape":[2,4],"data_offsets":[0,4]}})",
          5),
  };
  Bytes model;
  Require(SaveModelFile(testing::SmallModel(), &model).ok(),
          "the model is good");
  seeds.push_back(model);
  return seeds;
}

std::vector<std::string> Words() {
  return {"\"dtype\":\"F32\"",
          "\"shape\":[",
          "\"data_offsets\":[0,4]",
          "F64",
          "BF16",
          "__metadata__",
          "{",
          "}",
          "[",
          "]",
          ",",
          ":",
          "\"",
          "\\u0061",
          "\\ud83d",
          "18446744073709551615",
          "9223372036854775808",
          "4294967296",
          "-1",
          "1.0",
          "1e3",
          "\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"};
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
  const std::span<const uint8_t> file(data, size);
  const uint64_t law = limits::kMemoryBase + limits::kMemoryFactor * size;
  testing::Allocations allocations;
  SafetensorsView view;
  const FileError error = ParseSafetensors(file, &view);
  Require(allocations.peak() <= law, "parsing obeys the memory law");
  if (!error.ok()) {
    Require(!error.message.empty() && view.tensors.empty(),
            "a refusal says why");
    Require(IsShowable(error.message), "messages are printable");
    return 0;
  }
  uint64_t next = view.data_offset;
  std::set<std::string_view> names;
  for (const SafetensorsTensor& tensor : view.tensors) {
    Require(tensor.offset == next, "tensors follow each other");
    uint64_t bits = SafetensorsTypeBits(tensor.type);
    for (const uint64_t d : tensor.shape()) bits *= d;
    Require(bits == tensor.bytes * 8, "sizes are products of shapes");
    next += tensor.bytes;
    Require(names.insert(tensor.name).second, "names are unique");
    Require(view.Find(tensor.name) == &tensor, "names are found");
  }
  Require(next == size, "tensors end with the file");
  {
    testing::Allocations more;
    std::vector<ModelTensor> tensors;
    std::vector<std::string> skipped;
    const bool loaded = LoadTensors(file, &tensors, &skipped).ok();
    Require(more.peak() <= law, "loading obeys the memory law");
    Require(!loaded || tensors.size() + skipped.size() == view.tensors.size(),
            "every tensor is loaded or skipped");
  }
  return 0;
}
