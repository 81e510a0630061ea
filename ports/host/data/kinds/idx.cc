// The IDX reader. Format and file names: idx.h.
#include "ports/host/data/kinds/idx.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/file_format.h"

namespace temper::host {
namespace {

struct TypeName {
  uint8_t code;
  const char* name;
};
constexpr TypeName kOtherTypes[] = {{0x09, "int8"},
                                    {0x0b, "int16"},
                                    {0x0c, "int32"},
                                    {0x0d, "float32"},
                                    {0x0e, "float64"}};

constexpr uint32_t ByteSwap(uint32_t v) {
  return (v >> 24) | ((v >> 8) & 0xff00u) | ((v << 8) & 0xff0000u) | (v << 24);
}

// A file written on a little-endian machine by a careless program: sizes in the
// millions that become small when their bytes are turned round.
bool LooksLittleEndian(const IdxHeader& header) {
  for (uint32_t i = 0; i < header.rank; ++i) {
    if (header.size[i] < (1u << 24) || ByteSwap(header.size[i]) >= (1u << 24)) {
      return false;
    }
  }
  return true;
}

std::string SizesText(const IdxHeader& header) {
  std::string text;
  for (uint32_t i = 0; i < header.rank; ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : " x ", header.size[i]);
  }
  return text;
}

}  // namespace

IdxHeader ReadIdxHeader(ByteSource& source) {
  const std::span<const uint8_t> start = source.Peek(kFormatBytes);
  const FormatKind kind = RecognizeFormat(start).kind;
  // Two zero bytes may be a header that is damaged further on.
  const bool zeros = std::all_of(
      start.begin(),
      start.begin() + std::min<std::ptrdiff_t>(std::ssize(start), 2),
      [](uint8_t byte) { return byte == 0; });
  if (!zeros || (kind != FormatKind::kIdx && kind != FormatKind::kUnknown)) {
    RefuseFormat(source, "an IDX file");
  }
  uint8_t magic[4];
  source.ReadExact(magic, sizeof(magic), "the IDX header");
  for (const TypeName& type : kOtherTypes) {
    if (magic[2] == type.code) {
      Fail(ErrorKind::kUnsupported, "cannot read the data", source.Where(),
           fmt::format("the elements are {}, only uint8 is supported",
                       type.name),
           "Convert the file to uint8.");
    }
  }
  if (magic[2] != 0x08) {
    source.Corrupt(fmt::format("unknown element type 0x{:02x}", magic[2]));
  }
  IdxHeader header;
  header.rank = magic[3];
  if (header.rank < 1 || header.rank > 4) {
    source.Corrupt(fmt::format("{} dimensions, expected 1 to 4", header.rank));
  }
  header.elements = 1;
  bool overflow = false;
  for (uint32_t i = 0; i < header.rank; ++i) {
    uint8_t b[4];
    source.ReadExact(b, sizeof(b), "the IDX header");
    header.size[i] = uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 |
                     uint32_t{b[2]} << 8 | uint32_t{b[3]};
    // A zero anywhere must not hide an overflow: it is refused first.
    if (header.size[i] == 0) {
      source.Corrupt(fmt::format("dimension {} is 0", i));
    }
    overflow |= __builtin_mul_overflow(
        header.elements, uint64_t{header.size[i]}, &header.elements);
  }
  const uint64_t head = 4 + 4 * uint64_t{header.rank};
  const uint64_t most = source.MaxBytes() - std::min(source.MaxBytes(), head);
  if (overflow || header.elements > most) {
    source.Corrupt(fmt::format(
        "the header announces {} bytes, the file holds {} {}{}",
        SizesText(header), source.ExactSize() ? "only" : "at most", most,
        LooksLittleEndian(header)
            ? " (its sizes look little-endian; IDX is big-endian)"
            : ""));
  }
  if (source.ExactSize() && header.elements < most) {
    source.Corrupt(fmt::format("the header announces {} bytes, but {} follow",
                               SizesText(header), most));
  }
  return header;
}

