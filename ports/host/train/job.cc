// From options to a plan. See job.h.
#include "ports/host/train/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>

#include "models/files/graph_json.h"
#include "models/graphs/models.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/channels.h"
#include "ports/host/data/class_match.h"
#include "ports/host/data/loader.h"
#include "ports/host/data/stats.h"
#include "ports/host/data/target_match.h"
#include "ports/host/data/text_file.h"
#include "ports/host/os/file_io.h"
#include "ports/host/train/checkpoint.h"
#include "ports/host/train/class_weights.h"
#include "ports/host/train/ignored_options.h"
#include "ports/host/train/job_classes.h"
#include "ports/host/train/job_data.h"
#include "ports/host/train/job_plan.h"
#include "ports/host/train/loss_option.h"
#include "ports/host/train/normalization.h"
#include "ports/host/train/phases.h"
#include "ports/host/train/presets/preset.h"
#include "ports/host/train/runs.h"
#include "ports/host/train/specs.h"
#include "ports/host/train/training_loader.h"
#include "ports/host/train/validation_metrics.h"
#include "simd/target.h"
#include "temper/graph_edit.h"
#include "temper/mixup.h"

namespace temper::host {
namespace {

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() &&
         text.substr(text.size() - end.size()) == end;
}

// The model's own classes if the data have no others, so that labels have the
// meaning that the model learnt; else the data's, which need a new head.
void ResolveClasses(Job& job, const std::vector<std::string>& model_classes) {
  const std::vector<std::string>& data_classes = job.data.train.class_names;
  const std::set<std::string> known(model_classes.begin(), model_classes.end());
  std::vector<std::string> unknown;
  for (const std::string& name : data_classes) {
    if (known.count(name) == 0) unknown.push_back(name);
  }
  const ClassMatch match = MatchClassNames(job.data.train, model_classes);
  const bool all = std::find(match.to_model.begin(), match.to_model.end(),
                             -1) == match.to_model.end();
  if (match.by_label &&
      (!job.options.finetune ||
       (all && data_classes.size() == model_classes.size()))) {
    job.classes = model_classes;
    job.notes.push_back(match.note);
  } else if (match.none && !job.options.finetune) {
    RefuseClasses(job.data.train, model_classes);
  } else if (unknown.empty() && !job.options.finetune) {
    job.classes = model_classes;
  } else if (unknown.empty() && data_classes.size() == model_classes.size()) {
    job.classes = model_classes;
  } else if (!job.options.finetune) {
    Fail(ErrorKind::kMismatch, "the model does not know a class of the data",
         Printable(unknown.front()),
         fmt::format("the model has {} classes, the data {}",
                     model_classes.size(), data_classes.size()),
         "Use `temper finetune`, which replaces the head");
  } else {
    job.classes = data_classes;
    job.head_rows.assign(data_classes.size(), -1);
    std::copy(match.to_model.begin(), match.to_model.end(),
              job.head_rows.begin());
    if (match.by_label) job.notes.push_back(match.note);
    const size_t kept = static_cast<size_t>(
        std::count_if(job.head_rows.begin(), job.head_rows.end(),
                      [](int32_t row) { return row >= 0; }));
    job.notes.push_back(fmt::format(
        "new head: {} classes, {} of them known to the model by {}",
        data_classes.size(), kept, match.by_label ? "label" : "name"));
  }
  MatchClasses(job.data.train, job.classes);
  if (job.data.val) MatchClasses(*job.data.val, job.classes);
  SettleOneOutput(job);
}

void NotePictures(Job& job, const char* why) {
  const Shape& s = job.data.train.Input();
  job.notes.push_back(
      s.c == 1 ? fmt::format("pictures become gray samples of {}x{}; {}", s.h,
                             s.w, why)
               : fmt::format("pictures become samples of {}x{}x{}; {}", s.h,
                             s.w, s.c, why));
}

// From a builder or a graph file: classes and statistics come from the data.
void NewModel(Job& job) {
  const JobOptions& o = job.options;
  job.classes = job.data.train.class_names;
  if (job.data.val && job.data.val->targets.HasClasses()) {
    MatchClasses(*job.data.val, job.classes);
  }
  if (job.data.train.pictures) {
    const Shape& input = job.data.train.Input();
    if (input.h == 1 && input.w == 1) {
      Fail(ErrorKind::kUsage, "--data", Printable(o.data),
           fmt::format("{} was not made for pictures: one pixel of each would "
                       "be left",
                       Printable(o.model)),
           "Give a size, such as size=28x28, in --data");
    }
    NotePictures(job, "size=, channels= and fit= choose");
  }
  const uint32_t classes = static_cast<uint32_t>(job.classes.size());
  if (EndsWith(o.model, ".json")) {
    ApplyLoss(o.loss, job.data.train.targets, o.model, &job.info.graph);
    CheckTargetKind(job.info.graph, job.data.train.targets, o.model);
    if (models::IsClassifier(job.info.graph)) {
      const uint32_t outputs = OutputsOf(job);
      if (models::ClassesOf(job.info.graph, outputs) < classes) {
        Fail(
            ErrorKind::kMismatch, "the graph has too few outputs", o.model,
            fmt::format("{} outputs, {} classes in the data", outputs, classes),
            "Change out_features of the last dense layer");
      }
    }
  } else {
    job.info.graph = BuildModelOrFail(o.model, job.data.train.Input(),
                                      job.data.train.targets);
    if (!o.loss.empty()) SetNewLoss(job);
  }
  Graph& graph = job.info.graph;
  Preprocessing& p = job.info.preprocessing;
  const InputParams& input = graph.nodes[0].As<InputParams>();
  p.h = input.h, p.w = input.w, p.c = input.c;
  p.element_type = static_cast<ElementType>(input.element_type);
  p.pictures = job.data.train.pictures;
  p.channels = job.data.train.channels;
  job.info.columns = job.data.train.columns;
  SetNormalization(job, EndsWith(o.model, ".json"));
}

// Finetune: a head for another number of values, none of which is known.
void ResolveValues(Job& job) {
  const uint32_t outputs = OutputsOf(job);
  const uint32_t values = job.data.train.targets.width;
  if (!job.options.finetune || outputs == values) return;
  job.head_rows.assign(values, -1);
  job.notes.push_back(
      fmt::format("new head: {} values, the model had {}", values, outputs));
}

// From a model file: its weights, its preprocessing, its classes.
void OldModel(Job& job) {
  Graph& graph = job.info.graph;
  if (job.info.columns.empty()) job.info.columns = job.data.train.columns;
  // What is learnt from pictures now is what prediction must do.
  if (job.data.train.pictures) {
    job.info.preprocessing.pictures = job.data.train.pictures;
    // Colours go without a word otherwise.
    if (job.data.train.Input().c == 1) {
      NotePictures(job, "the model reads no others");
    }
  }
  CheckNormalization(job);
  if (job.data.train.channels != Channels::kAsData) {
    job.info.preprocessing.channels = job.data.train.channels;
  }
  ApplyLoss(job.options.loss, job.data.train.targets, job.options.model,
            &graph);
  CheckTargetKind(graph, job.data.train.targets, job.options.model);
  if (models::IsClassifier(graph)) {
    ResolveClasses(job, job.info.classes);
  } else if (models::IsRegressor(graph)) {
    ResolveValues(job);
  }
  if (!job.head_rows.empty()) {
    const Status status =
        models::SetOutputs(&graph, static_cast<uint32_t>(job.head_rows.size()));
    if (!status.ok()) FailStatus(status, graph, "new head");
  }
}

void CheckOptions(const JobOptions& o) {
  const auto require = [](bool good, const char* what, const char* why) {
    if (!good) Fail(ErrorKind::kUsage, what, "", why, "");
  };
  require(!o.model.empty(), "--model", "names the model to train");
  require(!o.data.empty(), "--data", "names the data to train on");
  require(o.epochs >= 1 && o.epochs <= 1000000, "--epochs",
          "must be 1 to 1000000");
  require(o.batch >= 1 && o.batch <= kMaxBatch, "--batch",
          "must be 1 to 1048576");
  // A config.json may have been edited.
  require(o.threads <= kMaxThreads, "--threads", "must be 1 to 64");
  require(o.save_seconds >= 0.0, "--save-every", "must be 0 or more");
  require(o.bn == "train" || o.bn == "frozen", "--bn",
          "must be train or frozen");
  ReadChannels(o.channels);
  if (FindNormalizeKind(o.normalize) == nullptr) {
    Fail(ErrorKind::kUsage, "--normalize", Printable(o.normalize), "",
         "It is one of " + NormalizeNames());
  }
  require(!o.dropout || (*o.dropout >= 0.0 && *o.dropout < 1.0), "--dropout",
          "must be at least 0 and below 1");
  require(!o.label_smoothing ||
              (*o.label_smoothing >= 0.0 && *o.label_smoothing < 1.0),
          "--label-smoothing", "must be at least 0 and below 1");
  require(o.layer_decay > 0.0 && o.layer_decay <= 1.0, "--layer-decay",
          "must be above 0 and at most 1");
  if (const std::string wrong = CheckPhases(o); !wrong.empty()) {
    Fail(ErrorKind::kUsage, "--phases", "", wrong, "");
  }
  ReadOptimizer(o.optimizer);
  ReadSchedule(o.schedule, 0);
  ReadInitializer(o.init);
  ReadClipping(o.clip);
  ReadAverage(o.average, 0, 0);
  require(o.l1 >= 0.0 && o.l1 <= 1e6, "--l1", "must be 0 to 1e6");
  require(o.max_norm == 0.0 || (o.max_norm >= 1e-6 && o.max_norm <= 1e30),
          "--max-norm", "must be 1e-6 to 1e30, or 0 for none");
  require(o.min_delta >= 0.0, "--min-delta", "must be 0 or more");
  require(
      o.monitor.empty() || o.monitor == "val_loss" ||
          o.monitor == "val_accuracy" || o.monitor == "val_balanced_accuracy",
      "--monitor", "must be val_loss, val_accuracy or val_balanced_accuracy");
  require(o.mixup == 0.0 ||
              (o.mixup >= kLeastMixupAlpha && o.mixup <= kMostMixupAlpha),
          "--mixup", "must be 0.01 to 100, or 0 for none");
  require(o.sampler.empty() || o.sampler == kBalanced, "--sampler",
          "must be balanced, or left out");
  require(o.sampler.empty() || o.class_weights != kBalanced, "--sampler",
          "with --class-weights balanced rare classes would count twice: use "
          "one of them");
}

}  // namespace

