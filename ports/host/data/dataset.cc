// Loading a data set: open the reader of its kind, select, read. Read dataset.h
// first.
#include "ports/host/data/dataset.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include "ports/host/base/failure.h"
#include "ports/host/data/channels.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/selection.h"
#include "ports/host/machine/system.h"
#include "ports/host/os/byte_source.h"
#include "temper/augment.h"

namespace temper::host {
namespace {

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

// Said before anything is read: pages are taken while it is, and a system that
// has none left ends the process.
void CheckMemory(const DataSpec& spec, const Shape& shape,
                 const Targets& targets, uint64_t samples) {
  const uint64_t label = targets.kind == TargetKind::kClasses
                             ? sizeof(int32_t)
                             : sizeof(float) * targets.Floats();
  const uint64_t each =
      shape.Count() * (shape.type == ElementType::kU8 ? 1 : 4) +
      sizeof(uint64_t) + label;  // its id, and its class or targets
  const std::optional<uint64_t> available = AvailableMemory();
  // At most 2^32 samples of 2^33 bytes: no overflow.
  if (!available || samples * each <= *available) return;
  Fail(
      ErrorKind::kDoesNotFit, "cannot hold the samples in memory", spec.text,
      fmt::format("{} samples of {}x{}x{} need {} bytes, {} are available",
                  samples, shape.h, shape.w, shape.c, samples * each,
                  *available),
      "Read fewer samples (limit=, per_class=) or, of pictures, smaller ones "
      "(size=HxW); or pack them first, `temper data pack SPEC FILE`: a pack is "
      "larger than the memory if need be.");
}

size_t SamplesOf(const DataReader::Index& index) {
  return index.targets.kind == TargetKind::kClasses
             ? index.labels.size()
             : static_cast<size_t>(index.samples);
}

// Everything but the samples, and where they go.
Dataset Prepare(const DataSpec& spec, std::string_view split,
                const DataReader::Index& index, const Selection& selection,
                const std::vector<uint32_t>& chosen, bool held_out) {
  Dataset data;
  data.targets = index.targets;
  data.source = spec.text;
  data.split = split;
  data.shape = index.shape;
  if (index.resized && index.mapped == nullptr && held_out) {
    data.shape = *index.resized;
  } else {
    data.resized = index.resized;
  }
  data.class_names = selection.class_names;
  data.class_labels = selection.class_labels;
  data.named = selection.named;
  data.label_is_place = index.label_is_place;
  data.first_line = index.first_line;
  data.lines.reserve(index.lines.empty() ? 0 : chosen.size());
  for (const uint32_t i : chosen) {
    if (!index.lines.empty()) data.lines.push_back(index.lines[i]);
  }
  data.label_count = selection.label_count;
  data.pictures = index.pictures;
  data.ids.assign(chosen.begin(), chosen.end());
  for (size_t i = 0; !index.names.empty() && i < chosen.size(); ++i) {
    data.names.Add(index.names[chosen[i]]);
  }
  if (data.targets.kind == TargetKind::kClasses) {
    data.targets.width = static_cast<uint32_t>(selection.class_names.size());
    data.labels.reserve(chosen.size());
    for (const uint32_t i : chosen) {
      data.labels.push_back(
          selection.new_label[static_cast<size_t>(index.labels[i])]);
    }
  }
  if (spec.judged && !index.anomalies.empty()) {
    for (const uint32_t i : chosen) {
      data.anomalies.push_back(index.anomalies[i]);
    }
  }
  const uint64_t floats = uint64_t{data.targets.Floats()} * chosen.size();
  (void)CheckedSize(floats * sizeof(float), spec.text);
  data.values.resize(static_cast<size_t>(floats));
  // At most 2^32 samples of 2^33 bytes: no overflow.
  const uint64_t bytes = uint64_t{data.SampleBytes()} * chosen.size();
  if (index.mapped != nullptr) {
    // All of them; those of the split lie at their numbers.
    data.samples =
        SampleBlock(index.mapped, data.SampleBytes() * SamplesOf(index));
  } else {
    data.samples = SampleBlock(CheckedSize(bytes, spec.text));
  }
  return data;
}

DataReader::Wanted::Part PartOf(Dataset& data, bool held_out) {
  return {data.ids,
          data.samples.mapped() ? nullptr : data.samples.data(),
          data.SampleBytes(),
          data.values.empty() ? nullptr : data.values.data(),
          data.targets.Floats(),
          held_out};
}

// Leaves out samples that could not be read: the others close the gaps.
void Remove(Dataset& data, std::span<const uint32_t> missing) {
  const size_t bytes = data.SampleBytes(), floats = data.targets.Floats();
  SampleNames names;
  size_t to = 0;
  for (size_t i = 0; i < data.size(); ++i) {
    if (std::binary_search(missing.begin(), missing.end(), data.ids[i])) {
      continue;
    }
    if (!data.names.empty()) names.Add(data.names[i]);
    if (to != i) {
      data.ids[to] = data.ids[i];
      if (!data.labels.empty()) data.labels[to] = data.labels[i];
      if (!data.anomalies.empty()) data.anomalies[to] = data.anomalies[i];
      if (!data.lines.empty()) data.lines[to] = data.lines[i];
      std::copy_n(
          data.values.begin() + static_cast<std::ptrdiff_t>(i * floats), floats,
          data.values.begin() + static_cast<std::ptrdiff_t>(to * floats));
      std::memcpy(data.samples.data() + to * bytes, data.Sample(i), bytes);
    }
    ++to;
  }
  data.left_out += data.size() - to;
  data.ids.resize(to);
  if (!data.labels.empty()) data.labels.resize(to);
  if (!data.anomalies.empty()) data.anomalies.resize(to);
  if (!data.lines.empty()) data.lines.resize(to);
  data.values.resize(to * floats);
  data.samples.Shrink(to * bytes);
  data.names = std::move(names);
}

// A class of which nothing could be read cannot be learnt. `judged`: nothing is.
void CheckRest(const Dataset& data, bool judged) {
  if (data.size() == 0) {
    Fail(ErrorKind::kBadData, "cannot use the data", data.source,
         fmt::format("no sample of the {} split could be read", data.split),
         "Check the files.");
  }
  if (judged || data.split != "train") return;
  const std::vector<uint64_t> counts = data.ClassCounts();
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] != 0 || data.targets.kind != TargetKind::kClasses) continue;
    Fail(ErrorKind::kBadData, "cannot train on this data", data.source,
         fmt::format("no sample of class '{}' could be read",
                     Printable(data.class_names[c])),
         "Leave it out with classes=, or replace its files.");
  }
}

}  // namespace

