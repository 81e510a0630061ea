// The two hashes of files: XXH3-64 finds damage, SHA-256 names weights.
//   XXH3-64   xxhsum -H3, written as 16 lower-case hexadecimal digits
//   SHA-256   sha256sum, 64 digits
// Next: model_writer.h (where the checksum stands), model_file.h.
#ifndef TEMPER_MODELS_FILES_HASH_H_
#define TEMPER_MODELS_FILES_HASH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace temper {

// `value` as 16 digits, the most significant first.
std::array<char, 16> HexDigits(uint64_t value);

// XXH3-64 of bytes that come in pieces. Allocates once, when made.
class Xxh3 {
 public:
  Xxh3();
  ~Xxh3();
  Xxh3(Xxh3&&) noexcept;
  Xxh3& operator=(Xxh3&&) noexcept;

  void Reset();
  void Update(const void* data, size_t size);
  uint64_t Digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// SHA-256 of bytes that come in pieces. Allocates nothing.
class Sha256 {
 public:
  Sha256();
  void Update(const void* data, size_t size);
  std::array<char, 64> Digest();  // once

 private:
  alignas(8) unsigned char state_[256];
};

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_HASH_H_
