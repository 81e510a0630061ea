// Samples that are there more than once, within a data set or across splits: what
// is in the training data and in the test data, too, is remembered, not
// recognised.
//
// Exact: the same values. Near: pictures that differ as little as another encoding
// or a slightly other brightness makes them differ; found by a difference hash
// (64 bits of which neighbour is brighter, on a 9 x 8 picture) and then compared.
// Pictures without structure have no near duplicates. Takes 24 bytes a sample,
// and time that grows with the samples, not with their pairs: a group of very
// many alike pictures may not be found whole.
#ifndef TEMPER_PORTS_HOST_DATA_DUPLICATES_H_
#define TEMPER_PORTS_HOST_DATA_DUPLICATES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ports/host/data/dataset.h"

namespace temper::host {

struct SampleRef {
  uint32_t set = 0;    // of the data sets that were given
  uint32_t index = 0;  // in it

  friend bool operator==(const SampleRef&, const SampleRef&) = default;
};

// `copy` repeats `first`, which comes before it.
struct Duplicate {
  SampleRef first, copy;
  bool exact = true;
};

// In the order of the copies. `near`: look for near ones, too, among pictures
// (u8 samples of 8 x 8 and more); each sample is at most once a copy, exact ones
// first.
std::vector<Duplicate> FindDuplicates(std::span<const Dataset* const> sets,
                                      bool near);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_DUPLICATES_H_