DataReader::Wanted::Wanted(const Part& first, const Part& second)
    : first_(first), second_(second) {
  rows_.reserve(size());
  in_second_.reserve(size());
  size_t i = 0, k = 0;
  while (rows_.size() < size()) {
    const bool other = i == first.ids.size() ||
                       (k < second.ids.size() && second.ids[k] < first.ids[i]);
    rows_.push_back(static_cast<uint32_t>(other ? k++ : i++));
    in_second_.push_back(other);
  }
}

void SampleNames::Add(std::string_view name) {
  text_ += name;
  ends_.push_back(text_.size());
}

std::string_view SampleNames::operator[](size_t i) const {
  const size_t begin = i == 0 ? 0 : static_cast<size_t>(ends_[i - 1]);
  return std::string_view(text_).substr(begin,
                                        static_cast<size_t>(ends_[i]) - begin);
}

uint64_t SampleNames::MemoryBytes() const {
  if (empty()) return 0;
  return text_.capacity() + ends_.capacity() * sizeof(ends_[0]);
}

SampleBlock::SampleBlock(size_t bytes) : size_(bytes) {
  bytes_.reset(
      static_cast<uint8_t*>(::operator new[](bytes, kAlignment, std::nothrow)),
      Free());
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

std::string Dataset::SampleName(size_t i) const {
  if (!names.empty()) return std::string(names[i]);
  if (LineOf(i) != 0) return fmt::format("line {}", LineOf(i));
  return fmt::format("{}#{}", split, ids[i]);
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
  // A part of a shared block counts as much of it as it uses.
  const uint64_t own =
      places.empty()
          ? samples.size()
          : size() * SampleBytes() + places.capacity() * sizeof(places[0]);
  uint64_t bytes =
      (samples.mapped() ? 0 : own) + labels.capacity() * sizeof(labels[0]) +
      values.capacity() * sizeof(values[0]) + ids.capacity() * sizeof(ids[0]) +
      names.MemoryBytes() + anomalies.capacity() / 8 +
      lines.capacity() * sizeof(lines[0]);
  for (const std::string& name : class_names) {
    bytes += sizeof(name) + name.capacity();
  }
  return bytes;
}

void CopySample(const Dataset& data, size_t i, uint8_t* to) {
  std::vector<uint32_t> scratch(
      AugmentScratchBytes(nullptr, 0, data.shape, data.Input()) / 4 + 1);
  AugmentFrom(nullptr, 0, data.shape, data.Sample(i), data.Input(), 0, 0, 0, to,
              scratch.data());
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
  if (data.resized) {
    const uint64_t input[] = {data.resized->h, data.resized->w};
    add(input, sizeof(input));
  }
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
  const bool whole = !data.samples.mapped() && data.places.empty();
  if (whole) add(data.samples.data(), data.samples.size());
  for (size_t i = 0; !whole && i < data.size(); ++i) {
    add(data.Sample(i), data.SampleBytes());
  }
  return XXH3_64bits_digest(state.p);
}

void CheckIndex(const DataReader::Index& index, const std::string& source) {
  CheckCount(SamplesOf(index), source);
  for (size_t i = 0; i < index.labels.size(); ++i) {
    if (index.labels[i] >= 0) continue;
    Fail(ErrorKind::kBadData, "cannot use the labels",
         fmt::format("{}, sample {}", source, i),
         fmt::format("label {} is negative", index.labels[i]),
         "Labels count from 0.");
  }
  CheckShape(index.shape, source);
}

TrainingData LoadFrom(DataReader& reader, const DataSpec& spec,
                      const ShapeCheck& check, const ModelInput& defaults) {
  DataReader::Index index = reader.ReadIndex();
  CheckIndex(index, spec.text);
  if (!defaults.columns.empty() && index.shape.type == ElementType::kU8) {
    Fail(ErrorKind::kMismatch, "the data do not fit the model", spec.text,
         fmt::format(
             "samples are pictures or bytes, the model reads tables with "
             "a column '{}'",
             Printable(defaults.columns[0].name)),
         "Use csv:FILE with the columns that it was trained on.");
  }
  const bool labelled = index.targets.kind == TargetKind::kClasses;
  const Shape shape = WithChannels(index.shape, defaults.channels, spec.text);
  if (check) {
    Shape input = index.resized.value_or(index.shape);
    input.c = shape.c;
    check(input);
  }
  Selection selection =
      labelled ? Select(spec, index.labels, index.class_names)
               : SelectUnlabelled(spec, index.targets,
                                  static_cast<uint32_t>(index.samples),
                                  index.class_names, index.anomalies);

  // split=test of test=: that part alone.
  const bool only_test = spec.test > 0.0 && spec.split == "test";
  if (only_test) {
    selection.train = std::move(selection.test);
    selection.val.clear();
  }

  TrainingData out;
  if (index.mapped == nullptr) {
    CheckMemory(spec, shape, index.targets,
                selection.train.size() + selection.val.size());
  }
  // Without val=, split=val is a part of the data's own.
  const bool held_out = spec.HoldsOutVal() && !only_test;
  const bool only_val = held_out && spec.split == "val";
  if (!only_val) {
    out.train =
        Prepare(spec, spec.split, index, selection, selection.train, only_test);
  }
  if (held_out) {
    out.val = Prepare(spec, "val", index, selection, selection.val, true);
  }
  std::vector<std::string>& notes = only_val ? out.val->notes : out.train.notes;
  notes = index.notes;
  notes.insert(notes.end(), selection.notes.begin(), selection.notes.end());
  // Rows of small samples take more memory here than as samples: gone before
  // those are touched.
  index = {};
  selection = {};
  const bool both = held_out && !only_val;
  const DataReader::Missing missing = reader.ReadSamples(
      both       ? DataReader::Wanted(PartOf(out.train, only_test),
                                      PartOf(*out.val, true))
      : only_val ? DataReader::Wanted(PartOf(*out.val, true))
                 : DataReader::Wanted(PartOf(out.train, only_test)));
  notes.insert(notes.end(), missing.notes.begin(), missing.notes.end());
  (only_val ? *out.val : out.train).left_out_files = missing.files;
  (only_val ? *out.val : out.train).bad_rows = missing.rows;
  for (Dataset* const part :
       {only_val ? nullptr : &out.train, held_out ? &*out.val : nullptr}) {
    if (part == nullptr) continue;
    part->columns = reader.Columns();
    part->holes = reader.Holes();
  }
  if (!missing.samples.empty()) {
    if (!only_val) Remove(out.train, missing.samples);
    if (held_out) Remove(*out.val, missing.samples);
    // Rows that are bad, all of them, too, are said one by one.
    if (!only_val && !spec.by_row) CheckRest(out.train, spec.judged);
    if (held_out && !spec.by_row) CheckRest(*out.val, spec.judged);
  }
  const auto check_values = [&](Dataset& data) {
    FitChannels(defaults.channels, &data);
    CheckFinite(data);
    CheckClassRows(data);
  };
  if (!only_val) check_values(out.train);
  if (out.val.has_value()) check_values(*out.val);
  return out;
}

Dataset LoadDataset(std::string_view text, const ShapeCheck& check,
                    const ModelInput& defaults) {
  return LoadDataset(ParseDataSpec(text), check, defaults);
}

namespace {

// Parsing has checked the kind.
std::unique_ptr<DataReader> OpenData(const DataSpec& spec,
                                     const ModelInput& defaults) {
  // What test= and folds= hold out is in the training files.
  DataSpec files = spec;
  if ((spec.test > 0.0 && spec.split == "test") ||
      (spec.folds > 0 && spec.split == "val")) {
    files.split = "train";
  }
  return FindDataKind(spec.kind)->open(files, defaults);
}

}  // namespace

Dataset LoadDataset(const DataSpec& spec, const ShapeCheck& check,
                    const ModelInput& defaults) {
  TrainingData data =
      LoadFrom(*OpenData(spec, defaults), spec, check, defaults);
  return spec.split == "val" && data.val ? std::move(*data.val)
                                         : std::move(data.train);
}

TrainingData LoadTrainingData(std::string_view text, const ShapeCheck& check,
                              const ModelInput& defaults) {
  return LoadTrainingData(ParseDataSpec(text), check, defaults);
}

TrainingData LoadTrainingData(const DataSpec& spec, const ShapeCheck& check,
                              const ModelInput& defaults) {
  if (spec.split != "train") {
    Fail(ErrorKind::kUsage, "cannot train on this data", spec.text,
         fmt::format("split={} is not for training", spec.split),
         "Use split=train, or leave split= out.");
  }
  return LoadFrom(*OpenData(spec, defaults), spec, check, defaults);
}

bool HasSplit(const DataSpec& spec, std::string_view split) {
  if (split == "test" && spec.test > 0.0) return true;
  const DataKind* const kind = FindDataKind(spec.kind);
  return kind->has_split != nullptr && kind->has_split(spec, split);
}

bool TakesPathList(std::string_view name) {
  const DataKind* const kind = FindDataKind(name);
  return kind != nullptr && kind->most_paths > 1;
}

DataSpec SpecWithSplit(const std::string& text, SplitUse use,
                       std::vector<std::string>* notes) {
  DataSpec spec = ParseDataSpec(text);
  spec.judged = true;
  if (spec.split_given) return spec;
  if (HasSplit(spec, "test")) {
    spec.split = "test";
    if (spec.test > 0.0) {
      // What validation takes does not change it.
    } else if (spec.folds > 0) {
      notes->push_back("folds= has no effect on the test split");
      spec.folds = spec.fold = 0;
    } else if (spec.val > 0) {
      notes->push_back("val= has no effect on the test split");
      spec.val = 0;
    }
  } else if (!spec.HoldsOutVal() && HasSplit(spec, "val")) {
    spec.split = "val";
  } else if (spec.HoldsOutVal() && use == SplitUse::kEvaluate) {
    spec.split = "val";
  }
  // Where there is one split alone, nothing is chosen.
  if (use == SplitUse::kPredict && spec.split == "train" &&
      !spec.HoldsOutVal()) {
    return spec;
  }
  const char* const done = use == SplitUse::kEvaluate  ? "evaluated"
                           : use == SplitUse::kPredict ? "predicted"
                                                       : "used for validation";
  notes->push_back(
      fmt::format("the {} split is {}; split= chooses", spec.split, done));
  return spec;
}

}  // namespace temper::host
