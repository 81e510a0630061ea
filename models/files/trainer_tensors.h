// A trainer's tensors and those of a model file: what they are called, where
// the values of a file belong, what a writer is given.
// Next: model_file.h, model_writer.h.
#ifndef TEMPER_MODELS_FILES_TRAINER_TENSORS_H_
#define TEMPER_MODELS_FILES_TRAINER_TENSORS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/files/model_file.h"
#include "models/files/model_writer.h"
#include "temper/trainer.h"

namespace temper {

// "<node>.<weight>" of a stored tensor; "optimizer.<state>.<node>.<weight>".
std::string TensorName(const Plan& plan, const TensorView& view);
std::string StateName(const Plan& plan, const Trainer& trainer,
                      const StateView& view);

// For ModelWriter::Prepare: all weights, and all of the optimizer's state.
std::vector<TensorSource> WeightSources(const Trainer& trainer);
std::vector<TensorSource> StateSources(const Trainer& trainer);

// Where the weights of a model file of graph `stored` belong in a trainer,
// whose graph has the same layers and may have more (SetDropout).
class WeightPlaces {
 public:
  WeightPlaces(const Trainer& trainer, const Graph& stored);
  // Null: the trainer has no such tensor, or one of another size.
  const TensorView* Find(const StoredTensor& tensor) const;
  // Of one that is there.
  const TensorView& At(const StoredTensor& tensor) const {
    return views_[first_[tensor.node] + tensor.slot];
  }
  // Values [first, first + n) of a weight. Those of trained ones that are too
  // small to be multiplied become 0, as an update would have made them: a file
  // of another version cannot slow every step down (docs/numerics.md).
  void Copy(const StoredTensor& tensor, uint64_t first,
            std::span<const float> values) const;

 private:
  std::vector<size_t> first_;  // of each node of `stored`
  std::span<const TensorView> views_;
};

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_TRAINER_TENSORS_H_
