// Thin wrappers around xxHash and libmd. See hash.h.
#include "models/files/hash.h"

#include <sha2.h>

#include <cstring>
#include <new>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace temper {
namespace {

constexpr char kHex[] = "0123456789abcdef";

SHA2_CTX* Context(unsigned char* state) {
  return std::launder(reinterpret_cast<SHA2_CTX*>(state));
}

}  // namespace

std::array<char, 16> HexDigits(uint64_t value) {
  std::array<char, 16> digits;
  for (size_t i = 0; i < digits.size(); ++i) {
    digits[i] = kHex[value >> (60 - 4 * i) & 15];
  }
  return digits;
}

struct Xxh3::State {
  XXH3_state_t xxh;
};

Xxh3::Xxh3() : state_(std::make_unique<State>()) { Reset(); }
Xxh3::~Xxh3() = default;
Xxh3::Xxh3(Xxh3&&) noexcept = default;
Xxh3& Xxh3::operator=(Xxh3&&) noexcept = default;

void Xxh3::Reset() { XXH3_64bits_reset(&state_->xxh); }
void Xxh3::Update(const void* data, size_t size) {
  XXH3_64bits_update(&state_->xxh, data, size);
}
uint64_t Xxh3::Digest() const { return XXH3_64bits_digest(&state_->xxh); }

Sha256::Sha256() {
  static_assert(sizeof(SHA2_CTX) <= sizeof(state_) && alignof(SHA2_CTX) <= 8);
  SHA256Init(new (state_) SHA2_CTX());
}

void Sha256::Update(const void* data, size_t size) {
  SHA256Update(Context(state_), static_cast<const uint8_t*>(data), size);
}

std::array<char, 64> Sha256::Digest() {
  uint8_t bytes[SHA256_DIGEST_LENGTH];
  SHA256Final(bytes, Context(state_));
  std::array<char, 64> digits;
  for (size_t i = 0; i < sizeof(bytes); ++i) {
    digits[2 * i] = kHex[bytes[i] >> 4];
    digits[2 * i + 1] = kHex[bytes[i] & 15];
  }
  return digits;
}

}  // namespace temper
