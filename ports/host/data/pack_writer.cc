// See pack_writer.h.
#include "ports/host/data/pack_writer.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/pack_file.h"
#include "ports/host/data/selection.h"
#include "ports/host/os/byte_source.h"
#include "ports/host/os/file_io.h"

namespace temper::host {
namespace {

// What LoadFrom would keep in memory, in a file.
class PackWriter {
 public:
  PackWriter(const DataSpec& spec, const std::string& path)
      : spec_(spec), file_(FilePlace(path)) {}

  PackResult Write(DataReader& reader) {
    Select(reader.ReadIndex());
    header_.samples = chosen_.size();
    // Room for a description of the classes and of what a reader may add.
    text_.classes = selection_.class_names;
    header_.text_bytes = WritePackText(text_).size() + kTextRoom;
    if (!LayOutPack(&header_)) {
      Fail(ErrorKind::kUnsupported, "cannot pack the data", spec_.text,
           "it would be too large for a file", "Use limit=.");
    }
    if (!file_.Open().ok()) Refuse();
    try {
      Read(reader);
    } catch (...) {
      file_.Abort();
      throw;
    }
    if (!file_.Commit().ok()) Refuse();
    return std::move(result_);
  }

 private:
  static constexpr uint64_t kTextRoom = uint64_t{4} << 20;

  [[noreturn]] void Refuse() const {
    throw Failure(ErrorKind::kIo,
                  std::string(file_.error()) + "\n  " + file_.consequence());
  }

  void Select(DataReader::Index index) {
    CheckIndex(index, spec_.text);
    if (index.resized) {
      Fail(ErrorKind::kUsage, "cannot pack the data", spec_.text,
           "a pack has samples of one size",
           "Pack larger ones, size=HxW, and train from "
           "pack:FILE?size=HxW of the model's size.");
    }
    if (std::find(index.anomalies.begin(), index.anomalies.end(), true) !=
        index.anomalies.end()) {
      Fail(ErrorKind::kUsage, "cannot pack the data", spec_.text,
           "a pack does not know which samples are anomalies, and training "
           "would take all of them for normal",
           "Train and judge from the table itself, with normal=.");
    }
    const bool labelled = index.targets.kind == TargetKind::kClasses;
    selection_ = labelled
                     ? host::Select(spec_, index.labels, index.class_names)
                     : SelectUnlabelled(spec_, index.targets,
                                        static_cast<uint32_t>(index.samples),
                                        index.class_names);
    chosen_ = std::move(selection_.train);
    header_.type = static_cast<uint32_t>(index.shape.type);
    header_.h = index.shape.h;
    header_.w = index.shape.w;
    header_.c = index.shape.c;
    header_.targets = static_cast<uint32_t>(index.targets.kind);
    header_.width = labelled
                        ? static_cast<uint32_t>(selection_.class_names.size())
                        : index.targets.width;
    if (labelled) {
      labels_.reserve(chosen_.size());
      for (const uint32_t i : chosen_) {
        labels_.push_back(
            selection_.new_label[static_cast<size_t>(index.labels[i])]);
      }
    }
    text_.pictures = index.pictures;
    result_.shape = index.shape;
    result_.notes = std::move(index.notes);
    result_.notes.insert(result_.notes.end(), selection_.notes.begin(),
                         selection_.notes.end());
  }

  uint64_t SampleBytes() const {
    return result_.shape.Count() *
           (result_.shape.type == ElementType::kU8 ? 1 : 4);
  }
  uint32_t Floats() const {
    return Targets{static_cast<TargetKind>(header_.targets), header_.width}
        .Floats();
  }

  void Read(DataReader& reader) {
    uint8_t* const file = file_.Map(header_.file_bytes);
    if (file == nullptr) Refuse();
    float* const values =
        Floats() == 0 ? nullptr
                      : reinterpret_cast<float*>(file + header_.labels_offset);
    const std::vector<uint64_t> ids(chosen_.begin(), chosen_.end());
    const DataReader::Missing missing = reader.ReadSamples(DataReader::Wanted(
        {ids, file + kPackData, static_cast<size_t>(SampleBytes()), values,
         Floats(), false}));
    result_.notes.insert(result_.notes.end(), missing.notes.begin(),
                         missing.notes.end());
    text_.columns = reader.Columns();
    Finish(file, missing.samples);
  }

