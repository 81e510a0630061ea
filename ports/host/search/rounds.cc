// See rounds.h.
#include "ports/host/search/rounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <set>

#include "temper/random.h"

namespace temper::host {
namespace {

// Streams of a search beside those of data sets.
constexpr uint32_t kDrawStream = RandomStream(RandomUse::kSplit, 16);
constexpr uint32_t kOrderStream = RandomStream(RandomUse::kSplit, 17);

// What remains of a range, as a share of its width on its scale, in each third of
// the rounds.
constexpr double kWidths[] = {1.0, 0.4, 0.15};

uint32_t TrialsOfRound(const SearchPlan& plan, uint32_t round) {
  const uint32_t first = round * kRoundTrials;
  return std::min(kRoundTrials, plan.trials - first);
}

double Unit(uint64_t seed, uint32_t a, uint32_t b, uint32_t stream) {
  return static_cast<double>(RandomWord(seed, a, b, 0, stream)) * 0x1p-32;
}

// Numbers 0 to n - 1 in an order of their own for each round and axis.
std::vector<uint32_t> Shuffled(uint64_t seed, uint32_t n, uint32_t round,
                               uint32_t axis) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  const auto word = [&](uint32_t i) {
    return RandomWord(seed, i, axis, round, kOrderStream);
  };
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const uint32_t wa = word(a), wb = word(b);
    return wa != wb ? wa < wb : a < b;
  });
  return order;
}

// Combinations of the choices alone.
uint64_t Choices(const std::vector<Axis>& axes) {
  uint64_t all = 1;
  for (const Axis& axis : axes) {
    if (axis.IsNumber()) continue;
    const uint64_t n = std::max<size_t>(1, axis.choices.size());
    all = all > UINT32_MAX / n ? UINT32_MAX : all * n;
  }
  return all;
}

// Points on each axis of a grid of at most `most` combinations: as many as fit,
// the same on all numbers, one more on the first ones where that fits, too.
std::vector<uint32_t> GridSizes(const std::vector<Axis>& axes, uint64_t most) {
  std::vector<uint32_t> sizes;
  for (const Axis& axis : axes) {
    sizes.push_back(axis.IsNumber() ? 1
                                    : static_cast<uint32_t>(std::max<size_t>(
                                          1, axis.choices.size())));
  }
  uint64_t all = Choices(axes);
  for (bool grown = true; grown;) {
    grown = false;
    uint64_t next = all;
    std::vector<uint32_t> larger = sizes;
    for (size_t a = 0; a < axes.size(); ++a) {
      if (!axes[a].IsNumber() || sizes[a] >= ValueCount(axes[a])) continue;
      const uint64_t with = next / sizes[a] * (sizes[a] + 1);
      if (with > most) {
        grown = false;
        break;
      }
      next = with;
      ++larger[a];
      grown = true;
    }
    sizes = larger;
    all = next;
  }
  return sizes;
}