void FailStatus(const Status& status, const Graph& graph,
                std::string_view what) {
  std::string where(what);
  if (status.node < graph.nodes.size()) {
    where = fmt::format("{}, layer \"{}\" ({})", what,
                        Printable(graph.nodes[status.node].name),
                        LayerName(graph.nodes[status.node].kind));
  }
  throw Failure(ErrorKindOf(status.code),
                fmt::format("{}: {}.", where, status.message));
}

Graph BuildModelOrFail(const std::string& spec, const Shape& input,
                       const Targets& targets) {
  Graph graph;
  std::string error;
  const Status status =
      models::BuildModel(spec, input, targets, &graph, &error);
  if (status.code == StatusCode::kNotFound) {
    const std::string name = spec.substr(0, spec.find('?'));
    std::vector<std::string_view> names;
    for (const models::ModelInfo* info : models::Models()) {
      names.push_back(info->name);
    }
    // A name is a typing error; a path is a file that is not there.
    Fail(name.find('/') != std::string::npos ? ErrorKind::kNotFound
                                             : ErrorKind::kUsage,
         "unknown model", Printable(name), "", Suggest(name, names));
  }
  if (!status.ok()) {
    // What is invalid in a spec is what the user typed.
    throw Failure(status.code == StatusCode::kInvalidArgument
                      ? ErrorKind::kUsage
                      : ErrorKindOf(status.code),
                  error);
  }
  return graph;
}

