// The writer: fixed size and places, counters, no allocation, refusals.
#include "models/files/model_writer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/testing/allocations.h"
#include "tests/testing/model_files.h"

namespace temper {
namespace {

using testing::Allocations;
using testing::Bytes;
using testing::SmallModel;

std::vector<TensorSource> Sources(const std::vector<ModelTensor>& tensors) {
  std::vector<TensorSource> list;
  for (const ModelTensor& t : tensors)
    list.push_back({t.name, t.dims, t.values});
  return list;
}

// A sink into a buffer that is there already; refuses what does not fit.
struct Memory {
  explicit Memory(uint64_t size) : bytes(static_cast<size_t>(size)) {}
  ByteSink Sink() {
    used = 0;
    return {[](void* context, const void* data, size_t size) {
              Memory& m = *static_cast<Memory*>(context);
              if (size > m.bytes.size() - m.used) return false;
              std::memcpy(m.bytes.data() + m.used, data, size);
              m.used += size;
              return true;
            },
            this};
  }
  Bytes bytes;
  size_t used = 0;
};

class ModelWriterTest : public ::testing::Test {
 protected:
  ModelWriterTest() : model_(SmallModel()) {}
  FileError Prepare() {
    return writer_.Prepare(model_, Sources(model_.weights),
                           Sources(model_.optimizer_state), counters_);
  }
  ModelFile model_;
  std::vector<CounterField> counters_ = {{"step", 20}, {"a_loss", 12}};
  ModelWriter writer_;
};

TEST_F(ModelWriterTest, CountersChangeNothingButThemselvesAndTheChecksum) {
  ASSERT_TRUE(Prepare().ok());
  Memory first(writer_.file_bytes()), second(writer_.file_bytes());
  const std::string_view small[] = {"7", ""};
  const std::string_view large[] = {"18446744073709551615", "2.302585"};
  ASSERT_TRUE(writer_.Write(small, first.Sink()).ok());
  ASSERT_TRUE(writer_.Write(large, second.Sink()).ok());
  EXPECT_EQ(first.used, writer_.file_bytes());
  EXPECT_EQ(second.used, writer_.file_bytes());
  ModelFile loaded;
  ASSERT_TRUE(LoadModelFile(first.bytes, &loaded).ok());
  EXPECT_EQ(loaded.training["step"], "7");
  EXPECT_EQ(loaded.training["a_loss"], "");
  EXPECT_EQ(loaded.training["optimizer"], "sgd");
  ASSERT_TRUE(LoadModelFile(second.bytes, &loaded).ok());
  EXPECT_EQ(loaded.training["step"], large[0]);
  EXPECT_EQ(loaded.training["a_loss"], large[1]);
  size_t changed = 0;
  for (size_t i = 0; i < first.bytes.size(); ++i) {
    changed += first.bytes[i] != second.bytes[i];
  }
  EXPECT_LE(changed, 16u + 22u + 14u);
  EXPECT_GT(changed, 20u);
  // Back to the first state: the same bytes, whatever was written in between.
  Memory third(writer_.file_bytes());
  ASSERT_TRUE(writer_.Write(small, third.Sink()).ok());
  EXPECT_EQ(third.bytes, first.bytes);
}

TEST_F(ModelWriterTest, WritesWithoutAllocating) {
  ASSERT_TRUE(Prepare().ok());
  Memory memory(writer_.file_bytes());
  const std::string_view values[] = {"1234567", "0.5"};
  const ByteSink sink = memory.Sink();
  {
    // The counter itself works.
    Allocations allocations;
    Bytes probe(1000);
    EXPECT_GT(allocations.calls(), 0u);
    EXPECT_GE(allocations.peak(), 1000u);
  }
  Allocations allocations;
  const Status status = writer_.Write(values, sink);
  const auto sha = writer_.WeightsSha256();
  EXPECT_EQ(allocations.calls(), 0u);
  ASSERT_TRUE(status.ok()) << status.message;
  EXPECT_EQ(std::string(sha.data(), sha.size()), WeightsSha256(model_.weights));
}

TEST_F(ModelWriterTest, FollowsTheTensors) {
  ASSERT_TRUE(Prepare().ok());
  const std::string_view values[] = {"1", "1"};
  Memory before(writer_.file_bytes()), after(writer_.file_bytes());
  ASSERT_TRUE(writer_.Write(values, before.Sink()).ok());
  model_.weights[8].values[5] = 0.75f;
  ASSERT_TRUE(writer_.Write(values, after.Sink()).ok());
  ModelFile loaded;
  const FileError error = LoadModelFile(after.bytes, &loaded);
  ASSERT_TRUE(error.ok()) << error.message;
  EXPECT_EQ(loaded.weights[8].values[5], 0.75f);
  EXPECT_NE(before.bytes, after.bytes);
}

TEST_F(ModelWriterTest, NothingIsWrittenForBadValuesOrCounters) {
  const std::string_view good[] = {"1", "1"};
  Memory unprepared(10);
  EXPECT_EQ(writer_.Write(good, unprepared.Sink()).code,
            StatusCode::kWrongState);
  ASSERT_TRUE(Prepare().ok());
  Memory memory(writer_.file_bytes());
  for (const std::string_view bad :
       {"123456789012345678901", "1\"", "1\\", "1\n", "\xc3\xa4"}) {
    const std::string_view values[] = {bad, "1"};
    EXPECT_EQ(writer_.Write(values, memory.Sink()).code,
              StatusCode::kInvalidArgument)
        << bad;
    EXPECT_EQ(memory.used, 0u);
  }
  EXPECT_EQ(writer_.Write({}, memory.Sink()).code,
            StatusCode::kInvalidArgument);
  model_.optimizer_state[1].values[2] = std::numeric_limits<float>::infinity();
  const Status status = writer_.Write(good, memory.Sink());
  EXPECT_EQ(status.code, StatusCode::kNotFinite);
  EXPECT_EQ(status.node, model_.graph.Find("fc"));
  EXPECT_EQ(memory.used, 0u);
  model_.optimizer_state[1].values[2] = 0;
  Memory small(writer_.file_bytes() - 1);
  const Status refused = writer_.Write(good, small.Sink());
  EXPECT_EQ(refused.code, StatusCode::kIoError);
  EXPECT_STREQ(refused.message, "the file could not be written");
  ASSERT_TRUE(writer_.Write(good, memory.Sink()).ok());
  ModelFile loaded;
  EXPECT_TRUE(LoadModelFile(memory.bytes, &loaded).ok());
}

TEST_F(ModelWriterTest, PrepareRefusesWhatLoadingWould) {
  const auto expect = [&](std::string_view part) {
    const FileError error = Prepare();
    EXPECT_FALSE(error.ok()) << part;
    EXPECT_NE(error.message.find(part), std::string::npos) << error.message;
    EXPECT_EQ(writer_.file_bytes(), 0u);
    model_ = SmallModel();
    counters_ = {{"step", 20}};
  };
  counters_ = {{"epoch", 5}};
  expect("two training fields \"epoch\"");
  counters_ = {{"a", 5}, {"a", 5}};
  expect("two training fields \"a\"");
  counters_ = {{"a", 0}};
  expect("width 0");
  counters_ = {{"", 3}};
  expect("the counter");
  model_.training["bad\xff"] = "";
  expect("the training field");
  model_.training["bad"] = "\xff";
  expect("training field \"bad\"");
  model_.training["long"] = std::string(limits::kHeaderBytes, 'x');
  expect("limit");
  model_.classes.push_back("\xff");
  expect("the class name");
  model_.weights[0].name = "normalise.mean";
  expect("\"normalise.mean\" is not named <node>.<weight>");
  model_.weights[0].name = "mean";
  expect("\"mean\" is not named <node>.<weight>");
  model_.weights[0].name = "normalize.std";
  expect("two tensors are named \"normalize.std\"");
  model_.weights[0].dims = {2};
  expect("its shape has 2 elements, 1 values are given");
  model_.weights[0].dims = {0};
  expect("a dimension of 0");
  model_.weights[0].dims = {65536, 65536, 65536, 65536};
  expect("too large");
  model_.weights[0].dims.assign(7, 1);
  expect("too many dimensions");
  model_.optimizer_state[0].name = "optimizer.momentum.fc.other";
  expect("optimizer state of a weight that the file does not have");
  model_.optimizer_state[0].name = "fc.weight";
  expect("is not named optimizer.<state>.<node>.<weight>");
  model_.graph.nodes.pop_back();
  expect("the last node");
  for (int i = 0; i < 300; ++i) model_.training[std::to_string(i)] = "";
  expect("entries");
  EXPECT_TRUE(Prepare().ok());
}

TEST(TensorNames, AreTakenApart) {
  EXPECT_EQ(WeightOfTensor("a.b.weight"), "a.b.weight");
  EXPECT_EQ(WeightOfTensor("optimizer.momentum.a.b.weight"), "a.b.weight");
  for (const char* bad : {"", "a", "a.", ".a", "optimizer.", "optimizer.m",
                          "optimizer.m.", "optimizer..a.b", "optimizer.m.a"}) {
    EXPECT_EQ(WeightOfTensor(bad), "") << bad;
  }
  EXPECT_EQ(NodeOfWeight("a.b.weight"), "a.b");
}

}  // namespace
}  // namespace temper
