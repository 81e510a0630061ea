// The reader of NumPy arrays. What X and Y may be: npy.h.
#include "ports/host/data/kinds/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/kinds/npy_format.h"

namespace temper::host {
namespace {

constexpr TargetKind kTargetKinds[] = {
    TargetKind::kClasses, TargetKind::kValues, TargetKind::kMultiHot,
    TargetKind::kSoft};

// What is too large for it is refused with the shape (dataset.cc).
uint32_t Side(uint64_t size) {
  return static_cast<uint32_t>(
      std::min<uint64_t>(size, std::numeric_limits<uint32_t>::max()));
}

class NpyReader final : public DataReader {
 public:
  NpyReader(std::unique_ptr<ByteSource> samples,
            std::unique_ptr<ByteSource> targets, const NpyOptions& options)
      : samples_source_(std::move(samples)),
        targets_source_(std::move(targets)),
        options_(options) {}

  Index ReadIndex() override {
    samples_.emplace(std::move(samples_source_));
    Index index;
    index.shape = SampleShape();
    index.targets = {};
    index.samples = samples_->rows();
    if (targets_source_ == nullptr) return index;
    targets_.emplace(std::move(targets_source_));
    if (targets_->rows() != samples_->rows()) {
      Fail(
          ErrorKind::kBadData, "the data does not fit together",
          samples_->source().name(),
          fmt::format("it has {} samples, but {} has {} rows", samples_->rows(),
                      targets_->source().name(), targets_->rows()),
          "Check that both files belong to the same data set and split.");
    }
    index.targets = TargetsOf();
    if (index.targets.kind == TargetKind::kClasses) {
      index.labels = targets_->ReadIndices();
    }
    return index;
  }

  Missing ReadSamples(const Wanted& wanted) override {
    samples_->Read({wanted.size(),
                    [&](size_t i) -> NpyArray::Placement {
                      return {wanted[i].sample, wanted[i].to};
                    }},
                   SampleStrides(), samples_->header().IsU8());
    if (wanted.empty() || wanted[0].values == nullptr) return {};
    constexpr uint64_t kStride[] = {1};
    targets_->Read({wanted.size(),
                    [&](size_t i) -> NpyArray::Placement {
                      return {wanted[i].sample,
                              reinterpret_cast<uint8_t*>(wanted[i].values)};
                    }},
                   kStride, false);
    return {};
  }

 private:
  Shape SampleShape() {
    const NpyHeader& h = samples_->header();
    if (h.rank < 2 || h.rank > 4) {
      samples_->source().Corrupt(fmt::format(
          "samples have the shape (n, c), (n, h, w) or (n, h, w, c), not {}",
          h.ShapeText()));
    }
    if (options_.channels_first && h.rank != 4) {
      Fail(ErrorKind::kUsage, "cannot understand the data spec", "layout=nchw",
           fmt::format("samples of the shape {} are not (n, c, h, w)",
                       h.ShapeText()),
           "Leave out layout=.");
    }
    Shape shape;
    shape.type = h.IsU8() ? ElementType::kU8 : ElementType::kF32;
    const uint32_t a = Side(h.size[1]), b = Side(h.size[2]),
                   c = Side(h.size[3]);
    if (h.rank == 2) {
      shape.c = a;
    } else if (h.rank == 3) {
      shape.h = a, shape.w = b;
    } else if (options_.channels_first) {
      shape.c = a, shape.h = b, shape.w = c;
    } else {
      shape.h = a, shape.w = b, shape.c = c;
    }
    return shape;
  }

  // Of the file's indices after the first, in a sample (h, w, c).
  std::vector<uint64_t> SampleStrides() const {
    const NpyHeader& h = samples_->header();
    switch (h.rank) {
      case 2:
        return {1};
      case 3:
        return {h.size[2], 1};
      default:
        break;
    }
    if (!options_.channels_first) return {h.size[2] * h.size[3], h.size[3], 1};
    return {1, h.size[3] * h.size[1], h.size[1]};
  }

