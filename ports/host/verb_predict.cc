// predict: class names and probabilities for samples of a data spec, an IDX
// file or PGM and PPM pictures.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "ports/host/byte_source.h"
#include "ports/host/cli.h"
#include "ports/host/failure.h"
#include "ports/host/idx.h"
#include "ports/host/pnm.h"
#include "ports/host/predictor.h"

namespace temper::host {
namespace {

struct Arguments {
  std::string model, data, target;
  std::vector<std::string> files;
  uint32_t top = 3, batch = 64, threads = 0;
};

// Collects samples until a batch is full, then prints it.
class Printer {
 public:
  Printer(const Cli& cli, const Arguments& a, Predictor& predictor)
      : cli_(cli), top_(a.top), predictor_(predictor) {}

  void Add(const std::string& name, const uint8_t* sample, const Shape& shape,
           const std::string* truth) {
    predictor_.CheckShape(shape, name);
    const size_t bytes =
        shape.Count() * (shape.type == ElementType::kU8 ? 1 : 4);
    samples_.insert(samples_.end(), sample, sample + bytes);
    names_.push_back(name);
    truths_.push_back(truth == nullptr ? "" : *truth);
    if (names_.size() == predictor_.batch()) Flush();
  }

  void Finish() {
    Flush();
    if (cli_.json) {
      fmt::print("{}\n", json_.dump(1, ' ', true,
                                    nlohmann::json::error_handler_t::replace));
    }
  }

 private:
  void Flush() {
    if (names_.empty()) return;
    if (!predictor_.classifier()) {
      FlushErrors();
      return;
    }
    predictor_.Run(samples_.data(), nullptr,
                   static_cast<uint32_t>(names_.size()));
    const uint32_t n = predictor_.outputs();
    for (size_t r = 0; r < names_.size(); ++r) {
      Print(names_[r], truths_[r], predictor_.Output() + r * n, n);
    }
    samples_.clear();
    names_.clear();
    truths_.clear();
  }

  // A model without classes says of a sample how far off it is: its own loss.
  void FlushErrors() {
    const size_t bytes = samples_.size() / names_.size();
    for (size_t r = 0; r < names_.size(); ++r) {
      const float loss =
          predictor_.Run(samples_.data() + r * bytes, nullptr, 1).loss;
      if (cli_.json) {
        json_.push_back({{"sample", names_[r]}, {"loss", loss}});
      } else {
        fmt::print("{}\t{:.6f}\n", Printable(names_[r]), loss);
      }
    }
    samples_.clear();
    names_.clear();
    truths_.clear();
  }

  void Print(const std::string& name, const std::string& truth, const float* p,
             uint32_t n) {
    std::vector<uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return p[a] > p[b]; });
    order.resize(std::min(top_, n));
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    std::string line = Printable(name);
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
      nlohmann::ordered_json entry = {{"sample", name}, {"classes", list}};
      if (!truth.empty()) entry["label"] = truth;
      json_.push_back(entry);
    } else {
      if (!truth.empty()) line += fmt::format("\t(label {})", Printable(truth));
      fmt::print("{}\n", line);
    }
  }

  const Cli& cli_;
  const uint32_t top_;
  Predictor& predictor_;
  std::vector<uint8_t> samples_;
  std::vector<std::string> names_, truths_;
  nlohmann::ordered_json json_ = nlohmann::ordered_json::array();
};

void AddFile(const std::string& path, Printer& printer) {
  // PGM and PPM begin with 'P', gzip with 1f 8b; the rest must be IDX.
  uint8_t first = 0;
  OpenFile(path)->ReadExact(&first, 1, "the first byte");
  if (first == 'P') {
    const Image image = ReadPnm(path);
    printer.Add(path, image.pixels.data(),
                {image.h, image.w, image.c, ElementType::kU8}, nullptr);
    return;
  }
  std::unique_ptr<ByteSource> source = OpenFile(path);
  if (first == 0x1f) source = OpenGzip(std::move(source));
  const IdxHeader header = ReadIdxHeader(*source);
  if (header.rank < 3) {
    source->Corrupt(
        "images need 3 or 4 dimensions (n, h, w[, c]); labels have 1");
  }
  const Shape shape = {header.size[1], header.size[2], header.size[3],
                       ElementType::kU8};
  std::vector<uint8_t> sample(CheckedSize(shape.Count(), "an image"));
  for (uint32_t i = 0; i < header.size[0]; ++i) {
    source->ReadExact(sample.data(), sample.size(), "an image");
    printer.Add(fmt::format("{}#{}", path, i), sample.data(), shape, nullptr);
  }
  source->ExpectEnd();
}

int Run(const Cli& cli, const Arguments& a) {
  if (a.data.empty() == a.files.empty()) {
    Fail(kExitUsage, "predict needs files or --data, and not both", "", "",
         "temper predict MODEL picture.pgm ..., or MODEL --data idx:DIR");
  }
  ChooseTarget(a.target);
  Predictor predictor(a.model, a.batch, a.threads);
  Printer printer(cli, a, predictor);
  if (!a.data.empty()) {
    const Dataset data = LoadDataset(a.data);
    for (size_t i = 0; i < data.size(); ++i) {
      printer.Add(fmt::format("{}#{}", data.split, data.ids[i]), data.Sample(i),
                  data.shape,
                  &data.class_names[static_cast<size_t>(data.labels[i])]);
    }
  }
  for (const std::string& path : a.files) AddFile(path, printer);
  printer.Finish();
  return kExitOk;
}

}  // namespace

void AddPredictVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = cli.Verb("predict", "Classes and probabilities of samples",
                            [&cli, a] { return Run(cli, *a); });
  verb->add_option("model", a->model, "The .safetensors model")->required();
  verb->add_option("files", a->files, "PGM, PPM or IDX files");
  verb->add_option("--data", a->data,
                   "Data, such as idx:DIR?split=test&limit=5");
  verb->add_option("--top", a->top, "Classes to print per sample")
      ->check(Whole(1, 65536))
      ->capture_default_str();
  verb->add_option("--batch", a->batch, "Samples at a time")
      ->check(Whole(1, kMaxBatch))
      ->capture_default_str();
  AddMachineOptions(verb, &a->threads, &a->target);
}

}  // namespace temper::host
