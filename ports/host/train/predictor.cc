// Inference with a model file. See predictor.h.
#include "ports/host/train/predictor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ports/host/base/failure.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/runs.h"
#include "ports/host/train/weights.h"
#include "runtime/exact_math.h"
#include "simd/rows.h"
#include "temper/graph_edit.h"

namespace temper::host {

Predictor::Predictor(const std::string& path, uint32_t batch, uint32_t threads,
                     const std::string& arena, const std::string& backend)
    : path_(WeightsFile(path)),
      source_(std::make_unique<ModelSource>(path_)),
      model_(source_->header()),
      pool_(MakeThreadPool(threads == 0 ? DefaultThreads() : threads)),
      arena_limit_(arena),
      backend_(ReadBackend(backend)) {
  if (batch != 0) Start(batch);
}

Predictor::Predictor(const std::string& path, const Predictor& first)
    : path_(WeightsFile(path)),
      source_(std::make_unique<ModelSource>(path_)),
      model_(source_->header()),
      pool_(first.pool_),
      backend_(first.backend_) {
  Start(first.batch());
}

void Predictor::Start(uint32_t batch) {
  ModelSource& source = *source_;
  const std::string& arena = arena_limit_;
  outside_bytes_ =
      source.MemoryBytes() + kPlanBytesPerNode * model_.graph.nodes.size();
  PlanOptions options;
  options.batch = batch;
  options.threads = pool_->runner().threads;
  options.training = false;
  options.backend = backend_;
  options.pack_weights = true;
  Plan plan;
  Status status = MakePlan(model_.graph, options, &plan);
  if (!status.ok()) FailStatus(status, model_.graph, path_);
  // Not even measured if what is known without that does not fit.
  const bool hopeless = !arena.empty() && ParseBytes(arena) < plan.arena_bytes;
  if (!hopeless) MeasureSegments(&plan, path_);
  if (!arena.empty() && ParseBytes(arena) < TotalBytes(plan)) {
    Fail(ErrorKind::kDoesNotFit, "the model does not fit the arena",
         fmt::format("--arena {}", Printable(arena)),
         fmt::format("batch {} on {} threads needs {} bytes", batch,
                     options.threads, TotalBytes(plan)),
         fmt::format("Use --arena {}, a smaller --batch{}", TotalBytes(plan),
                     plan.backend_bytes != 0 ? " or --backend highway"
                                             : " or fewer --threads"));
  }
  arena_ = std::make_unique<HostArena>(plan.arena_bytes);
  status = trainer_.Create(std::move(plan), arena_->data(), arena_->size(),
                           pool_->runner());
  if (!status.ok()) FailStatus(status, model_.graph, path_);
  ReadWeights(source, trainer_);
  source_.reset();
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
  return Averages() ? RunAll(batch) : RunOwn(batch);
}

bool Predictor::SeveralLabels() const {
  const LossTraits* const loss = LossOf(model_.graph.nodes.back().kind);
  return loss != nullptr && loss->independent && both_.empty();
}

StepResult Predictor::RunOwn(const Batch& batch) {
  const StepResult result = trainer_.Evaluate(batch);
  if (!result.status.ok()) {
    FailStatus(result.status, model_.graph, "prediction");
  }
  const float* const p = trainer_.Output();
  for (uint32_t r = 0; r < batch.rows && !both_.empty(); ++r) {
    both_[2 * size_t{r}] = 1.0f - p[r];
    both_[2 * size_t{r} + 1] = p[r];
  }
  return result;
}

void Predictor::Average(const std::string& path) {
  std::unique_ptr<Predictor> other(new Predictor(path, *this));
  const auto refuse = [&](std::string_view why) {
    Fail(ErrorKind::kMismatch, "the models cannot be averaged",
         Printable(other->path()), why,
         "Average models of the same task, such as runs of several seeds");
  };
  if (!(other->input() == input())) refuse("it reads samples of another shape");
  if (other->classifier_ != classifier_ || other->regressor_ != regressor_ ||
      other->outputs_ != outputs_) {
    refuse("its outputs are others than those of the first model");
  }
  if (other->model_.classes != model_.classes) {
    refuse("its classes are others than those of the first model");
  }
  if (!classifier_ && !regressor_) refuse("they predict nothing");
  if (SeveralLabels()) refuse("they tell several labels of a sample");
  others_.push_back(std::move(other));
  uint64_t bytes = 0;
  for (const auto& one : others_) bytes += TotalBytes(one->plan());
  bytes += TotalBytes(plan());
  if (!arena_limit_.empty() && ParseBytes(arena_limit_) < bytes) {
    Fail(ErrorKind::kDoesNotFit, "the models do not fit the arena",
         fmt::format("--arena {}", Printable(arena_limit_)),
         fmt::format("{} models need {} bytes", others_.size() + 1, bytes),
         fmt::format("Use --arena {} or a smaller --batch", bytes));
  }
  sum_.resize(size_t{batch()} * outputs_);
  mean_.resize(sum_.size());
}

void Predictor::SetViews(std::vector<View> views) {
  const Shape shape = input();
  if (shape.h < 2 || shape.w < 2) {
    Fail(ErrorKind::kUsage, "--views", "", "the samples are no pictures",
         "Leave it out");
  }
  if (!classifier_ && !regressor_) {
    Fail(ErrorKind::kUsage, "--views", "", "the model predicts nothing",
         "Leave it out");
  }
  if (SeveralLabels()) {
    Fail(ErrorKind::kUsage, "--views", "",
         "the model tells several labels of a sample", "Leave it out");
  }
  views_ = std::move(views);
  const size_t bytes = static_cast<size_t>(shape.Count()) *
                       (shape.type == ElementType::kU8 ? 1 : sizeof(float));
  seen_.resize(bytes * batch() + simd::kTailBytes);
  sum_.resize(size_t{batch()} * outputs_);
  mean_.resize(sum_.size());
}

StepResult Predictor::RunAll(const Batch& batch) {
  const size_t count = size_t{batch.rows} * outputs_;
  std::fill_n(sum_.begin(), count, 0.0);
  const Shape shape = input();
  const size_t bytes = static_cast<size_t>(shape.Count()) *
                       (shape.type == ElementType::kU8 ? 1 : sizeof(float));
  double runs = 0;
  StepResult result;
  const auto add = [&](Predictor& model, const Batch& seen) {
    result = model.RunOwn(seen);
    const float* const output = model.OwnOutput();
    for (size_t i = 0; i < count; ++i) sum_[i] += double{output[i]};
    ++runs;
  };
  for (size_t v = 0; v < std::max<size_t>(1, views_.size()); ++v) {
    Batch seen = batch;
    if (!views_.empty()) {
      const uint8_t* const from = static_cast<const uint8_t*>(batch.input);
      for (uint32_t row = 0; row < batch.rows; ++row) {
        MakeView(views_[v], shape, from + row * bytes,
                 seen_.data() + row * bytes);
      }
      seen.input = seen_.data();
    }
    add(*this, seen);
    for (const auto& other : others_) add(*other, seen);
  }
  for (size_t i = 0; i < count; ++i) {
    mean_[i] = static_cast<float>(sum_[i] / runs);
  }
  Judge(batch, &result);
  return result;
}

void Predictor::Judge(const Batch& batch, StepResult* result) const {
  // A probability of 0 has no logarithm: its loss is infinite.
  const auto loss_of = [](double p) {
    return p >= std::numeric_limits<double>::min()
               ? -exact::Log(p)
               : std::numeric_limits<double>::infinity();
  };
  double loss = 0, absolute = 0;
  uint32_t correct = 0;
  for (uint32_t row = 0; row < batch.rows; ++row) {
    const float* const y = mean_.data() + size_t{row} * outputs_;
    const float* const t = batch.targets == nullptr
                               ? nullptr
                               : batch.targets + size_t{row} * outputs_;
    if (!classifier_) {
      for (uint32_t k = 0; k < outputs_ && t != nullptr; ++k) {
        const double error = double{y[k]} - double{t[k]};
        loss += error * error / outputs_;
        absolute += std::fabs(error) / outputs_;
      }
      continue;
    }
    const auto guess = std::max_element(y, y + outputs_) - y;
    if (batch.labels != nullptr) {
      const int32_t label = batch.labels[row];
      loss += label < 0 ? 0.0 : loss_of(double{y[label]});
      correct += guess == label;
    } else if (t != nullptr) {
      for (uint32_t k = 0; k < outputs_; ++k) {
        if (t[k] != 0.0f) loss += double{t[k]} * loss_of(double{y[k]});
      }
      correct += guess == std::max_element(t, t + outputs_) - t;
    }
  }
  result->loss = static_cast<float>(loss / batch.rows);
  result->absolute_error = static_cast<float>(absolute / batch.rows);
  result->correct = correct;
}

uint64_t Predictor::ArenaBytes() const {
  uint64_t bytes = plan().arena_bytes;
  for (const auto& other : others_) bytes += other->plan().arena_bytes;
  return bytes;
}

uint64_t Predictor::BackendBytes() const {
  uint64_t bytes = plan().backend_bytes;
  for (const auto& other : others_) bytes += other->plan().backend_bytes;
  return bytes;
}

uint64_t Predictor::OutsideBytes() const {
  uint64_t bytes = outside_bytes_ + seen_.size() +
                   sum_.size() * sizeof(double) + mean_.size() * sizeof(float);
  for (const auto& other : others_) bytes += other->outside_bytes_;
  return bytes;
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
