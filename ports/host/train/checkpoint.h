// Checkpoint: a trainer's state in a file, again and again, without allocating.
// Counters travel in the file's metadata (models/files/model_writer.h) as text
// of fixed width; floating-point ones as the 16 hexadecimal digits of their
// bits, so that a resumed run continues with the same bits. Nothing in the file
// depends on time, host, path, target or threads. Next: ports/host/os/files.h
// (how it reaches the disk).
#ifndef TEMPER_PORTS_HOST_TRAIN_CHECKPOINT_H_
#define TEMPER_PORTS_HOST_TRAIN_CHECKPOINT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "models/files/model_writer.h"
#include "ports/host/os/file_io.h"
#include "ports/host/train/job.h"
#include "ports/host/train/model_source.h"

namespace temper::host {

// The position of a run; FitState is that of its phase.
struct Counters : FitState {
  uint32_t phase = 0;
  uint32_t best_epoch = 0;  // 0: none yet
  double best_accuracy = -1, best_loss = 0;
  uint32_t waited = 0;  // BestKeeper::waited
  double mark = 0;      // BestKeeper::mark

  // Of the run: what is done in all its phases.
  uint32_t Epochs() const { return first_epoch + epoch; }
  uint64_t Steps() const { return first_step + step; }
};

class Checkpoint {
 public:
  // With optimizer state and all counters, or the weights alone. `trainer` is
  // that of job.Phase(phase).
  Checkpoint(const Job& job, uint32_t phase, const Trainer& trainer,
             const FilePlace& place, bool with_state);

  // Replaces the file. Throws Failure: kDiverged (NaN in a weight; the old
  // file stays), kIo.
  void Save(const Counters& counters);

  // The folder of the next saves.
  void MoveTo(int folder) { file_.MoveTo(folder); }

  uint64_t file_bytes() const { return writer_.file_bytes(); }
  std::array<char, 64> WeightsSha256() const { return writer_.WeightsSha256(); }

 private:
  const Job& job_;
  const std::string path_;
  AtomicFile file_;
  ModelWriter writer_;
};

// Counters from the training fields of a checkpoint. kMismatch if it is of
// another program or arithmetic version than `job`.
Counters ReadCounters(const ModelDescription& file, const Job& job);

// The same without a job to compare with, for those who look at a file from
// outside. Nothing if it is no checkpoint, or one with damaged counters.
std::optional<Counters> StoredCounters(const ModelDescription& file);

// All epochs of its phase are done, or it has stopped early.
bool PhaseHasFinished(const Counters& counters, const JobOptions& options);
// The same of the last phase.
bool HasFinished(const Counters& counters, const JobOptions& options);
// The options that the checkpoint was made with, as a hash.
std::string StoredOptions(const ModelDescription& file);

// A note for the user if the checkpoint was computed on another backend, version
// of its library, CPU or number of its threads, so that the run does not go on
// bit for bit; else "".
std::string BackendChange(const ModelDescription& file, const Job& job);

// Weights and optimizer state into a trainer of the same plan, straight from
// the file. kMismatch if the optimizer has other state than the file.
void RestoreState(ModelSource& file, Trainer& trainer);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_CHECKPOINT_H_
