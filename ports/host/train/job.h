// Job: the options of a user, resolved. Options (as typed, or from a run's
// config.json) become data, a graph, first weights and a plan; verb_*.cc and
// session.cc use them.
//   options -> data -> graph (builder, model file or graph.json) -> plan
// Next: weights.h (filling a trainer), session.h (running it).
#ifndef TEMPER_PORTS_HOST_TRAIN_JOB_H_
#define TEMPER_PORTS_HOST_TRAIN_JOB_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/files/model_file.h"
#include "ports/host/data/dataset.h"
#include "ports/host/train/model_source.h"
#include "temper/temper.h"

namespace temper::host {

// A part of a run with layers, rate and schedule of its own (phases.h). What is
// empty or 0 is as the run has it.
struct PhaseOptions {
  std::string train = "all";  // the layers that train
  uint32_t epochs = 0;
  double lr = 0.0;
  std::string schedule, optimizer, bn;

  bool operator==(const PhaseOptions&) const = default;
};

// The arguments of train, finetune and plan. Defaults are those of `train`.
struct JobOptions {
  std::string model;      // NAME?option=value, a .safetensors or a .json graph
  std::string data;       // data spec
  std::string val;        // data spec of validation data of their own, or empty
  std::string out;        // the run folder
  bool finetune = false;  // replace the head if the classes differ
  uint32_t epochs = 10;
  uint32_t batch = 32;
  double lr = 0.0;  // 0: the optimizer's own, with finetune a fifth of it
  // Specs (models/spec.h); their entries and fields: temper/registry.h.
  std::string schedule = "cosine";
  std::string optimizer = "sgd";
  std::string init = "auto";  // or an initializer
  std::string loss;           // a spec (loss_option.h); empty: the model's own
  // "balanced" or a list of numbers; a file, until the job is prepared
  // (class_weights.h). Empty: all classes count the same.
  std::string class_weights;
  std::string sampler;  // "balanced": classes come equally often; empty: all
                        // samples once an epoch
  // Update hooks by their fields, comma between: "norm=1,value=0.5". Empty: none.
  std::string clip;
  std::string average;      // of the weights, a spec: ema or swa; empty: none
  double l1 = 0.0;          // strength of the penalty |w|; 0: none
  double max_norm = 0.0;    // of one output's weights; 0: any
  uint32_t accumulate = 1;  // batches of a step; 0: all of an epoch
  uint32_t early_stop = 0;  // epochs without a better one; 0: never
  double min_delta = 0.0;   // what counts as better
  // val_loss, val_accuracy or val_balanced_accuracy; empty: val_loss with
  // early_stop, else val_accuracy.
  std::string monitor;
  std::optional<double> dropout;
  std::optional<double> label_smoothing;
  double mixup = 0.0;   // alpha of its Beta distribution; 0: none
  std::string augment;  // specs, comma between; empty: samples as they are
  std::vector<std::string> freeze;
  std::vector<std::string> group;  // factors of rate and decay (layer_groups.h)
  double layer_decay = 1.0;        // of the rate, from layer to layer
  // One after the other, each with an optimizer and a schedule that begin anew.
  // Empty: the run is one phase. In a job and in a run's file they are complete,
  // and `epochs` is their sum.
  std::vector<PhaseOptions> phases;
  // Epochs that a run had before `resume --epochs` gave it others, until a
  // checkpoint of the new length is on the disk. 0: it was not lengthened.
  uint32_t lengthened_from = 0;
  std::string bn = "train";
  std::string normalize = "channel";
  std::string channels;  // rgb or bgr; empty: as the data have them
  bool drop_last = false;
  uint64_t seed = 1;
  // Where and how it runs: cannot change a bit of the result.
  std::string arena;                // empty: as much as the plan needs
  uint32_t threads = 0;             // 0: all CPUs of this process
  std::string target;               // empty: the best
  std::string backend = "highway";  // of what only predicts; the other is not
                                    // exact
  double save_seconds = 60.0;
  bool overwrite = false;
  // finetune: a new head trains first (preset lp_ft) where nothing is said about
  // what trains. Not stored: the phases are.
  bool head_first = false;
  bool numbered =
      false;  // `out` or the first of out-2, out-3, ... that is free
  // Planned for another machine, which has `threads` CPUs (simulate). Not
  // stored.
  bool elsewhere = false;
  // Samples that are in memory already, in place of those of `data` and `val`.
  // Not stored.
  std::function<TrainingData()> samples;
  // The first version stored these with schedules that do not have them. They
  // decide nothing, but are part of such a run's fingerprint.
  struct {
    double min_lr = 0.0;
    uint32_t step_size = 10;
    double gamma = 0.1;
  } unused;
};

// The rate that stands for 0 in JobOptions::lr.
double DefaultRate(const JobOptions& options);

// Every option as JSON text, paths made absolute; and back. kConfiguration.
std::string OptionsJson(const JobOptions& options);
// Of every option that decides the result: not of paths (the data have their
// own fingerprint), memory, threads or target.
std::string OptionsFingerprint(const JobOptions& options);
// A note for the user if the path of the data cannot be stored absolute, so
// that the run can only be resumed from the folder that it was begun in; else
// "".
std::string RelativePathNote(const JobOptions& options);
JobOptions OptionsFromJson(const std::string& text, const std::string& where);

// What belongs to one phase of a run.
struct JobPhase {
  PlanOptions plan_options;
  Plan plan;
  Schedule schedule;
  uint32_t epochs = 0;
  uint64_t batches_per_epoch = 0;
  uint64_t accumulate = 1;  // batches of a step
  uint64_t steps_per_epoch = 0;
  uint64_t dropped_per_epoch = 0;  // samples of a last batch that is left out
  bool averages = true;            // --average begins before the phase ends
};

// Of a run with phases the job itself is as the phase that needs the most memory,
// and the arena is large enough for each of them.
struct Job : JobPhase {
  JobOptions options;
  TrainingData data;
  std::vector<std::string> classes;
  ModelDescription
      info;  // graph, preprocessing, classes; `training` is the session's
  // The model file that it starts from or resumes; null for a new model.
  std::unique_ptr<ModelSource> source;
  // Statistics of the training data, for a new model's normalize layer. Named
  // "<node>.<weight>".
  std::vector<ModelTensor> statistics;
  // Rows of the head that are copied from a model with other classes:
  // head_rows[new class] = old class, or -1. Empty: the head is copied whole or
  // drawn whole.
  std::vector<int32_t> head_rows;
  std::vector<float> class_weights;  // of training, or none
  std::vector<std::string> notes;    // for the user
  // For the log of the run: each file that is left out, each sample that is there
  // twice.
  std::vector<std::string> findings;
  std::vector<JobPhase> phases;  // none: the job is the only one
  uint32_t run_threads = 0;  // of the pool here, at most the plan's; 0: those
  uint64_t arena_bytes = 0;  // what --arena gives, else the plan's
  // Of a run whose length was changed: its average is the weights as they are.
  bool average_begins = false;
  std::vector<Augmentation> augment;  // of training samples

