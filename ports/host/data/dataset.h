// Dataset: samples in memory, all of them loaded before training starts, so
// that no step waits for a file and none can fail on one. A DataReader is one
// kind of data on disk; data_kind.h says how a new one is added.
//
// A reader first tells what there is (ReadIndex), the spec's selection runs on
// the labels alone, then the reader delivers the selected samples and what they
// stand for (ReadSamples): limit=200 of a large set costs the memory of 200
// samples.
//
// Selection never depends on anything but the data and the spec. Random choices
// sort (Philox word of the sample's original index, index): use kSplit, layer 0
// for val=, layer 1 for per_class=.
// Next: data_spec.h (the grammar), kinds/idx.h (a reader), loader.h (batches).
#ifndef TEMPER_PORTS_HOST_DATA_DATASET_H_
#define TEMPER_PORTS_HOST_DATA_DATASET_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/files/columns.h"
#include "models/files/preprocessing.h"
#include "ports/host/data/data_spec.h"
#include "temper/graph.h"

namespace temper::host {

// A block of bytes. Of its own: aligned to 64, and not touched yet, the system
// hands out its pages as data arrives. Or mapped (os/mapping.h): read only, and
// no memory of this process. A copy is the same bytes, which live as long as one
// of them.
class SampleBlock {
 public:
  SampleBlock() = default;
  explicit SampleBlock(size_t bytes);
  SampleBlock(std::shared_ptr<const uint8_t> mapped, size_t bytes)
      : mapped_(std::move(mapped)), size_(bytes) {}
  uint8_t* data() { return bytes_.get(); }  // of its own, or null
  const uint8_t* data() const {
    return mapped_ != nullptr ? mapped_.get() : bytes_.get();
  }
  size_t size() const { return size_; }
  bool mapped() const { return mapped_ != nullptr; }
  // The first so many bytes remain.
  void Shrink(size_t bytes) { size_ = bytes < size_ ? bytes : size_; }

 private:
  struct Free {
    void operator()(uint8_t* p) const;
  };
  std::shared_ptr<uint8_t> bytes_;
  std::shared_ptr<const uint8_t> mapped_;
  size_t size_ = 0;
};

// Names of samples, such as those of their files, without a string for each.
class SampleNames {
 public:
  bool empty() const { return ends_.empty(); }
  size_t size() const { return ends_.size(); }
  void Add(std::string_view name);
  std::string_view operator[](size_t i) const;
  uint64_t MemoryBytes() const;

 private:
  std::string text_;
  std::vector<uint64_t> ends_;
};

// A row of a table that could not be read.
struct BadRow {
  uint64_t line;
  std::string column, why, remedy;
};

struct Dataset {
  std::string source;  // the spec
  std::string split;   // train, test or val
  Shape shape;         // of one sample; type u8 or f32
  // Of one sample in a batch, where it is kept larger than the model reads it
  // (working=, pack:FILE?size=): loader.h resizes.
  std::optional<Shape> resized;
  // Of every sample. The kind says which of the next fields are filled: class
  // names where an output is a class, labels for kClasses, values for the rest.
  Targets targets = {TargetKind::kClasses, 0};
  std::vector<std::string> class_names;
  // The label in the files that each class stands for, and whether the classes
  // have names beside them.
  std::vector<uint32_t> class_labels;
  bool named = false;
  // Labels are places in a list of names, as of folders: they mean nothing by
  // themselves, and only names can say which classes are the same.
  bool label_is_place = false;
  uint32_t label_count = 0;     // labels in the files, selected or not
  std::vector<int32_t> labels;  // one per sample, in [0, class_names.size())
  std::vector<float> values;    // targets.Floats() per sample, finite
  // Index in the original data set, ascending; the sample index of Philox.
  std::vector<uint64_t> ids;
  SampleNames names;  // one per sample, or none
  // Of a text table, the line that each sample begins on: one per sample, or
  // first_line + its id; 0: no lines.
  std::vector<uint64_t> lines;
  uint64_t first_line = 0;
  // True for what a model of normal samples alone should find; one per sample, or
  // none where nobody says so.
  std::vector<bool> anomalies;
  // NHWC, no gaps: size() samples, or, mapped, all samples of the original data
  // set. Of a part that was taken from another data set (recipe/subset.h) its
  // block, and where each sample lies in it.
  SampleBlock samples;
  std::vector<uint32_t> places;
  // How pictures became samples; nothing if the data are no pictures.
  std::optional<PictureFit> pictures;
  std::vector<TableColumn> columns;  // of a table, else none
  std::vector<uint64_t>
      holes;  // of each column, rows of the file without a value
  // What was done to the channels of the samples (channels.h).
  Preprocessing::Channels channels = Preprocessing::Channels::kAsData;
  std::vector<std::string> notes;  // for the user: what is odd but allowed
  uint64_t left_out = 0;  // samples that could not be read; the notes name them
  // One line for each of them, for the log of a run.
  std::vector<std::string> left_out_files;
  std::vector<BadRow> bad_rows;  // with DataSpec::by_row, by line

