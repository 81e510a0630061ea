// Packs: data sets that `temper data pack` has made, mapped where they lie.
// See pack_file.h.
#include <fmt/format.h>

#include <cstring>
#include <memory>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/dataset.h"
#include "ports/host/data/pack_file.h"
#include "ports/host/data/resize.h"
#include "ports/host/os/mapping.h"

namespace temper::host {
namespace {

struct PackOptions {
  bool trusted = false;
  std::optional<PictureSize> size;
};

class PackKindReader final : public DataReader {
 public:
  PackKindReader(const std::string& path, const PackOptions& options,
                 std::vector<TableColumn> columns)
      : mapping_(std::make_shared<FileMapping>(path)),
        view_(OpenPack(mapping_->bytes(), path, !options.trusted)),
        size_(options.size) {
    if (!columns.empty() && columns != view_.text.columns) {
      Fail(ErrorKind::kMismatch, "the data do not fit the model", path,
           "the pack was made with other columns than the model reads",
           "Name the table itself: csv:FILE.");
    }
  }

  Index ReadIndex() override {
    Index index;
    index.shape = view_.shape;
    index.targets = view_.targets;
    index.samples = view_.samples;
    index.class_names = view_.text.classes;
    // Selected classes were renumbered.
    index.label_is_place = !index.class_names.empty();
    index.pictures = view_.text.pictures;
    if (view_.labels != nullptr) {
      index.labels.assign(view_.labels, view_.labels + view_.samples);
    }
    if (size_) index.resized = Resized();
    // Lives as long as the mapping.
    index.mapped = std::shared_ptr<const uint8_t>(mapping_, view_.data);
    return index;
  }

  Missing ReadSamples(const Wanted& wanted) override {
    const size_t floats = view_.targets.Floats();
    const size_t bytes = static_cast<size_t>(view_.shape.Count()) *
                         (view_.shape.type == ElementType::kU8 ? 1 : 4);
    for (const Placement& place : wanted) {
      // Of a pack that is packed again.
      if (place.to != nullptr) {
        std::memcpy(place.to, view_.data + place.sample * bytes, bytes);
      }
      if (place.values == nullptr) continue;
      std::memcpy(place.values, view_.values + place.sample * floats,
                  floats * sizeof(float));
    }
    return {};
  }

  std::vector<TableColumn> Columns() const override {
    return view_.text.columns;
  }

 private:
  std::optional<Shape> Resized() const {
    Shape shape = view_.shape;
    shape.h = size_->h, shape.w = size_->w;
    if (shape == view_.shape) return std::nullopt;
    if (shape.type != ElementType::kU8 || (shape.c != 1 && shape.c != 3)) {
      BadOption("size", "the samples of this pack are no pictures",
                "Leave it out.");
    }
    CheckProportions("size", view_.shape, shape);
    return shape;
  }

  const std::shared_ptr<const FileMapping> mapping_;
  const PackView view_;
  const std::optional<PictureSize> size_;
};

constexpr DataOption kOptions[] = {
    FlagOption<&PackOptions::trusted>(
        "trusted", "its bytes are not compared with their checksum first"),
    TextOption<&PackOptions::size, ReadPictureSize>(
        "size", "HxW", "the pack's",
        "what its pictures become in batches; random_resized_crop reads parts "
        "of the larger ones"),
};

std::unique_ptr<DataReader> Open(const DataSpec& spec,
                                 const ModelInput& model) {
  if (spec.split == "test") {
    Fail(ErrorKind::kUsage, "cannot find the test split", spec.text,
         "a pack has no splits of its own",
         "Name the pack of the test set, without split=.");
  }
  return std::make_unique<PackKindReader>(
      spec.paths[0], ReadOptions<PackOptions>(spec, kOptions), model.columns);
}

}  // namespace

extern const DataKind kPackKind;
const DataKind kPackKind = {
    .name = "pack",
    .usage = "pack:FILE",
    .help = "what `temper data pack` has made of other data",
    .options = kOptions,
    .open = Open,
};

}  // namespace temper::host
