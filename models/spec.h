// Specs: the text that names an entry of a catalogue and its parameters,
//
//   sgd   sgd?momentum=0.8&nesterov=1   step?step_size=5&gamma=0.5&warmup=1e
//   mlp?hidden=256,128                  resnet8?variant=mlperf
//
// Numbers are decimal (0.001, 1e-3). A flag may stand alone: sgd?nesterov. A
// time, such as a warm-up, has its field's own unit; the suffix e makes it
// epochs, s steps: warmup=0.5e. Names, ranges, defaults and units: the field
// tables, shown by `temper list`.
#ifndef TEMPER_MODELS_SPEC_H_
#define TEMPER_MODELS_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "temper/registry.h"

namespace temper {

// A spec taken apart, as text.
struct SpecText {
  std::string name;
  struct Option {
    std::string name, value;
    bool alone = false;  // without '=': a flag
  };
  std::vector<Option> options;

  // NAME?a=b&c=d again; without options, NAME.
  std::string Text() const;
  const std::string* Find(std::string_view option) const;
};

// Takes NAME?option=value&... apart. On failure returns one sentence with the
// remedy and leaves `spec` as it was: an option given twice.
std::string SplitSpec(std::string_view text, SpecText* spec);

// An entry with its parameters.
struct Choice {
  uint32_t kind = 0;  // number of the entry
  alignas(8) uint8_t params[kMaxParams] = {};
};
// Finds the entry of a spec and reads its options into `choice`: the defaults,
// then the given values. Options of Catalogue::common go to `common` (its
// struct; may be null if there are none). Times become steps; `steps_per_epoch`
// 0: not known yet, times are checked and an epoch counts as one step. On
// failure returns one sentence with the remedy: unknown entry or option (with
// the nearest name), not a number, out of range.
std::string ReadSpec(std::string_view text, const Catalogue& catalogue,
                     uint64_t steps_per_epoch, Choice* choice, void* common);
// The same for a spec without common fields and times.
inline std::string ReadSpec(std::string_view text, const Catalogue& catalogue,
                            Choice* choice) {
  return ReadSpec(text, catalogue, 0, choice, nullptr);
}

// The spec with all its fields, defaults included, in the order of the tables:
// the form that files store, so that a later version's defaults do not change
// it. A text that names no entry of the catalogue stays as it is.
std::string CompleteSpec(std::string_view text, const Catalogue& catalogue);

// The same, without fields if they all have their defaults: for what was a bare
// name when it had no fields.
std::string BriefSpec(std::string_view text, const Catalogue& catalogue);

// "0 to 0.99999", "a whole number from 1 to 1024", "0 or 1", "max or avg".
std::string RangeText(const Field& field);
// The default of a field of an entry ("0.9"; times with their suffix: "10e"),
// as a spec says it.
std::string DefaultText(const Entry& entry, const Field& field);

}  // namespace temper

#endif  // TEMPER_MODELS_SPEC_H_