  Targets TargetsOf() {
    const NpyHeader& h = targets_->header();
    if (h.rank < 1 || h.rank > 2) {
      targets_->source().Corrupt(fmt::format(
          "targets have the shape (n,) or (n, k), not {}", h.ShapeText()));
    }
    const uint64_t width = h.rank == 2 ? h.size[1] : 1;
    if (width > kMaxDimension) {
      Fail(ErrorKind::kUnsupported, "cannot use the targets",
           targets_->source().name(),
           fmt::format("{} of them a sample are more than {}", width,
                       kMaxDimension),
           "Check the shape of the array.");
    }
    const bool whole = h.type != NpyHeader::Type::kFloat;
    if (!options_.targets && whole && width > 1) {
      Fail(ErrorKind::kUsage, "cannot tell what the targets are",
           targets_->source().name(),
           fmt::format("whole numbers of the shape {} may be several things",
                       h.ShapeText()),
           "Say which: targets=values, targets=multi_hot or targets=soft.");
    }
    const TargetKind kind = options_.targets.value_or(
        whole ? TargetKind::kClasses : TargetKind::kValues);
    const auto require = [&](bool good, std::string_view why) {
      if (good) return;
      Fail(ErrorKind::kBadData, "cannot use the targets",
           targets_->source().name(),
           fmt::format("{}; the shape is {}", why, h.ShapeText()),
           "Choose another targets=, or check that the file belongs to this "
           "data.");
    };
    require(kind != TargetKind::kClasses || width == 1,
            "classes are one number a sample");
    require(kind != TargetKind::kSoft || width > 1,
            "soft labels have a probability for every class");
    return {kind, static_cast<uint32_t>(width)};
  }

  std::unique_ptr<ByteSource> samples_source_, targets_source_;
  const NpyOptions options_;
  std::optional<NpyArray> samples_, targets_;
};

std::unique_ptr<ByteSource> Open(const std::string& path) {
  return path.ends_with(".gz") ? OpenGzip(OpenFile(path)) : OpenFile(path);
}

TargetKind TargetsNamed(std::string_view name, std::string_view value) {
  std::vector<std::string_view> names;
  for (const TargetKind kind : kTargetKinds) {
    names.push_back(TargetKindName(kind));
    if (value == names.back()) return kind;
  }
  BadOption(name, fmt::format("there are no targets '{}'", Printable(value)),
            Suggest(value, names));
}

constexpr DataOption kOptions[] = {
    ChoiceOption<&NpyOptions::channels_first>(
        "layout", "nhwc|nchw", "nhwc", "the order of samples' dimensions"),
    TextOption<&NpyOptions::targets, TargetsNamed>(
        "targets", "classes|values|multi_hot|soft", "by the type of Y",
        "what the numbers of Y are"),
};

}  // namespace

std::unique_ptr<DataReader> OpenNpy(std::unique_ptr<ByteSource> samples,
                                    std::unique_ptr<ByteSource> targets,
                                    const NpyOptions& options) {
  return std::make_unique<NpyReader>(std::move(samples), std::move(targets),
                                     options);
}

namespace {

// The files that spec.paths name.
std::unique_ptr<DataReader> OpenFiles(const DataSpec& spec, const ModelInput&) {
  const NpyOptions options = ReadOptions<NpyOptions>(spec, kOptions);
  if (options.targets && spec.paths.size() < 2) {
    BadOption("targets", "there is no file of targets", "Write npy:X,Y.");
  }
  if (spec.split == "test") {
    Fail(ErrorKind::kUsage, "cannot find the test split", spec.text,
         "NumPy files have none of their own",
         "Name the files of the test set, without split=.");
  }
  std::unique_ptr<ByteSource> samples = Open(spec.paths[0]);
  std::unique_ptr<ByteSource> targets =
      spec.paths.size() > 1 ? Open(spec.paths[1]) : nullptr;
  return OpenNpy(std::move(samples), std::move(targets), options);
}

}  // namespace

extern const DataKind kNpyData;
const DataKind kNpyData = {
    .name = "npy",
    .usage = "npy:X[,Y]",
    .help = "NumPy arrays: samples and their class numbers or values",
    .options = kOptions,
    .most_paths = 2,
    .open = OpenFiles,
};

}  // namespace temper::host
