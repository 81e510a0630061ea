// See evaluation.h.
#include "ports/host/report/evaluation.h"

#include <algorithm>
#include <cmath>

#include "ports/host/base/failure.h"
#include "ports/host/base/non_finite.h"
#include "ports/host/data/class_match.h"
#include "ports/host/data/loader.h"
#include "ports/host/report/png_writer.h"
#include "ports/host/train/predictor.h"

namespace temper::host {
namespace {

constexpr uint32_t kBatch = 64;
constexpr uint32_t kMostSide = 128;  // of a picture in a page

// "" for samples that are none, or too large for a page.
std::string PictureOf(const Dataset& data, size_t i) {
  const Shape& s = data.shape;
  if (s.type != ElementType::kU8 || (s.c != 1 && s.c != 3) || s.h < 2 ||
      s.w < 2 || s.h > kMostSide || s.w > kMostSide) {
    return "";
  }
  return PngFile(data.Sample(i), s.h, s.w, s.c);
}

Dataset ValidationData(const RunData& run, const Predictor& predictor) {
  const ShapeCheck check = [&](const Shape& shape) {
    predictor.CheckShape(shape, run.options.data);
  };
  if (!run.options.val.empty()) {
    std::vector<std::string> notes;
    return LoadDataset(
        SpecWithSplit(run.options.val, SplitUse::kValidate, &notes), check,
        predictor.DataInput());
  }
  TrainingData data =
      LoadTrainingData(run.options.data, check, predictor.DataInput());
  if (data.val) return *std::move(data.val);
  DataSpec spec = ParseDataSpec(run.options.data);
  if (HasSplit(spec, "val")) {
    spec.split = "val";
    return LoadDataset(spec, check, predictor.DataInput());
  }
  Fail(ErrorKind::kUsage, "the run has no validation data",
       Printable(run.options.data), "", "Add val=0.1 to --data, or give --val");
}

}  // namespace

RunEvaluation EvaluateRun(const RunData& run, uint32_t threads,
                          size_t most_worst) {
  if (run.weights.empty()) {
    Fail(ErrorKind::kNotFound, "the run has no weights", Printable(run.path),
         "", "");
  }
  Predictor predictor(run.weights, kBatch, threads);
  if (!predictor.classifier()) {
    Fail(ErrorKind::kUnsupported, "no confusion matrix",
         Printable(run.options.model), "the model has no classes", "");
  }
  constexpr uint32_t kMost = 1000;  // a square of numbers
  if (predictor.outputs() > kMost) {
    Fail(ErrorKind::kUnsupported, "no confusion matrix",
         Printable(run.options.model),
         fmt::format("the model has {} classes, a page shows {} at most",
                     predictor.outputs(), kMost),
         "`temper eval` has what each is taken for");
  }
  const Dataset data = ValidationData(run, predictor);
  const ClassMatch match = MatchClassNames(data, predictor.Classes());
  const uint32_t outputs = predictor.outputs();
  RunEvaluation e;
  e.split = data.split;
  for (uint32_t k = 0; k < outputs; ++k) {
    e.classes.push_back(predictor.ClassName(k));
  }
  e.confusion.assign(outputs, std::vector<uint64_t>(outputs, 0));
  struct Row {
    double loss;
    size_t sample;
    uint32_t truth, guess;
    float probability;
  };
  std::vector<Row> worst;  // a heap, the smallest loss on top
  const auto more = [](const Row& a, const Row& b) {
    return a.loss != b.loss ? a.loss > b.loss : a.sample < b.sample;
  };
  Loader loader(data, LoaderOptions{predictor.batch(), 0, false, false, {}});
  loader.StartEpoch(0);
  size_t first = 0;
  while (const Batch* batch = loader.Next()) {
    const StepResult result =
        predictor.Run({.input = batch->input, .rows = batch->rows});
    if (!result.status.ok()) {
      FailStatus(result.status, predictor.model().graph, "report");
    }
    const float* p = predictor.Output();
    for (uint32_t r = 0; r < batch->rows; ++r, p += outputs) {
      const size_t sample = first + r;
      const int32_t of_data = data.ClassOf(sample);
      const int32_t label =
          of_data < 0 ? -1 : match.to_model[static_cast<size_t>(of_data)];
      if (label < 0) continue;
      if (!NonFinite::AllFinite(p, outputs)) {
        ++e.non_finite;
        continue;
      }
      const uint32_t truth = static_cast<uint32_t>(label);
      const uint32_t guess =
          static_cast<uint32_t>(std::max_element(p, p + outputs) - p);
      ++e.samples;
      e.correct += truth == guess;
      ++e.confusion[truth][guess];
      const double loss = -std::log(std::max(double{p[truth]}, 1e-38));
      worst.push_back({loss, sample, truth, guess, p[guess]});
      std::push_heap(worst.begin(), worst.end(), more);
      if (worst.size() > most_worst) {
        std::pop_heap(worst.begin(), worst.end(), more);
        worst.pop_back();
      }
    }
    first += batch->rows;
  }
  std::sort(worst.begin(), worst.end(), more);
  for (const Row& row : worst) {
    if (row.truth == row.guess) continue;  // not one is wrong enough
    e.worst.push_back({data.SampleName(row.sample), e.classes[row.truth],
                       e.classes[row.guess], row.loss, row.probability,
                       PictureOf(data, row.sample)});
  }
  return e;
}

}  // namespace temper::host
