// What tests of whole models share: graphs by name, an aligned arena, batches
// of reproducible samples, and a trainer that is ready to step.
#ifndef TEMPER_TESTS_TESTING_MODEL_TEST_H_
#define TEMPER_TESTS_TESTING_MODEL_TEST_H_

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "models/graphs/models.h"
#include "temper/graph_edit.h"
#include "temper/temper.h"

namespace temper::testing {

struct TestModel {
  const char* name;
  Shape input;
  uint32_t classes;
};
// The models of models/ at the sizes they were made for; the two large ones at
// the smallest size that leaves their last layers more than one pixel.
inline const std::vector<TestModel>& TestModels() {
  static const std::vector<TestModel> models = {
      {"mlp", {28, 28, 1}, 10},          {"lenet5", {28, 28, 1}, 10},
      {"resnet8", {32, 32, 3}, 10},      {"ds_cnn", {49, 10, 1}, 12},
      {"mobilenet_v1", {96, 96, 3}, 2},  {"fc_autoencoder", {1, 1, 640}, 2},
      {"mobilenet_v2", {33, 33, 3}, 10}, {"resnet18", {33, 33, 3}, 10},
  };
  return models;
}

// Whether a model knows an option, such as "variant".
inline bool HasOption(const std::string& model, const std::string& option) {
  for (const models::ModelInfo* info : models::Models()) {
    if (model != info->name) continue;
    return info->fields.Find(option) != nullptr;
  }
  return false;
}

inline Graph BuildOrDie(const std::string& spec, const Shape& input,
                        uint32_t classes) {
  Graph graph;
  std::string error;
  const Status status = models::BuildModel(
      spec, input, {TargetKind::kClasses, classes}, &graph, &error);
  EXPECT_TRUE(status.ok()) << error;
  return graph;
}

// Every node frozen but the head.
inline std::vector<uint8_t> HeadOnly(const Graph& graph) {
  std::vector<uint8_t> frozen(graph.nodes.size(), 1);
  frozen[models::HeadNode(graph)] = 0;
  return frozen;
}

// Memory aligned to 64, exactly `bytes` long for the sanitizers.
class Memory {
 public:
  explicit Memory(size_t bytes)
      : bytes_(bytes),
        p_(static_cast<uint8_t*>(std::aligned_alloc(64, bytes))) {
    std::memset(p_, 0xA5, bytes);
  }
  ~Memory() { std::free(p_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  uint8_t* data() { return p_; }
  size_t size() const { return bytes_; }

 private:
  size_t bytes_;
  uint8_t* p_;
};

// Samples in [-1, 1) and labels, a function of (seed, index).
struct TestBatch {
  std::vector<float> input;
  std::vector<int32_t> labels;
  std::vector<uint64_t> ids;

  TestBatch(const Shape& shape, uint32_t classes, uint32_t rows,
            uint64_t seed) {
    const size_t n = shape.Count();
    for (uint32_t r = 0; r < rows; ++r) {
      for (size_t i = 0; i < n; ++i) {
        const uint32_t word =
            RandomWord(seed, static_cast<uint32_t>(i), r, 0, 0);
        input.push_back(static_cast<float>(static_cast<int32_t>(word)) *
                        0x1p-31f);
      }
      labels.push_back(
          static_cast<int32_t>(RandomWord(seed, 0, r, 1, 0) % classes));
      ids.push_back(1000 * seed + r);
    }
  }
  Batch View(uint32_t rows) const {
    Batch b;
    b.input = input.data();
    b.labels = labels.data();
    b.sample_ids = ids.data();
    b.rows = rows;
    return b;
  }
};

// A trainer with its memory.
struct Bench {
  std::unique_ptr<Memory> memory;
  Trainer trainer;

  Status Start(const Graph& graph, const PlanOptions& options,
               const ParallelRunner& parallel = {}) {
    Plan plan;
    const Status status = MakePlan(graph, options, &plan);
    if (!status.ok()) return status;
    memory = std::make_unique<Memory>(plan.arena_bytes);
    return trainer.Create(std::move(plan), memory->data(), memory->size(),
                          parallel);
  }
  // All weights, buffers and optimizer state, one after the other.
  std::vector<float> State() const {
    std::vector<float> all;
    for (const TensorView& v : trainer.Tensors())
      all.insert(all.end(), v.data, v.data + v.count);
    for (const StateView& v : trainer.States())
      all.insert(all.end(), v.data, v.data + v.count);
    return all;
  }
};

inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_MODEL_TEST_H_