namespace {

// Rows and columns change places; a pixel keeps its channels.
void Transpose(const uint8_t* from, const Shape& stored, uint8_t* to) {
  for (uint32_t x = 0; x < stored.w; ++x) {
    for (uint32_t y = 0; y < stored.h; ++y) {
      const size_t pixel = size_t{y} * stored.w + x;
      to = std::copy_n(from + pixel * stored.c, stored.c, to);
    }
  }
}

class IdxReader final : public DataReader {
 public:
  IdxReader(std::unique_ptr<ByteSource> images,
            std::unique_ptr<ByteSource> labels, bool transpose)
      : images_(std::move(images)),
        labels_(std::move(labels)),
        transpose_(transpose) {}

  Index ReadIndex() override {
    const IdxHeader labels = ReadIdxHeader(*labels_);
    if (labels.rank != 1) {
      labels_->Corrupt(fmt::format("labels have 1 dimension, this file has {}",
                                   labels.rank));
    }
    const IdxHeader images = ReadIdxHeader(*images_);
    if (images.rank < 3) {
      images_->Corrupt(fmt::format(
          "images have 3 or 4 dimensions, this file has {}", images.rank));
    }
    if (images.rank == 4 && images.size[3] > 4) {
      images_->Corrupt(fmt::format(
          "images have 1 to 4 channels, this file has {}", images.size[3]));
    }
    if (images.size[0] != labels.size[0]) {
      Fail(ErrorKind::kBadData, "the data does not fit together",
           images_->name(),
           fmt::format("it has {} images, but {} has {} labels", images.size[0],
                       labels_->name(), labels.size[0]),
           "Check that both files belong to the same data set and split.");
    }
    Index index;
    index.shape =
        Shape{images.size[1], images.size[2], images.size[3], ElementType::kU8};
    ReadLabels(labels.size[0], index.labels);
    count_ = images.size[0];
    sample_bytes_ = index.shape.Count();
    stored_ = index.shape;
    if (transpose_) std::swap(index.shape.h, index.shape.w);
    return index;
  }

  Missing ReadSamples(const Wanted& wanted) override {
    uint64_t next = 0;
    const size_t bytes = static_cast<size_t>(sample_bytes_);
    std::vector<uint8_t> stored(transpose_ && !wanted.empty() ? bytes : 0);
    for (const Placement& p : wanted) {
      SkipSamples(p.sample - next);
      if (transpose_) {
        images_->ReadExact(stored.data(), bytes, "an image");
        Transpose(stored.data(), stored_, p.to);
      } else {
        images_->ReadExact(p.to, bytes, "an image");
      }
      next = uint64_t{p.sample} + 1;
    }
    SkipSamples(count_ - next);
    images_->ExpectEnd();
    return {};
  }

 private:
  // Grows with what really arrives: a gzip header's word is not worth memory.
  void ReadLabels(uint64_t count, std::vector<int32_t>& labels) {
    if (labels_->ExactSize()) labels.reserve(CheckedSize(count, "labels"));
    uint8_t block[4096];
    while (count > 0) {
      const size_t n =
          static_cast<size_t>(std::min<uint64_t>(count, sizeof(block)));
      labels_->ReadExact(block, n, "the labels");
      labels.insert(labels.end(), block, block + n);
      count -= n;
    }
    labels_->ExpectEnd();
  }

  void SkipSamples(uint64_t samples) {
    images_->Skip(samples * sample_bytes_, "an image");
  }

  std::unique_ptr<ByteSource> images_, labels_;
  const bool transpose_;
  Shape stored_;  // of an image in the file
  uint64_t count_ = 0;
  uint64_t sample_bytes_ = 0;
};

// Only what the system says is not there is not there: a folder that may not be
// entered is an error of its own.
bool IsFile(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0) return !S_ISDIR(info.st_mode);
  if (errno != ENOENT && errno != ENOTDIR) {
    FailErrno(ErrorKind::kIo, errno, "cannot open the data", path,
              "Check the permissions of the file and its folder.");
  }
  return false;
}

