// "Did you mean": the known name that a typing error most likely turned into
// the one that was typed. One definition for files, models and the command
// line.
#ifndef TEMPER_MODELS_FILES_NEAREST_H_
#define TEMPER_MODELS_FILES_NEAREST_H_

#include <cstddef>
#include <span>
#include <string_view>

namespace temper {

// Names longer than this are no typing errors.
inline constexpr size_t kMostNameBytes = 256;

// Inserted, deleted or replaced characters and swaps of neighbours that turn a
// into b (restricted Damerau-Levenshtein distance), case ignored. Both are cut
// to kMostNameBytes. Allocates nothing.
size_t EditDistance(std::string_view a, std::string_view b);

// The nearest candidate, or "" if none is near: at most one edit per three
// characters of `word`, but always at least one. The first of equals.
std::string_view NearestName(std::string_view word,
                             std::span<const std::string_view> candidates);

// Whether `distance` edits make `candidate` worth suggesting for `word`.
bool IsNear(std::string_view word, std::string_view candidate, size_t distance);

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_NEAREST_H_
