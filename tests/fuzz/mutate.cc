// The mutations of the plain driver: bits, bytes, words, cuts, copies, digits.
#include <algorithm>
#include <random>

#include "tests/fuzz/fuzz_target.h"

namespace temper::fuzz {

void Mutate(Bytes* input, uint64_t seed) {
  static const std::vector<std::string> words = Words();
  std::mt19937_64 random(seed);
  const auto below = [&](size_t n) -> size_t {
    return n == 0 ? 0 : static_cast<size_t>(random() % n);
  };
  const size_t before = input->size();
  for (size_t edits = 1 + below(4); edits > 0; --edits) {
    Bytes& b = *input;
    const size_t at = below(b.size());
    const auto place = b.begin() + static_cast<ptrdiff_t>(at);
    switch (below(8)) {
      case 0:
        if (!b.empty()) b[at] ^= static_cast<uint8_t>(1u << below(8));
        break;
      case 1:
        if (!b.empty()) b[at] = static_cast<uint8_t>(random());
        break;
      case 2: {  // delete
        const size_t n = std::min(b.size() - at, 1 + below(16));
        b.erase(place, place + static_cast<ptrdiff_t>(n));
        break;
      }
      case 3: {  // copy a piece somewhere else
        const size_t n = std::min(b.size() - at, 1 + below(64));
        const Bytes piece(place, place + static_cast<ptrdiff_t>(n));
        const size_t to = below(b.size() + 1);
        b.insert(b.begin() + static_cast<ptrdiff_t>(to), piece.begin(),
                 piece.end());
        break;
      }
      case 4: {
        const std::string& word = words[below(words.size())];
        b.insert(place, word.begin(), word.end());
        break;
      }
      case 5: {  // overwrite with a word
        const std::string& word = words[below(words.size())];
        const size_t n = std::min(word.size(), b.size() - at);
        std::copy_n(word.begin(), n, place);
        break;
      }
      case 6: {  // another digit in the next number
        const auto digit = std::find_if(
            place, b.end(), [](uint8_t c) { return c >= '0' && c <= '9'; });
        if (digit != b.end()) *digit = static_cast<uint8_t>('0' + below(10));
        break;
      }
      default:
        if (below(8) == 0) b.resize(at);
    }
  }
  if (below(4) != 0) {
    Repair(input,
           static_cast<int64_t>(input->size()) - static_cast<int64_t>(before));
  }
}

}  // namespace temper::fuzz