void ChooseTarget(const std::string& name) {
  if (simd::ForceTarget(name.c_str())) return;
  simd::Target targets[32];
  const size_t count = simd::SupportedTargets(targets, 32);
  std::vector<std::string_view> names;
  for (size_t i = 0; i < count; ++i) names.push_back(targets[i].name);
  Fail(ErrorKind::kUsage, "no such SIMD target on this CPU", Printable(name),
       "", Suggest(name, names));
}

namespace {

// Dropout and label smoothing of a file that no option sets: a note says so,
// and the options get their values.
void KeepInherited(Job& job) {
  JobOptions& o = job.options;
  if (!job.source && !EndsWith(o.model, ".json")) return;
  // The shortest decimal: it reads back as the same float.
  const auto decimal = [](float value) {
    return std::strtod(fmt::format("{}", value).c_str(), nullptr);
  };
  std::optional<float> rate;
  bool several = false;
  for (const Node& node : job.info.graph.nodes) {
    if (node.Is<DropoutParams>()) {
      const float r = node.As<DropoutParams>().rate;
      several |= rate && *rate != r;
      rate = r;
    } else if (IsLoss(node.kind)) {
      const float s = static_cast<float>(
          FieldOf(node, models::kLabelSmoothing).value_or(0.0));
      if (o.label_smoothing || s == 0.0f) continue;
      o.label_smoothing = decimal(s);
      job.notes.push_back(fmt::format(
          "label smoothing {} comes from the model file; --label-smoothing 0 "
          "turns it off",
          s));
    }
  }
  if (o.dropout || !rate || (*rate == 0.0f && !several)) return;
  if (several) {
    // One option cannot hold them; the graph in the checkpoint does.
    job.notes.push_back(
        "dropout of several rates comes from the model file; --dropout 0 turns "
        "it off");
    return;
  }
  o.dropout = decimal(*rate);
  job.notes.push_back(fmt::format(
      "dropout {} comes from the model file; --dropout 0 turns it off", *rate));
}

// What --early-stop and --monitor look at must be there.
void CheckMonitor(const Job& job) {
  const JobOptions& o = job.options;
  if (o.early_stop == 0 && o.monitor.empty()) return;
  const char* const option = o.early_stop != 0 ? "--early-stop" : "--monitor";
  if (!job.data.val) {
    Fail(ErrorKind::kUsage, option, "",
         "there are no validation data to look at",
         "Add val=0.1 to --data, or give --val");
  }
  const bool loss = o.monitor.empty() || o.monitor == "val_loss";
  if (!loss && !models::IsClassifier(job.info.graph)) {
    Fail(ErrorKind::kUsage, "--monitor", o.monitor,
         "the model learns values, it has no accuracy", "Use val_loss");
  }
  if (o.monitor == "val_balanced_accuracy" &&
      job.data.train.targets.kind == TargetKind::kMultiHot) {
    Fail(ErrorKind::kUsage, "--monitor", o.monitor,
         "it is for one class a sample", "Use val_loss or val_accuracy");
  }
}

// If a file has the graph, it is read first (`source`, if it is a model file):
// samples are compared with its input before memory is taken for them.
Job StartJob(const JobOptions& options, std::unique_ptr<ModelSource> source) {
  CheckOptions(options);
  Job job;
  job.options = options;
  if (job.options.lr == 0.0) job.options.lr = DefaultRate(options);
  if (source != nullptr) {
    job.source = std::move(source);
    job.info = job.source->header();
    job.info.training.clear();
  } else if (EndsWith(options.model, ".json")) {
    const FileError error =
        ReadGraphJson(ReadTextFile(options.model, 1u << 24), &job.info.graph);
    if (!error.ok()) FailFile(error, options.model);
  }
  if (options.samples) {
    job.data = options.samples();
  } else {
    LoadJobData(job);
  }
  return job;
}

}  // namespace

