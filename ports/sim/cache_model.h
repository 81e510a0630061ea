// CacheModel: the reuse distance of every byte. It remembers in which order
// blocks of memory were touched; the distance of a touch is the number of bytes
// touched since the same block's last touch, itself included. An LRU cache of n
// bytes contains exactly the blocks at distances below
// n. Next: estimate.h.
#ifndef TEMPER_PORTS_SIM_CACHE_MODEL_H_
#define TEMPER_PORTS_SIM_CACHE_MODEL_H_

#include <cstdint>
#include <vector>

namespace temper::sim {

class CacheModel {
 public:
  // For addresses below `bytes`.
  explicit CacheModel(uint64_t bytes);

  uint64_t block_bytes() const { return block_; }
  uint64_t BlockOf(uint64_t address) const { return address / block_; }
  // Touches a block; its distance in bytes. A block's first touch is as far
  // away as the whole memory.
  uint64_t Distance(uint64_t block);

 private:
  void Change(uint64_t time, int32_t by);
  uint32_t CountUpTo(uint64_t time) const;
  void Renumber();

  uint64_t block_ = 1;
  uint64_t now_ = 0;
  uint32_t alive_ = 0;          // blocks touched so far
  std::vector<uint64_t> last_;  // time of a block's last touch; 0: never
  std::vector<int32_t> tree_;   // Fenwick tree over times: last touches
};

}  // namespace temper::sim

#endif  // TEMPER_PORTS_SIM_CACHE_MODEL_H_
