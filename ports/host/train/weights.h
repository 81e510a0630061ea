// The weights of a trainer: drawn, from statistics of the data, or from a model
// file, whose head may be for other classes. And what its tensors are called in
// files. Next: checkpoint.h, which saves them.
#ifndef TEMPER_PORTS_HOST_TRAIN_WEIGHTS_H_
#define TEMPER_PORTS_HOST_TRAIN_WEIGHTS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ports/host/train/job.h"
#include "ports/host/train/model_source.h"
#include "temper/trainer.h"

namespace temper::host {

// Fills a trainer made from job.plan: draws, then what is known; reads
// job.source.
void SetWeights(Job& job, Trainer& trainer);

// "<node>.<weight>" of a stored tensor; "optimizer.<state>.<node>.<weight>".
std::string TensorName(const Plan& plan, const TensorView& view);
std::string StateName(const Plan& plan, const Trainer& trainer,
                      const StateView& view);
std::vector<uint32_t> TensorDims(const TensorView& view);

// Where the weights of a model file of graph `stored` belong in a trainer,
// whose graph has the same layers and may have more (SetDropout).
class WeightPlaces {
 public:
  WeightPlaces(const Trainer& trainer, const Graph& stored);
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

// The weights of a model file into a trainer of its graph. Throws as
// ModelSource::Read; then the trainer must not be used.
void ReadWeights(ModelSource& source, Trainer& trainer);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_WEIGHTS_H_
