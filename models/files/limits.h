// The limits of every file this library reads, in one place. A file beyond a
// limit is refused before anything is allocated for it. They bound the cost of
// a hostile file, not the size of models: raise them here if a real model needs
// it, and run the fuzzers again. Next: safetensors.h, which applies most of
// them.
#ifndef TEMPER_MODELS_FILES_LIMITS_H_
#define TEMPER_MODELS_FILES_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace temper::limits {

inline constexpr uint64_t kHeaderBytes = uint64_t{1} << 20;  // safetensors
inline constexpr uint32_t kTensors = 65536;
inline constexpr uint32_t kRank = 6;
inline constexpr uint32_t kNameBytes = 255;  // tensors, metadata keys, classes
inline constexpr uint32_t kMetadataEntries = 256;
inline constexpr uint32_t kClasses = 65536;
inline constexpr uint32_t kJsonDepth = 32;

// The memory law: reading a file of n bytes never allocates more than this (the
// file's own bytes not counted). What describes the model takes more than its
// text: most of all "u", a value of a column, 6 bytes of JSON in a JSON string,
// which costs 121 while the list grows. A factor below 21 would refuse files
// that the writer made.
inline constexpr uint64_t kMemoryBase = 64 * 1024;
inline constexpr uint64_t kMemoryFactor = 2;
inline constexpr uint64_t kHeaderFactor = 24;
constexpr uint64_t MemoryFor(uint64_t file_bytes) {
  return kMemoryBase + kMemoryFactor * file_bytes +
         kHeaderFactor *
             (file_bytes < kHeaderBytes ? file_bytes : kHeaderBytes);
}

// Strings from a file are cut to this many characters in messages.
inline constexpr size_t kShownCharacters = 64;

}  // namespace temper::limits

#endif  // TEMPER_MODELS_FILES_LIMITS_H_
