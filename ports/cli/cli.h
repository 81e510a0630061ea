// The command line: `temper VERB ...`. One file per verb (verb_*.cc), each with
// one function that declares the verb's options and what it does; the list is
// at the bottom and in cli.cc nothing else is known about them.
// A verb says what it found in a Report (report.h).
// Next: option.h (what a verb declares), report.h, parser.h, help.h, job_file.h.
#ifndef TEMPER_PORTS_CLI_CLI_H_
#define TEMPER_PORTS_CLI_CLI_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "ports/cli/option.h"
#include "ports/cli/output.h"
#include "ports/host/train/job.h"

namespace temper {
struct Plan;
}

namespace temper::host {

struct Cli {
  std::deque<Verb> verbs;
  std::string verb;  // the one that runs; empty until it is known
  Output output;

  // Declares a verb whose work is `run`; it stays where it is.
  Verb& Add(const std::string& name, const std::string& help,
            std::function<int()> run);
};

// Parses and works; returns the exit code. Throws nothing.
int RunCli(int argc, char** argv);

// --threads, --target.
void AddMachineOptions(Verb& verb, uint32_t* threads, std::string* target);

// What a result was computed with: target, exact, threads; with a plan also
// backend, backend_library, why_not_exact. JSON alone.
void AddMachine(uint32_t threads, Report* report, const Plan* plan = nullptr);
// Of several jobs: exact if their backend and target are.
void AddMachine(const JobOptions& options, Report* report);

// --backend.
void AddBackendOption(Verb& verb, std::string* backend);

void AddTrainVerb(Cli& cli);
void AddFinetuneVerb(Cli& cli);
void AddResumeVerb(Cli& cli);
void AddEvalVerb(Cli& cli);
void AddPredictVerb(Cli& cli);
void AddPlanVerb(Cli& cli);
void AddInspectVerb(Cli& cli);
void AddSearchVerb(Cli& cli);
void AddReportVerb(Cli& cli);
void AddDataVerb(Cli& cli);
void AddListVerb(Cli& cli);
void AddLrFindVerb(Cli& cli);
void AddCheckVerb(Cli& cli);
void AddDiagnoseVerb(Cli& cli);
void AddBenchVerb(Cli& cli);
void AddDoctorVerb(Cli& cli);
void AddSimulateVerb(Cli& cli);
void AddHelpVerb(Cli& cli);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_CLI_H_