std::vector<TrialTask> GridTasks(const SearchPlan& plan) {
  const std::vector<uint32_t> sizes =
      GridSizes(plan.axes, std::max(1u, plan.trials) - 1);
  uint64_t count = 1;
  for (const uint32_t size : sizes) count *= size;
  std::vector<TrialTask> tasks;
  for (uint64_t i = 0; i < count; ++i) {
    TrialTask task;
    task.number = static_cast<uint32_t>(i) + 1;
    task.epochs = plan.epochs;
    uint64_t rest = i;
    for (size_t a = sizes.size(); a-- > 0;) {
      const uint32_t at = static_cast<uint32_t>(rest % sizes[a]);
      rest /= sizes[a];
      const Axis& axis = plan.axes[a];
      // Numbers from end to end; of one point the middle.
      const double part = !axis.IsNumber() ? (at + 0.5) / sizes[a]
                          : sizes[a] == 1
                              ? 0.5
                              : static_cast<double>(at) / (sizes[a] - 1);
      task.values.insert(task.values.begin(), {axis.name, ValueAt(axis, part)});
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

double NumberIn(const std::string& value) {
  double number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return number;
}

}  // namespace

std::vector<uint32_t> RungEpochs(const SearchPlan& plan) {
  if (plan.method != SearchMethod::kHalving) return {plan.epochs};
  std::vector<uint32_t> rungs;
  for (const uint32_t part : {9u, 3u, 1u}) {
    const uint32_t epochs = std::max(1u, plan.epochs / part);
    if (rungs.empty() || rungs.back() != epochs) rungs.push_back(epochs);
  }
  return rungs;
}

void CheckPlan(const SearchPlan& plan) {
  if (plan.method != SearchMethod::kGrid) return;
  const uint64_t needed = Choices(plan.axes) + 1;
  if (needed <= plan.trials) return;
  Fail(ErrorKind::kUsage, "--method grid",
       fmt::format("--trials {}", plan.trials),
       fmt::format(
           "every combination of the choices and the job as it was given "
           "are {}{} trials",
           needed > UINT32_MAX ? "more than " : "",
           std::min<uint64_t>(needed, UINT32_MAX)),
       needed > UINT32_MAX
           ? "Leave out axes or choices"
           : fmt::format("Use --trials {}, or leave out axes or choices",
                         needed));
}

bool IsBetter(const TrialResult& a, const TrialResult& b) {
  const auto state = [](const TrialResult& r) {
    return r.Trained() ? 0 : r.failed.empty() ? 1 : 2;
  };
  if (state(a) != state(b)) return state(a) < state(b);
  if (a.rung != b.rung) return a.rung > b.rung;
  if (a.score != b.score) return a.score > b.score;
  if (a.val_loss != b.val_loss) return a.val_loss < b.val_loss;
  return a.number < b.number;
}

std::vector<TrialResult> TrainedOnes(const std::vector<TrialResult>& results) {
  std::set<uint32_t> bad;
  for (const TrialResult& r : results) {
    if (!r.Trained()) bad.insert(r.number);
  }
  std::vector<TrialResult> trained;
  for (const TrialResult& r : results) {
    if (bad.count(r.number) == 0) trained.push_back(r);
  }
  return trained;
}

const TrialResult* BestOf(const std::vector<TrialResult>& results) {
  std::set<uint32_t> bad;
  for (const TrialResult& r : results) {
    if (!r.Trained()) bad.insert(r.number);
  }
  const TrialResult* best = nullptr;
  for (const TrialResult& r : results) {
    if (bad.count(r.number) != 0) continue;
    if (best == nullptr || IsBetter(r, *best)) best = &r;
  }
  return best;
}

uint32_t RoundCount(const SearchPlan& plan) {
  if (plan.method == SearchMethod::kGrid) return 1;
  return (plan.trials + kRoundTrials - 1) / kRoundTrials;
}

std::vector<Axis> AxesOfRound(const SearchPlan& plan, uint32_t round,
                              const std::vector<TrialResult>& earlier) {
  const uint32_t rounds = RoundCount(plan);
  const uint32_t stage =
      plan.method == SearchMethod::kGrid ? 0 : std::min(2u, round * 3 / rounds);
  std::vector<TrialResult> best = TrainedOnes(earlier);
  std::sort(best.begin(), best.end(), IsBetter);
  if (best.size() > 3) best.resize(3);
  std::vector<Axis> axes;
  for (Axis axis : plan.axes) {
    // A later third opens more axes; a grid, and a search of one round, all.
    if (axis.round > stage && rounds > 1) continue;
    std::vector<std::string> values;  // of the best, in their order
    for (const TrialResult& r : best) {
      for (const auto& [name, value] : r.values) {
        if (name == axis.name && IsValue(axis, value)) values.push_back(value);
      }
    }
    if (stage > 0 && !values.empty() && !axis.IsNumber()) {
      std::erase_if(axis.choices, [&](const std::string& choice) {
        return std::find(values.begin(), values.end(), choice) == values.end();
      });
    } else if (stage > 0 && !values.empty()) {
      const double center = *PlaceOf(axis, values[0]);
      const double half = kWidths[stage] / 2;
      // Kept inside the range, as wide as it should be.
      const double low = std::clamp(center - half, 0.0, 1.0 - 2 * half);
      const bool linear = axis.scale == Axis::Scale::kLinear;
      const auto at = [&](double part) {
        return linear ? axis.low + part * (axis.high - axis.low)
                      : OnLogScale(axis.low, axis.high, part);
      };
      const double from = at(low), to = at(low + 2 * half);
      axis.low = std::max(axis.low, from);
      axis.high = std::min(axis.high, to);
      if (axis.scale == Axis::Scale::kPower2) {
        // Neighbours at least.
        axis.low = std::min(axis.low, NumberIn(values[0]));
        axis.high = std::max(axis.high, NumberIn(values[0]));
      }
    }
    axes.push_back(std::move(axis));
  }
  return axes;
}

std::vector<TrialTask> TasksOfRound(const SearchPlan& plan, uint32_t round,
                                    const std::vector<TrialResult>& earlier) {
  std::vector<TrialTask> tasks;
  const uint32_t epochs = RungEpochs(plan).front();
  if (round == 0) tasks.push_back({0, 0, 0, epochs, {}});
  if (plan.method == SearchMethod::kGrid) {
    std::vector<TrialTask> grid = GridTasks(plan);
    tasks.insert(tasks.end(), grid.begin(), grid.end());
    return tasks;
  }
  const std::vector<Axis> axes = AxesOfRound(plan, round, earlier);
  const uint32_t n = TrialsOfRound(plan, round);
  std::vector<std::vector<uint32_t>> strata;
  for (uint32_t a = 0; a < axes.size(); ++a) {
    strata.push_back(Shuffled(plan.seed, n, round, a));
  }
  for (uint32_t i = round == 0 ? 1 : 0; i < n; ++i) {
    TrialTask task;
    task.number = round * kRoundTrials + i;
    task.round = round;
    task.epochs = epochs;
    for (uint32_t a = 0; a < axes.size(); ++a) {
      const double part =
          (strata[a][i] + Unit(plan.seed, task.number, a, kDrawStream)) / n;
      task.values.emplace_back(axes[a].name, ValueAt(axes[a], part));
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

std::vector<TrialTask> NextRung(const SearchPlan& plan, uint32_t round,
                                const std::vector<TrialResult>& of_round) {
  if (plan.method != SearchMethod::kHalving || of_round.empty()) return {};
  const std::vector<uint32_t> rungs = RungEpochs(plan);
  uint32_t rung = 0;
  for (const TrialResult& r : of_round) rung = std::max(rung, r.rung);
  if (rung + 1 >= rungs.size()) return {};
  std::vector<TrialResult> now;
  size_t began = 0;
  for (const TrialResult& r : of_round) {
    if (r.rung != rung) continue;
    ++began;
    if (r.Trained()) now.push_back(r);
  }
  std::sort(now.begin(), now.end(), IsBetter);
  // A third of those that began: the place of one that diverged is another's.
  const size_t kept = std::max<size_t>(1, (began + 1) / 3);
  std::vector<TrialTask> tasks;
  for (size_t i = 0; i < std::min(kept, now.size()); ++i) {
    tasks.push_back(
        {now[i].number, round, rung + 1, rungs[rung + 1], now[i].values});
  }
  std::sort(tasks.begin(), tasks.end(),
            [](const TrialTask& a, const TrialTask& b) {
              return a.number < b.number;
            });
  return tasks;
}

std::string RoundText(const SearchPlan& plan, uint32_t round,
                      const std::vector<TrialResult>& results,
                      const std::vector<Axis>& next) {
  std::vector<TrialResult> best = results;
  std::erase_if(best, [&](const TrialResult& r) {
    return r.values.empty() || r.round > round;
  });
  std::sort(best.begin(), best.end(), [](const auto& a, const auto& b) {
    return a.number != b.number ? a.number < b.number : a.rung > b.rung;
  });
  // Of halving a trial has several results: its longest one.
  best.erase(std::unique(best.begin(), best.end(),
                         [](const auto& a, const auto& b) {
                           return a.number == b.number;
                         }),
             best.end());
  const size_t trials = best.size();
  // Of an axis of numbers, ascending.
  const auto values = [&](const std::string& axis) {
    std::vector<double> found;
    for (const TrialResult& r : best) {
      for (const auto& [name, value] : r.values) {
        if (name == axis) found.push_back(NumberIn(value));
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  };
  std::string text;
  // Of the axes that have been searched so far.
  std::vector<Axis> searched = plan.axes;
  std::erase_if(searched, [&](const Axis& axis) {
    return !axis.IsNumber() || values(axis.name).empty();
  });
  if (plan.method != SearchMethod::kGrid && searched.size() > 1) {
    const std::string& first = searched[0].name;
    std::vector<double> tried = values(first);
    tried.erase(std::unique(tried.begin(), tried.end()), tried.end());
    text += fmt::format(
        "random, not a grid: {} trials tried {} values of {}, a grid of as "
        "many would have tried {}. ",
        trials, tried.size(), first, GridSizes(searched, trials)[0]);
  }
  std::erase_if(best, [](const TrialResult& r) { return !r.Trained(); });
  std::sort(best.begin(), best.end(), IsBetter);
  best.resize(std::min(best.size(), std::max<size_t>(2, trials / 4)));
  std::string lie;
  for (const Axis& axis : plan.axes) {
    if (!axis.IsNumber()) continue;
    const std::vector<double> of_best = values(axis.name);
    if (of_best.empty()) continue;
    lie += fmt::format("{}{} {} to {}", lie.empty() ? "" : ", ", axis.name,
                       FourDigits(of_best.front()), FourDigits(of_best.back()));
  }
  if (!lie.empty()) {
    text += fmt::format("The best {} lie at {}. ", best.size(), lie);
  }
  std::string looks;
  for (const Axis& axis : next) {
    looks += fmt::format("{}{} {}", looks.empty() ? "" : ", ", axis.name,
                         RangeText(axis));
  }
  return text + "The next round looks at " + looks + ".";
}

}  // namespace temper::host