std::string FindFirst(const std::string& folder,
                      const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    for (const char* ending : {"", ".gz"}) {
      std::string path = folder + "/" + name + ending;
      if (IsFile(path)) return path;
    }
  }
  return "";
}

std::unique_ptr<ByteSource> OpenFirst(const std::string& folder,
                                      const std::vector<std::string>& names) {
  const std::string path = FindFirst(folder, names);
  if (path.empty()) {
    Fail(ErrorKind::kNotFound, "cannot find the data", folder,
         fmt::format("there is no {} or {}.gz", names[0], names[0]),
         "Check the folder and split=; docs/command-line.md has the names of "
         "the files.");
  }
  if (path.ends_with(".gz")) return OpenGzip(OpenFile(path));
  return OpenFile(path);
}

// The names that a split's files may have.
std::vector<std::string> ImageFiles(std::string_view split) {
  // "val" is a part of the training files.
  const std::string start = split == "test" ? "t10k" : "train";
  return {start + "-images-idx3-ubyte", start + "-images.idx3-ubyte",
          start + "-images-idx4-ubyte", start + "-images.idx4-ubyte"};
}
std::vector<std::string> LabelFiles(std::string_view split) {
  const std::string start = split == "test" ? "t10k" : "train";
  return {start + "-labels-idx1-ubyte", start + "-labels.idx1-ubyte"};
}

struct IdxOptions {
  bool transpose = false;
};
constexpr DataOption kOptions[] = {
    FlagOption<&IdxOptions::transpose>(
        "transpose", "pictures lie column by column, as EMNIST's do"),
};

bool HasIdxSplit(const DataSpec& spec, std::string_view split) {
  return split == "test" && !FindFirst(spec.path, ImageFiles("test")).empty() &&
         !FindFirst(spec.path, LabelFiles("test")).empty();
}

}  // namespace

std::unique_ptr<DataReader> OpenIdx(std::unique_ptr<ByteSource> images,
                                    std::unique_ptr<ByteSource> labels,
                                    bool transpose) {
  return std::make_unique<IdxReader>(std::move(images), std::move(labels),
                                     transpose);
}

namespace {

// Finds the files that spec.path and spec.split name.
std::unique_ptr<DataReader> OpenFolder(const DataSpec& spec,
                                       const ModelInput&) {
  const IdxOptions options = ReadOptions<IdxOptions>(spec, kOptions);
  struct stat info;
  if (stat(spec.path.c_str(), &info) != 0) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    FailErrno(missing ? ErrorKind::kNotFound : ErrorKind::kIo, errno,
              missing ? "cannot find the data" : "cannot open the data",
              spec.path,
              missing ? "Name the folder that holds the IDX files."
                      : "Check the permissions of the folder.");
  }
  if (!S_ISDIR(info.st_mode)) {
    Fail(ErrorKind::kNotFound, "cannot find the data", spec.path,
         "it is not a folder", "Name the folder that holds the IDX files.");
  }
  std::unique_ptr<ByteSource> images =
      OpenFirst(spec.path, ImageFiles(spec.split));
  std::unique_ptr<ByteSource> labels =
      OpenFirst(spec.path, LabelFiles(spec.split));
  return OpenIdx(std::move(images), std::move(labels), options.transpose);
}

}  // namespace

extern const DataKind kIdxData;
const DataKind kIdxData = {
    .name = "idx",
    .usage = "idx:DIR",
    .help = "IDX files as MNIST has them, also gzipped",
    .options = kOptions,
    .has_split = HasIdxSplit,
    .open = OpenFolder,
};

}  // namespace temper::host
