// LayerWatch: once an epoch, what each layer puts out (the root of the mean square,
// in the last step) and the norm of each weight tensor. It changes no bit of the
// training and allocates nothing after construction.
// Next: ports/host/run/layers_log.h (where it is written).
#ifndef TEMPER_PORTS_HOST_TRAIN_LAYER_WATCH_H_
#define TEMPER_PORTS_HOST_TRAIN_LAYER_WATCH_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "temper/trainer.h"

namespace temper::host {

// "conv1.rms" of what dense and convolution layers and activations put out, where
// that is stored; "conv1.weight.norm" of what is trained.
std::vector<std::string> LayerColumns(const Trainer& trainer);

class LayerWatch {
 public:
  // All trainers that are watched have its graph.
  explicit LayerWatch(const Trainer& trainer);

  // For Trainer::WatchSignal.
  double* rms() { return rms_.data(); }
  // By LayerColumns; NaN: not known. Valid until the next call.
  std::span<const double> Values(const Trainer& trainer);
  // What was measured is old from now on.
  void Forget();

 private:
  std::vector<double> rms_;      // by node; -1: not measured
  std::vector<uint32_t> nodes_;  // with a column
  std::vector<size_t> tensors_;  // the same, of Trainer::Tensors()
  std::vector<double> values_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_LAYER_WATCH_H_
