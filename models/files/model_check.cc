// Whether the parts of a model file belong together: tensors and graph, classes
// and outputs. See model_file.h.
#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "models/files/model_file.h"
#include "models/files/tensor_names.h"
#include "temper/graph_edit.h"

namespace temper {
namespace {

FileError BadTensor(std::string_view name, std::string_view why) {
  return {StatusCode::kBadFile,
          Text("model file: tensor ", Quoted(name), ": ", why)};
}

FileError WrongTensors(std::string_view why) {
  return {StatusCode::kShapeMismatch, Text("model file: ", why)};
}

template <class Dims>
std::string DimsText(const Dims& dims) {
  std::string out = "(";
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i != 0) out += ", ";
    AppendText(&out, dims[i]);
  }
  return out + ")";
}

bool SameDims(std::span<const uint64_t> a, std::span<const uint32_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// Finds a weight of the file for each one that the graph needs.
struct Matcher {
  const SafetensorsView& view;
  const Graph& graph;
  std::vector<uint32_t> by_name;  // indices of weights in view.tensors, sorted
  std::vector<StoredTensor>& weights;
  size_t matched = 0;
  FileError error;

  uint32_t Find(std::string_view name) const {
    const auto at = std::lower_bound(by_name.begin(), by_name.end(), name,
                                     [&](uint32_t i, std::string_view n) {
                                       return view.tensors[i].name < n;
                                     });
    return at == by_name.end() || view.tensors[*at].name != name ? kNoTensor
                                                                 : *at;
  }

  void Take(uint32_t node, uint32_t slot, const WeightSpec& spec) {
    if (!error.ok()) return;
    // A node's name has at most kMaxNameLength bytes, a weight's fewer.
    char name[kMaxNameLength + 64];
    const size_t node_size = std::strlen(graph.nodes[node].name);
    const size_t spec_size = std::strlen(spec.name);
    std::memcpy(name, graph.nodes[node].name, node_size);
    name[node_size] = '.';
    std::memcpy(name + node_size + 1, spec.name, spec_size);
    const std::string_view wanted(name, node_size + 1 + spec_size);
    const std::span<const uint32_t> dims(spec.dims, spec.rank);
    const uint32_t at = Find(wanted);
    if (at == kNoTensor) {
      Nearest nearest(wanted);
      for (const SafetensorsTensor& t : view.tensors) nearest.Offer(t.name);
      error = WrongTensors(Text("no tensor ", Quoted(wanted),
                                ", which the graph needs with shape ",
                                DimsText(dims), DidYouMean(nearest.Best())));
      return;
    }
    const SafetensorsTensor& tensor = view.tensors[at];
    if (!SameDims(tensor.shape(), dims)) {
      error = WrongTensors(Text("tensor ", Quoted(wanted), " has shape ",
                                DimsText(tensor.shape()), ", the graph needs ",
                                DimsText(dims)));
      return;
    }
    StoredTensor& out = weights[at];  // weights come first in the file
    out.name = tensor.name;
    std::copy(dims.begin(), dims.end(), out.dims);
    out.rank = spec.rank;
    out.node = node;
    out.slot = slot;
    out.rule = spec.rule;
    out.offset = tensor.offset;
    out.count = spec.Count();
    ++matched;
  }
};

}  // namespace

FileError MatchTensors(const SafetensorsView& view, const Graph& graph,
                       uint64_t max_bytes, std::vector<StoredTensor>* weights,
                       std::vector<StoredTensor>* optimizer_state) {
  const size_t total = view.tensors.size();
  size_t count = 0;
  for (const SafetensorsTensor& tensor : view.tensors) {
    if (tensor.type != SafetensorsType::kF32) {
      return BadTensor(tensor.name,
                       Text("dtype ", SafetensorsTypeName(tensor.type),
                            ", a model holds F32 only"));
    }
    for (const uint64_t d : tensor.shape()) {
      if (d == 0 || d > UINT32_MAX) {
        return BadTensor(tensor.name,
                         Text("dimension ", d, " is not in [1, 2^32 - 1]"));
      }
    }
    const bool state = IsOptimizerState(tensor.name);
    if (!state && count != static_cast<size_t>(&tensor - view.tensors.data())) {
      return BadTensor(tensor.name, "a weight after the optimizer's state");
    }
    count += !state;
  }
  if (total * sizeof(StoredTensor) + count * sizeof(uint32_t) > max_bytes) {
    return {StatusCode::kBadFile,
            "model file: it describes more than its size can hold; it is "
            "damaged or hostile"};
  }
  std::vector<StoredTensor> found(count), states(total - count);
  Matcher matcher{view, graph, {}, found, 0, {}};
  matcher.by_name.resize(count);
  for (uint32_t i = 0; i < count; ++i) matcher.by_name[i] = i;
  std::sort(matcher.by_name.begin(), matcher.by_name.end(),
            [&](uint32_t a, uint32_t b) {
              return view.tensors[a].name < view.tensors[b].name;
            });
  const Status status = VisitWeights(
      graph,
      [](void* context, uint32_t node, uint32_t slot, const WeightSpec& spec) {
        static_cast<Matcher*>(context)->Take(node, slot, spec);
      },
      &matcher);
  if (!status.ok()) return {status.code, Text("model file: ", status.message)};
  if (!matcher.error.ok()) return matcher.error;
  if (matcher.matched != count) {
    for (size_t i = 0; i < count; ++i) {
      if (!found[i].name.empty()) continue;
      return WrongTensors(Text("tensor ", Quoted(view.tensors[i].name),
                               " is not used by the graph"));
    }
  }
  for (size_t i = count; i < total; ++i) {
    const SafetensorsTensor& tensor = view.tensors[i];
    const uint32_t at = matcher.Find(WeightOfTensor(tensor.name));
    if (at == kNoTensor) {
      return BadTensor(tensor.name,
                       "optimizer state of a weight that the file does not "
                       "have");
    }
    StoredTensor& out = states[i - count];
    out = found[at];
    if (!SameDims(tensor.shape(), out.shape())) {
      return WrongTensors(Text("tensor ", Quoted(tensor.name), " has shape ",
                               DimsText(tensor.shape()), ", its weight ",
                               DimsText(out.shape())));
    }
    out.name = tensor.name;
    out.offset = tensor.offset;
    out.rule = ValueRule::kFinite;
  }
  *weights = std::move(found);
  *optimizer_state = std::move(states);
  return {};
}

FileError CheckClasses(std::span<const std::string> classes,
                       const Graph& graph) {
  if (classes.empty()) return {};
  const auto mismatch = [](std::string_view why) {
    return FileError{StatusCode::kMismatch, Text("model file: classes: ", why)};
  };
  if (!models::IsClassifier(graph)) {
    return mismatch(
        Text(classes.size(), " names, but its loss tells no classes apart"));
  }
  std::vector<Shape> shapes;
  const Status status = graph.Check(&shapes);
  if (!status.ok()) return {status.code, Text("model file: ", status.message)};
  std::vector<std::string_view> sorted(classes.begin(), classes.end());
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    return mismatch(Text("two are named ", Quoted(*twice)));
  }
  if (classes.size() > models::ClassesOf(graph, shapes.back().Count())) {
    return mismatch(Text(classes.size(), " names, but the model has ",
                         shapes.back().Count(), " outputs"));
  }
  return {};
}

}  // namespace temper
