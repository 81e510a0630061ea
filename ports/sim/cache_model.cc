// Stack distances by a Fenwick tree over time (Bennett and Kruskal 1975). See
// cache_model.h.
#include "ports/sim/cache_model.h"

#include <algorithm>

namespace temper::sim {
namespace {

constexpr uint64_t kMostBlocks = 1 << 15;
constexpr uint64_t kLeastBlock = 256;

}  // namespace

CacheModel::CacheModel(uint64_t bytes) {
  block_ = kLeastBlock;
  while (bytes / block_ > kMostBlocks) block_ *= 2;
  const uint64_t blocks = bytes / block_ + 1;
  last_.assign(blocks, 0);
  tree_.assign(4 * blocks + 2, 0);
}

void CacheModel::Change(uint64_t time, int32_t by) {
  for (; time < tree_.size(); time += time & (~time + 1)) tree_[time] += by;
}

uint32_t CacheModel::CountUpTo(uint64_t time) const {
  int32_t sum = 0;
  for (; time > 0; time -= time & (~time + 1)) sum += tree_[time];
  return static_cast<uint32_t>(sum);
}

// Times 1, 2, ... again, in the same order.
void CacheModel::Renumber() {
  std::vector<uint64_t> order;
  for (uint64_t b = 0; b < last_.size(); ++b) {
    if (last_[b] != 0) order.push_back(b);
  }
  std::sort(order.begin(), order.end(),
            [&](uint64_t a, uint64_t b) { return last_[a] < last_[b]; });
  std::fill(tree_.begin(), tree_.end(), 0);
  now_ = 0;
  for (const uint64_t b : order) {
    last_[b] = ++now_;
    Change(now_, 1);
  }
}

uint64_t CacheModel::Distance(uint64_t block) {
  if (block >= last_.size()) block = last_.size() - 1;
  if (now_ + 1 >= tree_.size()) Renumber();
  uint64_t distance = last_.size() * block_;
  if (last_[block] != 0) {
    distance = (alive_ - CountUpTo(last_[block]) + 1) * block_;
    Change(last_[block], -1);
  } else {
    ++alive_;
  }
  last_[block] = ++now_;
  Change(now_, 1);
  return distance;
}

}  // namespace temper::sim
