// Inference with a model file. See predictor.h.
#include "ports/host/train/predictor.h"

#include <fmt/format.h>

#include "ports/host/base/failure.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/runs.h"
#include "ports/host/train/weights.h"
#include "temper/graph_edit.h"

namespace temper::host {

Predictor::Predictor(const std::string& path, uint32_t batch, uint32_t threads,
                     const std::string& arena, const std::string& backend)
    : path_(WeightsFile(path)),
      pool_(MakeThreadPool(threads == 0 ? DefaultThreads() : threads)) {
  ModelSource source(path_);
  model_ = source.header();
  outside_bytes_ =
      source.MemoryBytes() + kPlanBytesPerNode * model_.graph.nodes.size();
  PlanOptions options;
  options.batch = batch;
  options.threads = pool_->runner().threads;
  options.training = false;
  options.backend = ReadBackend(backend);
  Plan plan;
  Status status = MakePlan(model_.graph, options, &plan);
  if (!status.ok()) FailStatus(status, model_.graph, path_);
  MeasureSegments(&plan, path_);
  if (!arena.empty() && ParseBytes(arena) < TotalBytes(plan)) {
    Fail(ErrorKind::kDoesNotFit, "the model does not fit the arena",
         fmt::format("--arena {}", Printable(arena)),
         fmt::format("batch {} on {} threads needs {} bytes", batch,
                     options.threads, TotalBytes(plan)),
         fmt::format("Use --arena {}, a smaller --batch or fewer --threads",
                     TotalBytes(plan)));
  }
  arena_ = std::make_unique<HostArena>(plan.arena_bytes);
  status = trainer_.Create(std::move(plan), arena_->data(), arena_->size(),
                           pool_->runner());
  if (!status.ok()) FailStatus(status, model_.graph, path_);
  ReadWeights(source, trainer_);
  PrepareSegments(trainer_, path_);
  classifier_ = models::IsClassifier(model_.graph);
  regressor_ = models::IsRegressor(model_.graph);
  outputs_ = static_cast<uint32_t>(trainer_.plan().shapes.back().Count());
  // One class: it is a label that is there or not.
  const uint32_t classes = models::ClassesOf(model_.graph, outputs_);
  if (classes != outputs_ && model_.classes.size() != 1) {
    outputs_ = classes;
    both_.resize(size_t{batch} * outputs_);
  }
}

StepResult Predictor::Run(const Batch& batch) {
  const StepResult result = trainer_.Evaluate(batch);
  if (!result.status.ok())
    FailStatus(result.status, model_.graph, "prediction");
  const float* const p = trainer_.Output();
  for (uint32_t r = 0; r < batch.rows && !both_.empty(); ++r) {
    both_[2 * size_t{r}] = 1.0f - p[r];
    both_[2 * size_t{r} + 1] = p[r];
  }
  return result;
}

std::string Predictor::ClassName(uint32_t i) const {
  if (model_.classes.empty()) return std::to_string(i);
  return i < model_.classes.size() ? model_.classes[i] : fmt::format("#{}", i);
}

std::vector<std::string> Predictor::Classes() const {
  std::vector<std::string> names = model_.classes;
  if (!names.empty()) return names;
  for (uint32_t i = 0; i < outputs_; ++i) names.push_back(ClassName(i));
  return names;
}

void Predictor::CheckShape(const Shape& shape, const std::string& where) const {
  const Shape model = input();
  if (shape == model) return;
  const auto text = [](const Shape& s) {
    return fmt::format("{}x{}x{} {}", s.h, s.w, s.c,
                       s.type == ElementType::kU8 ? "u8" : "f32");
  };
  Fail(ErrorKind::kMismatch, "samples do not fit the model", Printable(where),
       fmt::format("they are {}, the model reads {}", text(shape), text(model)),
       "Give data of the model's own shape");
}

}  // namespace temper::host
