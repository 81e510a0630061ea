// predict: class names and probabilities, or values, for samples of a data spec,
// pictures, folders of pictures or an IDX file.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/messages.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/non_finite.h"
#include "ports/host/data/class_match.h"
#include "ports/host/data/decoders/decoder.h"
#include "ports/host/data/kinds/file_tree.h"
#include "ports/host/data/kinds/idx.h"
#include "ports/host/data/picture.h"
#include "ports/host/os/byte_source.h"
#include "ports/host/train/predictor.h"

namespace temper::host {
namespace {

struct Arguments {
  std::string model, data, target, arena;
  std::vector<std::string> files;
  uint32_t top = 3, batch = 64, threads = 0;
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
  Printer(const Cli& cli, const Arguments& a, Predictor& predictor)
      : cli_(cli), top_(a.top), predictor_(predictor) {}

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

  // After this one nothing comes: what was printed becomes a whole document.
  void Fail(const Failure& failure) {
    if (!cli_.json || !begun_) return;
    PrintEntry({{"error",
                 {{"exit_code", ExitCodeOf(failure.kind)},
                  {"message", failure.message}}}});
    EndJson();
  }
  bool begun() const { return begun_; }

  // Nothing has come so far.
  bool empty() const { return answered_ == 0 && items_.empty(); }

  // Returns the exit code.
  int Finish() {
    Flush();
    if (cli_.json) EndJson();
    std::fflush(stdout);
    if (non_finite_.count() > 0) {
      MessageLine("temper: " +
                  non_finite_.Message(answered_ + non_finite_.count()));
      return kExitDiverged;
    }
    if (bad_ == 0) return kExitOk;
    Message("temper: {} of {} could not be read", bad_, bad_ + answered_);
    return kExitBadData;
  }

 private:
  struct Item {
    std::string name;
    Truth truth;
    std::optional<Failure> failure;
  };

  // One entry after the other: the array may be longer than there is memory.
  void PrintEntry(const nlohmann::ordered_json& entry) {
    PrintResult(begun_ ? ",\n" : "[\n");
    begun_ = true;
    PrintResult(
        entry.dump(1, ' ', true, nlohmann::json::error_handler_t::replace));
  }
  void EndJson() { PrintResult(begun_ ? "\n]\n" : "[]\n"); }

  size_t SampleBytes() const {
    const Shape shape = predictor_.input();
    return static_cast<size_t>(shape.Count()) *
           (shape.type == ElementType::kU8 ? 1 : 4);
  }

  void Flush() {
    const size_t rows = samples_.size() / SampleBytes();
    const bool classes = predictor_.classifier();
    const bool values = predictor_.regressor();
    if (rows > 0 && (classes || values)) {
      predictor_.Run(
          {.input = samples_.data(), .rows = static_cast<uint32_t>(rows)});
    }
    size_t row = 0;
    for (const Item& item : items_) {
      if (item.failure) {
        Refuse(item.name, ExitCodeOf(item.failure->kind),
               item.failure->message);
      } else if (classes || values) {
        const uint32_t n = predictor_.outputs();
        const float* const output = predictor_.Output() + row++ * n;
        if (!NonFinite::AllFinite(output, n)) {
          RefuseOutput(item.name);
        } else if (classes) {
          Answer(item, output, n);
        } else {
          AnswerValues(item, output, n);
        }
      } else {
        AnswerLoss(item, row++);
      }
    }
    items_.clear();
    samples_.clear();
  }

  void Refuse(const std::string& name, ExitCode code, const std::string& why) {
    if (cli_.json) {
      PrintEntry({{"sample", name},
                  {"error", {{"exit_code", code}, {"message", why}}}});
    }
    // After what has been answered before it.
    std::fflush(stdout);
    MessageLine("temper: " + why);
  }

  void RefuseOutput(const std::string& name) {
    constexpr std::string_view kWhy = "the output is not finite";
    non_finite_.Add(name);
    if (cli_.json) {
      PrintEntry(
          {{"sample", name},
           {"error", {{"exit_code", kExitDiverged}, {"message", kWhy}}}});
    }
  }

  // A model without classes says of a sample how far off it is: its own loss.
  void AnswerLoss(const Item& item, size_t row) {
    const uint8_t* const sample = samples_.data() + row * SampleBytes();
    const float loss = predictor_.Run({.input = sample, .rows = 1}).loss;
    if (!NonFinite::AllFinite(&loss, 1)) {
      RefuseOutput(item.name);
      return;
    }
    ++answered_;
    if (cli_.json) {
      PrintEntry({{"sample", item.name}, {"loss", loss}});
    } else {
      Result("{}\t{:.6f}\n", Printable(item.name), loss);
    }
  }

  // A model that learns values.
  void AnswerValues(const Item& item, const float* y, uint32_t n) {
    ++answered_;
    const std::vector<float> values(y, y + n);
    const std::vector<float>& truth = item.truth.values;
    if (cli_.json) {
      nlohmann::ordered_json entry = {{"sample", item.name},
                                      {"values", values}};
      if (!truth.empty()) entry["targets"] = truth;
      PrintEntry(entry);
      return;
    }
    std::string line =
        fmt::format("{}\t{:.6g}", Printable(item.name), fmt::join(values, " "));
    if (!truth.empty()) {
      line += fmt::format("\t(target {:.6g})", fmt::join(truth, " "));
    }
    Result("{}\n", line);
  }