  // Closes the gaps of what could not be read, and puts everything where it
  // belongs now.
  void Finish(uint8_t* file, const std::vector<uint32_t>& missing) {
    const size_t bytes = static_cast<size_t>(SampleBytes());
    const size_t floats = Floats();
    const uint8_t* const old_values = file + header_.labels_offset;
    std::vector<size_t> rows;
    for (size_t i = 0; i < chosen_.size(); ++i) {
      if (!std::binary_search(missing.begin(), missing.end(), chosen_[i])) {
        rows.push_back(i);
      }
    }
    result_.left_out = chosen_.size() - rows.size();
    if (rows.empty()) {
      Fail(ErrorKind::kBadData, "cannot pack the data", spec_.text,
           "no sample could be read", "Check the files.");
    }
    PackHeader header = header_;
    header.samples = rows.size();
    const std::string text = WritePackText(text_);
    header.text_bytes = text.size();
    if (text.size() > header_.text_bytes || !LayOutPack(&header)) {
      Fail(ErrorKind::kUnsupported, "cannot pack the data", spec_.text,
           "its description is too large", "Use fewer columns.");
    }
    // Samples move to the front first; targets lie after all of them, then and
    // now, so no move writes over what is still to be moved.
    for (size_t k = 0; k < rows.size(); ++k) {
      if (rows[k] != k) {
        std::memmove(file + kPackData + k * bytes,
                     file + kPackData + rows[k] * bytes, bytes);
      }
    }
    if (floats > 0) {
      for (size_t k = 0; k < rows.size(); ++k) {
        std::memmove(file + header.labels_offset + 4 * k * floats,
                     old_values + 4 * rows[k] * floats, 4 * floats);
      }
    }
    result_.class_names = text_.classes;
    result_.class_counts.assign(text_.classes.size(), 0);
    if (!labels_.empty()) {
      std::vector<int32_t> labels;
      for (const size_t row : rows) {
        labels.push_back(labels_[row]);
        ++result_.class_counts[static_cast<size_t>(labels_[row])];
      }
      std::memcpy(file + header.labels_offset, labels.data(),
                  labels.size() * sizeof(labels[0]));
    }
    ZeroGaps(file, header, bytes, floats);
    std::memcpy(file + header.text_offset, text.data(), text.size());
    std::memcpy(file, &header, sizeof(header));
    SealPack({file, static_cast<size_t>(header.file_bytes)});
    if (!file_.Shorten(header.file_bytes).ok()) Refuse();
    result_.samples = header.samples;
    result_.file_bytes = header.file_bytes;
  }

  // The bytes between the parts are 0, whatever lay there before.
  static void ZeroGaps(uint8_t* file, const PackHeader& header, size_t bytes,
                       size_t floats) {
    const auto zero = [&](uint64_t from, uint64_t to) {
      std::memset(file + from, 0, static_cast<size_t>(to - from));
    };
    uint64_t end = kPackData + header.samples * bytes;
    if (header.labels_offset != 0) {
      zero(end, header.labels_offset);
      end = header.labels_offset +
            4 * header.samples * std::max<uint64_t>(floats, 1);
    }
    zero(end, header.text_offset);
  }

  const DataSpec& spec_;
  AtomicFile file_;
  Selection selection_;
  std::vector<uint32_t> chosen_;
  std::vector<int32_t> labels_;
  PackHeader header_ = {};
  PackText text_;
  PackResult result_;
};

bool IsSameFile(const std::string& a, const std::string& b) {
  struct stat one, other;
  return stat(a.c_str(), &one) == 0 && stat(b.c_str(), &other) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

void CheckPackPlace(const std::string& path, bool overwrite) {
  // Devices, pipes and folders cannot be asked for their first bytes.
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return;
    FailErrno(ErrorKind::kCannotCreate, errno, "cannot write the pack",
              Printable(path), "Name another file.");
  }
  const auto refuse = [&](std::string_view why, std::string_view remedy) {
    Fail(ErrorKind::kCannotCreate, "cannot write the pack", Printable(path),
         why, remedy);
  };
  if (!S_ISREG(info.st_mode)) refuse("it is no file", "Name another file.");
  if (overwrite || info.st_size == 0) return;
  const std::unique_ptr<ByteSource> source = OpenFile(path);
  if (!IsPack(source->Peek(kPackMagicBytes))) {
    refuse("it is there and is no pack",
           "Name another file; --overwrite replaces this one.");
  }
}

PackResult WritePack(const DataSpec& spec, const std::string& path,
                     const ModelInput& model, bool overwrite) {
  CheckPackPlace(path, overwrite);
  for (const std::string& source : spec.paths) {
    if (!IsSameFile(source, path)) continue;
    Fail(ErrorKind::kCannotCreate, "cannot write the pack", Printable(path),
         "the data are read from it", "Name another file.");
  }
  // val= is asked of the pack later: the mean of all rows would tell training
  // what is held out.
  const auto missing = spec.kind_options.find("missing");
  if (missing != spec.kind_options.end() && missing->second == "mean" &&
      model.columns.empty()) {
    Fail(ErrorKind::kUsage, "cannot pack the data", spec.text,
         "missing=mean is the mean of the training rows, and a pack does not "
         "know which rows those will be",
         "Use missing=drop, or train from the table itself.");
  }
  if (spec.HoldsOutVal() || spec.test > 0) {
    Fail(ErrorKind::kUsage, "cannot pack the data", spec.text,
         "val=, test= and folds= are asked of the pack",
         "Leave it out here and write pack:FILE?val= where it is used.");
  }
  const std::unique_ptr<DataReader> reader =
      FindDataKind(spec.kind)->open(spec, model);
  return PackWriter(spec, path).Write(*reader);
}

}  // namespace temper::host
