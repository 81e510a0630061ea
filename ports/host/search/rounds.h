// Which values each trial of a search gets. A trial depends on the seed, its
// number, and the results of earlier rounds; never on who ran them, or when. Pure
// functions. Next: study.h.
//
//   random   rounds of 8. Within a round every axis is covered evenly (Latin
//            hypercube, McKay, Beckman and Conover 1979). After a third and two
//            thirds of the rounds the range of each number shrinks around the
//            best trial so far, and choices to those of the best three.
//   halving  the same, but a round's trials train for a ninth of the epochs, its
//            best third for a third of them, the best of those for all
//            (successive halving, Jamieson and Talwalkar 2016). Each starts anew,
//            with its own whole schedule.
//   grid     every combination of evenly spaced values, as many as fit beside
//            trial 0; the last axis is the fastest.
//
// Trial 0 is the job as it was given.
#ifndef TEMPER_PORTS_HOST_SEARCH_ROUNDS_H_
#define TEMPER_PORTS_HOST_SEARCH_ROUNDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ports/host/base/failure.h"
#include "ports/host/search/space.h"

namespace temper::host {

inline constexpr uint32_t kRoundTrials = 8;

enum class SearchMethod : uint8_t { kRandom, kHalving, kGrid };

struct TrialResult {
  uint32_t number = 0;
  uint32_t round = 0;
  uint32_t rung = 0;  // of halving: 0 is the shortest
  uint32_t epochs = 0;
  Values values;
  bool diverged = false;
  std::string failed;  // why there was no training; empty: there was one
  ErrorKind failure = ErrorKind::kBug;  // of one that failed
  double score = 0;                     // larger is better
  double val_loss = 0, val_accuracy = 0, train_loss = 0, train_accuracy = 0;
  double seconds = 0;
  std::vector<double> curve,
      train_curve;  // loss by epoch: validation, training

  bool Trained() const { return !diverged && failed.empty(); }
};

struct SearchPlan {
  std::vector<Axis> axes;
  SearchMethod method = SearchMethod::kRandom;
  uint32_t trials = 24;  // of the longest rung's kind
  uint32_t epochs = 10;  // of a whole trial
  uint64_t seed = 1;
};

// A trial to be run.
struct TrialTask {
  uint32_t number = 0, round = 0, rung = 0, epochs = 0;
  Values values;
};

// kUsage: a grid whose choices alone need more trials.
void CheckPlan(const SearchPlan& plan);
// Epochs of a trial; of halving those of each rung, ascending, without doubles.
std::vector<uint32_t> RungEpochs(const SearchPlan& plan);
// How many rounds there are; of a grid one.
uint32_t RoundCount(const SearchPlan& plan);
// The axes of a round as earlier rounds have narrowed them; those that it does not
// search yet are left out.
std::vector<Axis> AxesOfRound(const SearchPlan& plan, uint32_t round,
                              const std::vector<TrialResult>& earlier);
// The first trials of a round: of halving those of rung 0. `earlier`: all results
// of earlier rounds.
std::vector<TrialTask> TasksOfRound(const SearchPlan& plan, uint32_t round,
                                    const std::vector<TrialResult>& earlier);
// Halving: the next rung of a round, from the results of its rungs so far. Empty:
// the round is done.
std::vector<TrialTask> NextRung(const SearchPlan& plan, uint32_t round,
                                const std::vector<TrialResult>& of_round);

// What the rounds up to this one say, and where the next one looks (`next`, as
// AxesOfRound has it): one line.
std::string RoundText(const SearchPlan& plan, uint32_t round,
                      const std::vector<TrialResult>& results,
                      const std::vector<Axis>& next);

// True if a is better: one that trained before one that diverged before one that
// failed; then of different rungs the higher one, a higher score, the lower
// validation loss, the lower number.
bool IsBetter(const TrialResult& a, const TrialResult& b);
// Those of trials that trained in every rung that they came to.
std::vector<TrialResult> TrainedOnes(const std::vector<TrialResult>& results);
// Null if no trial trained.
const TrialResult* BestOf(const std::vector<TrialResult>& results);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_SEARCH_ROUNDS_H_
