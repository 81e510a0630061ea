// Files for the tests of model files: safetensors made by hand, and a small
// model with everything a model file can hold.
#ifndef TEMPER_TESTS_TESTING_MODEL_FILES_H_
#define TEMPER_TESTS_TESTING_MODEL_FILES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/files/model_file.h"
#include "models/files/tensor_names.h"
#include "temper/random.h"

namespace temper::testing {

using Bytes = std::vector<uint8_t>;

inline Bytes WithLength(uint64_t length, std::string_view header,
                        size_t data_bytes) {
  Bytes file(8 + header.size() + data_bytes);
  for (size_t i = 0; i < 8; ++i) file[i] = length >> (8 * i) & 0xff;
  for (size_t i = 0; i < header.size(); ++i) {
    file[8 + i] = static_cast<uint8_t>(header[i]);
  }
  for (size_t i = 0; i < data_bytes; ++i) {
    file[8 + header.size() + i] = static_cast<uint8_t>(i & 0x3f);
  }
  return file;
}

// A file with this header and so many bytes of data.
inline Bytes Safetensors(std::string_view header, size_t data_bytes) {
  return WithLength(header.size(), header, data_bytes);
}

inline std::vector<float> Values(size_t n, uint32_t stream) {
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t word = RandomWord(7, static_cast<uint32_t>(i), stream, 0, 0);
    values[i] = static_cast<float>(word >> 8) * 0x1p-24f + 0x1p-26f;
  }
  return values;
}

inline ModelFile SmallModel() {
  ModelFile model;
  Graph& g = model.graph;
  InputParams input;
  input.h = input.w = 4;
  input.element_type = static_cast<uint32_t>(ElementType::kU8);
  uint32_t x = g.Add("input", input);
  x = g.Add("normalize", NormalizeParams{}, x);
  Conv2dParams conv;
  conv.out_channels = 2;
  conv.kernel_h = conv.kernel_w = 3;
  conv.pad_top = conv.pad_bottom = conv.pad_left = conv.pad_right = 1;
  const uint32_t skip = x = g.Add("block.0.conv", conv, x);
  x = g.Add("block.0.bn", BatchNormParams{}, x);
  x = g.Add("block.0.relu", ReluParams{}, x);
  x = g.Add("block.0.add", AddParams{}, x, skip);
  DenseParams dense;
  dense.out_features = 3;
  x = g.Add("fc", dense, x);
  g.Add("loss", SoftmaxCrossEntropyParams{0.1f}, x);
  model.preprocessing = {
      4, 4, 1, ElementType::kU8, 1.0f / 255.0f, Preprocessing::Kind::kMeanStd};
  model.classes = {"cat", "dog \"rex\"", "\xc3\xa4pfel\n"};
  model.training = {{"optimizer", "sgd"}, {"epoch", "3"}, {"note", "a\\b\"c"}};
  const auto add = [&](const char* name, std::vector<uint32_t> dims) {
    size_t n = 1;
    for (const uint32_t d : dims) n *= d;
    auto& list = IsOptimizerState(name) ? model.optimizer_state : model.weights;
    list.push_back(
        {name, dims,
         Values(n, static_cast<uint32_t>(model.weights.size() + list.size()))});
  };
  add("normalize.mean", {1});
  add("normalize.std", {1});
  add("block.0.conv.weight", {2, 3, 3, 1});
  add("block.0.conv.bias", {2});
  add("block.0.bn.weight", {2});
  add("block.0.bn.bias", {2});
  add("block.0.bn.running_mean", {2});
  add("block.0.bn.running_var", {2});
  add("fc.weight", {3, 32});
  add("fc.bias", {3});
  add("optimizer.momentum.fc.weight", {3, 32});
  add("optimizer.momentum.fc.bias", {3});
  return model;
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_MODEL_FILES_H_
