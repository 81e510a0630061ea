// See phases.h.
#include "ports/host/train/phases.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "ports/host/base/failure.h"
#include "ports/host/train/layer_groups.h"
#include "ports/host/train/specs.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

template <class T>
bool ReadNumber(std::string_view text, T* value) {
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && at == end && !text.empty();
}

std::vector<std::string> SplitAt(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

constexpr std::string_view kLast = "last=";

// K of last=K.
bool ReadLast(const std::string& train, uint32_t* blocks) {
  return train.starts_with(kLast) &&
         ReadNumber(std::string_view(train).substr(kLast.size()), blocks);
}

// A spec's own complaint, without throwing.
template <class Read>
std::string Complaint(Read&& read) {
  try {
    read();
    return "";
  } catch (const Failure& failure) {
    return failure.message;
  }
}

// All but the head, norms and biases.
void FreezeKernels(const Graph& graph, std::vector<uint8_t>* frozen) {
  frozen->resize(graph.nodes.size(), 0);
  const uint32_t head = models::HeadNode(graph);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (i == head || (*frozen)[i] != 0) continue;
    const LayerRole role = RoleOf(graph.nodes[i].kind);
    if (role == LayerRole::kKernel) (*frozen)[i] = kFrozenKernel;
  }
}

std::string CheckPhase(const PhaseOptions& p) {
  if (p.train.empty()) return "a phase names no layers: all, head, last=2, ...";
  uint32_t blocks = 0;
  if (p.train.starts_with(kLast) && !ReadLast(p.train, &blocks)) {
    return fmt::format("{}: write last=K, K being a number of blocks",
                       Printable(p.train));
  }
  if (p.epochs > kMostEpochs) return "a phase has at most 1000000 epochs";
  if (!(p.lr == 0.0 || (p.lr >= 1e-30 && p.lr <= 1e6))) {
    return "the rate of a phase must be 1e-30 to 1e6";
  }
  if (!p.bn.empty() && p.bn != "train" && p.bn != "frozen") {
    return "the bn of a phase is train or frozen";
  }
  std::string wrong;
  if (!p.schedule.empty()) {
    wrong = Complaint([&] { ReadSchedule(p.schedule, 0); });
  }
  if (wrong.empty() && !p.optimizer.empty()) {
    wrong = Complaint([&] { ReadOptimizer(p.optimizer); });
  }
  return wrong;
}

std::string ReadPhase(const std::string& text, PhaseOptions* phase) {
  const size_t question = text.find('?');
  std::string head = text.substr(0, question);
  const size_t colon = head.rfind(':');
  if (colon != std::string::npos) {
    if (!ReadNumber(std::string_view(head).substr(colon + 1), &phase->epochs) ||
        phase->epochs == 0) {
      return fmt::format("{}: the epochs after ':' are a whole number from 1",
                         Printable(text));
    }
    head.resize(colon);
  }
  phase->train = head;
  if (question != std::string::npos) {
    std::vector<std::string> seen;
    if (phase->epochs != 0) seen.push_back("epochs");
    for (const std::string& field : SplitAt(text.substr(question + 1), ';')) {
      const size_t equals = field.find('=');
      const std::string name = field.substr(0, equals);
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
        return fmt::format("{}: '{}' is given twice", Printable(text),
                           Printable(name));
      }
      seen.push_back(name);
      std::string wrong =
          equals == std::string::npos
              ? fmt::format("{}: write field=value, ';' between fields",
                            Printable(field))
              : SetPhaseField(field.substr(0, equals), field.substr(equals + 1),
                              phase);
      if (!wrong.empty()) return wrong;
    }
  }
  return CheckPhase(*phase);
}

}  // namespace

