// Loading a data set: open the reader of its kind, select, read. The one list
// of kinds is below. Read dataset.h first.
#include "ports/host/data/dataset.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include "ports/host/base/failure.h"
#include "ports/host/data/idx.h"
#include "ports/host/data/npy.h"
#include "ports/host/data/selection.h"
#include "ports/host/os/byte_source.h"

namespace temper::host {
namespace {

struct DataKind {
  std::string_view name, usage, meaning;
  std::unique_ptr<DataReader> (*open)(const DataSpec&);
  bool (*has_test)(const DataSpec&);
  std::span<const std::string_view> options;  // beyond the common ones
  uint32_t most_paths = 1;
};

constexpr std::string_view kIdxOptions[] = {"transpose"};
constexpr std::string_view kNpyOptions[] = {"layout", "targets"};

// The one list of kinds of data.
const DataKind kKinds[] = {
    {"idx", "idx:DIR",
     "IDX files as MNIST has them, also gzipped; transpose=1 for EMNIST",
     OpenIdx, HasIdxTest, kIdxOptions},
    {"npy", "npy:X[,Y]",
     "NumPy arrays: samples and their class numbers or values; "
     "targets=classes|values|soft; layout=nchw",
     OpenNpy, HasNpyTest, kNpyOptions, 2},
};

constexpr std::align_val_t kAlignment{64};

// The limits of a graph on the size of a sample.
void CheckShape(const Shape& shape, std::string_view source) {
  const bool fits = shape.h >= 1 && shape.w >= 1 && shape.c >= 1 &&
                    shape.h <= kMaxDimension && shape.w <= kMaxDimension &&
                    shape.c <= kMaxDimension && shape.Count() <= kMaxElements;
  if (!fits) {
    Fail(ErrorKind::kUnsupported, "cannot use the samples", source,
         fmt::format("a sample of {} x {} x {} is out of range", shape.h,
                     shape.w, shape.c),
         fmt::format("Each side is 1 to {}, the whole at most {} elements.",
                     kMaxDimension, kMaxElements));
  }
}

// value(i, j): number j of sample i.
template <class Value>
void CheckFinite(const Dataset& data, size_t count, std::string_view what,
                 std::string_view element, Value&& value) {
  uint64_t bad = 0, samples = 0;
  size_t first_sample = 0, first_element = 0;
  for (size_t i = 0; i < data.size(); ++i) {
    const uint64_t before = bad;
    for (size_t j = 0; j < count; ++j) {
      if (std::isfinite(value(i, j))) continue;
      if (bad++ == 0) first_sample = i, first_element = j;
    }
    samples += bad != before;
  }
  if (bad == 0) return;
  const std::string others =
      bad == 1 ? ""
               : fmt::format("; {} values in {} samples are not finite", bad,
                             samples);
  Fail(ErrorKind::kBadData, fmt::format("cannot use the {}", what),
       fmt::format("{}, sample {}, {} {}", data.source, data.ids[first_sample],
                   element, first_element),
       fmt::format("the value is {}{}", value(first_sample, first_element),
                   others),
       bad == 1 ? "Remove or repair this sample."
                : "Remove or repair these samples.");
}

void CheckFinite(const Dataset& data) {
  if (data.shape.type == ElementType::kF32) {
    CheckFinite(data, static_cast<size_t>(data.shape.Count()), "samples",
                "element", [&](size_t i, size_t j) {
                  float value;
                  std::memcpy(&value, data.Sample(i) + 4 * j, 4);
                  return value;
                });
  }
  CheckFinite(data, data.targets.Floats(), "targets", "target",
              [&](size_t i, size_t j) { return data.Values(i)[j]; });
}

// Rows of probabilities, or of zeros and ones.
void CheckClassRows(const Dataset& data) {
  const bool soft = data.targets.kind == TargetKind::kSoft;
  if (!soft && data.targets.kind != TargetKind::kMultiHot) return;
  // As far from 1 as sums of rounded numbers may be.
  constexpr double kMostAway = 1e-3;
  for (size_t i = 0; i < data.size(); ++i) {
    const auto fail = [&](std::string_view why, std::string_view remedy) {
      Fail(ErrorKind::kBadData, "cannot use the targets",
           fmt::format("{}, sample {}", data.source, data.ids[i]), why, remedy);
    };
    double sum = 0;
    for (uint32_t j = 0; j < data.targets.width; ++j) {
      const float v = data.Values(i)[j];
      sum += double{v};
      if (soft ? v < 0.0f || v > 1.0f : v != 0.0f && v != 1.0f) {
        fail(fmt::format("target {} is {}, not {}", j, v,
                         soft ? "a probability" : "0 or 1"),
             "Numbers of other kinds are targets=values.");
      }
    }
    if (soft && std::abs(sum - 1.0) > kMostAway) {
      fail(fmt::format("its probabilities add up to {}, not to 1", sum),
           "Divide every row by its sum.");
    }
  }
}

// So many samples at most: their numbers are keys of random streams.
void CheckCount(uint64_t samples, std::string_view source) {
  if (samples <= std::numeric_limits<uint32_t>::max()) return;
  Fail(ErrorKind::kUnsupported, "cannot use the data", source,
       "it has more than 2^32 - 1 samples", "Split it.");
}

// Everything but the samples, and where they go.
Dataset Prepare(const DataSpec& spec, std::string_view split,
                const DataReader::Index& index, const Selection& selection,
                const std::vector<uint32_t>& chosen,
                std::vector<DataReader::Placement>& wanted) {
  Dataset data;
  data.targets = index.targets;
  data.source = spec.text;
  data.split = split;
  data.shape = index.shape;
  data.class_names = selection.class_names;
  data.class_labels = selection.class_labels;
  data.named = selection.named;
  data.label_count = selection.label_count;
  data.ids.assign(chosen.begin(), chosen.end());
  if (data.targets.kind == TargetKind::kClasses) {
    data.targets.width = static_cast<uint32_t>(selection.class_names.size());
    data.labels.reserve(chosen.size());
    for (const uint32_t i : chosen) {
      data.labels.push_back(
          selection.new_label[static_cast<size_t>(index.labels[i])]);
    }
  }
  const uint64_t floats = uint64_t{data.targets.Floats()} * chosen.size();
  (void)CheckedSize(floats * sizeof(float), spec.text);
  data.values.resize(static_cast<size_t>(floats));
  // At most 2^32 samples of 2^33 bytes: no overflow.
  const uint64_t bytes = uint64_t{data.SampleBytes()} * chosen.size();
  data.samples = SampleBlock(CheckedSize(bytes, spec.text));
  for (size_t i = 0; i < chosen.size(); ++i) {
    wanted.push_back(
        {chosen[i], data.samples.data() + i * data.SampleBytes(),
         floats == 0 ? nullptr
                     : data.values.data() + i * size_t{data.targets.Floats()}});
  }
  return data;
}

}  // namespace

SampleBlock::SampleBlock(size_t bytes) : size_(bytes) {
  bytes_.reset(
      static_cast<uint8_t*>(::operator new[](bytes, kAlignment, std::nothrow)));
  if (bytes_ == nullptr && bytes > 0) {
    Fail(ErrorKind::kDoesNotFit, "cannot hold the samples in memory", "",
         fmt::format("the system refuses {} bytes", bytes),
         "Use limit= or per_class= to read fewer samples.");
  }
}

void SampleBlock::Free::operator()(uint8_t* p) const {
  ::operator delete[](p, kAlignment);
}

int32_t Dataset::ClassOf(size_t i) const {
  if (targets.kind == TargetKind::kClasses) return labels[i];
  if (targets.kind != TargetKind::kSoft) return -1;
  const float* const p = Values(i);
  return static_cast<int32_t>(std::max_element(p, p + targets.width) - p);
}

std::vector<uint64_t> Dataset::ClassCounts() const {
  std::vector<uint64_t> counts(class_names.size(), 0);
  if (targets.kind == TargetKind::kClasses) {
    for (const int32_t label : labels) ++counts[static_cast<size_t>(label)];
  } else if (targets.kind == TargetKind::kSoft) {
    for (size_t i = 0; i < size(); ++i) {
      ++counts[static_cast<size_t>(ClassOf(i))];
    }
  } else if (targets.kind == TargetKind::kMultiHot) {
    for (size_t k = 0; k < values.size(); ++k) {
      counts[k % targets.width] += values[k] != 0.0f;
    }
  }
  return counts;
}

uint64_t Dataset::MemoryBytes() const {
  uint64_t bytes = samples.size() + labels.capacity() * sizeof(labels[0]) +
                   values.capacity() * sizeof(values[0]) +
                   ids.capacity() * sizeof(ids[0]);
  for (const std::string& name : class_names) {
    bytes += sizeof(name) + name.capacity();
  }
  return bytes;
}

uint64_t Fingerprint(const Dataset& data) {
  struct State {
    XXH3_state_t* p = XXH3_createState();
    ~State() { XXH3_freeState(p); }
  } state;
  if (state.p == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(state.p);
  const auto add = [&](const void* bytes, size_t n) {
    if (n > 0) XXH3_64bits_update(state.p, bytes, n);
  };
  const uint64_t head[] = {data.shape.h, data.shape.w,
                           data.shape.c, static_cast<uint64_t>(data.shape.type),
                           data.size(),  data.class_names.size()};
  add(head, sizeof(head));
  for (const std::string& name : data.class_names) {
    add(name.c_str(),
        name.size() + 1);  // the zero keeps "ab","c" from "a","bc"
  }
  if (data.targets.kind != TargetKind::kClasses) {
    const uint32_t targets[] = {static_cast<uint32_t>(data.targets.kind),
                                data.targets.width};
    add(targets, sizeof(targets));
    add(data.values.data(), data.values.size() * sizeof(data.values[0]));
  }
  add(data.labels.data(), data.labels.size() * sizeof(data.labels[0]));
  add(data.ids.data(), data.ids.size() * sizeof(data.ids[0]));
  add(data.samples.data(), data.samples.size());
  return XXH3_64bits_digest(state.p);
}

TrainingData LoadFrom(DataReader& reader, const DataSpec& spec,
                      const ShapeCheck& check) {
  const DataReader::Index index = reader.ReadIndex();
  const bool labelled = index.targets.kind == TargetKind::kClasses;
  CheckCount(labelled ? index.labels.size() : index.samples, spec.text);
  for (size_t i = 0; i < index.labels.size(); ++i) {
    if (index.labels[i] < 0) {
      Fail(ErrorKind::kBadData, "cannot use the labels",
           fmt::format("{}, sample {}", spec.text, i),
           fmt::format("label {} is negative", index.labels[i]),
           "Labels count from 0.");
    }
  }
  CheckShape(index.shape, spec.text);
  if (check) check(index.shape);
  const Selection selection =
      labelled ? Select(spec, index.labels, index.class_names)
               : SelectUnlabelled(spec, index.targets,
                                  static_cast<uint32_t>(index.samples),
                                  index.class_names);

  std::vector<DataReader::Placement> wanted;
  wanted.reserve(selection.train.size() + selection.val.size());
  TrainingData out;
  const bool test = spec.split == "test";
  if (spec.split != "val") {
    out.train = Prepare(spec, test ? "test" : "train", index, selection,
                        selection.train, wanted);
    out.train.notes = selection.notes;
  }
  if (spec.val > 0.0) {
    out.val = Prepare(spec, "val", index, selection, selection.val, wanted);
    if (spec.split == "val") out.val->notes = selection.notes;
  }
  std::sort(wanted.begin(), wanted.end(),
            [](const auto& a, const auto& b) { return a.sample < b.sample; });
  reader.ReadSamples(wanted);
  const auto check_values = [](const Dataset& data) {
    CheckFinite(data);
    CheckClassRows(data);
  };
  if (spec.split != "val") check_values(out.train);
  if (out.val.has_value()) check_values(*out.val);
  return out;
}

Dataset LoadDataset(std::string_view text, const ShapeCheck& check) {
  return LoadDataset(ParseDataSpec(text), check);
}

Dataset LoadDataset(const DataSpec& spec, const ShapeCheck& check) {
  TrainingData data = LoadFrom(*OpenData(spec), spec, check);
  return spec.split == "val" ? std::move(*data.val) : std::move(data.train);
}

TrainingData LoadTrainingData(std::string_view text, const ShapeCheck& check) {
  const DataSpec spec = ParseDataSpec(text);
  if (spec.split != "train") {
    Fail(ErrorKind::kUsage, "cannot train on this data", spec.text,
         fmt::format("split={} is not for training", spec.split),
         "Use split=train, or leave split= out.");
  }
  return LoadFrom(*OpenData(spec), spec, check);
}

DataSpec ParseDataSpec(std::string_view text) {
  std::vector<DataKindSyntax> kinds;
  for (const DataKind& kind : kKinds) {
    kinds.push_back({kind.name, kind.options, kind.most_paths});
  }
  return ParseDataSpec(text, kinds);
}

std::unique_ptr<DataReader> OpenData(const DataSpec& spec) {
  for (const DataKind& kind : kKinds) {
    if (kind.name == spec.kind) return kind.open(spec);
  }
  Fail(ErrorKind::kBug, "no reader for this kind of data", spec.text, "", "");
}

bool HasTestSplit(const DataSpec& spec) {
  for (const DataKind& kind : kKinds) {
    if (kind.name == spec.kind) return kind.has_test(spec);
  }
  return false;
}

bool TakesPathList(std::string_view name) {
  return std::any_of(std::begin(kKinds), std::end(kKinds),
                     [&](const DataKind& kind) {
                       return kind.name == name && kind.most_paths > 1;
                     });
}

std::vector<DataKindHelp> DataKinds() {
  std::vector<DataKindHelp> help;
  for (const DataKind& kind : kKinds) {
    help.push_back({kind.name, kind.usage, kind.meaning});
  }
  return help;
}

DataSpec SpecWithSplit(const std::string& text, std::string_view done,
                       std::vector<std::string>* notes) {
  DataSpec spec = ParseDataSpec(text);
  if (spec.split_given) return spec;
  if (HasTestSplit(spec)) {
    spec.split = "test";
    if (spec.val > 0) {
      notes->push_back("val= has no effect on the test split");
      spec.val = 0;
    }
  }
  notes->push_back(
      fmt::format("the {} split is {}; split= chooses", spec.split, done));
  return spec;
}

}  // namespace temper::host
