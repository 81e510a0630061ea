// The double-buffered loader. Who owns what, and when: loader.h.
#include "ports/host/data/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "ports/host/base/failure.h"
#include "ports/host/os/threads.h"
#include "simd/rows.h"
#include "temper/mixup.h"
#include "temper/random.h"

namespace temper::host {
namespace {

size_t ScratchWords(const Dataset& data,
                    const std::vector<Augmentation>& augment) {
  return (AugmentScratchBytes(augment.data(),
                              static_cast<uint32_t>(augment.size()), data.shape,
                              data.Input()) +
          3) /
         4;
}

// Targets of a sample in a batch; 0: its class, or none.
size_t FloatsOf(const Dataset& data, const LoaderOptions& options) {
  return options.mixup_alpha > 0.0f && data.targets.kind == TargetKind::kClasses
             ? options.outputs
             : data.targets.Floats();
}

}  // namespace

Loader::Loader(const Dataset& data, const LoaderOptions& options)
    : data_(data), options_(options) {
  if (options.batch == 0) {
    Fail(ErrorKind::kUsage, "cannot make batches", "--batch", "it is 0",
         "Use 1 or more.");
  }
  batches_ = options.drop_last
                 ? data.size() / options.batch
                 : (data.size() + options.batch - 1) / options.batch;
  if (batches_ == 0) {
    Fail(ErrorKind::kBadData, "cannot make batches", data.source,
         fmt::format("{} samples are fewer than one batch of {}", data.size(),
                     options.batch),
         "Use a smaller --batch or more data.");
  }
  const size_t rows = std::min<size_t>(options.batch, data.size());
  const uint64_t bytes = uint64_t{rows} * data.InputBytes() + simd::kTailBytes;
  scratch_.resize(ScratchWords(data, options.augment));
  for (Slot& slot : slots_) {
    slot.input = SampleBlock(static_cast<size_t>(bytes));
    // Touched here once: no page is first met inside a step, and the tail that
    // kernels may read has a value.
    std::memset(slot.input.data(), 0, slot.input.size());
    slot.ids.resize(rows);
    slot.batch.input = slot.input.data();
    slot.batch.sample_ids = slot.ids.data();
    if (const size_t floats = FloatsOf(data, options); floats > 0) {
      slot.targets.resize(rows * floats);
      slot.batch.targets = slot.targets.data();
    } else if (data.targets.kind == TargetKind::kClasses) {
      slot.labels.resize(rows);
      slot.batch.labels = slot.labels.data();
    }
  }
  order_.resize(data.size());
  for (Slot& slot : slots_) {
    if (options_.class_weights.empty()) break;
    slot.batch.class_weights = options_.class_weights.data();
  }
  if (options_.balanced) SortByClass();
  next_gather_ = next_deliver_ = batches_;
  try {
    worker_ = Thread([this] { Run(); });
  } catch (const std::system_error&) {
    FailNoThread("the system refuses the one that loads the data");
  }
  begun_.wait();
}

Loader::~Loader() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

uint64_t LoaderBytes(const Dataset& data, const LoaderOptions& options) {
  constexpr uint64_t kSlots = 2, kId = 8;
  // The order; the samples by class and the ends of the classes.
  const uint64_t kOrder = options.balanced ? 12 : 8;
  const uint64_t ends = options.balanced ? 8 * data.class_names.size() : 0;
  const uint64_t rows = std::min<uint64_t>(options.batch, data.size());
  const uint64_t floats = FloatsOf(data, options);
  const uint64_t targets =
      floats == 0 && data.targets.kind == TargetKind::kClasses ? 4 : 4 * floats;
  return kSlots * rows * (data.InputBytes() + targets + kId) +
         kOrder * data.size() + ends + 4 * ScratchWords(data, options.augment);
}

uint64_t Loader::MemoryBytes() const {
  uint64_t bytes = order_.size() * sizeof(Key) +
                   scratch_.size() * sizeof(scratch_[0]) +
                   by_class_.size() * sizeof(by_class_[0]) +
                   class_ends_.size() * sizeof(class_ends_[0]);
  for (const Slot& slot : slots_) {
    bytes += slot.input.size() + slot.labels.size() * sizeof(slot.labels[0]) +
             slot.targets.size() * sizeof(slot.targets[0]) +
             slot.ids.size() * sizeof(slot.ids[0]);
  }
  return bytes;
}

void Loader::StartEpoch(uint32_t epoch, uint64_t first_batch) {
  {
    // Nothing more to gather, then wait until the worker is idle.
    std::unique_lock lock(mutex_);
    next_gather_ = batches_;
    changed_.wait(lock, [this] { return !working_; });
  }
  epoch_ = epoch;
  if (options_.balanced) DrawBalanced();
  for (size_t i = 0; i < order_.size() && !options_.balanced; ++i) {
    uint32_t word = 0;
    if (options_.shuffle) {
      word = RandomWord(options_.seed, static_cast<uint32_t>(data_.ids[i]), 0,
                        epoch, RandomStream(RandomUse::kShuffle, 0));
    }
    order_[i] = {word, static_cast<uint32_t>(i)};
  }
  // ids ascend, so the index orders equal words as the id would. std::sort
  // works in place.
  if (options_.shuffle && !options_.balanced) {
    std::sort(order_.begin(), order_.end(), [](const Key& a, const Key& b) {
      return a.word != b.word ? a.word < b.word : a.index < b.index;
    });
  }
  {
    std::lock_guard lock(mutex_);
    next_gather_ = next_deliver_ = std::min(first_batch, batches_);
    holding_ = false;
    for (Slot& slot : slots_) slot.full = false;
  }
  changed_.notify_all();
}

void Loader::SortByClass() {
  const std::vector<uint64_t> counts = data_.ClassCounts();
  std::vector<size_t> next;  // place of a class's next sample
  size_t end = 0;
  for (const uint64_t count : counts) {
    next.push_back(end);
    end += static_cast<size_t>(count);
    if (count > 0) class_ends_.push_back(end);
  }
  if (end != data_.size() || data_.targets.kind == TargetKind::kMultiHot) {
    Fail(ErrorKind::kBug, "balanced draws of samples without one class",
         data_.source, "", "");
  }
  by_class_.resize(data_.size());
  for (size_t i = 0; i < data_.size(); ++i) {
    by_class_[next[static_cast<size_t>(data_.ClassOf(i))]++] =
        static_cast<uint32_t>(i);
  }
}

// Two words for each position: which class, which of its samples.
void Loader::DrawBalanced() {
  const auto draw = [&](uint32_t position, uint32_t which, uint64_t of) {
    const uint64_t word = RandomWord(
        options_.seed, 2 * (position % (1u << 31)) + which, position >> 31,
        epoch_, RandomStream(RandomUse::kShuffle, 1));
    return static_cast<size_t>(word * of >> 32);
  };
  for (size_t k = 0; k < order_.size(); ++k) {
    const uint32_t position = static_cast<uint32_t>(k);
    const size_t c = draw(position, 0, class_ends_.size());
    const size_t begin = c == 0 ? 0 : class_ends_[c - 1];
    const size_t i = draw(position, 1, class_ends_[c] - begin);
    order_[k] = {position, by_class_[begin + i]};
  }
}

const Batch* Loader::Next() {
  std::unique_lock lock(mutex_);
  if (holding_) {
    slots_[(next_deliver_ - 1) % 2].full = false;
    holding_ = false;
    changed_.notify_all();
  }
  if (next_deliver_ == batches_) return nullptr;
  Slot& slot = slots_[next_deliver_ % 2];
  changed_.wait(lock, [&slot] { return slot.full; });
  ++next_deliver_;
  holding_ = true;
  return &slot.batch;
}

void Loader::Run() {
  begun_.count_down();
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] {
      return stop_ ||
             (next_gather_ < batches_ && !slots_[next_gather_ % 2].full);
    });
    if (stop_) return;
    const uint64_t batch = next_gather_;
    Slot& slot = slots_[batch % 2];
    working_ = true;
    lock.unlock();
    Gather(batch, slot);
    lock.lock();
    working_ = false;
    // If StartEpoch has called the batch off meanwhile, it resets both.
    slot.full = true;
    ++next_gather_;
    changed_.notify_all();
  }
}

