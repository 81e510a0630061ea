// Losses and sums: dispatch, threads, chunks of rows. The loops are in
// loss-inl.h.
#include "simd/loss.h"

#include "simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/loss.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/loss-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(SumAll);
HWY_EXPORT(SumOfSquaresAll);
HWY_EXPORT(SumOfDistancesAll);
HWY_EXPORT(MeanSquaredErrorRows);
HWY_EXPORT(MeanSquaredErrorBackwardRange);
HWY_EXPORT(HuberRows);
HWY_EXPORT(HuberBackwardRange);
HWY_EXPORT(SoftmaxCrossEntropyRows);
HWY_EXPORT(SoftmaxCrossEntropyBackwardRows);
HWY_EXPORT(SoftmaxCrossEntropySoftRows);
HWY_EXPORT(SoftmaxCrossEntropySoftBackwardRows);
HWY_EXPORT(ColumnSumsChunk);
HWY_EXPORT(AddPartialRange);

namespace {

// Rows of n elements that make a task of `grain` elements.
constexpr size_t RowGrain(size_t grain, size_t n) {
  return grain / (n + 1) + 1;
}

}  // namespace

void SoftmaxCrossEntropy(size_t rows, size_t classes, const float* logits,
                         const int32_t* labels, float smoothing,
                         float* probabilities, float* row_loss,
                         const ParallelRunner& parallel) {
  // An exponential costs several times an element of a plain loop.
  ParallelFor(parallel, rows, RowGrain(kElementGrain / 4, classes),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(SoftmaxCrossEntropyRows)
                (begin, end, classes, logits, labels, smoothing, probabilities,
                 row_loss);
              });
}

void SoftmaxCrossEntropyBackward(size_t rows, size_t classes,
                                 const float* probabilities,
                                 const int32_t* labels, float smoothing,
                                 float factor, bool accumulate, float* dlogits,
                                 const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(kElementGrain, classes),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(SoftmaxCrossEntropyBackwardRows)
                (begin, end, classes, probabilities, labels, smoothing, factor,
                 accumulate, dlogits);
              });
}

void SoftmaxCrossEntropySoft(size_t rows, size_t classes, const float* logits,
                             const float* targets, float smoothing,
                             float* probabilities, float* row_loss,
                             const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(kElementGrain / 4, classes),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(SoftmaxCrossEntropySoftRows)
                (begin, end, classes, logits, targets, smoothing, probabilities,
                 row_loss);
              });
}

void SoftmaxCrossEntropySoftBackward(size_t rows, size_t classes,
                                     const float* probabilities,
                                     const float* targets, float smoothing,
                                     float factor, bool accumulate,
                                     float* dlogits,
                                     const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(kElementGrain, classes),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(SoftmaxCrossEntropySoftBackwardRows)
                (begin, end, classes, probabilities, targets, smoothing, factor,
                 accumulate, dlogits);
              });
}

void MeanSquaredError(size_t rows, size_t n, const float* prediction,
                      const float* target, float* row_loss,
                      const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(kElementGrain, n),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(MeanSquaredErrorRows)
                (begin, end, n, prediction, target, row_loss);
              });
}

void MeanSquaredErrorBackward(size_t rows, size_t n, const float* prediction,
                              const float* target, float factor,
                              bool accumulate, float* d,
                              const ParallelRunner& parallel) {
  ParallelFor(parallel, rows * n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(MeanSquaredErrorBackwardRange)
                (begin, end, prediction, target, factor, accumulate, d);
              });
}

void Huber(size_t rows, size_t n, const float* prediction, const float* target,
           float delta, float* row_loss, const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(kElementGrain, n),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(HuberRows)
                (begin, end, n, prediction, target, delta, row_loss);
              });
}

