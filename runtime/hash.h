// FNV-1a, 64 bit: the hash of plans. Not for untrusted data; files carry XXH3.
#ifndef TEMPER_RUNTIME_HASH_H_
#define TEMPER_RUNTIME_HASH_H_

#include <cstddef>
#include <cstdint>

namespace temper {

class Fnv1a {
 public:
  void Bytes(const void* data, size_t size) {
    const uint8_t* p = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < size; ++i) {
      value_ = (value_ ^ p[i]) * 0x100000001b3u;
    }
  }
  // Little-endian whatever the machine.
  void Add(uint64_t number) {
    for (int i = 0; i < 8; ++i) {
      const uint8_t byte = static_cast<uint8_t>(number >> (8 * i));
      Bytes(&byte, 1);
    }
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325u;
};

}  // namespace temper

#endif  // TEMPER_RUNTIME_HASH_H_