void Loader::Gather(uint64_t batch, Slot& slot) const {
  const size_t begin = static_cast<size_t>(batch * options_.batch);
  const size_t end = std::min<size_t>(begin + options_.batch, order_.size());
  const size_t sample_bytes = data_.InputBytes();
  const size_t floats = FloatsOf(data_, options_);
  for (size_t i = begin; i < end; ++i) {
    const size_t from = order_[i].index;
    const size_t row = i - begin;
    const uint64_t id = options_.balanced ? uint64_t{i} : data_.ids[from];
    uint8_t* const sample = slot.input.data() + row * sample_bytes;
    AugmentFrom(options_.augment.data(),
                static_cast<uint32_t>(options_.augment.size()), data_.shape,
                data_.Sample(from), data_.Input(), options_.seed, id, epoch_,
                sample, scratch_.data());
    if (!slot.labels.empty()) slot.labels[row] = data_.labels[from];
    float* const target = slot.targets.data() + row * floats;
    if (floats > 0 && data_.targets.kind == TargetKind::kClasses) {
      std::fill_n(target, floats, 0.0f);
      target[data_.labels[from]] = 1.0f;
    } else if (floats > 0) {
      std::copy_n(data_.Values(from), floats, target);
    }
    slot.ids[row] = id;
  }
  slot.batch.rows = static_cast<uint32_t>(end - begin);
  if (options_.mixup_alpha > 0.0f) {
    MixBatch({options_.mixup_alpha, options_.seed}, epoch_, slot.batch.rows,
             slot.ids.data(), data_.Input(), slot.input.data(),
             static_cast<uint32_t>(floats), slot.targets.data());
  }
}

BatchSource SourceOf(Loader* loader) {
  if (loader == nullptr) return {};
  return {loader,
          [](void* from, uint32_t epoch, uint64_t first) {
            static_cast<Loader*>(from)->StartEpoch(epoch, first);
          },
          [](void* from) { return static_cast<Loader*>(from)->Next(); }};
}

}  // namespace temper::host
