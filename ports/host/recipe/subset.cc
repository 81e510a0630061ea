// See subset.h.
#include "ports/host/recipe/subset.h"

#include <algorithm>

#include "temper/random.h"

namespace temper::host {
namespace {

// A stream of its own beside those of selection.cc.
constexpr uint32_t kStream = RandomStream(RandomUse::kSplit, 4);

// Of each class (or of all, without classes) the samples in random order.
std::vector<std::vector<uint32_t>> Shuffled(const Dataset& data,
                                            uint64_t seed) {
  const size_t classes = std::max<size_t>(1, data.class_names.size());
  std::vector<std::vector<uint32_t>> groups(classes);
  for (uint32_t i = 0; i < data.size(); ++i) {
    groups[static_cast<size_t>(std::max(0, data.ClassOf(i)))].push_back(i);
  }
  const auto word = [&](uint32_t i) {
    return RandomWord(seed, static_cast<uint32_t>(data.ids[i]), 0, 0, kStream);
  };
  for (std::vector<uint32_t>& group : groups) {
    std::sort(group.begin(), group.end(), [&](uint32_t a, uint32_t b) {
      const uint32_t wa = word(a), wb = word(b);
      return wa != wb ? wa < wb : a < b;
    });
  }
  return groups;
}

}  // namespace

Dataset TakeSamples(const Dataset& data, std::span<const uint32_t> indices) {
  Dataset out;
  out.source = data.source;
  out.split = data.split;
  out.shape = data.shape;
  out.targets = data.targets;
  out.class_names = data.class_names;
  out.class_labels = data.class_labels;
  out.named = data.named;
  out.label_is_place = data.label_is_place;
  out.label_count = data.label_count;
  out.resized = data.resized;
  out.channels = data.channels;
  out.first_line = data.first_line;
  out.pictures = data.pictures;
  out.columns = data.columns;
  // Not copied: a check makes dozens of such parts.
  out.samples = data.samples;
  for (size_t k = 0; k < indices.size(); ++k) {
    const size_t i = indices[k];
    if (!data.samples.mapped()) {
      out.places.push_back(data.places.empty() ? indices[k] : data.places[i]);
    }
    out.ids.push_back(data.ids[i]);
    if (!data.labels.empty()) out.labels.push_back(data.labels[i]);
    if (!data.values.empty()) {
      out.values.insert(out.values.end(), data.Values(i),
                        data.Values(i) + data.targets.Floats());
    }
    if (!data.names.empty()) out.names.Add(data.names[i]);
    if (!data.lines.empty()) out.lines.push_back(data.lines[i]);
    if (!data.anomalies.empty()) out.anomalies.push_back(data.anomalies[i]);
  }
  return out;
}

std::vector<uint32_t> Stratified(const Dataset& data, uint64_t count,
                                 uint64_t seed) {
  std::vector<uint32_t> taken;
  const uint64_t all = data.size();
  for (const std::vector<uint32_t>& group : Shuffled(data, seed)) {
    if (group.empty()) continue;
    const uint64_t share =
        count >= all ? group.size() : (group.size() * count + all / 2) / all;
    const uint64_t n =
        std::min<uint64_t>(group.size(), std::max<uint64_t>(1, share));
    taken.insert(taken.end(), group.begin(),
                 group.begin() + static_cast<std::ptrdiff_t>(n));
  }
  std::sort(taken.begin(), taken.end());
  return taken;
}

std::vector<uint32_t> FewOfEachClass(const Dataset& data, uint32_t per_class,
                                     uint32_t most, uint64_t seed) {
  const auto groups = Shuffled(data, seed);
  const uint32_t wanted = data.class_names.empty()
                              ? std::min<uint32_t>(most, 8 * per_class)
                              : per_class;
  std::vector<uint32_t> taken;
  for (uint32_t k = 0; k < wanted; ++k) {
    for (const std::vector<uint32_t>& group : groups) {
      if (k < group.size() && taken.size() < most) taken.push_back(group[k]);
    }
  }
  std::sort(taken.begin(), taken.end());
  return taken;
}

Dataset HoldOutFifth(Dataset* data, uint64_t seed) {
  const std::vector<uint32_t> held =
      Stratified(*data, (data->size() + 4) / 5, seed);
  std::vector<uint32_t> rest;
  for (uint32_t i = 0; i < data->size(); ++i) {
    if (!std::binary_search(held.begin(), held.end(), i)) rest.push_back(i);
  }
  Dataset out = TakeSamples(*data, held);
  out.split = "val";
  Dataset train = TakeSamples(*data, rest);
  train.notes = std::move(data->notes);
  *data = std::move(train);
  return out;
}

}  // namespace temper::host
