// predict: class names and probabilities, or values, for samples of a data spec,
// pictures, folders of pictures or an IDX file.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/latency.h"
#include "ports/cli/messages.h"
#include "ports/cli/predictions.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/non_finite.h"
#include "ports/host/data/channels.h"
#include "ports/host/data/class_match.h"
#include "ports/host/data/decoders/decoder.h"
#include "ports/host/data/file_format.h"
#include "ports/host/data/kinds/file_tree.h"
#include "ports/host/data/kinds/idx.h"
#include "ports/host/data/picture.h"
#include "ports/host/os/byte_source.h"
#include "ports/host/train/predictor.h"
#include "ports/host/train/runs.h"

namespace temper::host {
namespace {

struct Arguments {
  std::string model, data, target, arena, backend = "highway";
  std::vector<std::string> files;
  uint32_t top = 3, batch = 0, threads = 0;
  PredictionForm form;
  std::string views;
  bool average = false;
};

// What the data say of a sample: its class, or its values, or nothing.
struct Truth {
  std::string label;
  std::vector<float> values;
};

// Collects samples until a batch is full, then answers them in order. What
// cannot be answered is named at its place, and does not concern the others.
class Printer {
 public:
  Printer(Cli& cli, const Arguments& a, Predictor& predictor)
      : cli_(cli),
        report_(cli.verb),
        predictor_(predictor),
        writer_(cli.output, report_, a.form) {
    report_.Data("weights", predictor.path());
    const Plan& plan = predictor.plan();
    report_.Data("arena_bytes", predictor.ArenaBytes());
    report_.Data("backend_bytes", predictor.BackendBytes());
    AddMachine(plan.options.threads, &report_, &plan);
    const uint32_t outputs = predictor.outputs();
    if (predictor.classifier()) {
      columns_.classes = std::min(a.top, outputs);
    } else if (predictor.regressor()) {
      columns_.values = outputs;
    } else {
      columns_.loss = true;
    }
    writer_.SetColumns(columns_);
  }

  // What the data say of all samples, before the first one.
  void Expect(const Dataset& data) {
    const Targets& targets = data.targets;
    columns_.label = targets.HasClasses() || !data.anomalies.empty();
    // What the model does not say is not compared.
    if (targets.kind == TargetKind::kValues && columns_.values > 0) {
      columns_.targets = targets.width;
    }
    writer_.SetColumns(columns_);
  }

  // `sample` is of the model's shape.
  void Add(const std::string& name, const uint8_t* sample, Truth truth = {}) {
    const size_t bytes = SampleBytes();
    samples_.insert(samples_.end(), sample, sample + bytes);
    items_.push_back({name, std::move(truth), std::nullopt});
    if (samples_.size() == bytes * predictor_.batch()) Flush();
  }

  void AddBad(const std::string& name, const Failure& failure) {
    ++bad_;
    items_.push_back({name, {}, failure});
    if (samples_.empty()) Flush();
  }

  // Said at once: there may be many samples before the end.
  void Note(const std::string& note) {
    if (!cli_.output.json) Message("note: {}", note);
    report_.SaidNote(note);
  }

  // Nothing has come so far.
  bool empty() const { return answered_ == 0 && items_.empty(); }

  // Returns the exit code.
  int Finish() {
    Flush();
    writer_.Finish();
    report_.Data("samples", answered_);
    report_.Data("failed", bad_ + non_finite_.count());
    latency_.AddTo(&report_);
    if (non_finite_.count() > 0) {
      report_.Error(kExitDiverged,
                    non_finite_.Message(answered_ + non_finite_.count()));
    } else if (bad_ > 0) {
      report_.Error(kExitBadData, fmt::format("{} of {} could not be read",
                                              bad_, bad_ + answered_));
    }
    if (!cli_.output.json && !latency_.Text().empty()) {
      writer_.Flush();  // after what it is about
      MessageLine(latency_.Text());
    }
    return cli_.output.End(report_);
  }

 private:
  struct Item {
    std::string name;
    Truth truth;
    std::optional<Failure> failure;
  };

  size_t SampleBytes() const {
    const Shape shape = predictor_.input();
    return static_cast<size_t>(shape.Count()) *
           (shape.type == ElementType::kU8 ? 1 : 4);
  }

  StepResult Ask(const uint8_t* samples, uint32_t rows) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point begin = Clock::now();
    const StepResult result = predictor_.Run({.input = samples, .rows = rows});
    latency_.Add(rows,
                 std::chrono::duration<double>(Clock::now() - begin).count());
    return result;
  }

  void Flush() {
    const size_t rows = samples_.size() / SampleBytes();
    if (rows > 0 && !columns_.loss) {
      Ask(samples_.data(), static_cast<uint32_t>(rows));
    }
    size_t row = 0;
    for (const Item& item : items_) {
      if (item.failure) {
        Refuse(item.name, *item.failure);
      } else {
        Answer(item, row++);
      }
    }
    items_.clear();
    samples_.clear();
    writer_.Flush();
  }