  size_t size() const { return ids.size(); }
  size_t SampleBytes() const {
    return static_cast<size_t>(shape.Count()) *
           (shape.type == ElementType::kU8 ? 1 : 4);
  }
  // As models read it.
  const Shape& Input() const { return resized ? *resized : shape; }
  size_t InputBytes() const {
    return static_cast<size_t>(Input().Count()) *
           (shape.type == ElementType::kU8 ? 1 : 4);
  }
  const uint8_t* Sample(size_t i) const {
    const size_t at = samples.mapped()  ? static_cast<size_t>(ids[i])
                      : !places.empty() ? places[i]
                                        : i;
    return samples.data() + at * SampleBytes();
  }
  const float* Values(size_t i) const {
    return values.data() + i * targets.Floats();
  }
  // The class of a sample: its label, or the first of its largest
  // probabilities. -1 where there is no one class.
  int32_t ClassOf(size_t i) const;
  // The line of the file that sample i begins on; 0: there are none.
  uint64_t LineOf(size_t i) const {
    return !lines.empty()    ? lines[i]
           : first_line == 0 ? 0
                             : first_line + ids[i];
  }
  // As messages call sample i: its own name, "line 17" of a table, or "test#17".
  std::string SampleName(size_t i) const;
  // Samples of each class.
  std::vector<uint64_t> ClassCounts() const;
  // All memory held, for the plan's second total.
  uint64_t MemoryBytes() const;
};

// Sample i as models read it, of any data set: data.Input().
void CopySample(const Dataset& data, size_t i, uint8_t* to);

// XXH3-64 of shape, class names, targets, ids and samples: stored in a run, so
// that a resume on other data is refused.
uint64_t Fingerprint(const Dataset& data);

class DataReader {
 public:
  struct Index {
    Shape shape;
    std::vector<int32_t> labels;  // of kClasses: one per sample, >= 0
    // Names of the labels; empty if the data has numbers only.
    std::vector<std::string> class_names;
    // Of kClasses, width is not read: it follows from labels and selection.
    Targets targets = {TargetKind::kClasses, 0};
    uint64_t samples = 0;    // of other kinds
    SampleNames names = {};  // of all samples, or none
    // All samples, where they lie mapped: then ReadSamples brings targets alone.
    std::shared_ptr<const uint8_t> mapped = {};
    std::optional<PictureFit> pictures = {};
    std::vector<std::string> notes = {};  // for the user
    // Of kNone: samples that are not for training, but for judging; or none.
    std::vector<bool> anomalies = {};
    // What training samples become in batches, where that is another size. Held
    // out ones are of this size at once, unless samples are mapped.
    std::optional<Shape> resized = {};
    // See Dataset.
    bool label_is_place = false;
    uint64_t first_line = 0;
    std::vector<uint64_t> lines = {};
  };
  // One sample that is wanted, and where its bytes go.
  struct Placement {
    uint32_t sample;
    uint8_t* to;  // null: it is mapped
    // targets.Floats() of them; null if there are none.
    float* values = nullptr;
    // Not for training: what the reader computes of samples leaves it out, and it
    // is of the size of batches.
    bool held_out = false;
  };

  // What is wanted: placements that ascend by sample, without doubles, made when
  // they are asked for. A list of them would take more memory than small samples.
  class Wanted {
   public:
    // Samples `ids`, ascending, lie one after the other. They must outlive this.
    struct Part {
      std::span<const uint64_t> ids;
      uint8_t* to;  // null: mapped
      size_t bytes;
      float* values;  // null: none
      size_t floats;
      bool held_out;
    };
    // The second one is merged with the first; no sample is in both.
    explicit Wanted(const Part& only) : first_(only) {}
    Wanted(const Part& first, const Part& second);

    size_t size() const { return first_.ids.size() + second_.ids.size(); }
    bool empty() const { return size() == 0; }
    Placement operator[](size_t i) const {
      if (rows_.empty()) return Place(first_, i);
      return Place(in_second_[i] ? second_ : first_, rows_[i]);
    }

