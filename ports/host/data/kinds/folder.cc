// The reader of folders of pictures. See folder.h.
#include "ports/host/data/kinds/folder.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/kinds/file_tree.h"
#include "ports/host/data/picture.h"
#include "ports/host/data/read_progress.h"
#include "ports/host/data/resize.h"
#include "ports/host/os/threads.h"
#include "temper/parallel.h"

namespace temper::host {
namespace {

// Where neither spec nor model says how large samples are, and the pictures are
// larger: the field's usual size of photos.
constexpr uint32_t kUsualSide = 224;
constexpr size_t kMostNamed = 20;  // files that notes name

bool AreNumbers(const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return ParseCount(name, std::numeric_limits<uint64_t>::max()).has_value();
  });
}

void SortClasses(std::vector<std::string>& names) {
  if (!AreNumbers(names)) {
    std::sort(names.begin(), names.end());
    return;
  }
  const auto key = [](const std::string& name) {
    return std::pair(*ParseCount(name, std::numeric_limits<uint64_t>::max()),
                     name);
  };
  std::sort(names.begin(), names.end(),
            [&](const std::string& a, const std::string& b) {
              return key(a) < key(b);
            });
}

// "WHERE: WHY" of a failure's message, without what went wrong and the remedy.
std::string Reason(const Failure& failure) {
  const size_t end = failure.message.find('\n');
  const size_t begin = failure.message.find(": ");
  return failure.message.substr(begin == std::string::npos ? 0 : begin + 2,
                                end - (begin + 2));
}

class FolderReader final : public DataReader {
 public:
  FolderReader(std::vector<std::string> roots, const FolderOptions& options)
      : roots_(std::move(roots)), options_(options) {}

  Index ReadIndex() override {
    Index index;
    FindFiles(index);
    index.pictures = options_.fit;
    index.label_is_place = true;
    index.shape = SampleShape(index);
    shape_ = index.shape;
    if (options_.working) {
      index.resized = shape_;
      index.shape.h = options_.working->h, index.shape.w = options_.working->w;
      CheckProportions("working", index.shape, shape_);
    }
    working_ = index.shape;
    return index;
  }

