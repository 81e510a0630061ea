// Model files by path: what is replaced, what is refused, and that the message
// names the path.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>

#include "models/files/model_file.h"
#include "temper/files.h"
#include "tests/host/host_test.h"
#include "tests/testing/model_files.h"

namespace temper {
namespace {

using testing::TempFolder;

class ModelPaths : public ::testing::Test {
 protected:
  ModelPaths() {
    testing::Bytes file;
    EXPECT_TRUE(SaveModelFile(testing::SmallModel(), &file).ok());
    folder_.Write("small.safetensors", file);
    Plan plan;
    EXPECT_TRUE(
        MakePlan(testing::SmallModel().graph, {.batch = 4}, &plan).ok());
    EXPECT_LE(plan.arena_bytes, sizeof(memory_));
    EXPECT_TRUE(trainer_.Create(plan, memory_, sizeof(memory_)).ok());
  }
  // The message of a failure, which begins with the path.
  static void ExpectError(const FileError& error, StatusCode code,
                          const std::string& path) {
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_EQ(error.message.find(path), 0u) << error.message;
  }
  TempFolder folder_;
  alignas(64) uint8_t memory_[1 << 18];
  Trainer trainer_;
};

TEST_F(ModelPaths, ThereAndBack) {
  ModelReader reader;
  const std::string path = folder_.File("small.safetensors");
  ASSERT_TRUE(OpenModel(path, &reader).ok());
  // Whatever takes its name: the open one stays.
  std::filesystem::remove(path);
  folder_.Write("small.safetensors", "something else");
  ASSERT_TRUE(reader.ReadWeights(trainer_).ok());
  ASSERT_TRUE(SaveModel(path, reader.description(), trainer_).ok());
  ModelReader again;
  ASSERT_TRUE(OpenModel(path, &again).ok());
  EXPECT_EQ(again.description().classes, reader.description().classes);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()),
                          std::filesystem::directory_iterator()),
            1);  // no temporary file is left
}

TEST_F(ModelPaths, Refusals) {
  ModelReader reader;
  const std::string none = folder_.File("none");
  ExpectError(OpenModel(none, &reader), StatusCode::kNotFound, none);
  ExpectError(OpenModel(folder_.path(), &reader), StatusCode::kBadFile,
              folder_.path());
  folder_.Write("text", "not a model");
  const std::string text = folder_.File("text");
  ExpectError(OpenModel(text, &reader), StatusCode::kBadFile, text);

  const std::string path = folder_.File("small.safetensors");
  ASSERT_TRUE(OpenModel(path, &reader).ok());
  ASSERT_TRUE(reader.ReadWeights(trainer_).ok());
  const std::string nowhere = folder_.File("no/such/folder");
  ExpectError(SaveModel(nowhere, reader.description(), trainer_),
              StatusCode::kNotFound, nowhere);
  // What was there stays if the model cannot be written.
  const std::string before = folder_.Read("small.safetensors");
  trainer_.Tensors().back().data[0] = NAN;
  ExpectError(SaveModel(path, reader.description(), trainer_),
              StatusCode::kNotFinite, path);
  EXPECT_EQ(folder_.Read("small.safetensors"), before);
}

}  // namespace
}  // namespace temper
