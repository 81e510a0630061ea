// Study: a search that is run: rounds of trials (rounds.h), each a short training
// without a folder (recipe/trial.h), written to search.jsonl in a folder as they
// end. The same command goes on with a study that was stopped: trials that are in
// the file are not run again.
//
// A trial that cannot be trained (its options do not go together, its plan does
// not fit) is a result that failed; the others go on.
// Next: search_file.h, ports/cli/verb_search.cc.
#ifndef TEMPER_PORTS_HOST_SEARCH_STUDY_H_
#define TEMPER_PORTS_HOST_SEARCH_STUDY_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ports/host/search/rounds.h"
#include "ports/host/search/search_file.h"

namespace temper::host {

struct StudyOptions {
  // `samples` brings the data, with validation.
  JobOptions job;
  SearchPlan plan;
  bool classes = true;   // judged by validation accuracy; else by its loss
  uint32_t workers = 1;  // processes that run trials of a round side by side
  double seconds = 0;    // no round begins after so long; 0: all rounds
  std::string folder;    // empty: nothing is written
};

// Prepares a job with each choice that data or epochs may contradict, at the fewest
// epochs of a trial, without training: kUsage, kNotFound, ... for one that no trial
// can have. What one trial may lack, like memory, is left to it.
void CheckChoices(const StudyOptions& options);

enum class StudyEnd : uint8_t {
  kFinished,
  kStopped,  // `stop` said so
  kTimeUp,   // after `seconds`
};

class Study {
 public:
  // Reads what the folder already has. kUsage: it holds another study;
  // kCannotCreate: another process is at it.
  explicit Study(const StudyOptions& options);
  ~Study();
  Study(const Study&) = delete;
  Study& operator=(const Study&) = delete;

  // Observers; exceptions that they throw end the study, which can be gone on
  // with.
  std::function<void(const TrialResult&)> on_trial;
  // After a round: the axes as the next one has them.
  std::function<void(uint32_t round, const std::vector<Axis>&)> on_round;
  std::function<bool()> stop;  // asked between trials

  // Runs what is left.
  StudyEnd Run();

  // One trial outside the rounds (ask and tell), with the next number.
  TrialResult Tell(const Values& values);

  // All of them in the order of their numbers and rungs; halving has several of
  // a number.
  const std::vector<TrialResult>& results() const { return results_; }
  uint32_t kept() const { return kept_; }  // that were there at the start
  // Of lines that are left out.
  const std::vector<std::string>& notes() const { return notes_; }
  // Trials that a finished study has, and that this one has; of halving those
  // whose first rung is over.
  uint32_t planned() const;
  uint32_t trials() const;
  // That were trained: what has the values of an earlier trial is not.
  uint64_t counted_epochs() const;
  uint32_t repeated() const;  // trials with the values of an earlier one

 private:
  StudyEnd RunRounds();
  // Those of a round, with the values that they have a use for.
  std::vector<TrialTask> Tasks(uint32_t round,
                               const std::vector<TrialResult>& earlier) const;
  std::vector<TrialResult> RunTasks(const std::vector<TrialTask>& tasks);
  TrialResult Failed(const TrialTask& task, ErrorKind kind,
                     const std::string& why) const;
  TrialResult Train(const TrialTask& task, uint32_t threads) const;
  TrialResult RunTask(const TrialTask& task, uint32_t threads) const;
  void Keep(TrialResult result);
  const TrialResult* Known(const TrialTask& task) const;
  // Of another trial that is the same training; null.
  const TrialResult* Same(const TrialTask& task) const;
  void KeepCopy(const TrialTask& task);
  std::string Header() const;
  void Lock();
  void Write(const std::string& line);

  const StudyOptions options_;
  const std::chrono::steady_clock::time_point began_;
  std::vector<TrialResult> results_;
  std::vector<std::string> notes_;
  uint32_t kept_ = 0;
  int folder_ = -1;  // open and locked
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_SEARCH_STUDY_H_
