// The verbs, and how each of them ends. See cli.h.
#include "ports/cli/cli.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <new>
#include <system_error>

#include "models/files/text.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/messages.h"
#include "ports/cli/parser.h"
#include "ports/cli/progress.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/version.h"
#include "ports/host/data/read_progress.h"
#include "ports/host/train/backend.h"
#include "simd/target.h"
#include "temper/parallel.h"
#include "temper/plan.h"

namespace temper::host {
namespace {

constexpr void (*kVerbs[])(Cli&) = {
    AddTrainVerb,   AddFinetuneVerb, AddResumeVerb,  AddEvalVerb,
    AddPredictVerb, AddPlanVerb,     AddInspectVerb, AddListVerb,
    AddSearchVerb,  AddReportVerb,   AddDataVerb,    AddLrFindVerb,
    AddCheckVerb,   AddDiagnoseVerb, AddBenchVerb,   AddSimulateVerb,
    AddDoctorVerb,  AddHelpVerb};

constexpr const char* kNoOutput = "cannot write to standard output";

int Fail(Cli& cli, int code, const std::string& message) {
  return cli.output.Fail(cli.verb, code, message);
}

}  // namespace

Verb& Cli::Add(const std::string& name, const std::string& help,
               std::function<int()> run) {
  return verbs.emplace_back(name, help, std::move(run));
}

void AddMachineOptions(Verb& verb, uint32_t* threads, std::string* target) {
  verb.Add("--threads", threads, "N", "Threads; results do not depend on them")
      .Whole(1, kMaxThreads)
      .Default("all CPUs")
      .Group("Machine");
  verb.Add("--target", target, "NAME",
           "SIMD target: avx2, avx3 (or avx512), neon, sve, sse4, scalar")
      .Default("the best")
      .Group("Machine");
}

void AddMachine(uint32_t threads, Report* report, const Plan* plan) {
  const simd::Target target = simd::CurrentTarget();
  report->Data("target", target.name);
  report->Data("threads", threads);
  if (plan == nullptr) {
    report->Data("exact", target.exact);
    return;
  }
  const std::string why = WhyNotExact(*plan);
  report->Data("exact", why.empty());
  report->Data("why_not_exact", why.empty() ? Value() : Value(why));
  const BackendTraits backend = BackendInfo(
      plan->segments.empty() ? Backend::kHighway : plan->options.backend);
  report->Data("backend", backend.name);
  report->Data("backend_library",
               backend.library[0] == 0 ? Value() : Value(backend.library));
}

void AddMachine(const JobOptions& options, Report* report) {
  const simd::Target target = simd::CurrentTarget();
  report->Data("target", target.name);
  report->Data("threads", options.threads);
  report->Data("exact", target.exact &&
                            ReadBackend(options.backend) == Backend::kHighway);
}

void AddBackendOption(Verb& verb, std::string* backend) {
  verb.Add("--backend", backend, "NAME",
           "Who computes layers that do not train: highway (exact), xnnpack")
      .Check([](const std::string& name) -> std::string {
        for (uint32_t i = 0; i < static_cast<uint32_t>(Backend::kCount); ++i) {
          if (name == BackendInfo(static_cast<Backend>(i)).name) return "";
        }
        return fmt::format("must be one of {}", BackendNames());
      })
      .Group("Machine");
}

int RunCli(int argc, char** argv) {
  OpenStandardDescriptors();
  Cli cli;
  // A file-size limit is an error of write(2), not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);  // messages.h: EndWithReader
  // Known before anything else can fail: every exit has its document.
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") break;
    cli.output.json |= word == "--json" || word.substr(0, 7) == "--json=";
  }
  bool quiet = cli.output.json;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    quiet |= word == "--quiet" || word == "-q";
    if (!IsUtf8(argv[i])) {
      return Fail(
          cli, kExitUsage,
          fmt::format("argument {} is not UTF-8: {}", i, Printable(argv[i])));
    }
  }
  if (!quiet) ReadProgress::Tell(ShowReading);
  // Commands that it prints work as they stand there.
  if (argc > 0 && argv[0][0] != '\0' && IsUtf8(argv[0])) SetProgram(argv[0]);
  try {
    for (const auto add : kVerbs) add(cli);
    for (const Verb& verb : cli.verbs) {
      if (argc > 1 && verb.name == argv[1]) cli.verb = verb.name;
    }
    bool json = false;
    for (Verb& verb : cli.verbs) {
      verb.Flag("--json", &json, "One JSON document on stdout")
          .Group("Output")
          .NotInFiles();
    }
    const Parsed parsed = ParseWords(
        cli.verbs, argc, argv,
        fmt::format("temper {} (arithmetic {}, Highway {}, {})", Version(),
                    kArithmeticVersion, simd::HighwayVersion(), Compiler()));
    int code = kExitOk;
    if (parsed.verb == nullptr) {
      PrintResult(parsed.text);
    } else {
      cli.verb = parsed.verb->name;
      for (const auto& after : parsed.verb->after) after();
      CheckGiven(*parsed.verb);
      code = parsed.verb->run();
    }
    // What a stopped run says of itself counts more than its output: a terminal
    // that is gone takes both.
    if (!FlushResults() && code == kExitOk) {
      return Fail(cli, kExitIo, kNoOutput);
    }
    return code;
  } catch (const Failure& failure) {
    return Fail(cli, ExitCodeOf(failure.kind), failure.message);
  } catch (const std::system_error& error) {
    return Fail(cli, kExitIo, error.what());
  } catch (const std::bad_alloc&) {
    return Fail(cli, kExitDoesNotFit,
                "out of memory outside the arena (data set, files).");
  } catch (const std::exception& error) {
    return Fail(
        cli, kExitBug,
        fmt::format("a bug in temper, please report it: {}", error.what()));
  }
}

}  // namespace temper::host
