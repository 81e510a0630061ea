// SlowStorage: makes saves take as long as they would on a device whose storage
// is slower than the one here. Everything else goes to the next observer.
#ifndef TEMPER_PORTS_HOST_SIMULATE_SLOW_STORAGE_H_
#define TEMPER_PORTS_HOST_SIMULATE_SLOW_STORAGE_H_

#include <cstdint>
#include <string_view>

#include "ports/host/train/run_observer.h"

namespace temper::host {

class SlowStorage : public RunObserver {
 public:
  // A save of n bytes takes at least per_save + n * per_byte seconds. `next`
  // must outlive this.
  SlowStorage(RunObserver& next, double per_save, double per_byte)
      : next_(next), per_save_(per_save), per_byte_(per_byte) {}

  // Sleeps for the rest of the time; a stop is not kept waiting.
  void OnSave(uint64_t bytes, double seconds) override;

  bool StopRequested() override { return next_.StopRequested(); }
  void OnStep(const ProgressState& state) override { next_.OnStep(state); }
  void OnEpoch(const ProgressState& state, double val_loss, double val_accuracy,
               double val_mae) override {
    next_.OnEpoch(state, val_loss, val_accuracy, val_mae);
  }
  void OnNote(std::string_view text) override { next_.OnNote(text); }
  void OnWarning(std::string_view text) override { next_.OnWarning(text); }
  void OnEnd() override { next_.OnEnd(); }

 private:
  RunObserver& next_;
  const double per_save_, per_byte_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_SIMULATE_SLOW_STORAGE_H_
