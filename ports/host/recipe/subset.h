// Parts of a data set in memory: what a judgement of minutes can look at.
#ifndef TEMPER_PORTS_HOST_RECIPE_SUBSET_H_
#define TEMPER_PORTS_HOST_RECIPE_SUBSET_H_

#include <cstdint>
#include <span>
#include <vector>

#include "ports/host/data/dataset.h"

namespace temper::host {

// These samples, ascending indices, with all that is said of them; their bytes are
// those of `data`.
Dataset TakeSamples(const Dataset& data, std::span<const uint32_t> indices);

// `count` samples, or all, of each class its share (at least one), at random by
// seed and sample id. Without classes, at random. Ascending indices.
std::vector<uint32_t> Stratified(const Dataset& data, uint64_t count,
                                 uint64_t seed);
// The first `per_class` of that order of each class, at most `most` in all.
std::vector<uint32_t> FewOfEachClass(const Dataset& data, uint32_t per_class,
                                     uint32_t most, uint64_t seed);

// Takes a stratified fifth out of the data.
Dataset HoldOutFifth(Dataset* data, uint64_t seed);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RECIPE_SUBSET_H_
