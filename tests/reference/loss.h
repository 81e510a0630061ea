// Scalar twins of simd/loss.h, in any number type: the plain formulas, summed
// in ascending order.
#ifndef TEMPER_TESTS_REFERENCE_LOSS_H_
#define TEMPER_TESTS_REFERENCE_LOSS_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "tests/reference/flush.h"
#include "tests/testing/flops.h"

namespace temper::reference {

// e^x for x <= 0, +0 where that is less than about 1e-30.
template <class T>
T ExpOrZero(T x) {
  return x < T(-69) ? T(0) : std::exp(x);
}

// The target distribution of label smoothing.
template <class T>
T SmoothedLabel(size_t j, int32_t label, size_t classes, T smoothing) {
  const T hit = static_cast<int64_t>(j) == label ? T(1) - smoothing : T(0);
  return smoothing / static_cast<T>(classes) + hit;
}

template <class T>
void SoftmaxCrossEntropy(size_t rows, size_t classes, const T* logits,
                         const int32_t* labels, T smoothing, T* probabilities,
                         T* row_loss) {
  testing::CountFlops(6 * rows * classes);
  for (size_t r = 0; r < rows; ++r) {
    const T* x = logits + r * classes;
    T top = x[0];
    for (size_t j = 1; j < classes; ++j) top = x[j] > top ? x[j] : top;
    T sum = 0;
    for (size_t j = 0; j < classes; ++j) sum += ExpOrZero(x[j] - top);
    for (size_t j = 0; j < classes; ++j) {
      probabilities[r * classes + j] = ExpOrZero(x[j] - top) / sum;
    }
    if (labels == nullptr) continue;
    if (labels[r] < 0 || static_cast<size_t>(labels[r]) >= classes) {
      row_loss[r] = std::numeric_limits<T>::infinity();
      continue;
    }
    T loss = top + std::log(sum);
    for (size_t j = 0; j < classes; ++j) {
      const T q = SmoothedLabel(j, labels[r], classes, smoothing);
      if (q != T(0)) loss -= q * x[j];
    }
    row_loss[r] = loss;
  }
}

template <class T>
void SoftmaxCrossEntropyBackward(size_t rows, size_t classes,
                                 const T* probabilities, const int32_t* labels,
                                 T smoothing, T factor, bool accumulate,
                                 T* dlogits) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t j = 0; j < classes; ++j) {
      const size_t i = r * classes + j;
      const T q = SmoothedLabel(j, labels[r], classes, smoothing);
      dlogits[i] = FlushTiny((accumulate ? dlogits[i] : T(0)) +
                             (probabilities[i] - q) * factor);
    }
  }
}

// The target distribution of probabilities, and its sum.
template <class T>
T SmoothedTarget(T target, size_t classes, T smoothing) {
  return smoothing / static_cast<T>(classes) + (T(1) - smoothing) * target;
}
template <class T>
T TargetMass(size_t classes, const T* target, T smoothing) {
  T mass = 0;
  for (size_t j = 0; j < classes; ++j) {
    mass += SmoothedTarget(target[j], classes, smoothing);
  }
  return mass;
}

template <class T>
void SoftmaxCrossEntropySoft(size_t rows, size_t classes, const T* logits,
                             const T* targets, T smoothing, T* probabilities,
                             T* row_loss) {
  SoftmaxCrossEntropy<T>(rows, classes, logits, nullptr, smoothing,
                         probabilities, nullptr);
  for (size_t r = 0; r < rows; ++r) {
    const T *x = logits + r * classes, *t = targets + r * classes;
    T top = x[0], sum = 0;
    for (size_t j = 1; j < classes; ++j) top = x[j] > top ? x[j] : top;
    for (size_t j = 0; j < classes; ++j) sum += ExpOrZero(x[j] - top);
    T loss = TargetMass(classes, t, smoothing) * (top + std::log(sum));
    for (size_t j = 0; j < classes; ++j) {
      const T q = SmoothedTarget(t[j], classes, smoothing);
      if (q != T(0)) loss -= q * x[j];
    }
    row_loss[r] = loss;
  }
}

template <class T>
void SoftmaxCrossEntropySoftBackward(size_t rows, size_t classes,
                                     const T* probabilities, const T* targets,
                                     T smoothing, T factor, bool accumulate,
                                     T* dlogits) {
  for (size_t r = 0; r < rows; ++r) {
    const T* const t = targets + r * classes;
    const T mass = TargetMass(classes, t, smoothing);
    for (size_t j = 0; j < classes; ++j) {
      const size_t i = r * classes + j;
      const T q = SmoothedTarget(t[j], classes, smoothing);
      dlogits[i] = FlushTiny((accumulate ? dlogits[i] : T(0)) +
                             (mass * probabilities[i] - q) * factor);
    }
  }
}

template <class T>
void MeanSquaredError(size_t rows, size_t n, const T* prediction,
                      const T* target, T* row_loss) {
  testing::CountFlops(3 * rows * n);
  for (size_t r = 0; r < rows; ++r) {
    T sum = 0;
    for (size_t i = r * n; i < (r + 1) * n; ++i) {
      const T difference = FlushTiny(prediction[i] - target[i]);
      sum += difference * difference;
    }
    row_loss[r] = sum / static_cast<T>(n);
  }
}

template <class T>
void MeanSquaredErrorBackward(size_t rows, size_t n, const T* prediction,
                              const T* target, T factor, bool accumulate,
                              T* d) {
  for (size_t i = 0; i < rows * n; ++i) {
    d[i] = FlushTiny((accumulate ? d[i] : T(0)) +
                     FlushTiny(prediction[i] - target[i]) * factor);
  }
}

template <class T>
T Sum(size_t n, const T* x) {
  T sum = 0;
  for (size_t i = 0; i < n; ++i) sum += x[i];
  return sum;
}

template <class T>
T SumOfSquares(size_t n, const T* x) {
  T sum = 0;
  for (size_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return sum;
}

template <class T>
T SumOfDistances(size_t n, const T* a, const T* b) {
  T sum = 0;
  for (size_t i = 0; i < n; ++i) sum += std::abs(a[i] - b[i]);
  return sum;
}

template <class T>
void ColumnSums(size_t rows, size_t columns, const T* x, T* out) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t j = 0; j < columns; ++j) out[j] += x[r * columns + j];
  }
}

template <class T>
uint32_t CountCorrect(size_t rows, size_t classes, const T* probabilities,
                      const int32_t* labels) {
  uint32_t correct = 0;
  for (size_t r = 0; r < rows; ++r) {
    const T* p = probabilities + r * classes;
    size_t best = 0;
    bool nan = false;
    for (size_t j = 0; j < classes; ++j) {
      nan = nan || p[j] != p[j];
      if (p[j] > p[best]) best = j;
    }
    if (!nan && static_cast<int64_t>(best) == labels[r]) ++correct;
  }
  return correct;
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_LOSS_H_
