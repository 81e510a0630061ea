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

// The memory law: reading a file of n bytes never allocates more than
// kMemoryBase + kMemoryFactor * n (the file's own bytes not counted).
inline constexpr uint64_t kMemoryBase = 64 * 1024;
inline constexpr uint64_t kMemoryFactor = 2;

// Strings from a file are cut to this many characters in messages.
inline constexpr size_t kShownCharacters = 64;

}  // namespace temper::limits

#endif  // TEMPER_MODELS_FILES_LIMITS_H_