  void WriteError(const std::string& name, ReportError error) {
    Prediction p;
    p.sample = name;
    p.error = std::move(error);
    writer_.Write(p);
  }

  void Refuse(const std::string& name, const Failure& failure) {
    WriteError(name, MakeError(ExitCodeOf(failure.kind), failure.message));
    writer_.Flush();  // after what has been answered before it
    MessageLine("temper: " + failure.message);
  }

  void RefuseOutput(const std::string& name) {
    non_finite_.Add(name);
    WriteError(name, MakeError(kExitDiverged, "the output is not finite"));
  }

  void Answer(const Item& item, size_t row) {
    Prediction p;
    p.sample = item.name;
    p.label = item.truth.label;
    if (columns_.targets > 0) p.targets = item.truth.values;
    const uint32_t n = columns_.loss ? 1 : predictor_.outputs();
    if (columns_.loss) {
      // A model without classes says of a sample how far off it is: its own loss.
      p.loss = Ask(samples_.data() + row * SampleBytes(), 1).loss;
    }
    const float* const output =
        columns_.loss ? &*p.loss : predictor_.Output() + row * n;
    if (!NonFinite::AllFinite(output, n)) {
      RefuseOutput(item.name);
      return;
    }
    ++answered_;
    if (columns_.values > 0) p.values.assign(output, output + n);
    if (columns_.classes > 0) p.classes = Likeliest(output, n);
    writer_.Write(p);
  }

  std::vector<std::pair<std::string, float>> Likeliest(const float* p,
                                                       uint32_t n) const {
    std::vector<uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return p[a] > p[b]; });
    order.resize(columns_.classes);
    std::vector<std::pair<std::string, float>> classes;
    for (const uint32_t k : order) {
      classes.emplace_back(predictor_.ClassName(k), p[k]);
    }
    return classes;
  }

  Cli& cli_;
  Report report_;
  Predictor& predictor_;
  PredictionWriter writer_;
  PredictionColumns columns_;
  std::vector<uint8_t> samples_;  // of the items that have one
  std::vector<Item> items_;       // that wait for the batch
  uint64_t answered_ = 0, bad_ = 0;
  NonFinite non_finite_;
  Latency latency_;
};

// A picture of any size becomes a sample of the model.
void AddPicture(std::span<const uint8_t> file, const std::string& path,
                const Predictor& predictor, Printer& printer) {
  const ModelInput input = predictor.DataInput();
  const auto& shape = input.shape;
  const PictureFit& fit = input.fit;
  predictor.CheckShape(
      {shape->h, shape->w, shape->c == 1 ? 1u : 3u, ElementType::kU8}, path);
  std::vector<uint8_t> sample(static_cast<size_t>(shape->Count()));
  ReadPicture(file, path, *shape, fit, sample.data());
  FitSample(*shape, input.channels, sample.data(), sample.data());
  printer.Add(path, sample.data());
}

// Prints all samples of a data set. `names`: of its classes.
void AddSamples(const Dataset& data, const std::vector<std::string>& names,
                const std::string& file, Printer& printer) {
  printer.Expect(data);
  // Rows that could not be read keep their place among the others.
  size_t bad = 0;
  const auto add_bad = [&](uint64_t before) {
    for (; bad < data.bad_rows.size() && data.bad_rows[bad].line < before;
         ++bad) {
      const BadRow& row = data.bad_rows[bad];
      const std::string name = file.empty()
                                   ? fmt::format("line {}", row.line)
                                   : fmt::format("{}:{}", file, row.line);
      try {
        Fail(ErrorKind::kBadData, "cannot read the row",
             fmt::format("{}, column '{}'", name, Printable(row.column)),
             row.why, row.remedy);
      } catch (const Failure& failure) {
        printer.AddBad(name, failure);
      }
    }
  };
  std::vector<uint8_t> sample(data.InputBytes());
  for (size_t i = 0; i < data.size(); ++i) {
    add_bad(data.LineOf(i));
    CopySample(data, i, sample.data());
    Truth truth;
    if (const int32_t c = data.ClassOf(i); c >= 0) {
      truth.label = names[static_cast<size_t>(c)];
    } else if (!data.anomalies.empty()) {
      truth.label = data.anomalies[i] ? "anomaly" : "normal";
    } else if (data.targets.kind == TargetKind::kValues) {
      truth.values.assign(data.Values(i), data.Values(i) + data.targets.width);
    }
    const uint64_t line = data.LineOf(i);
    printer.Add(file.empty() ? data.SampleName(i)
                : line > 0   ? fmt::format("{}:{}", file, line)
                             : fmt::format("{}#{}", file, data.ids[i]),
                sample.data(), std::move(truth));
  }
  add_bad(UINT64_MAX);
}

