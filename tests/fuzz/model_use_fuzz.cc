// Any bytes as a model that is used: planned, filled, evaluated; given a head
// for other classes, filled again, and trained for one step. Whatever the
// loader accepts must go through all of it.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>

#include "models/work.h"
#include "ports/host/os/arena.h"
#include "ports/host/train/job.h"
#include "ports/host/train/weights.h"
#include "temper/graph_edit.h"
#include "temper/model_file.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/model_inputs.h"

namespace temper::fuzz {

std::vector<Bytes> Seeds() { return ModelSeeds(); }
std::vector<std::string> Words() { return ModelWords(); }
void Repair(Bytes* input, int64_t grown) { RepairModel(input, grown); }

namespace {

constexpr uint64_t kMostArena = uint64_t{4} << 20;
constexpr uint64_t kMostWork = uint64_t{4} << 20;  // multiply-adds of a sample
constexpr uint32_t kRows = 2;

// A file without a name.
class MemoryFile {
 public:
  explicit MemoryFile(const Bytes& bytes) : fd_(memfd_create("model", 0)) {
    Require(fd_ >= 0, "there is a file in memory");
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = write(fd_, bytes.data() + done, bytes.size() - done);
      Require(n > 0, "it can be written");
      done += static_cast<size_t>(n);
    }
  }
  ~MemoryFile() { close(fd_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

// Plans the job's graph and fills a trainer; evaluates, and trains a step.
void Use(host::Job& job, bool training) {
  PlanOptions options;
  options.batch = kRows;
  options.training = training;
  if (!MakePlan(job.info.graph, options, &job.plan).ok()) return;
  if (job.plan.arena_bytes > kMostArena) return;
  if (models::StepMultiplyAdds(job.plan) > kMostWork) return;
  host::HostArena arena(job.plan.arena_bytes);  // ends at a guard page
  Trainer trainer;
  Require(trainer.Create(job.plan, arena.data(), arena.size()).ok(),
          "what is planned runs");
  host::SetWeights(job, trainer);
  const Shape shape = job.plan.shapes[0];
  const Shape out = job.plan.shapes.back();
  const std::vector<uint8_t> samples(
      kRows * shape.Count() * (shape.type == ElementType::kU8 ? 1 : 4) +
      kTensorAlign);
  const std::vector<int32_t> labels(kRows);
  const std::vector<float> targets(kRows * out.Count());
  Batch batch;
  batch.input = samples.data();
  if (models::IsClassifier(job.info.graph)) {
    batch.labels = labels.data();
  } else if (job.info.graph.nodes.back().input_count == 1) {
    batch.targets = targets.data();
  }
  batch.rows = kRows;
  const auto allowed = [](const StepResult& r) {
    return r.status.ok() || r.status.code == StatusCode::kNotFinite;
  };
  Require(allowed(trainer.Evaluate(batch)), "an evaluation ends well");
  if (training && kRows >= job.plan.minimum_rows) {
    Require(allowed(trainer.Step(batch, 1e-3f)), "a step ends well");
  }
}

// The same by the public interface: what it accepts it can write, and read back.
void UsePublic(const Bytes& file) {
  ModelReader reader;
  const FileError opened = reader.Open(file);
  if (!opened.ok()) return Require(!opened.message.empty(), "it says why");
  Plan plan;
  PlanOptions options;
  options.batch = kRows;
  options.training = false;
  if (!MakePlan(reader.description().graph, options, &plan).ok()) return;
  if (plan.arena_bytes > kMostArena) return;
  host::HostArena arena(plan.arena_bytes);
  Trainer trainer;
  Require(trainer.Create(plan, arena.data(), arena.size()).ok(),
          "what is planned runs");
  const FileError read = reader.ReadWeights(trainer);
  if (!read.ok()) return Require(!read.message.empty(), "it says why");
  Bytes again;
  Require(WriteModel(reader.description(), trainer, &again).ok(),
          "what was read can be written");
  ModelReader second;
  Require(second.Open(again).ok() && second.ReadWeights(trainer).ok(),
          "and read");
}

}  // namespace
}  // namespace temper::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace temper;
  fuzz::Bytes file(data, data + size);
  if (!fuzz::SealModel(&file)) return 0;
  fuzz::UsePublic(file);
  const fuzz::MemoryFile stored(file);
  for (const bool other_classes : {false, true}) {
    try {
      host::Job job;
      job.source = std::make_unique<host::ModelSource>(stored.path());
      job.info = job.source->header();
      if (other_classes) {
        // The first old class becomes the last new one, two are unknown.
        if (!models::IsClassifier(job.info.graph)) continue;
        job.head_rows = {-1, -1, 0};
        if (!models::SetOutputs(&job.info.graph, 3).ok()) continue;
        if (!models::SetDropout(&job.info.graph, 0.5f).ok()) continue;
      }
      fuzz::Use(job, other_classes);
    } catch (const host::Failure& failure) {
      fuzz::Require(!failure.message.empty(), "a refusal says why");
    }
  }
  return 0;
}
