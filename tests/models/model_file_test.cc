// Model files: round trips to the byte, and damage of every kind, which must
// never be loaded. The writer's own promises are in model_writer_test.cc.
#include "models/files/model_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "models/files/graph_json.h"
#include "models/files/hash.h"
#include "tests/testing/allocations.h"
#include "tests/testing/model_files.h"

namespace temper {
namespace {

using testing::Allocations;
using testing::Bytes;
using testing::SmallModel;

Bytes Save(const ModelFile& model) {
  Bytes file;
  const FileError error = SaveModelFile(model, &file);
  EXPECT_TRUE(error.ok()) << error.message;
  return file;
}

FileError Load(const Bytes& file) {
  ModelFile model;
  return LoadModelFile(file, &model);
}

// Puts the right checksum into a file that was edited.
void Seal(Bytes* file) {
  SafetensorsView view;
  const FileError error = ParseSafetensors(*file, &view);
  ASSERT_TRUE(error.ok()) << error.message;
  const SafetensorsMetadata* stored = view.FindMetadata("checksum");
  ASSERT_NE(stored, nullptr);
  const auto digits = HexDigits(FileChecksum(*file, stored->offset));
  std::memcpy(file->data() + stored->offset, digits.data(), digits.size());
}

// Exchanges text of the same length in the header and seals the file again.
Bytes Edited(Bytes file, std::string_view from, std::string_view to) {
  EXPECT_EQ(from.size(), to.size());
  const std::string text(file.begin(), file.end());
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  std::copy(to.begin(), to.end(), file.begin() + static_cast<ptrdiff_t>(at));
  Seal(&file);
  return file;
}

void ExpectRefused(const Bytes& file, std::string_view part,
                   StatusCode code = StatusCode::kBadFile) {
  ModelFile model;
  model.classes = {"untouched"};
  const FileError error = LoadModelFile(file, &model);
  EXPECT_EQ(error.code, code) << error.message;
  EXPECT_NE(error.message.find(part), std::string::npos)
      << "'" << part << "' is not in: " << error.message;
  EXPECT_EQ(model.classes, std::vector<std::string>{"untouched"});
}

TEST(ModelFile, RoundTripIsByteIdentical) {
  const ModelFile model = SmallModel();
  const Bytes file = Save(model);
  ModelFile loaded;
  const FileError error = LoadModelFile(file, &loaded);
  ASSERT_TRUE(error.ok()) << error.message;
  EXPECT_EQ(loaded.classes, model.classes);
  EXPECT_EQ(loaded.training, model.training);
  EXPECT_EQ(loaded.preprocessing, model.preprocessing);
  for (const bool state : {false, true}) {
    const auto& wrote = state ? model.optimizer_state : model.weights;
    const auto& read = state ? loaded.optimizer_state : loaded.weights;
    ASSERT_EQ(read.size(), wrote.size());
    for (size_t i = 0; i < wrote.size(); ++i) {
      EXPECT_EQ(read[i].name, wrote[i].name);
      EXPECT_EQ(read[i].dims, wrote[i].dims);
      EXPECT_EQ(std::memcmp(read[i].values.data(), wrote[i].values.data(),
                            wrote[i].values.size() * sizeof(float)),
                0);
    }
  }
  EXPECT_EQ(Save(loaded), file);
}

TEST(ModelFile, DataAreaIsAlignedAndShaCoversTheWeightsOnly) {
  ModelFile model = SmallModel();
  const Bytes file = Save(model);
  SafetensorsView view;
  ASSERT_TRUE(ParseSafetensors(file, &view).ok());
  EXPECT_TRUE(IsModelFile(view));
  EXPECT_EQ(view.data_offset % 64, 0u);
  size_t weight_bytes = 0;
  for (const ModelTensor& t : model.weights)
    weight_bytes += 4 * t.values.size();
  Sha256 hash;
  hash.Update(file.data() + view.data_offset, weight_bytes);
  const auto digits = hash.Digest();
  EXPECT_EQ(WeightsSha256(model.weights), std::string(digits.data(), 64));
}

TEST(Hash, KnownAnswers) {
  Sha256 sha;
  sha.Update("ab", 2);
  sha.Update("c", 1);
  const auto digits = sha.Digest();
  EXPECT_EQ(std::string(digits.data(), digits.size()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Xxh3 xxh;
  const auto hex = [&] {
    const auto d = HexDigits(xxh.Digest());
    return std::string(d.data(), d.size());
  };
  EXPECT_EQ(hex(), "2d06800538d394c2");  // of nothing
  xxh.Update("ab", 2);
  xxh.Update("c", 1);
  EXPECT_EQ(hex(), "78af5f94892f3950");
  xxh.Reset();
  EXPECT_EQ(hex(), "2d06800538d394c2");
}

TEST(ModelFile, EveryFlippedBitIsRefused) {
  const Bytes good = Save(SmallModel());
  ASSERT_TRUE(Load(good).ok());
  Bytes file = good;
  for (size_t i = 0; i < file.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      file[i] = static_cast<uint8_t>(good[i] ^ 1 << bit);
      ASSERT_FALSE(Load(file).ok()) << "byte " << i << " bit " << bit;
    }
    file[i] = good[i];
  }
}

TEST(ModelFile, EveryTruncationAndEveryTailIsRefused) {
  Bytes file = Save(SmallModel());
  for (size_t n = 0; n < file.size(); ++n) {
    ASSERT_FALSE(
        Load(Bytes(file.begin(), file.begin() + static_cast<ptrdiff_t>(n)))
            .ok())
        << n;
  }
  file.push_back(0);
  EXPECT_FALSE(Load(file).ok());
}

ModelFile LargerModel() {
  ModelFile model = SmallModel();
  const uint32_t features = 4000;
  DenseParams dense;
  dense.out_features = features;
  std::memcpy(model.graph.nodes[6].params, &dense, sizeof(dense));
  for (auto* list : {&model.weights, &model.optimizer_state}) {
    for (ModelTensor& t : *list) {
      if (t.name.ends_with("fc.weight")) {
        t.dims = {features, 32};
        t.values = testing::Values(features * 32, 90);
      } else if (t.name.ends_with("fc.bias")) {
        t.dims = {features};
        t.values = testing::Values(features, 91);
      }
    }
  }
  return model;
}

TEST(ModelFile, LargerFileCutAnywhereIsRefused) {
  const Bytes file = Save(LargerModel());
  ASSERT_GT(file.size(), 1000000u);
  ASSERT_TRUE(Load(file).ok());
  for (size_t n = 0; n < file.size(); n += 1000) {
    ASSERT_FALSE(
        Load(Bytes(file.begin(), file.begin() + static_cast<ptrdiff_t>(n)))
            .ok())
        << n;
  }
}

TEST(ModelFile, ChecksumMessageHasBothValues) {
  Bytes file = Save(SmallModel());
  SafetensorsView view;
  ASSERT_TRUE(ParseSafetensors(file, &view).ok());
  const std::string stored = view.FindMetadata("checksum")->value;
  file.back() ^= 1;
  ExpectRefused(file, stored);
  const auto digits =
      HexDigits(FileChecksum(file, view.FindMetadata("checksum")->offset));
  ExpectRefused(file, std::string(digits.data(), digits.size()));
}

TEST(ModelFile, M14_NonFiniteWeights) {
  const Bytes good = Save(SmallModel());
  SafetensorsView view;
  ASSERT_TRUE(ParseSafetensors(good, &view).ok());
  const SafetensorsTensor* tensor = view.Find("fc.weight");
  ASSERT_NE(tensor, nullptr);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    Bytes file = good;
    for (const size_t i : {5u, 17u, 90u}) {
      std::memcpy(file.data() + tensor->offset + 4 * i, &bad, 4);
    }
    Seal(&file);
    ExpectRefused(file,
                  "tensor \"fc.weight\": 3 of 96 values are not finite, the "
                  "first at index 5");
  }
  // The optimizer's state counts as well.
  Bytes file = good;
  const float nan = std::nanf("");
  std::memcpy(file.data() + file.size() - 4, &nan, 4);
  Seal(&file);
  ExpectRefused(file, "\"optimizer.momentum.fc.bias\": 1 of 3");
  // And so does the writer's side.
  for (const bool state : {false, true}) {
    ModelFile model = SmallModel();
    (state ? model.optimizer_state : model.weights).back().values[1] = nan;
    Bytes out = {1};
    const FileError error = SaveModelFile(model, &out);
    EXPECT_EQ(error.code, StatusCode::kNotFinite);
    EXPECT_NE(error.message.find("\"fc\""), std::string::npos) << error.message;
    EXPECT_EQ(out, Bytes{1});
  }
}

TEST(ModelFile, M15_DivisorsAndVariances) {
  for (const auto& [name, value] :
       {std::pair{"normalize.std", 0.0f}, std::pair{"normalize.std", -1.0f},
        std::pair{"block.0.bn.running_var", -1e-9f}}) {
    Bytes file = Save(SmallModel());
    SafetensorsView view;
    ASSERT_TRUE(ParseSafetensors(file, &view).ok());
    std::memcpy(file.data() + view.Find(name)->offset, &value, 4);
    Seal(&file);
    ExpectRefused(file, name);
    ModelFile model = SmallModel();
    for (ModelTensor& t : model.weights) {
      if (t.name == name) t.values[0] = value;
    }
    EXPECT_FALSE(SaveModelFile(model, &file).ok());
  }
}

TEST(ModelFile, VersionsAndForeignFiles) {
  const Bytes good = Save(SmallModel());
  ExpectRefused(
      Edited(good, "\"format_version\":\"1\"", "\"format_version\":\"2\""),
      "format version \"2\"", StatusCode::kUnsupported);
  ExpectRefused(Edited(good, "\"format_version\"", "\"format_versiom\""),
                "there is no \"format_version\"");
  ExpectRefused(testing::Safetensors("{}", 0), "it has tensors but no graph");
  ExpectRefused(Edited(good, "{\\\"version\\\":1,\\\"h\\\"",
                       "{\\\"version\\\":7,\\\"h\\\""),
                "preprocessing: version 7", StatusCode::kUnsupported);
}

// What pictures become is in the file where there were pictures, and then only:
// other files stay what earlier builds read.
TEST(ModelFile, PicturesInThePreprocessing) {
  ModelFile model = SmallModel();
  EXPECT_EQ(WritePreprocessing(model.preprocessing).find("fit"),
            std::string::npos);
  model.preprocessing.pictures = {PictureFit::Mode::kPad, {0, 16, 255}};
  const Bytes file = Save(model);
  ModelFile read;
  ASSERT_TRUE(LoadModelFile(file, &read).ok());
  EXPECT_EQ(read.preprocessing, model.preprocessing);
  EXPECT_NE(WritePreprocessing(read.preprocessing)
                .find("\"fit\":\"pad\",\"background\":\"0010ff\""),
            std::string::npos);
  ASSERT_TRUE(LoadModelFile(Save(SmallModel()), &read).ok());
  EXPECT_FALSE(read.preprocessing.pictures.has_value());

  ExpectRefused(Edited(file, "\\\"pad\\\"", "\\\"bad\\\""), "\"bad\"");
  ExpectRefused(Edited(file, "0010ff", "0010fg"), "expected a colour");
  ExpectRefused(Edited(file, "{\\\"version\\\":2,\\\"h\\\"",
                       "{\\\"version\\\":1,\\\"h\\\""),
                "\"fit\" in version 1");
  const Bytes old = Save(SmallModel());
  ExpectRefused(Edited(old, "{\\\"version\\\":1,\\\"h\\\"",
                       "{\\\"version\\\":2,\\\"h\\\""),
                "no \"fit\"");
}

TEST(ModelFile, MetadataIsReadStrictly) {
  const Bytes good = Save(SmallModel());
  ExpectRefused(Edited(good, "\"training.note\"", "\"trainimg.note\""),
                "unknown metadata \"trainimg.note\"");
  ExpectRefused(Edited(good, "\"classes\":", "\"clazzes\":"), "metadata \"cla");
  ExpectRefused(Edited(good, "[\\\"cat\\\",", "{\\\"cat\\\","),
                "classes: byte 0");
  ExpectRefused(Edited(good, "[\\\"cat\\\",", "[\\\"cat\\\"x"),
                "classes: byte 6");
  ExpectRefused(Edited(good, "\\\"conv2d\\\"", "\\\"conv3d\\\""),
                "unknown layer \"conv3d\"; did you mean \"conv2d\"?");
  ExpectRefused(Edited(good, "\\\"mean_std\\\"", "\\\"mean_stt\\\""),
                "did you mean \"mean_std\"?");
  ExpectRefused(Edited(good, "\\\"kind\\\"", "\\\"king\\\""),
                "unknown key \"king\"; did you mean \"kind\"?");
  ExpectRefused(Edited(good, "{\\\"version\\\":1,\\\"h\\\":4,",
                       "{\\\"version\\\":1,\\\"w\\\":4,"),
                "two keys \"w\"");
}

TEST(ModelFile, PreprocessingMustAgreeWithTheGraph) {
  const Bytes good = Save(SmallModel());
  ExpectRefused(Edited(good, "{\\\"version\\\":1,\\\"h\\\":4,",
                       "{\\\"version\\\":1,\\\"h\\\":5,"),
                "samples of 5x4x1", StatusCode::kMismatch);
  ModelFile model = SmallModel();
  Bytes out;
  model.preprocessing.scale = 1.0f;
  EXPECT_EQ(SaveModelFile(model, &out).code, StatusCode::kMismatch);
  model = SmallModel();
  model.preprocessing.kind = Preprocessing::Kind::kMeanImage;
  EXPECT_EQ(SaveModelFile(model, &out).code, StatusCode::kMismatch);
  model = SmallModel();
  model.preprocessing.element_type = ElementType::kF32;
  EXPECT_EQ(SaveModelFile(model, &out).code, StatusCode::kMismatch);
  model = SmallModel();
  model.preprocessing.kind = Preprocessing::Kind::kNone;
  EXPECT_TRUE(SaveModelFile(model, &out).ok());
}

TEST(ModelFile, TensorsMustBelongToNodes) {
  const Bytes good = Save(SmallModel());
  ExpectRefused(Edited(good, ",\"fc.bias\"", ",\"fd.bias\""),
                "no tensor \"fc.bias\", which the graph needs with shape (3)",
                StatusCode::kShapeMismatch);
  ExpectRefused(Edited(good, ",\"fc.bias\"", ",\"fc_bias\""),
                "did you mean \"fc_bias\"?", StatusCode::kShapeMismatch);
  ExpectRefused(Edited(good, "\"optimizer.momentum.fc.bias\"",
                       "\"optimizer.momentum.fc.bia_\""),
                "optimizer state of a weight that the file does not have");
  ExpectRefused(Edited(good, "\"optimizer.momentum.fc.bias\"",
                       "\"optimizer_momentum.fc.bias\""),
                "a weight after the optimizer's state");
  ExpectRefused(Edited(good, "\"dtype\":\"F32\"", "\"dtype\":\"U32\""),
                "dtype U32");
}

// Of each kind of tensor that the graph does not need, or needs otherwise: the
// reader refuses it, and the writer does not write it.
TEST(ModelFile, TensorsAreExactlyThoseOfTheGraph) {
  const auto expect = [](ModelFile model, std::string_view part) {
    Bytes file;
    const FileError error = SaveModelFile(model, &file);
    EXPECT_FALSE(error.ok()) << part;
    EXPECT_NE(error.message.find(part), std::string::npos) << error.message;
  };
  const auto find = [](ModelFile& model, std::string_view name) {
    for (size_t i = 0; i < model.weights.size(); ++i) {
      if (model.weights[i].name == name) return i;
    }
    ADD_FAILURE() << name;
    return size_t{0};
  };
  ModelFile model = SmallModel();
  model.weights[find(model, "fc.weight")].dims = {32, 3};
  expect(model, "\"fc.weight\" has shape (32, 3), the graph needs (3, 32)");
  model = SmallModel();
  model.weights[find(model, "fc.weight")].name = "fc.wieght";
  model.optimizer_state.clear();
  expect(model, "did you mean \"fc.wieght\"?");
  for (const char* gone : {"normalize.std", "block.0.conv.weight",
                           "block.0.bn.running_var", "fc.bias"}) {
    model = SmallModel();
    model.weights.erase(model.weights.begin() +
                        static_cast<ptrdiff_t>(find(model, gone)));
    model.optimizer_state.clear();
    expect(model, Text("no tensor ", Quoted(gone)));
  }
  model = SmallModel();
  model.weights.push_back({"fc.extra", {2}, {1, 2}});
  expect(model, "\"fc.extra\" is not used by the graph");
  model = SmallModel();
  model.optimizer_state[0].dims = {32, 3};
  expect(model, "\"optimizer.momentum.fc.weight\" has shape (32, 3)");
  // A graph that needs other tensors than the file has.
  const Bytes good = Save(SmallModel());
  ExpectRefused(
      Edited(good, "\\\"out_features\\\":3", "\\\"out_features\\\":4"),
      "\"fc.weight\" has shape (3, 32), the graph needs (4, 32)",
      StatusCode::kShapeMismatch);
}

TEST(ModelFile, ClassesAreAtMostTheOutputs) {
  ModelFile model = SmallModel();
  Bytes file;
  model.classes.pop_back();  // an output without a name is fine
  EXPECT_TRUE(SaveModelFile(model, &file).ok());
  model.classes = {"a", "b", "c", "d"};
  const FileError error = SaveModelFile(model, &file);
  EXPECT_EQ(error.code, StatusCode::kMismatch);
  EXPECT_NE(error.message.find("4 names, but the model has 3 outputs"),
            std::string::npos)
      << error.message;
  model.classes = {"a", "bbbbbb", "c"};
  const FileError twice = [&] {
    ModelFile same = SmallModel();
    same.classes = {"a", "b", "a"};
    return SaveModelFile(same, &file);
  }();
  EXPECT_NE(twice.message.find("two are named \"a\""), std::string::npos);
  ExpectRefused(Edited(Save(model), "\\\"bbbbbb\\\"", "\\\"x\\\",\\\"\\\""),
                "4 names", StatusCode::kMismatch);
}

// The same names and values in another order or spelling: not damage, but not
// what temper wrote either.
TEST(ModelFile, WhatAnotherProgramSavedAgainIsNotCalledDamaged) {
  const Bytes good = Save(SmallModel());
  const uint64_t length = good[0] | uint64_t{good[1]} << 8;
  std::string header(good.begin() + 8,
                     good.begin() + 8 + static_cast<ptrdiff_t>(length));
  // As a library would write it that keeps its metadata in a hash table.
  const std::string first = "\"checksum\":\"";
  const size_t at = header.find(first);
  ASSERT_NE(at, std::string::npos);
  const std::string entry = header.substr(at, first.size() + 18);
  header.erase(at, entry.size());
  const size_t classes = header.find("\"format_version\"");
  header.insert(classes, entry);
  header.erase(header.find_last_not_of(' ') + 1);
  const Bytes data(good.begin() + 8 + static_cast<ptrdiff_t>(length),
                   good.end());
  Bytes again = testing::Safetensors(header, 0);
  again.insert(again.end(), data.begin(), data.end());
  ExpectRefused(again, "another program changed it or saved it again");
  // Damage in a tensor, in the metadata, in the padding: damaged.
  for (const size_t byte :
       {good.size() - 1, size_t{30}, static_cast<size_t>(8 + length - 1)}) {
    Bytes damaged = good;
    damaged[byte] ^= byte == 8 + length - 1 ? ' ' ^ '\n' : 1;
    ModelFile model;
    const FileError error = LoadModelFile(damaged, &model);
    ASSERT_FALSE(error.ok()) << byte;
    EXPECT_EQ(error.message.find("another program"), std::string::npos)
        << error.message;
  }
}

TEST(ModelFile, MemoryLaw) {
  std::vector<Bytes> files = {Save(SmallModel()), Save(LargerModel())};
  // Headers that promise more than they weigh: many classes, many nodes.
  ModelFile model = SmallModel();
  Graph wide;
  InputParams dot = model.graph.nodes[0].As<InputParams>();
  dot.h = dot.w = 1;
  uint32_t y = wide.Add("input", dot);
  y = wide.Add("normalize", NormalizeParams{}, y);
  DenseParams dense;
  dense.out_features = 60000;
  y = wide.Add("fc", dense, y);
  wide.Add("loss", SoftmaxCrossEntropyParams{}, y);
  model.graph = wide;
  model.preprocessing.h = model.preprocessing.w = 1;
  model.classes.clear();
  for (int i = 0; i < 60000; ++i) model.classes.push_back(std::to_string(i));
  model.optimizer_state.clear();
  model.weights.resize(2);
  model.weights.push_back({"fc.weight", {60000, 1}, testing::Values(60000, 1)});
  model.weights.push_back({"fc.bias", {60000}, testing::Values(60000, 2)});
  files.push_back(Save(model));
  model = SmallModel();
  Graph deep;
  uint32_t x = deep.Add("input", model.graph.nodes[0].As<InputParams>());
  x = deep.Add("normalize", NormalizeParams{}, x);
  for (int i = 0; i < 3000; ++i)
    x = deep.Add(std::to_string(i), ReluParams{}, x);
  deep.Add("loss", MeanSquaredErrorParams{}, x);
  model.graph = deep;
  model.weights.resize(2);
  model.optimizer_state.clear();
  model.classes.clear();
  files.push_back(Save(model));
  model = SmallModel();
  for (int i = 0; i < 100; ++i) {
    model.training[Text("k", i)] =
        std::string(static_cast<size_t>(i) * 90, 'v');
  }
  files.push_back(Save(model));
  size_t loaded = 0;
  for (const Bytes& file : files) {
    ModelFile result;
    Allocations allocations;
    const FileError error = LoadModelFile(file, &result);
    EXPECT_LE(allocations.peak(), limits::MemoryFor(file.size()))
        << file.size() << " " << error.message;
    loaded += error.ok();
  }
  // What was saved can be loaded, all of it.
  EXPECT_EQ(loaded, files.size());
}

// The least weights beside the longest descriptions: all of it can be read.
TEST(ModelFile, WhatIsWrittenCanBeRead) {
  struct Case {
    uint32_t columns, values, classes;  // values: of each column; 0: numbers
  };
  for (const Case& c : {Case{0, 0, 20000}, Case{0, 0, 4000}, Case{300, 0, 2},
                        Case{784, 0, 10}, Case{5000, 0, 2}, Case{1, 20000, 2},
                        Case{30, 300, 2}, Case{1000, 2, 3000}}) {
    ModelFile model;
    for (uint32_t i = 0; i < c.columns; ++i) {
      TableColumn& column = model.columns.emplace_back();
      column.name = Text(i);
      for (uint32_t v = 0; v < c.values; ++v) column.values.push_back(Text(v));
    }
    const uint32_t inputs =
        std::max(1u, static_cast<uint32_t>(InputsOf(model.columns)));
    for (uint32_t i = 0; i < c.classes; ++i) model.classes.push_back(Text(i));
    InputParams input;
    input.c = inputs;
    uint32_t x = model.graph.Add("i", input);
    x = model.graph.Add("n", NormalizeParams{}, x);
    DenseParams dense;
    dense.out_features = 1;
    x = model.graph.Add("a", dense, x);
    dense.out_features = c.classes;
    x = model.graph.Add("b", dense, x);
    model.graph.Add("l", SoftmaxCrossEntropyParams{}, x);
    model.preprocessing = {
        1, 1, inputs, ElementType::kF32, 1.0f, Preprocessing::Kind::kMeanStd};
    const auto add = [&](const char* name, std::vector<uint32_t> dims) {
      size_t n = 1;
      for (const uint32_t d : dims) n *= d;
      model.weights.push_back({name, dims, testing::Values(n, 1)});
    };
    add("n.mean", {inputs});
    add("n.std", {inputs});
    add("a.weight", {1, inputs});
    add("a.bias", {1});
    add("b.weight", {c.classes, 1});
    add("b.bias", {c.classes});
    Bytes file;
    const FileError saved = SaveModelFile(model, &file);
    ASSERT_TRUE(saved.ok()) << saved.message;
    ModelFile read;
    Allocations allocations;
    const FileError error = LoadModelFile(file, &read);
    EXPECT_LE(allocations.peak(), limits::MemoryFor(file.size()));
    ASSERT_TRUE(error.ok()) << c.columns << " " << c.values << " " << c.classes
                            << ": " << error.message;
    EXPECT_EQ(read.classes, model.classes);
    EXPECT_EQ(read.columns, model.columns);
  }
}

// What no reader takes is said before a step, with what is too much.
TEST(ModelFile, ADescriptionThatIsTooLongIsRefused) {
  ModelFile model = SmallModel();
  model.training["note"] = std::string(limits::kHeaderBytes, 'v');
  Bytes file;
  const FileError error = SaveModelFile(model, &file);
  EXPECT_EQ(error.code, StatusCode::kInvalidArgument);
  EXPECT_NE(error.message.find("the limit is 1048576"), std::string::npos)
      << error.message;
}

}  // namespace
}  // namespace temper
