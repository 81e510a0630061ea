// Any bytes as a model file. What is accepted is written and read again.
#include "models/files/model_file.h"
#include "models/files/text.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/model_inputs.h"
#include "tests/testing/allocations.h"

namespace temper::fuzz {

std::vector<Bytes> Seeds() { return ModelSeeds(); }
std::vector<std::string> Words() { return ModelWords(); }
void Repair(Bytes* input, int64_t grown) { RepairModel(input, grown); }

}  // namespace temper::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace temper;
  using fuzz::Require;
  fuzz::Bytes file(data, data + size);
  if (!fuzz::SealModel(&file)) return 0;
  ModelFile model;
  FileError error;
  {
    testing::Allocations allocations;
    error = LoadModelFile(file, &model);
    Require(allocations.peak() <= limits::MemoryFor(size),
            "loading obeys the memory law");
  }
  if (!error.ok()) {
    Require(IsShowable(error.message), "messages are printable");
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