  Missing ReadSamples(const Wanted& wanted) override {
    std::vector<std::pair<size_t, Failure>> failures;
    std::mutex mutex;
    std::atomic<size_t> first_failed = wanted.size();
    const auto fail = [&](size_t i, const Failure& failure) {
      const std::lock_guard lock(mutex);
      failures.emplace_back(i, failure);
      first_failed = std::min(first_failed.load(), i);
    };
    const auto read = [&](size_t i) {
      // The first in order decides, whoever finds another one before.
      if (options_.strict && i > first_failed) return;
      const std::string path(paths_[wanted[i].sample]);
      try {
        ReadPicture(ReadPictureFile(path), path,
                    wanted[i].held_out ? shape_ : working_, options_.fit,
                    wanted[i].to, options_.limits);
      } catch (const Failure& failure) {
        fail(i, failure);
      } catch (const std::bad_alloc&) {
        fail(i, Failure(ErrorKind::kDoesNotFit,
                        "cannot read the image: " + Printable(path) +
                            ": there is not enough memory to decode it"));
      }
    };
    ReadProgress progress(wanted.size());
    // A few pictures are read before threads have begun.
    const uint32_t threads = static_cast<uint32_t>(
        std::min<size_t>(DefaultThreads(), 1 + wanted.size() / 16));
    const std::unique_ptr<ThreadPool> pool = MakeThreadPool(threads);
    ParallelFor(pool->runner(), wanted.size(), 1, Split::kParts,
                [&](size_t begin, size_t end, size_t) {
                  for (size_t i = begin; i < end; ++i) {
                    read(i);
                    progress.Add();
                  }
                });
#ifdef __GLIBC__
    // The heap keeps what large pictures took, for each thread; training has
    // announced another size.
    (void)malloc_trim(0);
#endif
    std::sort(failures.begin(), failures.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return Judge(wanted, failures);
  }

 private:
  // Lists everything: classes, and the files of each.
  void FindFiles(Index& index) {
    std::map<std::string, std::vector<std::string>> classes;  // paths
    std::vector<std::string> empty;
    size_t loose = 0;
    uint64_t outside = 0;
    for (const std::string& root : roots_) {
      const FolderEntries entries = ListFolder(root);
      loose += entries.files.size();
      for (const std::string& name : entries.folders) {
        std::vector<std::string>& paths = classes[name];
        const std::string folder = root + "/" + name;
        for (const std::string& file : ListTree(folder, &outside)) {
          paths.push_back(folder + "/" + file);
        }
      }
    }
    for (auto it = classes.begin(); it != classes.end();) {
      if (it->second.empty()) empty.push_back(it->first);
      it = it->second.empty() ? classes.erase(it) : std::next(it);
    }
    if (classes.empty()) NoClasses(loose, empty);
    for (const std::string& name : empty) {
      index.notes.push_back(fmt::format(
          "the folder '{}' is empty: it is no class", Printable(name)));
    }
    if (loose > 0) {
      index.notes.push_back(fmt::format(
          "{} files lie beside the folders of classes and are not read",
          loose));
    }
    if (outside > 0) {
      index.notes.push_back(
          fmt::format("{} links lead to folders outside of their class and are "
                      "not followed",
                      outside));
    }
    for (const auto& [name, paths] : classes) index.class_names.push_back(name);
    SortClasses(index.class_names);
    std::vector<const std::vector<std::string>*> files;
    size_t longest = 0;
    for (const std::string& name : index.class_names) {
      files.push_back(&classes[name]);
      longest = std::max(longest, files.back()->size());
    }
    for (size_t i = 0; i < longest; ++i) {
      for (size_t c = 0; c < files.size(); ++c) {
        if (i >= files[c]->size()) continue;
        paths_.Add((*files[c])[i]);
        index.labels.push_back(static_cast<int32_t>(c));
      }
    }
    index.names = paths_;
  }

  [[noreturn]] void NoClasses(size_t loose,
                              const std::vector<std::string>& empty) const {
    Fail(ErrorKind::kBadData, "there are no pictures of classes", roots_[0],
         !empty.empty() ? "its folders are empty"
         : loose > 0 ? fmt::format("{} files lie in it, but no folders", loose)
                     : "it is empty",
         "Make a folder for each class: DIR/cat/1.jpg, DIR/dog/1.jpg, ...; "
         "`temper predict MODEL DIR` takes pictures without classes");
  }

  Shape SampleShape(Index& index) const {
    Shape shape = {1, 1, 3, ElementType::kU8};
    if (options_.model) {
      shape.h = options_.model->h, shape.w = options_.model->w;
      if (options_.model->c == 1) shape.c = 1;
    } else if (!options_.size || options_.channels == 0) {
      shape = FirstPicture(index);
      index.notes.push_back(
          options_.size ? "samples are gray or coloured as the first picture; "
                          "channels= chooses"
                        : "samples are as large as the first picture; size= "
                          "and channels= choose");
    }
    if (options_.size) shape.h = options_.size->h, shape.w = options_.size->w;
    if (options_.channels != 0) shape.c = options_.channels;
    return shape;
  }

  // As large as the first picture, but no larger than usual.
  Shape FirstPicture(const Index& index) const {
    // Some may be broken; if the first hundred are, others will not help.
    const size_t most = std::min<size_t>(index.labels.size(), 100);
    for (size_t i = 0;; ++i) {
      const std::string path(paths_[i]);
      try {
        const Image image = DecodePicture(ReadPictureFile(path), path,
                                          options_.fit, options_.limits);
        const bool small = std::max(image.h, image.w) <= kUsualSide;
        return {small ? image.h : kUsualSide, small ? image.w : kUsualSide,
                image.c, ElementType::kU8};
      } catch (const Failure&) {
        if (options_.strict || i + 1 == most) throw;
      }
    }
  }

  Missing Judge(const Wanted& wanted,
                const std::vector<std::pair<size_t, Failure>>& failures) const {
    Missing missing;
    if (failures.empty()) return missing;
    const Failure& first = failures.front().second;
    if (options_.strict) throw first;
    if (2 * failures.size() > wanted.size()) {
      throw Failure(first.kind,
                    fmt::format("{} of {} files cannot be read; the first: {}",
                                failures.size(), wanted.size(), first.message));
    }
    missing.notes.push_back(fmt::format(
        "{} of {} files cannot be read and are left out (strict=1 refuses)",
        failures.size(), wanted.size()));
    for (const auto& [i, failure] : failures) {
      missing.samples.push_back(wanted[i].sample);
      missing.files.push_back("left out: " + Reason(failure));
      if (missing.samples.size() <= kMostNamed) {
        missing.notes.push_back("left out: " + Reason(failure));
      }
    }
    if (failures.size() > kMostNamed) {
      missing.notes.push_back(
          fmt::format("and {} others", failures.size() - kMostNamed));
    }
    return missing;
  }

  const std::vector<std::string> roots_;
  const FolderOptions options_;
  SampleNames paths_;      // by sample
  Shape shape_, working_;  // of samples, and of those for training
};

struct Colour {
  uint8_t rgb[3] = {255, 255, 255};
};

Colour ColourOf(std::string_view name, std::string_view text) {
  if (text == "white") return {};
  if (text == "black") return {{0, 0, 0}};
  if (text == "gray") return {{128, 128, 128}};
  Colour colour;
  if (!ParseColour(text, colour.rgb)) {
    BadOption(name, fmt::format("'{}' is no colour", Printable(text)),
              fmt::format("Write {}=white, black, gray or rrggbb in "
                          "hexadecimal digits, such as ff8000.",
                          name));
  }
  return colour;
}

// What a spec says; what it does not, the model does.
struct FolderSpec {
  std::optional<PictureSize> size, working;
  uint32_t channels = 0;
  std::optional<PictureFit::Mode> fit;
  std::optional<Colour> background;
  bool strict = false;
};

uint32_t ChannelsOf(std::string_view name, std::string_view text) {
  if (text != "1" && text != "3") {
    BadOption(name, fmt::format("'{}' is neither 1 nor 3", Printable(text)),
              "Write channels=1 for gray or channels=3 for colour.");
  }
  return text == "1" ? 1 : 3;
}

constexpr DataOption kOptions[] = {
    TextOption<&FolderSpec::size, ReadPictureSize>(
        "size", "HxW", "the model's", "height and width of samples, in pixels"),
    TextOption<&FolderSpec::working, ReadPictureSize>(
        "working", "HxW", "size",
        "the size that training pictures are kept at, for random_resized_crop"),
    TextOption<&FolderSpec::channels, ChannelsOf>(
        "channels", "1|3", "the model's", "gray, or red, green and blue"),
    ChoiceOption<&FolderSpec::fit>(
        "fit", kPictureFits, "the model's, or crop",
        "how pictures of other sizes become samples"),
    TextOption<&FolderSpec::background, ColourOf>(
        "background", "white|black|gray|rrggbb", "the model's, or white",
        "what is behind transparent pixels and fills up with fit=pad"),
    FlagOption<&FolderSpec::strict>("strict",
                                    "a file that cannot be read is an error"),
};

FolderOptions OptionsOf(const DataSpec& spec, const ModelInput& defaults) {
  const FolderSpec given = ReadOptions<FolderSpec>(spec, kOptions);
  FolderOptions options;
  options.size = given.size;
  // Of training alone: what is judged or predicted is read as it will be.
  if (spec.split == "train" && !spec.judged) options.working = given.working;
  options.channels = given.channels;
  options.fit = defaults.fit;
  if (given.fit) options.fit.mode = *given.fit;
  if (given.background) {
    std::copy_n(given.background->rgb, 3, options.fit.background);
  }
  options.strict = given.strict;
  options.model = defaults.shape;
  return options;
}

// The folder of a part, whatever its case: "" if there is none.
std::string PartFolder(const FolderEntries& entries, std::string_view split) {
  constexpr std::string_view kTrain[] = {"train", "training"};
  constexpr std::string_view kVal[] = {"val", "valid", "validation"};
  constexpr std::string_view kTest[] = {"test", "testing"};
  std::span<const std::string_view> names = kTrain;
  if (split == "val") names = kVal;
  if (split == "test") names = kTest;
  for (const std::string& folder : entries.folders) {
    std::string lower = folder;
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    if (std::find(names.begin(), names.end(), lower) != names.end()) {
      return folder;
    }
  }
  return "";
}

// The part's folder of a root: the root itself, if it has no parts and the
// training part is asked for; "" if there is none. A class may be called
// "train": a part is a folder of folders.
std::string PartOf(const std::string& root, std::string_view split) {
  const FolderEntries entries = ListFolder(root);
  const std::string train = PartFolder(entries, "train");
  const bool parts =
      !train.empty() && !ListFolder(root + "/" + train).folders.empty();
  if (!parts) return split == "train" ? root : "";
  const std::string part = PartFolder(entries, split);
  return part.empty() ? "" : root + "/" + part;
}

std::vector<std::string> PartsOf(const DataSpec& spec, std::string_view split) {
  std::vector<std::string> parts;
  for (const std::string& root : spec.paths) {
    if (std::string part = PartOf(root, split); !part.empty()) {
      parts.push_back(std::move(part));
    }
  }
  return parts;
}

bool HasFolderSplit(const DataSpec& spec, std::string_view split) {
  return !PartsOf(spec, split).empty();
}

std::unique_ptr<DataReader> Open(const DataSpec& spec,
                                 const ModelInput& defaults) {
  const FolderOptions options = OptionsOf(spec, defaults);
  // What val= holds out is a part of the training pictures.
  const std::string split = spec.val > 0 ? "train" : spec.split;
  const std::vector<std::string> parts = PartsOf(spec, split);
  if (parts.empty()) {
    Fail(ErrorKind::kNotFound, "cannot find the data", spec.path,
         fmt::format("there is no {} split: no folder '{}' beside 'train'",
                     split, split),
         split == "val" ? "Hold a part of the training pictures out: val=0.1."
                        : "Make DIR/train/CLASS and DIR/test/CLASS.");
  }
  return OpenFolders(parts, options);
}

}  // namespace

std::unique_ptr<DataReader> OpenFolders(const std::vector<std::string>& roots,
                                        const FolderOptions& options) {
  return std::make_unique<FolderReader>(roots, options);
}

extern const DataKind kFolderData;
const DataKind kFolderData = {
    .name = "folder",
    .usage = "folder:DIR[,DIR...]",
    .help = "pictures (JPEG, PNG, WebP, PGM, PPM) in a folder for each class",
    .options = kOptions,
    .most_paths = 64,
    .has_split = HasFolderSplit,
    .own_validation = true,
    .open = Open,
};

}  // namespace temper::host