    class Iterator {
     public:
      using value_type = Placement;
      using difference_type = std::ptrdiff_t;
      using pointer = void;
      using reference = Placement;
      using iterator_category = std::input_iterator_tag;
      Iterator(const Wanted& of, size_t at) : of_(&of), at_(at) {}
      Placement operator*() const { return (*of_)[at_]; }
      Iterator& operator++() {
        ++at_;
        return *this;
      }
      friend bool operator==(const Iterator& a, const Iterator& b) {
        return a.at_ == b.at_;
      }

     private:
      const Wanted* of_;
      size_t at_;
    };
    Iterator begin() const { return {*this, 0}; }
    Iterator end() const { return {*this, size()}; }

   private:
    static Placement Place(const Part& part, size_t row) {
      return {
          static_cast<uint32_t>(part.ids[row]),
          part.to == nullptr ? nullptr : part.to + row * part.bytes,
          part.values == nullptr ? nullptr : part.values + row * part.floats,
          part.held_out};
    }

    Part first_, second_ = {};
    // Of two parts: the row of each sample in its part.
    std::vector<uint32_t> rows_;
    std::vector<bool> in_second_;
  };

  // What could not be read and is left out.
  struct Missing {
    std::vector<uint32_t> samples;  // ascending
    std::vector<std::string> notes;
    std::vector<std::string> files;  // each of them, and why
    std::vector<BadRow> rows;        // of a table
  };

  virtual ~DataReader() = default;
  // Called once, first. Throws Failure.
  virtual Index ReadIndex() = 0;
  // Called once, after ReadIndex. Checks the rest of the file, too.
  virtual Missing ReadSamples(const Wanted& wanted) = 0;
  // After ReadSamples: how the rows of a table became samples.
  virtual std::vector<TableColumn> Columns() const { return {}; }
  // Of each of them, rows of the file that lack a value; or none.
  virtual std::vector<uint64_t> Holes() const { return {}; }
};

// The samples that a model reads, where the spec does not say: what pictures
// become, and which columns of a table are taken.
struct ModelInput {
  std::optional<Shape> shape = {};
  PictureFit fit = {};
  std::vector<TableColumn> columns = {};
  Preprocessing::Channels channels = Preprocessing::Channels::kAsData;
};

struct TrainingData {
  Dataset train;
  std::optional<Dataset> val;  // present if the spec has val=
};

// Parses, opens, selects and reads. Throws Failure: kUsage (spec),
// kNotFound (no such folder), kBadData, kUnsupported, kIo,
// kDoesNotFit (more than the memory that is left).
// `check` sees the shape of the samples before any is read or has memory; it
// may throw.
using ShapeCheck = std::function<void(const Shape&)>;
Dataset LoadDataset(std::string_view spec, const ShapeCheck& check = {},
                    const ModelInput& defaults = {});
Dataset LoadDataset(const DataSpec& spec, const ShapeCheck& check = {},
                    const ModelInput& defaults = {});
// Both parts of split=train with val=F in one pass over the files.
TrainingData LoadTrainingData(std::string_view spec,
                              const ShapeCheck& check = {},
                              const ModelInput& defaults = {});
TrainingData LoadTrainingData(const DataSpec& spec,
                              const ShapeCheck& check = {},
                              const ModelInput& defaults = {});

// Limits that hold for every kind of data: kUnsupported, kBadData.
void CheckIndex(const DataReader::Index& index, const std::string& source);

// The same with an open reader: `spec.kind` and `spec.path` do not matter.
TrainingData LoadFrom(DataReader& reader, const DataSpec& spec,
                      const ShapeCheck& check = {},
                      const ModelInput& defaults = {});

// True if the data have this part of their own: "test", or "val" where no val=
// holds one out.
bool HasSplit(const DataSpec& spec, std::string_view split);
// True if the path of such a spec is a list, separated by commas.
bool TakesPathList(std::string_view kind);

// What a verb that trains nothing does with the samples.
enum class SplitUse : uint8_t { kEvaluate, kPredict, kValidate };

// The spec, for such a verb: without split= the test split is meant, if there is
// one (val= and its seed are of the training that came before), else a val split
// of the data's own, else, to evaluate, what val= holds out: what a model was
// trained on says nothing of it. A note says which it is.
DataSpec SpecWithSplit(const std::string& text, SplitUse use,
                       std::vector<std::string>* notes);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_DATASET_H_
