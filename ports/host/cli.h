// The command line: `temper VERB ...`. One file per verb (verb_*.cc), each with
// one function that declares the verb's options and what it does; the list is
// at the bottom and in cli.cc nothing else is known about them.
#ifndef TEMPER_PORTS_HOST_CLI_H_
#define TEMPER_PORTS_HOST_CLI_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "ports/host/job.h"

namespace temper::host {

// What a verb leaves behind for main: the chosen verb's work, run after
// parsing.
struct Cli {
  CLI::App app;
  std::function<int()> work;
  bool json = false;  // one JSON document on stdout, everything else on stderr

  // Declares a verb whose work is `run`.
  CLI::App* Verb(const std::string& name, const std::string& help,
                 std::function<int()> run);
};

// Parses and works; returns the exit code. Throws nothing.
int RunCli(int argc, char** argv);

// The options of train, shared by finetune and plan.
void AddJobOptions(CLI::App* verb, JobOptions* options);
// Where a run writes, and how often: --out, --save-every, --overwrite, --quiet.
void AddRunOptions(CLI::App* verb, JobOptions* options, bool* quiet);
// --threads, --target.
void AddMachineOptions(CLI::App* verb, uint32_t* threads, std::string* target);

// Numbers with a range that NaN is outside of.
CLI::Validator Whole(uint64_t min, uint64_t max);  // decimal digits only
CLI::Validator InRange(double min, double max);

void AddTrainVerb(Cli& cli);
void AddFinetuneVerb(Cli& cli);
void AddResumeVerb(Cli& cli);
void AddEvalVerb(Cli& cli);
void AddPredictVerb(Cli& cli);
void AddPlanVerb(Cli& cli);
void AddInspectVerb(Cli& cli);
void AddDataVerb(Cli& cli);
void AddBenchVerb(Cli& cli);
void AddDoctorVerb(Cli& cli);
void AddSimulateVerb(Cli& cli);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_CLI_H_
