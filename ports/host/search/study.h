// Study: a search that is run: rounds of trials (rounds.h), each a short training
// without a folder (recipe/trial.h), written to search.jsonl in a folder as they
// end. The same command goes on with a study that was stopped: trials that are in
// the file are not run again.
//
//   search.jsonl   {"search": 1, what the study is}
//                  {"trial": 3, "values": {...}, "score": ...}, a line each
// Next: ports/cli/verb_search.cc.
#ifndef TEMPER_PORTS_HOST_SEARCH_STUDY_H_
#define TEMPER_PORTS_HOST_SEARCH_STUDY_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ports/host/base/value.h"
#include "ports/host/search/rounds.h"

namespace temper::host {

inline constexpr const char* kSearchFile = "search.jsonl";

struct StudyOptions {
  // `samples` brings the data, with validation.
  JobOptions job;
  SearchPlan plan;
  bool classes = true;   // judged by validation accuracy; else by its loss
  uint32_t workers = 1;  // processes that run trials of a round side by side
  double seconds = 0;    // no round begins after so long; 0: all rounds
  std::string folder;    // empty: nothing is written
};

// A result as a line of search.jsonl, and back. kBadData.
Value ResultValue(const TrialResult& result);
TrialResult ReadResult(std::string_view line);
// The results of a search's folder, in their order; the last line may be cut.
// kNotFound: no such file; kBadData: it is none of a search.
std::vector<TrialResult> ReadResults(const std::string& folder);

class Study {
 public:
  // Reads what the folder already has. kUsage: it holds another study.
  explicit Study(const StudyOptions& options);

  // Observers; exceptions that they throw end the study, which can be gone on
  // with.
  std::function<void(const TrialResult&)> on_trial;
  // After a round: the axes as the next one has them.
  std::function<void(uint32_t round, const std::vector<Axis>&)> on_round;
  std::function<bool()> stop;  // asked between trials

  // Runs what is left. False if it was stopped before the end.
  bool Run();

  // One trial outside the rounds (ask and tell), with the next number.
  TrialResult Tell(const Values& values);

  // All of them in the order of their numbers and rungs; halving has several of
  // a number.
  const std::vector<TrialResult>& results() const { return results_; }
  uint32_t kept() const { return kept_; }  // that were there at the start
  uint64_t counted_epochs() const;

 private:
  std::vector<TrialResult> RunTasks(const std::vector<TrialTask>& tasks);
  TrialResult RunTask(const TrialTask& task, uint32_t threads) const;
  void Keep(TrialResult result);
  const TrialResult* Known(const TrialTask& task) const;
  std::string Header() const;
  void Write(const std::string& line);

  const StudyOptions options_;
  const std::chrono::steady_clock::time_point began_;
  std::vector<TrialResult> results_;
  uint32_t kept_ = 0;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_SEARCH_STUDY_H_
