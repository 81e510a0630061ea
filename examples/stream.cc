// Learns from a stream of samples, as firmware does: the newest ones lie in a
// ring in static memory; after every 64 new ones a short fit adapts the
// weights. An observer stops it as soon as the validation loss no longer falls,
// another one when its time is up, and the weights of the best epoch are kept.
// Half-way the sensor drifts. Nothing is allocated after setup.
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "temper/temper.h"

namespace {

constexpr uint32_t kInputs = 8, kRing = 128, kNew = 64, kRounds = 8;
constexpr uint32_t kRows = 16;        // of a batch
constexpr uint32_t kHeldOut = 4;      // every 4th sample is for validation
constexpr uint64_t kMostSteps = 120;  // of a round; a real device reads a timer

alignas(64) uint8_t memory[8 << 10];    // weights and all that steps need
alignas(64) uint8_t snapshot[2 << 10];  // the best epoch's weights and state

struct Sample {
  float x[kInputs];
  int32_t label;
};
Sample ring[kRing];

// In place of a sensor: class 1 if the first half of the readings is larger
// than the second by more than an offset, which jumps when the sensor drifts.
Sample Read(uint32_t id) {
  Sample sample = {};
  float difference = id < kRounds / 2 * kNew ? 0.0f : -0.6f;
  for (uint32_t i = 0; i < kInputs; ++i) {
    const uint32_t word = temper::RandomWord(1, i, id, 0, 0);
    sample.x[i] = static_cast<float>(word >> 8) * 0x1p-24f;
    difference += i < kInputs / 2 ? sample.x[i] : -sample.x[i];
  }
  sample.label = difference > 0;
  return sample;
}

// Batches from the ring: the held-out samples, or all others.
struct Batches {
  bool held_out;
  uint32_t next = 0;
  float samples[kRows * kInputs] = {};
  int32_t labels[kRows] = {};
  temper::Batch batch = {};

  const temper::Batch* Next() {
    uint32_t rows = 0;
    for (; next < kRing && rows < kRows; ++next) {
      if ((next % kHeldOut == 0) != held_out) continue;
      for (uint32_t i = 0; i < kInputs; ++i) {
        samples[rows * kInputs + i] = ring[next].x[i];
      }
      labels[rows++] = ring[next].label;
    }
    batch = {.input = samples, .labels = labels, .rows = rows};
    return rows == 0 ? nullptr : &batch;
  }
};
temper::BatchSource From(Batches* batches) {
  return {batches,
          [](void* b, uint32_t, uint64_t first) {
            // A fit that is not resumed begins every epoch at batch 0.
            static_cast<Batches*>(b)->next = static_cast<uint32_t>(first);
          },
          [](void* b) { return static_cast<Batches*>(b)->Next(); }};
}

// Stops after `patience` epochs without a lower validation loss.
class EarlyStop : public temper::FitObserver {
 public:
  explicit EarlyStop(uint32_t patience) : patience_(patience) {}

  bool OnEpoch(temper::Fit&, const temper::EpochReport& report) override {
    if (report.validation->loss < least_) {
      least_ = report.validation->loss;
      without_ = 0;
      return true;
    }
    return ++without_ < patience_;
  }

 private:
  const uint32_t patience_;
  uint32_t without_ = 0;
  double least_ = INFINITY;
};

class Deadline : public temper::FitObserver {
 public:
  bool Continue(const temper::Fit& fit) override {
    return fit.state().step < kMostSteps;
  }
};

double Accuracy(temper::Trainer& trainer, Batches* batches) {
  double correct = 0, rows = 0;
  batches->next = 0;
  while (const temper::Batch* const batch = batches->Next()) {
    const temper::StepResult r = trainer.Evaluate(*batch);
    correct += r.correct;
    rows += r.rows;
  }
  return correct / rows;
}

}  // namespace

int main() {
  temper::Graph graph;
  uint32_t x = graph.Add("input", temper::InputParams{1, 1, kInputs});
  x = graph.Add("normalize", temper::NormalizeParams{}, x);
  x = graph.Add("fc1", temper::DenseParams{16}, x);
  x = graph.Add("relu", temper::ReluParams{}, x);
  x = graph.Add("fc2", temper::DenseParams{2}, x);
  graph.Add("loss", temper::SoftmaxCrossEntropyParams{}, x);

  temper::PlanOptions plan_options;
  plan_options.batch = kRows;
  temper::Plan plan;
  temper::Status status = temper::MakePlan(graph, plan_options, &plan);
  temper::Trainer trainer;
  if (status.ok()) status = trainer.Create(plan, memory, sizeof(memory));
  if (!status.ok() || trainer.SnapshotBytes() > sizeof(snapshot)) {
    std::printf("%s\n", status.message);
    return 1;
  }
  std::printf("arena %llu bytes, snapshot %llu\n",
              static_cast<unsigned long long>(plan.arena_bytes),
              static_cast<unsigned long long>(trainer.SnapshotBytes()));
  trainer.Initialize(/*seed=*/1);

  static Batches train = {.held_out = false}, validation = {.held_out = true};
  temper::FitOptions options;
  options.epochs = 40;
  options.batches_per_epoch = kRing / kRows;  // at most; Next ends an epoch
  options.schedule.kind = temper::ScheduleKind::kConstant;
  options.schedule.base_lr = 0.05;
  options.schedule.total_steps = options.epochs * options.batches_per_epoch;

  for (uint32_t id = 0; id < kRing - kNew; ++id) ring[id] = Read(id);
  double accuracy = 0;
  uint32_t id = kRing - kNew;
  for (uint32_t round = 1; round < kRounds; ++round) {
    for (const uint32_t end = id + kNew; id < end; ++id) {
      ring[id % kRing] = Read(id);
    }
    const double before = Accuracy(trainer, &validation);
    temper::BestKeeper best(snapshot);
    EarlyStop early_stop(/*patience=*/4);
    Deadline deadline;
    temper::FitObserver* const observers[] = {&best, &early_stop, &deadline};
    temper::Fit fit(trainer, From(&train), options, From(&validation),
                    observers);
    if (fit.Run().end == temper::FitEnd::kFailed) return 2;
    best.Restore(trainer);
    accuracy = Accuracy(trainer, &validation);
    std::printf("round %u: accuracy %.2f -> %.2f, %u epochs, %llu steps\n",
                round, before, accuracy, fit.state().epoch,
                static_cast<unsigned long long>(fit.state().step));
  }
  return accuracy > 0.85 ? 0 : 3;
}
