// The public way to model files: from a file into a trainer and back, another
// head, and what is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "models/files/model_file.h"
#include "temper/graph_edit.h"
#include "temper/model_file.h"
#include "temper/models.h"
#include "tests/testing/model_files.h"

namespace temper {
namespace {

using testing::Bytes;
using testing::SmallModel;

// A trainer and its memory.
struct Made {
  explicit Made(const Graph& graph, const PlanOptions& options = {.batch = 4}) {
    Plan plan;
    EXPECT_TRUE(MakePlan(graph, options, &plan).ok());
    memory.resize(plan.arena_bytes + 64);
    void* at = memory.data();
    size_t room = memory.size();
    std::align(64, plan.arena_bytes, at, room);
    EXPECT_TRUE(trainer.Create(plan, at, plan.arena_bytes).ok());
  }
  std::vector<float> Weights(std::string_view except = "") const {
    std::vector<float> all;
    for (const TensorView& view : trainer.Tensors()) {
      if (trainer.plan().graph.nodes[view.node].name == except) continue;
      all.insert(all.end(), view.data, view.data + view.count);
    }
    return all;
  }
  std::vector<uint8_t> memory;
  Trainer trainer;
};

Bytes SmallFile() {
  Bytes file;
  EXPECT_TRUE(SaveModelFile(SmallModel(), &file).ok());
  return file;
}

TEST(ModelReader, WhatIsWrittenIsWhatWasRead) {
  const Bytes file = SmallFile();
  ModelReader reader;
  ASSERT_TRUE(reader.Open(file).ok());
  const ModelDescription& said = reader.description();
  EXPECT_EQ(said.classes, SmallModel().classes);
  EXPECT_EQ(said.preprocessing, SmallModel().preprocessing);
  EXPECT_EQ(said.preprocessing, PreprocessingOf(said.graph));
  Made made(said.graph);
  ASSERT_TRUE(reader.ReadWeights(made.trainer).ok());

  Bytes again;
  ModelDescription written = said;
  written.graph = {};  // the trainer's counts
  ASSERT_TRUE(WriteModel(written, made.trainer, &again).ok());
  ModelFile loaded;
  ASSERT_TRUE(LoadModelFile(again, &loaded).ok());
  const ModelFile model = SmallModel();
  ASSERT_EQ(loaded.weights.size(), model.weights.size());
  for (size_t i = 0; i < model.weights.size(); ++i) {
    EXPECT_EQ(loaded.weights[i].name, model.weights[i].name);
    EXPECT_EQ(loaded.weights[i].values, model.weights[i].values);
  }
  EXPECT_TRUE(loaded.optimizer_state.empty());
  EXPECT_EQ(loaded.training, model.training);
}

TEST(ModelReader, ANewHeadKeepsItsOwnWeights) {
  const Bytes file = SmallFile();
  ModelReader reader;
  ASSERT_TRUE(reader.Open(file).ok());
  Graph graph = reader.description().graph;
  ASSERT_TRUE(models::SetOutputs(&graph, 5).ok());
  Made made(graph);
  made.trainer.Initialize(3);
  const std::vector<float> before = made.Weights();
  const FileError refused = reader.ReadWeights(made.trainer);
  EXPECT_EQ(refused.code, StatusCode::kMismatch);
  EXPECT_NE(refused.message.find("\"fc.weight\""), std::string::npos)
      << refused.message;
  EXPECT_EQ(made.Weights(), before);  // nothing has changed

  const uint32_t head = models::HeadNode(graph);
  ASSERT_TRUE(reader.ReadWeights(made.trainer, head).ok());
  Made whole(reader.description().graph);
  ASSERT_TRUE(reader.ReadWeights(whole.trainer).ok());
  EXPECT_EQ(made.Weights("fc"), whole.Weights("fc"));
  for (const TensorView& view : made.trainer.Tensors()) {
    if (view.node != head) continue;
    EXPECT_TRUE(std::search(before.begin(), before.end(), view.data,
                            view.data + view.count) != before.end());
  }
}

TEST(ModelReader, SaysWhatIsWrong) {
  ModelReader reader;
  const Bytes file = SmallFile();
  Made made(SmallModel().graph);
  EXPECT_EQ(reader.ReadWeights(made.trainer).code, StatusCode::kWrongState);
  EXPECT_TRUE(reader.description().graph.nodes.empty());
  ASSERT_TRUE(reader.Open(file).ok());
  // Another file that is none: the reader is as it was.
  const Bytes half(file.begin(), file.begin() + 100);
  EXPECT_EQ(reader.Open(half).code, StatusCode::kBadFile);
  EXPECT_TRUE(reader.ReadWeights(made.trainer).ok());
  // Damage among the values.
  Bytes damaged = file;
  damaged[damaged.size() - 5] ^= 1;
  ASSERT_TRUE(reader.Open(damaged).ok());
  EXPECT_EQ(reader.ReadWeights(made.trainer).code, StatusCode::kBadFile);
  // Layers that the trainer does not have.
  Graph other;
  std::string why;
  ASSERT_TRUE(models::BuildModel("mlp?hidden=8", {4, 4, 1, ElementType::kU8},
                                 {TargetKind::kClasses, 3}, &other, &why)
                  .ok())
      << why;
  Made stranger(other);
  ASSERT_TRUE(reader.Open(file).ok());
  const FileError error = reader.ReadWeights(stranger.trainer);
  EXPECT_EQ(error.code, StatusCode::kMismatch);
  EXPECT_NE(error.message.find("block.0.conv.weight"), std::string::npos);
  // A reader that was moved from is closed, the other one open.
  ModelReader taken = std::move(reader);
  EXPECT_TRUE(taken.ReadWeights(made.trainer).ok());
  EXPECT_EQ(reader.ReadWeights(made.trainer).code, StatusCode::kWrongState);
}

TEST(WriteModel, SaysWhatIsWrong) {
  Made made(SmallModel().graph);
  made.trainer.Initialize(1);
  ModelDescription model = SmallModel();
  Bytes file = {1, 2, 3};
  Trainer empty;
  EXPECT_EQ(WriteModel(model, empty, &file).code, StatusCode::kWrongState);
  model.classes = {"a", "b", "c", "d"};
  EXPECT_EQ(WriteModel(model, made.trainer, &file).code, StatusCode::kMismatch);
  model.classes.clear();
  const ByteSink full = {[](void*, const void*, size_t) { return false; },
                         nullptr};
  EXPECT_EQ(WriteModel(model, made.trainer, full).code, StatusCode::kIoError);
  made.trainer.Tensors().back().data[0] = NAN;
  const FileError error = WriteModel(model, made.trainer, &file);
  EXPECT_EQ(error.code, StatusCode::kNotFinite);
  EXPECT_NE(error.message.find("\"fc\""), std::string::npos) << error.message;
  EXPECT_EQ(file, (Bytes{1, 2, 3}));
}

// Weights that lie packed are neither written nor read as if they did not.
TEST(WriteModel, NotOfPackedWeights) {
  const Bytes file = SmallFile();
  ModelReader reader;
  ASSERT_TRUE(reader.Open(file).ok());
  Made made(reader.description().graph,
            {.batch = 4, .training = false, .pack_weights = true});
  ASSERT_TRUE(reader.ReadWeights(made.trainer).ok());
  Bytes again;
  ModelDescription model = reader.description();
  EXPECT_TRUE(WriteModel(model, made.trainer, &again).ok());
  const std::vector<uint8_t> samples(4 * made.trainer.plan().shapes[0].Count());
  const Batch batch = {.input = samples.data(), .rows = 4};
  ASSERT_TRUE(made.trainer.Evaluate(batch).status.ok());
  const FileError error = WriteModel(model, made.trainer, &again);
  EXPECT_FALSE(error.ok());
  EXPECT_NE(error.message.find("pack_weights"), std::string::npos)
      << error.message;
  EXPECT_EQ(reader.ReadWeights(made.trainer).code, StatusCode::kMismatch);
  // As ever after new first values.
  made.trainer.Initialize(1);
  EXPECT_TRUE(reader.ReadWeights(made.trainer).ok());
}

}  // namespace
}  // namespace temper