// A table, for a model that was trained on one: its columns are found by name.
void AddTable(const std::string& path, const Predictor& predictor,
              Printer& printer) {
  DataSpec spec;
  spec.text = spec.path = path;
  spec.kind = "csv";
  spec.paths = {path};
  spec.judged = spec.by_row = true;
  const Dataset data = LoadDataset(
      spec, [&](const Shape& shape) { predictor.CheckShape(shape, path); },
      predictor.DataInput());
  for (const std::string& note : data.notes) printer.Note(note);
  AddSamples(data, {}, path, printer);
}

// The shape is compared before anything is allocated for what a header says.
void AddFile(const std::string& path, const Predictor& predictor,
             Printer& printer) {
  if (!predictor.model().columns.empty()) {
    AddTable(path, predictor, printer);
    return;
  }
  std::unique_ptr<ByteSource> source = OpenFile(path);
  const auto kind = [&] {
    return RecognizeFormat(source->Peek(kFormatBytes)).kind;
  };
  const bool packed = kind() == FormatKind::kGzip;
  if (packed) source = OpenGzip(std::move(source));
  if (FindDecoder(kind()) != nullptr) {
    // The other formats are compressed themselves: whoever packs one has taken
    // something else for it.
    if (packed && kind() != FormatKind::kPnm) {
      RefuseFormat(*OpenFile(path), "a picture");
    }
    AddPicture(ReadPictureFile(*source), path, predictor, printer);
    return;
  }
  if (kind() != FormatKind::kIdx && kind() != FormatKind::kUnknown) {
    RefuseFormat(*source,
                 fmt::format("a picture ({}) or an IDX file", DecoderNames()));
  }
  const IdxHeader header = ReadIdxHeader(*source);
  if (header.rank < 3) {
    source->Corrupt(
        "images need 3 or 4 dimensions (n, h, w[, c]); labels have 1");
  }
  const Shape shape = {header.size[1], header.size[2], header.size[3],
                       ElementType::kU8};
  const Channels channels = predictor.DataInput().channels;
  const Shape fitted = WithChannels(shape, channels, path);
  predictor.CheckShape(fitted, path);
  std::vector<uint8_t> sample(CheckedSize(shape.Count(), "an image"));
  std::vector<uint8_t> input(CheckedSize(fitted.Count(), "an image"));
  for (uint32_t i = 0; i < header.size[0]; ++i) {
    source->ReadExact(sample.data(), sample.size(), "an image");
    const bool as_it_is = channels == Channels::kAsData;
    if (!as_it_is) FitSample(shape, channels, sample.data(), input.data());
    printer.Add(fmt::format("{}#{}", path, i),
                as_it_is ? sample.data() : input.data());
  }
  source->ExpectEnd();
}

// `data.notes` are all that there is to say of them.
Dataset LoadData(const std::string& spec, const Predictor& predictor) {
  std::vector<std::string> notes;
  DataSpec parsed = SpecWithSplit(spec, SplitUse::kPredict, &notes);
  parsed.by_row = !predictor.model().columns.empty();
  Dataset data = LoadDataset(
      parsed, [&](const Shape& shape) { predictor.CheckShape(shape, spec); },
      predictor.DataInput());
  data.notes.insert(data.notes.begin(), notes.begin(), notes.end());
  return data;
}

void AddData(const Dataset& data, const Predictor& predictor,
             Printer& printer) {
  for (const std::string& note : data.notes) printer.Note(note);
  // Labels are called as the model calls them, so that they can be compared.
  std::vector<std::string> names = data.class_names;
  if (predictor.classifier() && data.targets.HasClasses()) {
    const std::vector<std::string> known = predictor.Classes();
    const ClassMatch match = MatchClassNames(data, known);
    if (match.by_label) printer.Note(match.note);
    for (size_t i = 0; i < names.size(); ++i) {
      if (match.to_model[i] >= 0) {
        names[i] = known[static_cast<size_t>(match.to_model[i])];
      }
    }
  }
  AddSamples(data, names, "", printer);
}

// In place of a folder, the files below it.
std::vector<std::string> WithFolders(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored)) {
      files.push_back(path);
      continue;
    }
    const std::vector<std::string> below = ListTree(path);
    if (below.empty()) {
      Fail(ErrorKind::kBadData, "there are no pictures", path,
           "the folder is empty", "");
    }
    const std::string start = path.ends_with('/') ? path : path + "/";
    for (const std::string& file : below) files.push_back(start + file);
  }
  return files;
}