Graph ReadyModel(const std::string& spec, ElementType type, uint32_t* classes) {
  Shape input{1, 1, 1};
  *classes = 2;
  for (const models::ModelInfo* info : models::Models()) {
    if (spec.substr(0, spec.find('?')) != info->name) continue;
    input = info->input;
    *classes = std::max(2u, info->classes);
  }
  input.type = type;
  return BuildModelOrFail(spec, input, {TargetKind::kClasses, *classes});
}

double DefaultRate(const JobOptions& options) {
  constexpr double kFinetuneDivisor = 5.0;
  const double rate = UsualLearningRate(ReadOptimizer(options.optimizer).kind);
  return options.finetune ? rate / kFinetuneDivisor : rate;
}

namespace {

// What columns and classes are called, in memory and as the text of a model file.
struct NamesBytes {
  uint64_t memory = 0, text = 0;
};
NamesBytes SizeOfNames(const std::vector<TableColumn>& columns,
                       const std::vector<std::string>& classes) {
  NamesBytes all;
  // JSON within JSON: \"name\", and a comma.
  const auto add = [&](const std::string& name, uint64_t around) {
    constexpr uint64_t kBlock = 16;
    all.memory +=
        sizeof(name) + (name.size() > 15 ? name.size() + 1 + kBlock : 0);
    all.text += name.size() + 5 + around;
  };
  for (const std::string& name : classes) add(name, 0);
  for (const TableColumn& column : columns) {
    add(column.name, column.fill ? 40 : 16);
    all.memory += sizeof(column) - sizeof(column.name);
    for (const std::string& value : column.values) add(value, 0);
  }
  return all;
}

// Of the job, of its data and of the file that is being prepared.
constexpr uint64_t kCopiesOfNames = 5;
constexpr uint64_t kWritersOfPhase = 2;  // last and best
// While a header is put together and read again.
constexpr uint64_t kTextsAtOnce = 8;

}  // namespace

