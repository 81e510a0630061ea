// Trains a small network inside a static block of memory: the loop is Fit,
// BestKeeper keeps the weights of the best epoch, RMSprop updates them.
#include <cstdint>
#include <cstdio>

#include "temper/temper.h"

namespace {

alignas(64) uint8_t memory[1 << 20];    // all that steps ever use
alignas(64) uint8_t snapshot[1 << 18];  // the best epoch's weights and state

constexpr uint32_t kRows = 16, kInputs = 8;

// Points in a cube; class 1 if the first half of the numbers is the larger.
// Batch k is a function of its number, so that every epoch sees the same.
struct Points {
  uint64_t first, batches, next = 0;
  float samples[kRows * kInputs] = {};
  int32_t labels[kRows] = {};
  temper::Batch batch = {};

  const temper::Batch* Next() {
    if (next == batches) return nullptr;
    for (uint32_t r = 0; r < kRows; ++r) {
      float difference = 0;
      const auto id = static_cast<uint32_t>((first + next) * kRows + r);
      for (uint32_t i = 0; i < kInputs; ++i) {
        const uint32_t word = temper::RandomWord(1, i, id, 0, 0);
        const float x = static_cast<float>(word >> 8) * 0x1p-24f;
        samples[r * kInputs + i] = x;
        difference += i < kInputs / 2 ? x : -x;
      }
      labels[r] = difference > 0;
    }
    ++next;
    batch = {.input = samples, .labels = labels, .rows = kRows};
    return &batch;
  }
};

temper::BatchSource From(Points* points) {
  return {points,
          [](void* p, uint32_t, uint64_t first) {
            static_cast<Points*>(p)->next = first;
          },
          [](void* p) { return static_cast<Points*>(p)->Next(); }};
}

struct Print : temper::FitObserver {
  bool OnEpoch(temper::Fit&, const temper::EpochReport& report) override {
    std::printf("epoch %u: loss %.3f, validation accuracy %.3f\n", report.epoch,
                report.train.loss, report.validation->accuracy);
    return true;
  }
};

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
  plan_options.optimizer = temper::RmspropParams{};
  temper::Plan plan;
  temper::Status status = temper::MakePlan(graph, plan_options, &plan);
  temper::Trainer trainer;
  if (status.ok()) status = trainer.Create(plan, memory, sizeof(memory));
  if (!status.ok() || trainer.SnapshotBytes() > sizeof(snapshot)) {
    std::printf("%s\n", status.message);
    return 1;
  }
  std::printf("%llu bytes\n",
              static_cast<unsigned long long>(plan.arena_bytes));
  trainer.Initialize(/*seed=*/1);

  Points training = {.first = 0, .batches = 40};
  Points held_out = {.first = 40, .batches = 10};
  temper::FitOptions options;
  options.epochs = 10;
  options.batches_per_epoch = training.batches;
  options.schedule.base_lr = 0.01;
  options.schedule.total_steps = options.epochs * training.batches;
  temper::BestKeeper best(snapshot);
  Print print;
  temper::FitObserver* const observers[] = {&best, &print};
  temper::Fit fit(trainer, From(&training), options, From(&held_out),
                  observers);
  if (fit.Run().end != temper::FitEnd::kFinished) return 2;
  best.Restore(trainer);
  std::printf("epoch %u was best: %.3f\n", best.epoch, best.accuracy);
  return best.accuracy > 0.9 ? 0 : 3;
}
