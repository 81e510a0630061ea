// What the fuzz targets of model files share: seeds, words, and a checksum that
// fits whatever a mutation has made, because without that no mutation would get
// past it.
#ifndef TEMPER_TESTS_FUZZ_MODEL_INPUTS_H_
#define TEMPER_TESTS_FUZZ_MODEL_INPUTS_H_

#include <cstring>
#include <string>
#include <vector>

#include "models/files/hash.h"
#include "models/files/model_file.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/model_files.h"

namespace temper::fuzz {

inline std::vector<Bytes> ModelSeeds() {
  ModelFile model = testing::SmallModel();
  Bytes full, bare;
  Require(SaveModelFile(model, &full).ok(), "the model is good");
  model.optimizer_state.clear();
  model.training.clear();
  model.classes.clear();
  Require(SaveModelFile(model, &bare).ok(), "the model is good");
  // Preprocessing of version 3.
  Bytes third;
  model.preprocessing.kind = Preprocessing::Kind::kUnit;
  Require(SaveModelFile(model, &third).ok(), "the model is good");
  return {full, bare, third};
}

inline std::vector<std::string> ModelWords() {
  return {"training.",
          "classes",
          "\\\"mean_image\\\"",
          "\\\"none\\\"",
          "\\\"unit\\\"",
          "\\\"version\\\":3",
          ",\\\"channels\\\":\\\"rgb\\\"",
          "\\\"layer\\\":\\\"binary_cross_entropy\\\"",
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

// The header has grown: so does its length.
inline void RepairModel(Bytes* input, int64_t grown) {
  if (input->size() < 8) return;
  uint64_t length = 0;
  for (size_t i = 0; i < 8; ++i) length |= uint64_t{(*input)[i]} << (8 * i);
  length += static_cast<uint64_t>(grown);
  for (size_t i = 0; i < 8; ++i) (*input)[i] = length >> (8 * i) & 0xff;
}

// Returns false if the file is no safetensors file.
inline bool SealModel(Bytes* file) {
  SafetensorsView view;
  if (!ParseSafetensors(*file, &view).ok()) return false;
  const SafetensorsMetadata* stored = view.FindMetadata("checksum");
  if (stored != nullptr && stored->bytes == 16) {
    const auto digits = HexDigits(FileChecksum(*file, stored->offset));
    std::memcpy(file->data() + stored->offset, digits.data(), digits.size());
  }
  return true;
}

}  // namespace temper::fuzz

#endif  // TEMPER_TESTS_FUZZ_MODEL_INPUTS_H_
