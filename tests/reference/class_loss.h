// Scalar twins of simd/focal.h, simd/sigmoid_loss.h and simd/loss.h's Huber loss,
// in any number type: the plain formulas, summed in ascending order. Labels may
// be null (then targets are read), and weights (then they are 1).
#ifndef TEMPER_TESTS_REFERENCE_CLASS_LOSS_H_
#define TEMPER_TESTS_REFERENCE_CLASS_LOSS_H_

#include <cmath>

#include "tests/reference/loss.h"

namespace temper::reference {

template <class T>
struct Counted {
  const int32_t* labels = nullptr;
  const T* targets = nullptr;
  const T* weights = nullptr;
  T smoothing = 0, gamma = 0;

  T Weight(size_t j) const { return weights == nullptr ? T(1) : weights[j]; }
  T Target(size_t r, size_t j, size_t classes) const {
    return labels == nullptr ? targets[r * classes + j]
                             : T(static_cast<int64_t>(j) == labels[r] ? 1 : 0);
  }
  // v_j of row r.
  T At(size_t r, size_t j, size_t classes) const {
    T of_row = weights == nullptr ? T(1) : T(0);
    for (size_t k = 0; k < classes && weights != nullptr; ++k) {
      of_row += Weight(k) * Target(r, k, classes);
    }
    return (T(1) - smoothing) * Weight(j) * Target(r, j, classes) +
           of_row * smoothing / static_cast<T>(classes);
  }
};

template <class T>
void SoftmaxFocal(size_t rows, size_t classes, const T* logits,
                  const Counted<T>& of, T* p, T* row_loss) {
  SoftmaxCrossEntropy<T>(rows, classes, logits, nullptr, T(0), p, nullptr);
  testing::CountFlops(6 * rows * classes);
  for (size_t r = 0; r < rows; ++r) {
    const T* x = logits + r * classes;
    T top = x[0], sum = 0;
    for (size_t j = 1; j < classes; ++j) top = x[j] > top ? x[j] : top;
    for (size_t j = 0; j < classes; ++j) sum += ExpOrZero(x[j] - top);
    row_loss[r] = 0;
    for (size_t j = 0; j < classes; ++j) {
      const T q = of.At(r, j, classes);
      if (q == T(0)) continue;
      row_loss[r] += q * std::pow(T(1) - p[r * classes + j], of.gamma) *
                     (top + std::log(sum) - x[j]);
    }
  }
}

template <class T>
void SoftmaxFocalBackward(size_t rows, size_t classes, const T* p,
                          const Counted<T>& of, T factor, bool accumulate,
                          T* d) {
  for (size_t r = 0; r < rows; ++r) {
    const auto a = [&](size_t j) {
      const T q = of.At(r, j, classes), pj = p[r * classes + j];
      const T slope = pj <= T(0) || pj >= T(1)
                          ? T(0)
                          : of.gamma * std::pow(T(1) - pj, of.gamma - T(1)) *
                                pj * std::log(pj);
      return q * (slope - std::pow(T(1) - pj, of.gamma));
    };
    T sum = 0;
    for (size_t j = 0; j < classes; ++j) sum += a(j);
    for (size_t k = 0; k < classes; ++k) {
      T& to = d[r * classes + k];
      to = FlushTiny((accumulate ? to : T(0)) +
                     (a(k) - p[r * classes + k] * sum) * factor);
    }
  }
}

template <class T>
T Softplus(T z) {
  return (z > T(0) ? z : T(0)) + std::log1p(ExpOrZero(-std::abs(z)));
}
template <class T>
T SigmoidOf(T z) {
  const T e = ExpOrZero(-std::abs(z));
  return (z >= T(0) ? T(1) : e) / (T(1) + e);
}

// Of one output, weights has two: of label 0 and of label 1.
template <class T>
struct Binary {
  const int32_t* labels = nullptr;
  const T* targets = nullptr;
  const T* weights = nullptr;
  T smoothing = 0, gamma = 0;

  void At(size_t r, size_t j, size_t n, T* there, T* not_there) const {
    T t = 0;
    if (labels == nullptr) {
      t = targets[r * n + j];
    } else {
      t = T(n == 1 ? labels[r] : static_cast<int64_t>(j) == labels[r]);
    }
    T yes = 1, no = 1;
    if (weights != nullptr) {
      yes = n == 1 ? weights[1] : weights[j];
      no = n == 1 ? weights[0] : T(1);
    }
    const T both = (yes * t + no * (T(1) - t)) * smoothing / T(2);
    *there = yes * t * (T(1) - smoothing) + both;
    *not_there = no * (T(1) - t) * (T(1) - smoothing) + both;
  }
};

template <class T>
void SigmoidFocal(size_t rows, size_t n, const T* logits, const Binary<T>& of,
                  T* p, T* row_loss) {
  testing::CountFlops(12 * rows * n);
  for (size_t r = 0; r < rows; ++r) {
    row_loss[r] = 0;
    for (size_t j = 0; j < n; ++j) {
      const T z = logits[r * n + j];
      T there, not_there;
      of.At(r, j, n, &there, &not_there);
      p[r * n + j] = SigmoidOf(z);
      row_loss[r] +=
          (there * std::pow(SigmoidOf(-z), of.gamma) * Softplus(-z) +
           not_there * std::pow(SigmoidOf(z), of.gamma) * Softplus(z)) /
          static_cast<T>(n);
    }
  }
}

template <class T>
void SigmoidFocalBackward(size_t rows, size_t n, const T* logits,
                          const Binary<T>& of, T factor, bool accumulate,
                          T* d) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t j = 0; j < n; ++j) {
      const T z = logits[r * n + j], p = SigmoidOf(z), rest = SigmoidOf(-z);
      T there, not_there;
      of.At(r, j, n, &there, &not_there);
      const T slope = not_there * std::pow(p, of.gamma) *
                          (of.gamma * rest * Softplus(z) + p) -
                      there * std::pow(rest, of.gamma) *
                          (of.gamma * p * Softplus(-z) + rest);
      T& to = d[r * n + j];
      to = FlushTiny((accumulate ? to : T(0)) + slope * factor);
    }
  }
}

template <class T>
void Huber(size_t rows, size_t n, const T* prediction, const T* target, T delta,
           T* row_loss) {
  testing::CountFlops(4 * rows * n);
  for (size_t r = 0; r < rows; ++r) {
    T sum = 0;
    for (size_t i = r * n; i < (r + 1) * n; ++i) {
      const T d = std::abs(FlushTiny(prediction[i] - target[i]));
      sum += d <= delta ? d * d / T(2) : delta * (d - delta / T(2));
    }
    row_loss[r] = sum / static_cast<T>(n);
  }
}

template <class T>
void HuberBackward(size_t rows, size_t n, const T* prediction, const T* target,
                   T delta, T factor, bool accumulate, T* g) {
  for (size_t i = 0; i < rows * n; ++i) {
    const T d = FlushTiny(prediction[i] - target[i]);
    const T cut = d > delta ? delta : d < -delta ? -delta : d;
    g[i] = FlushTiny((accumulate ? g[i] : T(0)) + cut * factor);
  }
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_CLASS_LOSS_H_