Outside OutsideBytes(const Job& job) {
  Outside o;
  o.plan = kPlanBytesPerNode * job.plan.graph.nodes.size() * job.PhaseCount();
  // Copies of running statistics: of averages, and of steps over several batches.
  const uint64_t copies = (job.options.average.empty() ? 0 : 1) +
                          (job.options.accumulate == 1 ? 0 : 1);
  for (const NodePlan& node : job.plan.nodes) {
    for (uint32_t w = 0; copies > 0 && w < node.weight_count; ++w) {
      if (node.specs[w].role != WeightRole::kBuffer) continue;
      o.plan +=
          copies * job.PhaseCount() * node.specs[w].Count() * sizeof(float);
    }
  }
  o.data = job.data.train.MemoryBytes();
  o.batches = LoaderBytes(job.data.train, TrainingLoader(job));
  if (job.data.val) {
    o.data += job.data.val->MemoryBytes();
    o.batches += LoaderBytes(*job.data.val, {.batch = job.options.batch});
    o.data += ValidationMetricsBytes(job);
  }
  if (job.source) o.model = job.source->MemoryBytes();
  const NamesBytes names = SizeOfNames(job.data.train.columns, job.classes);
  o.model += names.memory * kCopiesOfNames +
             names.text * (kWritersOfPhase * job.PhaseCount() + kTextsAtOnce);
  for (const ModelTensor& tensor : job.statistics) {
    o.data += tensor.values.size() * sizeof(float);
  }
  return o;
}

namespace {

// finetune: what trains if nobody says so. A new head would spoil the features
// below it (docs/recipe.md has the figures).
void ChoosePhases(const JobOptions& given, Job& job) {
  JobOptions& o = job.options;
  if (!o.head_first || job.head_rows.empty() || !o.freeze.empty() ||
      !o.phases.empty() || o.epochs < 2 || o.backend != "highway") {
    return;
  }
  for (const PresetOption& one : ReadPreset("lp_ft", o, given.lr != 0.0)) {
    if (one.key == "phases") ReadPhases(one.value, &o.phases);
  }
  job.notes.push_back(fmt::format(
      "the head is new: it trains alone for {} of {} epochs, then everything "
      "(--preset lp_ft); --preset full trains everything from the start",
      o.phases.front().epochs, o.epochs));
}

}  // namespace

Job PrepareJob(const JobOptions& options) {
  JobOptions o = options;
  o.model = WeightsFile(options.model);
  std::unique_ptr<ModelSource> source;
  // The content of a file decides its format, not its name.
  if (EndsWith(o.model, ".safetensors") || IsSafetensors(o.model)) {
    std::error_code ignored;
    const std::string model =
        std::filesystem::weakly_canonical(o.model, ignored).string();
    const std::string out =
        std::filesystem::weakly_canonical(o.out, ignored).string() + "/";
    if (o.overwrite && model.compare(0, out.size(), out) == 0) {
      Fail(ErrorKind::kUsage,
           "--overwrite would delete the model it starts from",
           Printable(o.model), "", "Choose another --out");
    }
    source = std::make_unique<ModelSource>(o.model);
  } else if (o.finetune) {
    Fail(ErrorKind::kUsage, "finetune needs a model file", Printable(o.model),
         "", "Give a .safetensors file, or use `temper train`");
  }
  Job job = StartJob(o, std::move(source));
  if (o.model != options.model) {
    job.notes.push_back(
        fmt::format("{} stands for {}", options.model, o.model));
  }
  if (job.source) {
    OldModel(job);
  } else {
    NewModel(job);
  }
  Graph& graph = job.info.graph;
  if (!models::IsClassifier(graph)) job.classes.clear();
  job.info.classes = job.classes;
  if (o.dropout) {
    const Status status =
        models::SetDropout(&graph, static_cast<float>(*o.dropout));
    if (!status.ok()) FailStatus(status, graph, "--dropout");
  }
  if (o.label_smoothing) {
    const Status status = models::SetLabelSmoothing(
        &graph, static_cast<float>(*o.label_smoothing));
    if (!status.ok()) FailStatus(status, graph, "--label-smoothing");
  }
  KeepInherited(job);
  ChoosePhases(options, job);
  CheckMonitor(job);
  NoteIgnoredOptions(job, false);
  if (options.lr == 0.0) NoteLargeTargets(job);
  PlanJob(job, false);
  return job;
}

Job PrepareResume(const JobOptions& options,
                  std::unique_ptr<ModelSource> checkpoint) {
  Job job = StartJob(options, std::move(checkpoint));
  CheckTargetKind(job.info.graph, job.data.train.targets, options.model);
  if (models::IsClassifier(job.info.graph)) {
    job.classes = job.info.classes;
    // A run of before may have begun with labels as places.
    job.data.train.label_is_place = false;
    if (job.data.val) job.data.val->label_is_place = false;
    MatchClasses(job.data.train, job.classes);
    if (job.data.val) MatchClasses(*job.data.val, job.classes);
  }
  NoteIgnoredOptions(job, true);
  PlanJob(job, true);
  if (const std::string note = BackendChange(job.source->header(), job);
      !note.empty()) {
    job.notes.push_back(note);
  }
  return job;
}

}  // namespace temper::host
