// See class_weights.h.
#include "ports/host/train/class_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_option.h"
#include "ports/host/data/text_file.h"

namespace temper::host {
namespace {

constexpr const char* kOption = "--class-weights";
constexpr double kMost = 1e6;

std::optional<double> WeightOf(std::string_view text) {
  // With an exponent or a sign, too.
  if (text.starts_with('+')) text.remove_prefix(1);
  double w = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), w);
  const bool number =
      error == std::errc() && end == text.data() + text.size() && !text.empty();
  return number && w >= 0.0 && w <= kMost ? std::optional(w) : std::nullopt;
}

// The numbers of a list; nothing if it is none.
std::optional<std::vector<float>> ReadList(std::string_view text) {
  std::vector<float> list;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const auto w = WeightOf(Trimmed(text.substr(begin, end - begin)));
    if (!w) return std::nullopt;
    list.push_back(static_cast<float>(*w));
    begin = end + 1;
  }
  return list;
}

}  // namespace

std::string ParseClassWeights(std::string_view all, const std::string& where,
                              const std::vector<std::string>& classes) {
  std::vector<std::optional<float>> weights(classes.size());
  size_t number = 0, alone = 0, named = 0;
  const auto fail = [&](const std::string& why) {
    Fail(ErrorKind::kBadData, kOption,
         fmt::format("{}, line {}", Printable(where), number), why,
         "A line has the name of a class and its weight, or a weight alone in "
         "the order of the classes");
  };
  for (const std::string& line : Lines(all)) {
    ++number;
    const std::string_view text =
        Trimmed(std::string_view(line).substr(0, line.find('#')));
    if (text.empty()) continue;
    const size_t cut = text.find_last_of(" \t,");
    const bool bare = cut == text.npos;
    const auto w = WeightOf(bare ? text : text.substr(cut + 1));
    if (!w) fail(fmt::format("no weight from 0 to {}", kMost));
    size_t at = alone;
    if (bare) {
      if (++alone > classes.size()) {
        fail(fmt::format("more weights than classes ({})", classes.size()));
      }
    } else {
      std::string_view name = Trimmed(text.substr(0, cut));
      if (name.ends_with(',')) name = Trimmed(name.substr(0, name.size() - 1));
      const auto found = std::find(classes.begin(), classes.end(), name);
      if (found == classes.end()) {
        const std::vector<std::string_view> known(classes.begin(),
                                                  classes.end());
        fail(fmt::format("no class '{}'. {}", Printable(name),
                         Suggest(name, known)));
      }
      at = static_cast<size_t>(found - classes.begin());
      if (weights[at]) fail("the class has a weight already");
      ++named;
    }
    if (alone > 0 && named > 0) fail("some lines have a name, others none");
    weights[at] = static_cast<float>(*w);
  }
  std::string list;
  for (size_t c = 0; c < classes.size(); ++c) {
    if (!weights[c]) {
      Fail(ErrorKind::kBadData, kOption, Printable(where),
           fmt::format("no weight of class '{}'", Printable(classes[c])),
           "Give every class one");
    }
    // The shortest decimal: it reads back as the same float.
    list += fmt::format("{}{}", c == 0 ? "" : ",", *weights[c]);
  }
  return list;
}

std::string SettleClassWeights(const std::string& option,
                               const std::vector<std::string>& classes) {
  if (option.empty() || option == kBalanced || ReadList(option)) return option;
  constexpr uint64_t kMostBytes = uint64_t{16} << 20;
  // A list with names, as files have it.
  if (option.find('=') != option.npos && !std::filesystem::exists(option)) {
    Fail(ErrorKind::kUsage, kOption, Printable(option), "it is no file",
         "Give balanced, a weight for each class in their order (1,2.5,1), or "
         "a file with a class and its weight a line");
  }
  return ParseClassWeights(ReadTextFile(option, kMostBytes), option, classes);
}

std::vector<float> ClassWeights(const std::string& option,
                                const Dataset& train) {
  if (option.empty()) return {};
  const size_t classes = train.class_names.size();
  if (option != kBalanced) {
    const std::optional<std::vector<float>> list = ReadList(option);
    const auto fail = [&](const std::string& why) {
      Fail(ErrorKind::kUsage, kOption, Printable(option), why,
           "Give balanced, a weight for each class (1,2,1), or a file");
    };
    if (!list) fail("it is no list of weights");
    if (list->size() != classes) {
      fail(fmt::format("{} weights, and {} classes", list->size(), classes));
    }
    if (std::all_of(list->begin(), list->end(),
                    [](float w) { return w == 0.0f; })) {
      fail("all weights are 0: nothing would be learnt");
    }
    return *list;
  }
  const bool labels = train.targets.kind == TargetKind::kMultiHot;
  const double n = static_cast<double>(train.size());
  const std::vector<uint64_t> counts = train.ClassCounts();
  // A fold may lack one: the mean over the samples is 1 all the same.
  const auto present = counts.size() - static_cast<size_t>(std::count(
                                           counts.begin(), counts.end(), 0u));
  std::vector<float> weights;
  for (const uint64_t count : counts) {
    const double there = static_cast<double>(count);
    double w = 1.0;  // of a class that never comes
    if (labels && count > 0 && count < train.size()) {
      w = (n - there) / there;
    } else if (!labels && count > 0) {
      w = n / (static_cast<double>(present) * there);
    }
    weights.push_back(static_cast<float>(w));
  }
  return weights;
}

double Imbalance(const Dataset& data) {
  const std::vector<uint64_t> counts = data.ClassCounts();
  if (counts.empty()) return 0.0;
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  if (*least == 0) return 0.0;
  return static_cast<double>(*most) / static_cast<double>(*least);
}

}  // namespace temper::host
