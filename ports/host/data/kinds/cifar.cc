// The CIFAR reader. See cifar.h.
#include "ports/host/data/kinds/cifar.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/file_format.h"
#include "ports/host/data/kinds/file_tree.h"
#include "ports/host/data/text_file.h"

namespace temper::host {
namespace {

constexpr uint32_t kSide = 32;
constexpr size_t kPlane = size_t{kSide} * kSide, kPixels = 3 * kPlane;
constexpr uint64_t kMaxNames = 1 << 16;

class CifarReader final : public DataReader {
 public:
  CifarReader(std::vector<SourceOpener> files, const CifarLayout& layout,
              std::vector<std::string> names)
      : files_(std::move(files)), layout_(layout), names_(std::move(names)) {}

  Index ReadIndex() override {
    Index index;
    index.shape = {kSide, kSide, 3, ElementType::kU8};
    index.class_names = names_;
    for (const SourceOpener& open : files_) {
      const std::unique_ptr<ByteSource> file = open();
      const uint64_t records = Records(*file);
      if (index.labels.size() + records >
          std::numeric_limits<uint32_t>::max()) {
        file->Corrupt("there are more than 2^32 - 1 samples");
      }
      counts_.push_back(records);
      for (uint64_t i = 0; i < records; ++i) {
        uint8_t labels[2];
        file->ReadExact(labels, layout_.labels, "a label");
        const uint8_t label = labels[layout_.label];
        if (label >= layout_.classes) {
          file->Corrupt(
              fmt::format("label {} is not below {}", label, layout_.classes));
        }
        index.labels.push_back(label);
        file->Skip(kPixels, "a picture");
      }
      file->ExpectEnd();
    }
    return index;
  }

  Missing ReadSamples(const Wanted& wanted) override {
    uint64_t first = 0;  // sample of the file
    size_t next = 0;
    for (size_t f = 0; f < files_.size() && next < wanted.size(); ++f) {
      const uint64_t end = first + counts_[f];
      if (wanted[next].sample < end) {
        const std::unique_ptr<ByteSource> file = files_[f]();
        uint64_t at = first;
        for (; next < wanted.size() && wanted[next].sample < end; ++next) {
          file->Skip((wanted[next].sample - at) * Record(), "a picture");
          ReadOne(*file, wanted[next].to);
          at = uint64_t{wanted[next].sample} + 1;
        }
      }
      first = end;
    }
    return {};
  }

 private:
  size_t Record() const { return layout_.labels + kPixels; }

  uint64_t Records(ByteSource& file) const {
    // The first bytes are labels: hardly anything is sure to be another format.
    const FileFormat format = RecognizeFormat(file.Peek(kFormatBytes));
    if (format.kind == FormatKind::kGzip || format.kind == FormatKind::kPage ||
        format.kind == FormatKind::kTensors) {
      RefuseFormat(file, "CIFAR's binary version");
    }
    const uint64_t bytes = file.MaxBytes();
    if (bytes == 0 || bytes % Record() != 0) {
      file.Corrupt(fmt::format("{} bytes are not whole records of {} bytes",
                               bytes, Record()));
    }
    return bytes / Record();
  }

  void ReadOne(ByteSource& file, uint8_t* to) const {
    uint8_t record[2 + kPixels];
    file.ReadExact(record, Record(), "a picture");
    const uint8_t* const planes = record + layout_.labels;
    for (size_t i = 0; i < kPlane; ++i) {
      for (size_t c = 0; c < 3; ++c) to[3 * i + c] = planes[c * kPlane + i];
    }
  }

