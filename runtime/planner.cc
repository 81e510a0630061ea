// The planner: greedy by size, best fit. Buffers are placed largest first, each
// into the smallest gap between already placed buffers that are alive at the
// same time (Pisarchyk and Lee 2020). Saved tensors of back-propagation nest
// like brackets, so this usually meets the lower bound at once; where residual
// branches break the nesting, a fixed number of restarts in perturbed orders
// (Philox, so every machine finds the same plan) closes the rest.
// Buffers that outlive the step lie after the shared region in order of their
// index, the step state last.
#include "runtime/planner.h"

#include <algorithm>

#include "runtime/hash.h"
#include "temper/random.h"

namespace temper {
namespace {

constexpr uint32_t kRestarts = 64;
// Restarts end after this many buffers were visited, a few tenths of a second:
// a pass over n buffers visits n * n / 2, and graphs of thousands of nodes have
// thousands of buffers. A count, not a time, so that every machine finds the
// same plan.
constexpr uint64_t kMostLooks = uint64_t{1} << 26;

// A buffer that has its place.
struct Placed {
  uint64_t begin, end;
  uint32_t first, last;
};

// Places tensors in the given order; returns the bytes used. Stops early, with
// a value >= give_up, once it cannot be better. `placed` is working memory;
// `looks` grows by the buffers visited.
uint64_t Place(const std::vector<PlannedTensor>& tensors,
               const std::vector<uint32_t>& order, uint64_t give_up,
               std::vector<uint64_t>* offsets, std::vector<Placed>* placed,
               uint64_t* looks) {
  placed->clear();  // by begin
  uint64_t used = 0;
  for (const uint32_t index : order) {
    const PlannedTensor& t = tensors[index];
    const uint64_t size = Extent(t);
    *looks += placed->size();
    // Walk the neighbours in time by offset and remember the tightest gap.
    uint64_t end = 0, best = 0, best_gap = ~uint64_t{0};
    for (const Placed& other : *placed) {
      if (t.first > other.last || other.first > t.last) continue;
      if (other.begin > end && other.begin - end >= size &&
          other.begin - end < best_gap) {
        best_gap = other.begin - end;
        best = end;
      }
      end = std::max(end, other.end);
    }
    const uint64_t offset = best_gap == ~uint64_t{0} ? end : best;
    (*offsets)[index] = offset;
    used = std::max(used, offset + size);
    if (used >= give_up) return used;
    const auto place = std::lower_bound(
        placed->begin(), placed->end(), offset,
        [](const Placed& p, uint64_t o) { return p.begin < o; });
    placed->insert(place, {offset, offset + size, t.first, t.last});
  }
  return used;
}

}  // namespace

uint64_t Extent(const PlannedTensor& t) {
  return (t.bytes + t.tail + kTensorAlign - 1) / kTensorAlign * kTensorAlign;
}

uint64_t LowerBound(const Plan& plan) {
  // Bytes that begin to live minus bytes that end, per step; sums wrap around.
  std::vector<uint64_t> born(plan.steps.size(), 0), dead(plan.steps.size(), 0);
  for (const PlannedTensor& t : plan.tensors) {
    if (t.first >= born.size()) continue;
    born[t.first] += Extent(t);
    if (t.last + size_t{1} < dead.size()) dead[t.last + 1] += Extent(t);
  }
  uint64_t most = 0, bytes = 0;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    bytes += born[s] - dead[s];
    most = std::max(most, bytes);
  }
  return most;
}

void LayOut(Plan* plan) {
  std::vector<PlannedTensor>& tensors = plan->tensors;
  std::vector<uint32_t> transient, order;
  std::vector<Placed> placed;
  uint64_t persistent_bytes = 0;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (IsPersistent(tensors[i].kind)) {
      persistent_bytes += Extent(tensors[i]);
    } else {
      transient.push_back(i);
    }
  }
  plan->lower_bound = LowerBound(*plan);
  const uint64_t transient_bound = plan->lower_bound - persistent_bytes;

  // Largest first; ties by time, so that the order is total.
  std::sort(transient.begin(), transient.end(), [&](uint32_t a, uint32_t b) {
    const uint64_t size_a = Extent(tensors[a]), size_b = Extent(tensors[b]);
    if (size_a != size_b) return size_a > size_b;
    if (tensors[a].first != tensors[b].first)
      return tensors[a].first < tensors[b].first;
    return a < b;
  });
  std::vector<uint64_t> offsets(tensors.size()), best_offsets;
  uint64_t best = ~uint64_t{0};
  uint64_t looks = 0;
  for (uint32_t restart = 0;
       restart <= kRestarts && best > transient_bound && looks < kMostLooks;
       ++restart) {
    order = transient;
    if (restart == 1) {
      // By lifetime: the longest lived at the bottom.
      std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
        return tensors[a].last - tensors[a].first >
               tensors[b].last - tensors[b].first;
      });
    } else if (restart > 1) {
      // Every tensor is moved up by a random factor of its size.
      std::vector<double> key(tensors.size());
      for (const uint32_t i : transient) {
        const double u = RandomWord(restart, i, 0, 0, 0) * 0x1p-32;
        key[i] = static_cast<double>(Extent(tensors[i])) * (1.0 + 1.5 * u);
      }
      std::stable_sort(order.begin(), order.end(),
                       [&](uint32_t a, uint32_t b) { return key[a] > key[b]; });
    }
    const uint64_t used =
        Place(tensors, order, best, &offsets, &placed, &looks);
    if (used < best) {
      best = used;
      best_offsets = offsets;
    }
  }
  if (transient.empty()) {
    best = 0;
    best_offsets = offsets;
  }

  plan->transient_bytes = best;
  uint64_t end = best;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (IsPersistent(tensors[i].kind)) {
      tensors[i].offset = end;
      end += Extent(tensors[i]);
    } else {
      tensors[i].offset = best_offsets[i];
    }
  }
  plan->arena_bytes = end;

  Fnv1a hash;
  hash.Add(plan->program_hash);
  hash.Add(plan->arena_bytes);
  for (const PlannedTensor& t : tensors) {
    hash.Add(t.offset);
    hash.Add(t.bytes);
  }
  plan->layout_hash = hash.value();
}

}  // namespace temper
