// Filling a trainer. See weights.h.
#include "ports/host/train/weights.h"

#include <algorithm>
#include <string>
#include <vector>

#include "ports/host/train/specs.h"
#include "temper/graph_edit.h"

namespace temper::host {

void ReadWeights(ModelSource& source, Trainer& trainer) {
  const WeightPlaces places(trainer, source.header().graph);
  source.Read([&](const StoredTensor& tensor, bool state, uint64_t first,
                  std::span<const float> values) {
    if (!state) places.Copy(tensor, first, values);
  });
}

namespace {

// The head of a model with other classes: rows that the old one has, too, are
// copied, the others drawn anew.
class HeadRows {
 public:
  // `old_rows`: of the old head.
  HeadRows(const Job& job, uint64_t old_rows) : rows_(job.head_rows) {
    new_row_.assign(old_rows, -1);
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i] >= 0) {
        new_row_[static_cast<size_t>(rows_[i])] = static_cast<int32_t>(i);
      }
    }
  }

  void Draw(const TensorView& view, const Job& job,
            const InitializeOptions& init) const {
    const uint64_t row = view.count / view.spec->dims[0];
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i] >= 0) continue;
      float* const to = view.data + i * row;
      if (view.spec->role == WeightRole::kKernel) {
        InitializeNormal(job.options.seed,
                         RandomStream(RandomUse::kNewHead, view.node),
                         view.slot, init.head_std, i * row, row, to);
      } else {
        std::fill_n(to, row, 0.0f);
      }
    }
  }

  // Values of the old head from number `first` on, which may begin and end
  // within a row.
  void Copy(const StoredTensor& old, uint64_t first,
            std::span<const float> values, float* head) const {
    const uint64_t row = old.count / old.dims[0];
    while (!values.empty()) {
      const uint64_t within = first % row;
      const size_t n =
          static_cast<size_t>(std::min<uint64_t>(row - within, values.size()));
      const int32_t to = new_row_[static_cast<size_t>(first / row)];
      if (to >= 0) {
        std::copy_n(values.begin(), n,
                    head + static_cast<uint64_t>(to) * row + within);
      }
      first += n;
      values = values.subspan(n);
    }
  }

 private:
  const std::vector<int32_t>& rows_;
  std::vector<int32_t> new_row_;  // of each old row, or -1
};

void SetStatistics(const std::vector<ModelTensor>& statistics,
                   Trainer& trainer) {
  for (const TensorView& view : trainer.Tensors()) {
    const std::string name = TensorName(trainer.plan(), view);
    for (const ModelTensor& tensor : statistics) {
      if (tensor.name != name) continue;
      std::copy(tensor.values.begin(), tensor.values.end(), view.data);
    }
  }
}

}  // namespace

void SetWeights(Job& job, Trainer& trainer) {
  const InitializeOptions init = ReadInitializer(job.options.init);
  trainer.Initialize(job.options.seed, init);
  SetStatistics(job.statistics, trainer);
  if (!job.source) return;
  if (job.head_rows.empty()) {
    ReadWeights(*job.source, trainer);
    return;
  }
  const uint32_t head = models::HeadNode(job.info.graph);
  const Graph& old = job.source->header().graph;
  const uint32_t old_head = models::HeadNode(old);
  uint64_t old_rows = 0;
  for (const StoredTensor& tensor : job.source->header().weights) {
    if (tensor.node == old_head) old_rows = tensor.dims[0];
  }
  const HeadRows rows(job, old_rows);
  for (const TensorView& view : trainer.Tensors()) {
    if (view.node == head) rows.Draw(view, job, init);
  }
  const WeightPlaces places(trainer, job.source->header().graph);
  job.source->Read([&](const StoredTensor& tensor, bool state, uint64_t first,
                       std::span<const float> values) {
    if (state) return;
    if (tensor.node == old_head) {
      rows.Copy(tensor, first, values, places.At(tensor).data);
    } else {
      places.Copy(tensor, first, values);
    }
  });
}

}  // namespace temper::host