  void Answer(const Item& item, const float* p, uint32_t n) {
    ++answered_;
    std::vector<uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return p[a] > p[b]; });
    order.resize(std::min(top_, n));
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    std::string line = Printable(item.name);
    for (const uint32_t k : order) {
      if (cli_.json) {
        list.push_back(
            {{"class", predictor_.ClassName(k)}, {"probability", p[k]}});
      } else {
        line += fmt::format("\t{} {:.4f}", Printable(predictor_.ClassName(k)),
                            p[k]);
      }
    }
    if (cli_.json) {
      nlohmann::ordered_json entry = {{"sample", item.name}, {"classes", list}};
      if (!item.truth.label.empty()) entry["label"] = item.truth.label;
      PrintEntry(entry);
    } else {
      if (!item.truth.label.empty()) {
        line += fmt::format("\t(label {})", Printable(item.truth.label));
      }
      Result("{}\n", line);
    }
  }

  const Cli& cli_;
  const uint32_t top_;
  Predictor& predictor_;
  std::vector<uint8_t> samples_;  // of the items that have one
  std::vector<Item> items_;       // that wait for the batch
  uint64_t answered_ = 0, bad_ = 0;
  NonFinite non_finite_;
  bool begun_ = false;  // the JSON array on stdout
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
  printer.Add(path, sample.data());
}

// The shape is compared before anything is allocated for what a header says.
void AddFile(const std::string& path, const Predictor& predictor,
             Printer& printer) {
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
  predictor.CheckShape(shape, path);
  std::vector<uint8_t> sample(CheckedSize(shape.Count(), "an image"));
  for (uint32_t i = 0; i < header.size[0]; ++i) {
    source->ReadExact(sample.data(), sample.size(), "an image");
    printer.Add(fmt::format("{}#{}", path, i), sample.data());
  }
  source->ExpectEnd();
}

void AddData(const std::string& spec, const Predictor& predictor,
             Printer& printer) {
  std::vector<std::string> notes;
  const Dataset data = LoadDataset(
      SpecWithSplit(spec, "predicted", &notes),
      [&](const Shape& shape) { predictor.CheckShape(shape, spec); },
      predictor.DataInput());
  notes.insert(notes.end(), data.notes.begin(), data.notes.end());
  for (const std::string& note : notes) Message("note: {}", note);
  // Labels are called as the model calls them, so that they can be compared.
  std::vector<std::string> names = data.class_names;
  if (predictor.classifier() && data.targets.HasClasses()) {
    const std::vector<std::string> known = predictor.Classes();
    const ClassMatch match = MatchClassNames(data, known);
    if (match.by_label) Message("note: {}", match.note);
    for (size_t i = 0; i < names.size(); ++i) {
      if (match.to_model[i] >= 0) {
        names[i] = known[static_cast<size_t>(match.to_model[i])];
      }
    }
  }
  for (size_t i = 0; i < data.size(); ++i) {
    Truth truth;
    if (const int32_t c = data.ClassOf(i); c >= 0) {
      truth.label = names[static_cast<size_t>(c)];
    } else if (data.targets.kind == TargetKind::kValues) {
      truth.values.assign(data.Values(i), data.Values(i) + data.targets.width);
    }
    printer.Add(data.SampleName(i), data.Sample(i), std::move(truth));
  }
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
      Fail(kExitBadData, "there are no pictures", path, "the folder is empty",
           "");
    }
    const std::string start = path.ends_with('/') ? path : path + "/";
    for (const std::string& file : below) files.push_back(start + file);
  }
  return files;
}

int Run(const Cli& cli, const Arguments& a) {
  if (a.data.empty() == a.files.empty()) {
    Fail(kExitUsage, "predict needs files or --data, and not both", "", "",
         "temper predict MODEL photo.jpg ..., or MODEL --data folder:DIR");
  }
  ChooseTarget(a.target);
  Predictor predictor(a.model, a.batch, a.threads, a.arena);
  Printer printer(cli, a, predictor);
  try {
    if (!a.data.empty()) AddData(a.data, predictor, printer);
    const std::vector<std::string> files = WithFolders(a.files);
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
  } catch (const Failure& failure) {
    if (!printer.begun()) throw;
    printer.Fail(failure);
    MessageLine("temper: " + failure.message);
    return ExitCodeOf(failure.kind);
  }
}

}  // namespace

void AddPredictVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb& verb = cli.Add(
      "predict", "Predict classes and probabilities, or values, of samples",
      [&cli, a] { return Run(cli, *a); });
  verb.example = "temper predict runs/train/weights/best.safetensors photo.jpg";
  verb.Add("model", &a->model, "MODEL", "The .safetensors model")
      .Required()
      .Group("What");
  verb.Add("files", &a->files, "FILE",
           "Pictures, folders of pictures, or IDX files")
      .Group("What");
  verb.Add("--data", &a->data, "SPEC",
           "Data, such as 'idx:DIR?split=test&limit=5'")
      .Group("What");
  verb.Add("--top", &a->top, "N", "Classes to print per sample")
      .Whole(1, 65536)
      .Group("What");
  verb.Add("--batch", &a->batch, "N", "Samples at a time")
      .Whole(1, kMaxBatch)
      .Group("Machine");
  verb.Add("--arena", &a->arena, "SIZE",
           "The most memory for the model, such as 16MiB")
      .Default("what it needs")
      .Group("Machine");
  AddMachineOptions(verb, &a->threads, &a->target);
}

}  // namespace temper::host
