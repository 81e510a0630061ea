// See job_data.h.
#include "ports/host/train/job_data.h"

#include <fmt/format.h>

#include <string_view>

#include "models/graphs/models.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/channels.h"
#include "ports/host/data/duplicates.h"

namespace temper::host {
namespace {

void CheckInput(const Job& job, const Shape& s) {
  const InputParams& p = job.info.graph.nodes[0].As<InputParams>();
  if (p.h != s.h || p.w != s.w || p.c != s.c ||
      p.element_type != static_cast<uint32_t>(s.type)) {
    Fail(ErrorKind::kMismatch, "the data do not fit the model",
         Printable(job.options.data),
         fmt::format("samples are {}x{}x{} {}, the model reads {}x{}x{} {}",
                     s.h, s.w, s.c, s.type == ElementType::kU8 ? "u8" : "f32",
                     p.h, p.w, p.c, p.element_type == 1 ? "u8" : "f32"),
         "Use data of the model's shape, or train a new model on this data");
  }
}

// What pictures of any size become: samples of the model, fitted as it was
// trained. A new model of the list was made for samples of some size.
ModelInput PicturesOf(const Job& job) {
  ModelInput defaults;
  if (!job.info.graph.nodes.empty()) {
    const InputParams& p = job.info.graph.nodes[0].As<InputParams>();
    defaults.shape = {p.h, p.w, p.c, ElementType::kU8};
    defaults.fit = job.info.preprocessing.pictures.value_or(PictureFit{});
    defaults.columns = job.info.columns;
    defaults.channels = job.info.preprocessing.channels;
    if (defaults.channels == Channels::kAsData) {
      defaults.channels = ReadChannels(job.options.channels);
    }
    return defaults;
  }
  const std::string_view name = std::string_view(job.options.model)
                                    .substr(0, job.options.model.find('?'));
  for (const models::ModelInfo* const model : models::Models()) {
    if (name == model->name) defaults.shape = model->input;
  }
  defaults.channels = ReadChannels(job.options.channels);
  if (defaults.shape && defaults.channels != Channels::kAsData) {
    defaults.shape->c = 3;
  }
  return defaults;
}

// Of the validation data: training data have theirs.
void KeepNotes(Job& job) {
  const std::vector<std::string>& notes = job.data.val->notes;
  job.notes.insert(job.notes.end(), notes.begin(), notes.end());
}

// What validation data become: samples as the training data's.
ModelInput InputOf(const Dataset& train) {
  return {train.Input(), train.pictures.value_or(PictureFit{}), train.columns,
          train.channels};
}

// Data that bring a validation part of their own, unless val= or --val is given.
void LoadOwnValidation(Job& job) {
  if (job.data.val) return;
  DataSpec spec = ParseDataSpec(job.options.data);
  if (!HasSplit(spec, "val")) return;
  spec.split = "val";
  const Dataset& train = job.data.train;
  job.data.val = LoadDataset(spec, {}, InputOf(train));
  job.notes.push_back(
      fmt::format("validation: {} samples of the data's own val split",
                  job.data.val->size()));
  KeepNotes(job);
}

// --val: validation data of their own.
void LoadValidation(Job& job) {
  const JobOptions& o = job.options;
  if (o.val.empty()) {
    LoadOwnValidation(job);
    return;
  }
  if (job.data.val) {
    Fail(ErrorKind::kUsage, "--val", Printable(o.val),
         "--data has val=, which holds out validation data, too",
         "Use one of the two");
  }
  const Shape want = job.data.train.Input();
  DataSpec spec = SpecWithSplit(o.val, SplitUse::kValidate, &job.notes);
  // The best epoch is that which learns best what training is about.
  spec.judged = false;
  job.data.val = LoadDataset(
      spec,
      [&](const Shape& is) {
        if (is == want) return;
        Fail(ErrorKind::kMismatch,
             "the validation data do not fit the training data",
             Printable(o.val),
             fmt::format("samples are {}x{}x{}, those of --data {}x{}x{}", is.h,
                         is.w, is.c, want.h, want.w, want.c),
             "Use data of the same shape and type");
      },
      InputOf(job.data.train));
  KeepNotes(job);
}

// Samples with names that are there more than once: what the model remembers, it
// need not recognise.
void FindTwice(Job& job) {
  constexpr size_t kMostNamed = 20;
  Dataset& train = job.data.train;
  if (train.names.empty()) return;
  std::vector<const Dataset*> sets = {&train};
  if (job.data.val) sets.push_back(&*job.data.val);
  const std::vector<Duplicate> found = FindDuplicates(sets, false);
  if (found.empty()) return;
  uint64_t across = 0;
  std::vector<std::string> lines;
  for (const Duplicate& d : found) {
    across += d.first.set != d.copy.set;
    lines.push_back(fmt::format("twice: {}{} is {}",
                                d.copy.set == 1 ? "validation sample " : "",
                                sets[d.copy.set]->SampleName(d.copy.index),
                                sets[d.first.set]->SampleName(d.first.index)));
  }
  train.notes.push_back(fmt::format(
      "{} there twice, {} of them in the validation data, too; "
      "`temper data check` finds near copies",
      found.size() == 1 ? "1 sample is"
                        : fmt::format("{} samples are", found.size()),
      across));
  for (size_t i = 0; i < lines.size() && i < kMostNamed; ++i) {
    train.notes.push_back(lines[i]);
  }
  if (lines.size() > kMostNamed) {
    train.notes.push_back(
        fmt::format("and {} others: events.jsonl", lines.size() - kMostNamed));
  }
  job.findings.insert(job.findings.end(), lines.begin(), lines.end());
}

// What the data have that a model should not learn, for the run's log.
void GatherFindings(Job& job) {
  const auto take = [&](const Dataset& data) {
    job.findings.insert(job.findings.end(), data.left_out_files.begin(),
                        data.left_out_files.end());
  };
  take(job.data.train);
  if (job.data.val) take(*job.data.val);
  FindTwice(job);
}

}  // namespace

void LoadJobData(Job& job) {
  job.data = LoadTrainingData(
      job.options.data,
      [&](const Shape& shape) {
        if (!job.info.graph.nodes.empty()) CheckInput(job, shape);
      },
      PicturesOf(job));
  LoadValidation(job);
  GatherFindings(job);
}

void NoteWorkingSize(Job& job) {
  const Dataset& train = job.data.train;
  const bool crop = !job.augment.empty() && ResizesSample(job.augment[0]);
  if (crop && !train.resized && ParseDataSpec(train.source).kind == "folder") {
    job.notes.push_back(
        "parts are cut from pictures of the model's size; working=HxW in "
        "--data "
        "keeps larger ones");
  }
  if (!crop && train.resized) {
    job.notes.push_back(
        "pictures are kept at another size than the model reads, and every "
        "batch resizes them: that is for --augment random_resized_crop");
  }
}

}  // namespace temper::host
