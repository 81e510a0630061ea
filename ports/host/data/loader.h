// Loader: batches of a Dataset, one ahead. While the trainer works on a batch,
// a second thread gathers the samples of the next one into the other of two
// buffers. All memory exists and the thread runs after construction; an epoch
// allocates nothing.
//
// The order of an epoch is a function of (seed, epoch, sample ids) alone: sort
// by (Philox word of the id, id), use kShuffle. Batch k of an epoch can
// therefore be reached without the batches before it (resume).
//
// `balanced`: an epoch has as many samples, drawn with replacement: position k of
// it has a class with the same chance for each, and of it one of its samples, by
// (seed, epoch, k) alone. Random draws of a sample (augmentation, dropout) follow
// its position then, so that one that comes twice is not the same twice.
#ifndef TEMPER_PORTS_HOST_DATA_LOADER_H_
#define TEMPER_PORTS_HOST_DATA_LOADER_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <mutex>
#include <vector>

#include "ports/host/data/dataset.h"
#include "ports/host/os/thread.h"
#include "temper/augment.h"
#include "temper/fit.h"
#include "temper/trainer.h"

namespace temper::host {

struct LoaderOptions {
  uint32_t batch = 1;
  uint64_t seed = 0;
  bool shuffle = false;
  bool drop_last = false;  // leave out a short last batch
  // What happens to every sample, by this seed and the epoch.
  std::vector<Augmentation> augment = {};
  // Batch::class_weights: one for each class, or none.
  std::vector<float> class_weights = {};
  bool balanced = false;  // needs data whose samples have one class
  // 0: samples as they are. Else rows are mixed (temper/mixup.h), and a class becomes
  // a row of `outputs` probabilities (Batch::targets). Needs classes or probabilities.
  float mixup_alpha = 0.0f;
  uint32_t outputs = 0;
};

class Loader {
 public:
  // Batches hold samples of data.Input(). `data` must outlive the loader and stay as it is. kUsage for batch 0,
  // kBadData if drop_last leaves no batch at all.
  Loader(const Dataset& data, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  uint64_t BatchesPerEpoch() const { return batches_; }
  // All memory of the loader beside the data set.
  uint64_t MemoryBytes() const;

  // Starts (or restarts) at batch `first_batch` of an epoch. Ends the life of
  // the last batch. first_batch == BatchesPerEpoch() is an epoch already over.
  void StartEpoch(uint32_t epoch, uint64_t first_batch = 0);
  // The next batch, valid until the next call of Next or StartEpoch; nullptr at
  // the end of the epoch, and before the first StartEpoch. Samples are aligned
  // to 64 bytes and readable for simd::kTailBytes past the end; the last batch
  // may be short; labels or targets are null where the data have none.
  const Batch* Next();

 private:
  struct Key {
    uint32_t word;   // Philox
    uint32_t index;  // into the data set
  };
  struct Slot {
    SampleBlock input;
    std::vector<int32_t> labels;
    std::vector<float> targets;
    std::vector<uint64_t> ids;
    Batch batch;
    bool full = false;
  };

  void Run();
  void Gather(uint64_t batch, Slot& slot) const;
  void SortByClass();
  void DrawBalanced();

  const Dataset& data_;
  const LoaderOptions options_;
  uint64_t batches_ = 0;
  uint32_t epoch_ = 0;  // changes only while the worker rests
  std::vector<Key> order_;
  // Of balanced draws: the samples by class, and where each class ends. Classes
  // without samples are left out.
  std::vector<uint32_t> by_class_;
  std::vector<size_t> class_ends_;
  // For resizing; only the worker writes it.
  mutable std::vector<uint32_t> scratch_;
  Slot slots_[2];  // batch k lives in slot k % 2

  // Guarded by mutex_. The worker reads order_ and writes a slot only while
  // `working_`; a full slot belongs to the consumer until it sets full = false.
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t next_gather_ = 0;   // the worker's next batch
  uint64_t next_deliver_ = 0;  // the consumer's next batch
  bool holding_ = false;       // the consumer holds batch next_deliver_ - 1
  bool working_ = false;
  bool stop_ = false;
  std::latch begun_{1};
  Thread worker_;
};

// The batches of a loader, for a fit; nothing for null.
BatchSource SourceOf(Loader* loader);

// What a loader of these samples will hold: two batches, the order, and memory for
// resizing.
uint64_t LoaderBytes(const Dataset& data, const LoaderOptions& options);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_LOADER_H_