std::string SetPhaseField(std::string_view name, const std::string& value,
                          PhaseOptions* phase) {
  const auto number = [&](auto* to) -> std::string {
    if (ReadNumber(value, to) && *to > 0) return "";
    return fmt::format("{} must be a number above 0, not {}", name,
                       Printable(value));
  };
  if (name == "epochs") return number(&phase->epochs);
  if (name == "lr") return number(&phase->lr);
  constexpr std::pair<std::string_view, std::string PhaseOptions::*> kTexts[] =
      {{"train", &PhaseOptions::train},
       {"schedule", &PhaseOptions::schedule},
       {"optimizer", &PhaseOptions::optimizer},
       {"bn", &PhaseOptions::bn}};
  for (const auto& [known, field] : kTexts) {
    if (name != known) continue;
    phase->*field = value;
    return "";
  }
  constexpr std::string_view kNames[] = {"train",    "epochs",    "lr",
                                         "schedule", "optimizer", "bn"};
  return fmt::format("a phase has no '{}'. {}", Printable(name),
                     Suggest(name, kNames));
}

std::string ReadPhases(std::string_view text,
                       std::vector<PhaseOptions>* phases) {
  std::vector<PhaseOptions> read;
  for (const std::string& item : SplitAt(text, ',')) {
    const std::string wrong = ReadPhase(item, &read.emplace_back());
    if (!wrong.empty()) return wrong;
  }
  if (read.size() > kMostPhases) return "a run has at most 50 phases";
  *phases = std::move(read);
  return "";
}

std::string PhaseText(const PhaseOptions& p) {
  std::string text = p.train;
  if (p.epochs != 0) text += fmt::format(":{}", p.epochs);
  char before = '?';
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    text += fmt::format("{}{}={}", before, name, value);
    before = ';';
  };
  add("lr", p.lr == 0.0 ? "" : fmt::format("{}", p.lr));
  add("schedule", p.schedule);
  add("optimizer", p.optimizer);
  add("bn", p.bn);
  return text;
}

std::string PhasesText(const std::vector<PhaseOptions>& phases) {
  std::string text;
  for (const PhaseOptions& p : phases) {
    if (!text.empty()) text += ',';
    text += PhaseText(p);
  }
  return text;
}

std::string CheckPhases(const JobOptions& o) {
  if (o.phases.empty()) return "";
  if (o.phases.size() > kMostPhases) return "a run has at most 50 phases";
  if (o.backend != "highway") {
    return "a run of several phases computes on --backend highway: what is "
           "frozen changes";
  }
  uint64_t epochs = 0;
  for (const PhaseOptions& p : o.phases) {
    std::string wrong = CheckPhase(p);
    if (!wrong.empty()) return wrong;
    epochs += p.epochs == 0 ? o.epochs : p.epochs;
  }
  return epochs > kMostEpochs ? "the phases have more than 1000000 epochs" : "";
}

void CompletePhases(JobOptions* options) {
  uint32_t sum = 0;
  for (PhaseOptions& p : options->phases) {
    if (p.epochs == 0) p.epochs = options->epochs;
    if (p.lr == 0.0) {
      p.lr = options->lr;
      if (!p.optimizer.empty()) {
        JobOptions alone = *options;
        alone.optimizer = p.optimizer;
        p.lr = DefaultRate(alone);
      }
    }
    sum += p.epochs;
  }
  if (!options->phases.empty()) options->epochs = sum;
}

JobOptions OptionsOfPhase(const JobOptions& options, size_t k) {
  JobOptions o = options;
  const PhaseOptions& p = options.phases[k];
  o.phases.clear();
  o.epochs = p.epochs;
  o.lr = p.lr;
  if (!p.schedule.empty()) o.schedule = p.schedule;
  if (!p.optimizer.empty()) o.optimizer = p.optimizer;
  if (!p.bn.empty()) o.bn = p.bn;
  return o;
}

void FreezeOthers(const Graph& graph, const std::string& train,
                  std::vector<uint8_t>* frozen) {
  if (train == "all" && graph.Find("all") == kNoNode) return;
  const size_t count = graph.nodes.size();
  uint32_t blocks = 0;
  std::vector<uint8_t> trains;
  if (train == "norm_bias" && graph.Find(train) == kNoNode) {
    FreezeKernels(graph, frozen);
    return;
  }
  if (ReadLast(train, &blocks)) {
    trains = LastBlocks(graph, blocks);
  } else {
    trains = LayersOf(graph, SplitAt(train, '+'), "--phases");
  }
  frozen->resize(count, 0);
  for (size_t i = 0; i < count; ++i) {
    if (trains[i] == 0) (*frozen)[i] = 1;
  }
}

}  // namespace temper::host
