// Loads a model file of the command, trains its last layer on a few samples of
// one's own, and saves a file that the command takes:
//
//   personalize MODEL.safetensors [OUT.safetensors]
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "temper/files.h"
#include "temper/graph_edit.h"
#include "temper/temper.h"

namespace {

struct Free {
  void operator()(uint8_t* p) const {
    ::operator delete[](p, std::align_val_t{64});
  }
};

int Fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return Fail("usage: personalize MODEL [OUT]");
  temper::ModelReader file;
  temper::FileError error = temper::OpenModel(argv[1], &file);
  if (!error.ok()) return Fail(error.message);
  temper::ModelDescription model = file.description();

  // All layers but the head stay as they are.
  temper::PlanOptions options;
  options.batch = 8;
  options.frozen.assign(model.graph.nodes.size(), 1);
  options.frozen[temper::models::HeadNode(model.graph)] = 0;
  temper::Plan plan;
  temper::Status status = temper::MakePlan(model.graph, options, &plan);
  if (!status.ok()) return Fail(status.message);
  const std::unique_ptr<uint8_t[], Free> memory(new (std::align_val_t{64})
                                                    uint8_t[plan.arena_bytes]);
  temper::Trainer trainer;
  status = trainer.Create(plan, memory.get(), plan.arena_bytes);
  if (!status.ok()) return Fail(status.message);
  error = file.ReadWeights(trainer);
  if (!error.ok()) return Fail(error.message);

  // Yours: eight samples of two classes (here: dark and bright ones).
  const temper::Shape shape = plan.shapes[0];
  std::vector<uint8_t> samples(options.batch * shape.Count());
  int32_t labels[8];
  for (uint32_t r = 0; r < options.batch; ++r) {
    labels[r] = static_cast<int32_t>(r % 2);
    for (uint64_t i = 0; i < shape.Count(); ++i) {
      const uint32_t word =
          temper::RandomWord(1, static_cast<uint32_t>(i), r, 0, 0);
      samples[r * shape.Count() + i] =
          static_cast<uint8_t>((word >> 26) + (r % 2 == 0 ? 20 : 160));
    }
  }
  temper::Batch batch;
  batch.input = samples.data();
  batch.labels = labels;
  batch.rows = options.batch;
  for (int step = 0; step < 60; ++step) {
    const temper::StepResult r = trainer.Step(batch, 0.02f);
    if (!r.status.ok()) return Fail(r.status.message);
    if (step % 20 == 0) std::printf("loss %.3f\n", static_cast<double>(r.loss));
  }
  const temper::StepResult r = trainer.Evaluate(batch);
  std::printf("%u of %u right, in %llu bytes\n", r.correct, r.rows,
              static_cast<unsigned long long>(plan.arena_bytes));

  if (argc > 2) {
    model.training.clear();  // it tells of the run that made the file
    error = temper::SaveModel(argv[2], model, trainer);
    if (!error.ok()) return Fail(error.message);
  }
  return r.correct == r.rows ? 0 : 2;
}