  uint32_t PhaseCount() const {
    return phases.empty() ? 1 : static_cast<uint32_t>(phases.size());
  }
  const JobPhase& Phase(uint32_t k) const {
    return phases.empty() ? *this : phases[k];
  }
};

// The memory outside the arena that depends on the job: the data set, batches
// of the loader, and the header of a model file, whose values go
// straight into the arena.
// The plan is kept by the job and by the trainer; the memory for making it:
// docs/memory.md and tests/runtime/footprint_test.cc.
inline constexpr uint64_t kPlanBytesPerNode = 4096;

struct Outside {
  uint64_t data = 0, batches = 0, model = 0, plan = 0;
  uint64_t Total() const { return data + batches + model + plan; }
};
Outside OutsideBytes(const Job& job);

// Resolves everything and loads the data. Throws Failure; kDoesNotFit if
// --arena is smaller than the plan, with the size that works.
Job PrepareJob(const JobOptions& options);
// The same for the continuation of a run: graph, preprocessing and classes are
// the checkpoint's, so that neither a deleted source model nor a new version's
// builders can change the run.
Job PrepareResume(const JobOptions& options,
                  std::unique_ptr<ModelSource> checkpoint);

// The graph that a spec names (models/graphs/models.h). kNotFound for an
// unknown model, kUsage for a wrong option, kMismatch for a sample too
// small, kUnsupported for targets that no loss takes.
Graph BuildModelOrFail(const std::string& spec, const Shape& input,
                       const Targets& targets);

// The same at the size that the model was made for, with as many classes (2 if it
// takes no targets). kNotFound, kUsage.
Graph ReadyModel(const std::string& spec, ElementType type, uint32_t* classes);

// Turns a Status of planning into a Failure that names the layer.
[[noreturn]] void FailStatus(const Status& status, const Graph& graph,
                             std::string_view what);

// Forces the SIMD target; kUsage with the list of targets if it cannot.
void ChooseTarget(const std::string& name);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_JOB_H_
