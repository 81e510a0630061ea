// See layer_groups.h.
#include "ports/host/train/layer_groups.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

constexpr double kMostFactor = 1e6;

std::optional<double> Number(const std::string& text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

// PATTERN?rate=X&decay=X. A pattern may hold a '?' of its own: the last one
// ends it.
struct Group {
  std::string pattern;
  std::optional<double> rate, decay;
};
std::string ReadGroup(const std::string& text, Group* group) {
  const size_t question = text.rfind('?');
  const std::string form = "Write PATTERN?rate=X&decay=X";
  if (question == std::string::npos || question == 0) {
    return "a group needs layers and a factor. " + form;
  }
  group->pattern = text.substr(0, question);
  SpecText spec;
  const std::string wrong =
      SplitSpec(fmt::format("x{}", text.substr(question)), &spec);
  if (!wrong.empty()) return wrong;
  for (const SpecText::Option& option : spec.options) {
    std::optional<double>* const to = option.name == "rate"    ? &group->rate
                                      : option.name == "decay" ? &group->decay
                                                               : nullptr;
    if (to == nullptr) {
      return fmt::format("a group has no '{}'. {}", Printable(option.name),
                         form);
    }
    *to = Number(option.value);
    if (!*to || !(**to >= 0.0 && **to <= kMostFactor)) {
      return fmt::format("{} must be 0 to 1e6, not {}", option.name,
                         Printable(option.value));
    }
  }
  if (!group->rate && !group->decay) return "there is no factor. " + form;
  return "";
}

bool IsKernel(const Node& node) {
  return RoleOf(node.kind) == LayerRole::kKernel;
}

// The number of each node's block, from 1; 0: in front of the first one.
std::vector<uint32_t> Blocks(const Graph& graph) {
  std::vector<uint32_t> blocks(graph.nodes.size(), 0);
  const uint32_t head = models::HeadNode(graph);
  std::string_view prefix;
  uint32_t number = 0;
  for (size_t i = 0; i < graph.nodes.size() && i < head; ++i) {
    const std::string_view name = graph.nodes[i].name;
    const size_t dot = name.rfind('.');
    if (dot != std::string_view::npos) {
      const std::string_view own = name.substr(0, dot);
      number += own != prefix;
      prefix = own;
    } else if (IsKernel(graph.nodes[i])) {
      ++number;
      prefix = {};
    }
    blocks[i] = number;
  }
  return blocks;
}

}  // namespace

std::vector<uint8_t> LayersOf(const Graph& graph,
                              const std::vector<std::string>& patterns,
                              const char* option) {
  std::vector<uint8_t> layers(graph.nodes.size(), 0);
  std::vector<std::string_view> names;
  for (const Node& node : graph.nodes) names.push_back(node.name);
  const uint32_t head = models::HeadNode(graph);
  for (const std::string& pattern : patterns) {
    bool matched = false;
    const bool named = graph.Find(pattern.c_str()) != kNoNode;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const bool match =
          !named && pattern == "body" ? i != head
          : !named && pattern == "head"
              ? i == head
              : fnmatch(pattern.c_str(), graph.nodes[i].name, 0) == 0;
      if (match) layers[i] = 1;
      matched |= match;
    }
    if (!matched) {
      Fail(ErrorKind::kConfiguration,
           fmt::format("{} matches no layer", option), Printable(pattern), "",
           Suggest(pattern, names));
    }
  }
  return layers;
}

std::string CheckGroup(const std::string& text) {
  Group group;
  return ReadGroup(text, &group);
}

LayerFactors ReadGroups(const Graph& graph,
                        const std::vector<std::string>& groups,
                        double layer_decay) {
  const size_t count = graph.nodes.size();
  std::vector<double> rate(count, 1.0), decay(count, 1.0);
  for (const std::string& text : groups) {
    Group group;
    const std::string wrong = ReadGroup(text, &group);
    if (!wrong.empty()) {
      Fail(ErrorKind::kUsage, "--group", Printable(text), wrong, "");
    }
    const std::vector<uint8_t> layers =
        LayersOf(graph, {group.pattern}, "--group");
    for (size_t i = 0; i < count; ++i) {
      if (layers[i] == 0) continue;
      if (group.rate) rate[i] = *group.rate;
      if (group.decay) decay[i] = *group.decay;
    }
  }
  // From the last layer on: what comes before a kernel has a factor more. A norm
  // after the kernel has the kernel's own.
  double factor = 1.0;
  for (size_t i = count; i-- > 0 && layer_decay != 1.0;) {
    rate[i] *= factor;
    if (IsKernel(graph.nodes[i])) factor *= layer_decay;
  }
  LayerFactors factors;
  const auto take = [](const std::vector<double>& from,
                       std::vector<float>* to) {
    if (std::all_of(from.begin(), from.end(),
                    [](double one) { return one == 1.0; })) {
      return;
    }
    for (const double one : from) to->push_back(static_cast<float>(one));
  };
  take(rate, &factors.rate);
  take(decay, &factors.decay);
  return factors;
}

uint32_t BlockCount(const Graph& graph) {
  const std::vector<uint32_t> blocks = Blocks(graph);
  return blocks.empty() ? 0 : *std::max_element(blocks.begin(), blocks.end());
}

std::vector<uint8_t> LastBlocks(const Graph& graph, uint32_t k) {
  const std::vector<uint32_t> blocks = Blocks(graph);
  const uint32_t count = BlockCount(graph);
  const uint32_t first = count > k ? count - k + 1 : 1;
  const uint32_t head = models::HeadNode(graph);
  std::vector<uint8_t> layers(blocks.size(), 0);
  for (size_t i = 0; i < blocks.size(); ++i) {
    layers[i] = i >= head || (k > 0 && blocks[i] >= first) ? 1 : 0;
  }
  return layers;
}

}  // namespace temper::host