  const std::vector<SourceOpener> files_;
  const CifarLayout layout_;
  const std::vector<std::string> names_;
  std::vector<uint64_t> counts_;  // of records, by file
};

struct CifarOptions {
  enum class Labels : uint32_t { kFine, kCoarse } labels = Labels::kFine;
};
constexpr DataOption kOptions[] = {
    ChoiceOption<&CifarOptions::labels>(
        "labels", "fine|coarse", "fine",
        "CIFAR-100: its 100 classes, or the 20 they belong to"),
};

bool IsFile(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode);
}

// The folder itself, or the one that the archive makes in it.
std::string Find(const std::string& folder, const char* file) {
  for (const char* below : {"", "/cifar-10-batches-bin", "/cifar-100-binary"}) {
    if (IsFile(folder + below + "/" + file)) return folder + below;
  }
  return "";
}

[[noreturn]] void NotFound(const std::string& folder) {
  (void)ListFolder(folder);  // is there one at all?
  const bool python = !Find(folder, "data_batch_1").empty() ||
                      !Find(folder, "batches.meta").empty() ||
                      IsFile(folder + "/cifar-10-batches-py/data_batch_1");
  Fail(ErrorKind::kNotFound, "cannot find the data", folder,
       python ? "it holds CIFAR's version for Python"
              : "there is no data_batch_1.bin (CIFAR-10) and no train.bin "
                "(CIFAR-100)",
       "Get the binary version: cifar-10-binary.tar.gz or "
       "cifar-100-binary.tar.gz.");
}

std::vector<std::string> NamesIn(const std::string& path, size_t classes) {
  if (!IsFile(path)) return {};
  std::vector<std::string> names = Lines(ReadTextFile(path, kMaxNames));
  std::erase(names, "");
  if (names.size() != classes) {
    Fail(ErrorKind::kBadData, "cannot use the class names", path,
         fmt::format("it has {} names for {} classes", names.size(), classes),
         "Get the file again, or remove it and give names=.");
  }
  return names;
}

bool HasCifarSplit(const DataSpec& spec, std::string_view split) {
  return split == "test" && (!Find(spec.path, "test_batch.bin").empty() ||
                             !Find(spec.path, "test.bin").empty());
}

std::unique_ptr<DataReader> Open(const DataSpec& spec, const ModelInput&) {
  const CifarOptions options = ReadOptions<CifarOptions>(spec, kOptions);
  const bool test = spec.split == "test";
  std::vector<SourceOpener> files;
  const auto add = [&](const std::string& path) {
    if (!IsFile(path)) {
      Fail(ErrorKind::kNotFound, "cannot find the data", path,
           "this part of the set is missing", "Unpack the archive again.");
    }
    files.push_back([path] { return OpenFile(path); });
  };
  if (const std::string ten = Find(spec.path, "data_batch_1.bin");
      !ten.empty()) {
    if (spec.kind_options.contains("labels")) {
      BadOption("labels", "CIFAR-10 has one label a picture", "Leave it out.");
    }
    if (test) {
      add(ten + "/test_batch.bin");
    } else {
      for (int i = 1; i <= 5; ++i) {
        add(fmt::format("{}/data_batch_{}.bin", ten, i));
      }
    }
    return OpenCifar(std::move(files), {1, 0, 10},
                     NamesIn(ten + "/batches.meta.txt", 10));
  }
  const std::string hundred = Find(spec.path, "train.bin");
  if (hundred.empty()) NotFound(spec.path);
  add(hundred + (test ? "/test.bin" : "/train.bin"));
  const bool fine = options.labels == CifarOptions::Labels::kFine;
  const CifarLayout layout = {2, fine ? 1u : 0u, fine ? 100u : 20u};
  return OpenCifar(std::move(files), layout,
                   NamesIn(hundred + (fine ? "/fine_label_names.txt"
                                           : "/coarse_label_names.txt"),
                           layout.classes));
}

}  // namespace

std::unique_ptr<DataReader> OpenCifar(std::vector<SourceOpener> files,
                                      const CifarLayout& layout,
                                      std::vector<std::string> names) {
  return std::make_unique<CifarReader>(std::move(files), layout,
                                       std::move(names));
}

extern const DataKind kCifarData;
const DataKind kCifarData = {
    .name = "cifar",
    .usage = "cifar:DIR",
    .help = "the binary versions of CIFAR-10 and CIFAR-100",
    .options = kOptions,
    .has_split = HasCifarSplit,
    .open = Open,
};

}  // namespace temper::host