void HuberBackward(size_t rows, size_t n, const float* prediction,
                   const float* target, float delta, float factor,
                   bool accumulate, float* g, const ParallelRunner& parallel) {
  ParallelFor(parallel, rows * n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(HuberBackwardRange)
                (begin, end, prediction, target, delta, factor, accumulate, g);
              });
}

float Sum(size_t n, const float* x) {
  return HWY_DYNAMIC_DISPATCH(SumAll)(n, x);
}

float SumOfSquares(size_t n, const float* x) {
  return HWY_DYNAMIC_DISPATCH(SumOfSquaresAll)(n, x);
}

float SumOfDistances(size_t n, const float* a, const float* b) {
  return HWY_DYNAMIC_DISPATCH(SumOfDistancesAll)(n, a, b);
}

size_t ColumnSumsScratch(size_t rows, size_t columns) {
  return MostChunks(rows) * RoundUp(columns, 16) * sizeof(float);
}

void ColumnSums(size_t rows, size_t columns, const float* x, float* out,
                void* scratch, const ParallelRunner& parallel) {
  const size_t chunk_rows = ChunkRows(rows);
  const size_t chunks = ChunkCount(rows);
  const size_t stride = RoundUp(columns, 16);
  const size_t groups = RoundUp(columns, kColumnGroup) / kColumnGroup;
  float* partials = static_cast<float*>(scratch);

  const size_t group_columns = columns < kColumnGroup ? columns : kColumnGroup;
  const size_t item_rows = rows < chunk_rows ? rows : chunk_rows;
  ParallelFor(parallel, chunks * groups,
              RowGrain(kElementGrain, item_rows * group_columns),
              [&](size_t begin, size_t end, size_t) {
                for (size_t item = begin; item < end; ++item) {
                  const size_t chunk = item / groups;
                  const size_t first = item % groups * kColumnGroup;
                  const size_t last = first + kColumnGroup < columns
                                          ? first + kColumnGroup
                                          : columns;
                  const size_t row = chunk * chunk_rows;
                  const size_t count =
                      rows - row < chunk_rows ? rows - row : chunk_rows;
                  HWY_DYNAMIC_DISPATCH(ColumnSumsChunk)
                  (count, columns, first, last, x + row * columns,
                   partials + chunk * stride);
                }
              });
  if (chunks == 0) return;
  CombineTree(chunks, [&](size_t a, size_t b) {
    HWY_DYNAMIC_DISPATCH(AddPartialRange)
    (columns, partials + b * stride, partials + a * stride);
  });
  HWY_DYNAMIC_DISPATCH(AddPartialRange)(columns, partials, out);
}

namespace {

bool IsFirstLargest(size_t classes, const float* p, size_t label) {
  // Every comparison with NaN is false: a row with NaN is never correct.
  bool first_largest = p[label] == p[label];
  for (size_t j = 0; j < label; ++j) first_largest &= p[label] > p[j];
  for (size_t j = label; j < classes; ++j) first_largest &= p[label] >= p[j];
  return first_largest;
}

}  // namespace

uint32_t CountCorrect(size_t rows, size_t classes, const float* probabilities,
                      const int32_t* labels) {
  uint32_t correct = 0;
  for (size_t r = 0; r < rows; ++r) {
    if (labels[r] < 0 || static_cast<size_t>(labels[r]) >= classes) continue;
    correct += IsFirstLargest(classes, probabilities + r * classes,
                              static_cast<size_t>(labels[r]));
  }
  return correct;
}

uint32_t CountCorrect(size_t rows, size_t classes, const float* probabilities,
                      const float* targets) {
  uint32_t correct = 0;
  for (size_t r = 0; r < rows; ++r) {
    const float* const t = targets + r * classes;
    size_t label = 0;
    for (size_t j = 1; j < classes; ++j) {
      if (t[j] > t[label]) label = j;
    }
    correct += IsFirstLargest(classes, probabilities + r * classes, label);
  }
  return correct;
}

}  // namespace temper::simd
#endif  // HWY_ONCE
