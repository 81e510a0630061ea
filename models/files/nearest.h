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

// The candidate to suggest for a word: offer each one, then ask for Best().
// Near is at most one edit per three characters of the word, but always at
// least one; or a word of four characters and more that is a part of the
// candidate ("conv" for conv2d). The fewest edits win, the first of equals. The
// word and the candidates must outlive it. Allocates nothing.
class Nearest {
 public:
  explicit Nearest(std::string_view word) : word_(word) {}

  void Offer(std::string_view candidate);
  std::string_view Best() const { return best_; }  // empty: none is near

 private:
  std::string_view word_, best_;
  size_t distance_ = kMostNameBytes + 1;
};

// The same for a list.
std::string_view NearestName(std::string_view word,
                             std::span<const std::string_view> candidates);

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_NEAREST_H_
