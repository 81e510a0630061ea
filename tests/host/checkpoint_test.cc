// What a checkpoint must contain before a run is resumed from it. Whole runs
// that stop and resume: cli_test.py.
#include "ports/host/train/checkpoint.h"

#include <string>

#include "temper/plan.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::ExpectFailure;

ModelDescription OfVersion(const std::string& arithmetic) {
  ModelDescription file;
  file.training["arithmetic"] = arithmetic;
  file.training["program_hash"] = std::string(1, '0');
  return file;
}

TEST(Checkpoint, OfAnotherArithmeticVersionIsRefused) {
  const std::string here = std::to_string(kArithmeticVersion);
  Job job;
  job.plan.program_hash = 1;
  for (const uint32_t version :
       {kArithmeticVersion - 1, kArithmeticVersion + 1}) {
    const std::string text = std::to_string(version);
    ExpectFailure(
        ErrorKind::kMismatch,
        {"computed by another version", std::string("arithmetic ") + text,
         std::string("this temper has ") + here, "Finish the run with"},
        [&] { ReadCounters(OfVersion(text), job); });
  }
  // The same version passes this check and fails at the next, the program.
  ExpectFailure(ErrorKind::kMismatch, {"belongs to another job"},
                [&] { ReadCounters(OfVersion(here), job); });
}

TEST(Checkpoint, WithoutAVersionIsNoCheckpoint) {
  ExpectFailure(ErrorKind::kBadData, {"lacks a counter", "arithmetic"},
                [] { ReadCounters(OfVersion(""), Job()); });
  ExpectFailure(ErrorKind::kBadData, {"no number", "arithmetic"},
                [] { ReadCounters(OfVersion("2x"), Job()); });
}

}  // namespace
}  // namespace temper::host