// With --average, models may stand in front of the files: taken out of them.
std::vector<std::string> MoreModels(std::vector<std::string>* files) {
  std::vector<std::string> models;
  size_t i = 0;
  for (; i < files->size(); ++i) {
    const std::string& path = (*files)[i];
    if (!path.ends_with(".safetensors") && WeightsFile(path) == path) break;
    models.push_back(path);
  }
  files->erase(files->begin(), files->begin() + static_cast<std::ptrdiff_t>(i));
  return models;
}

// Without --batch: no more rows than there are samples to fill them.
constexpr uint32_t kMostRows = 64;

uint32_t BatchFor(const std::vector<std::string>& files,
                  const Predictor& predictor) {
  if (files.size() >= kMostRows || !predictor.model().columns.empty()) {
    return kMostRows;
  }
  for (const std::string& path : files) {
    try {
      const FormatKind kind =
          RecognizeFormat(OpenFile(path)->Peek(kFormatBytes)).kind;
      // Others may hold any number of samples.
      if (FindDecoder(kind) == nullptr) return kMostRows;
    } catch (const Failure&) {
      // Told when it is read.
    }
  }
  return static_cast<uint32_t>(files.size());
}

int Run(Cli& cli, Arguments a) {
  std::vector<std::string> models;
  if (a.average) models = MoreModels(&a.files);
  if (a.data.empty() == a.files.empty()) {
    Fail(ErrorKind::kUsage,
         a.data.empty() ? "predict needs files, or --data, after the model"
                        : "predict takes files or --data, not both",
         "", "",
         "temper predict MODEL photo.jpg ..., or MODEL --data folder:DIR");
  }
  if (a.form.csv == "-" && (a.form.jsonl || cli.output.json)) {
    Fail(ErrorKind::kUsage, "--csv -", "", "there is only one standard output",
         "Name a file: --csv FILE, or leave out --json and --jsonl");
  }
  ChooseTarget(a.target);
  Predictor predictor(a.model, 0, a.threads, a.arena, a.backend);
  std::optional<Dataset> data;
  if (!a.data.empty()) data = LoadData(a.data, predictor);
  const std::vector<std::string> files = WithFolders(a.files);
  predictor.Start(a.batch != 0 ? a.batch
                  : data       ? static_cast<uint32_t>(std::min<size_t>(
                               kMostRows, std::max<size_t>(1, data->size())))
                               : BatchFor(files, predictor));
  for (const std::string& model : models) predictor.Average(model);
  if (!a.views.empty()) predictor.SetViews(ReadViews(a.views));
  Printer printer(cli, a, predictor);
  if (const std::string note = DivergedNote(a.model); !note.empty()) {
    printer.Note(note);
  }
  if (data) AddData(*data, predictor, printer);
  for (const std::string& path : files) {
    try {
      AddFile(path, predictor, printer);
    } catch (const Failure& failure) {
      // A single file that gave nothing is the whole answer.
      if (files.size() == 1 && printer.empty()) throw;
      printer.AddBad(path, failure);
    }
  }
  return printer.Finish();
}

}  // namespace

void AddPredictVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb& verb = cli.Add(
      "predict", "Predict classes and probabilities, or values, of samples",
      [&cli, a] { return Run(cli, *a); });
  verb.example = "temper predict runs/train photo.jpg";
  verb.Add("model", &a->model, "MODEL",
           "The .safetensors model, or a run folder: its best weights")
      .Required()
      .Group("What");
  verb.Add(
          "files", &a->files, "FILE",
          "Pictures, folders of pictures, IDX files, or for a model of a table "
          "tables of new rows")
      .Group("What");
  verb.Add("--data", &a->data, "SPEC",
           "Data, such as 'idx:DIR?split=test&limit=5'")
      .Group("What");
  verb.Flag(
          "--average", &a->average,
          "Predict the mean of several models, all named in front of the files")
      .Group("What");
  verb.Add("--views", &a->views, "LIST",
           "Predict the mean over views of each picture: flip, shift=PIXELS")
      .Group("What");
  verb.Add("--top", &a->top, "N", "Classes to print per sample")
      .Whole(1, 65536)
      .Group("What");
  verb.Flag("--jsonl", &a->form.jsonl,
            "A JSON document for each sample, in a line of its own on stdout")
      .Group("Output")
      .Excludes({"--json"});
  verb.Add("--csv", &a->form.csv, "FILE",
           "Comma-separated values with a line of names, into this file; - for "
           "stdout")
      .Default("none")
      .Group("Output");
  verb.Add("--batch", &a->batch, "N",
           "Samples at a time; 1 answers each as it comes")
      .Whole(1, kMaxBatch)
      .Default("64, or as many as there are")
      .Group("Machine");
  verb.Add("--arena", &a->arena, "SIZE",
           "The most memory for the model, such as 16MiB")
      .Default("what it needs")
      .Group("Machine");
  AddBackendOption(verb, &a->backend);
  AddMachineOptions(verb, &a->threads, &a->target);
}

}  // namespace temper::host
