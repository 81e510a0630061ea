// Averaged weights (--average) in the place of a trainer's own, for a validation
// and for the file of the best ones. The running statistics of batch norms are
// estimated anew for them, from training samples; weights and statistics come
// back as they were. Allocates in its constructor alone.
#ifndef TEMPER_PORTS_HOST_TRAIN_AVERAGING_H_
#define TEMPER_PORTS_HOST_TRAIN_AVERAGING_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "ports/host/data/loader.h"
#include "temper/trainer.h"

namespace temper::host {

class Averaging {
 public:
  // `first_step`: the step of the run that the average begins with. `trainer`
  // has been created; without a state called kAverageState nothing is ever done.
  Averaging(Trainer& trainer, Loader& training, uint64_t first_step,
            uint64_t seed);

  // It is the weights as they are, whatever it was.
  void Start();
  // Puts the average in place, once there is one. Leaves the loader anywhere.
  // `go_on` is asked before every batch of the estimate. False: it said no, and
  // everything is as before.
  bool Begin(const std::function<bool()>& go_on);
  // Puts back what was there. Nothing after End.
  void End();
  bool active() const { return active_; }
  // There will be an average, but no step of it has been made.
  bool waits() const { return any_ && trainer_.steps() < first_step_; }

 private:
  void Swap();
  bool EstimateStatistics(const std::function<bool()>& go_on);

  Trainer& trainer_;
  Loader& training_;
  const uint64_t first_step_, seed_;
  bool active_ = false;
  bool any_ = false;
  std::vector<float> statistics_;  // as they were, of all buffers
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_AVERAGING_H_
