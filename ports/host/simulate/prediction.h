// DevicePrediction: what a job will take on another device, in bytes and seconds,
// known before it runs. Next: ports/sim/estimate.h (a step), memory_limit.h.
#ifndef TEMPER_PORTS_HOST_SIMULATE_PREDICTION_H_
#define TEMPER_PORTS_HOST_SIMULATE_PREDICTION_H_

#include <cstdint>

#include "ports/host/train/job.h"
#include "ports/sim/estimate.h"
#include "ports/sim/profile.h"

namespace temper::host {

struct DevicePrediction {
  uint64_t limit = 0, planned = 0;  // bytes
  uint64_t arena = 0, backend = 0, outside = 0;
  sim::Estimate step;       // a batch with its update
  double forward = 0;       // seconds to predict a batch
  double forward_one = 0;   // seconds to predict one sample
  double evaluation = 0;    // seconds of a whole validation
  double steps = 0;         // seconds of all batches and updates
  double saves = 0;         // seconds of all saves
  uint64_t save_bytes = 0;  // of last.safetensors, about
  uint64_t save_count = 0;
  uint64_t step_count = 0;  // batches of training
  double Total() const { return steps + evaluation + saves; }
};

// `limit`: bytes that the job may take on the device, data included.
DevicePrediction Predict(const sim::DeviceProfile& device, const Job& job,
                         uint64_t limit);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_SIMULATE_PREDICTION_H_
