// Fuzz target: search.jsonl, which a search goes on from and a report draws.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "models/files/text.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/search/search_file.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using namespace temper::host;

void Require(bool condition, const char* what) {
  temper::fuzz::Require(condition, what);
}

// What a search does with results of any file.
void Use(const SearchFile& file) {
  std::set<std::pair<uint32_t, uint32_t>> seen;
  for (const TrialResult& r : file.results) {
    Require(WhyNoTrial(file.plan, r).empty(), "a result is of the search");
    Require(seen.insert({r.number, r.rung}).second, "a result is there once");
    Require(r.number < file.plan.trials, "a number is one of the search");
    Require(r.curve.size() <= r.epochs, "a curve is as long as the trial");
    Require(std::isfinite(r.score), "a score is a number");
    const std::string line = JsonLine(ResultValue(r));
    Require(JsonLine(ResultValue(ReadResult(line))) == line, "read back");
  }
  if (const TrialResult* const best = BestOf(file.results)) {
    Require(best->Trained(), "the best one trained");
  }
  if (file.plan.axes.empty()) return;
  const uint32_t rounds = RoundCount(file.plan);
  for (const uint32_t round : {0u, rounds / 2, rounds - 1}) {
    const auto axes = AxesOfRound(file.plan, round, file.results);
    Require(temper::IsUtf8(JsonText(
                Value(RoundText(file.plan, round, file.results, axes)))),
            "a round is told");
    NextRung(file.plan, round, file.results);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  try {
    const SearchFile file = ParseSearch(text, "search.jsonl");
    Require(file.bytes <= size, "no more bytes than there are");
    Require(file.notes.size() <= 6, "notes are bounded");
    Use(file);
  } catch (const Failure& failure) {
    Require(failure.kind == ErrorKind::kBadData, "of bad data");
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds;
  for (const SearchMethod method :
       {SearchMethod::kRandom, SearchMethod::kHalving, SearchMethod::kGrid}) {
    SearchPlan plan;
    plan.axes = {
        {"lr", Axis::Scale::kLog, 1e-4, 1.0, {}, 0},
        {"dropout", Axis::Scale::kLinear, 0.0, 0.5, {}, 1},
        {"batch", Axis::Scale::kPower2, 8, 64, {}, 2},
        {"schedule", Axis::Scale::kChoice, 0, 0, {"cosine", "constant"}, 0}};
    plan.method = method;
    plan.trials = 24;
    plan.epochs = 9;
    std::string text = SearchHeader(plan, {{"model", "mlp"}}) + "\n";
    for (const TrialTask& task : TasksOfRound(plan, 0, {})) {
      TrialResult r;
      r.number = task.number;
      r.round = task.round;
      r.epochs = task.epochs;
      r.values = task.values;
      r.score = r.val_accuracy = 0.125 * (task.number % 8);
      r.val_loss = 1.5;
      r.curve = r.train_curve = {1.5};
      if (task.number == 3) {
        r.diverged = true, r.score = r.val_accuracy = 0;
        r.val_loss = r.curve[0] = INFINITY;
      } else if (task.number == 4) {
        r.failed = "it does not fit";
        r.failure = ErrorKind::kDoesNotFit;
        r.score = r.val_accuracy = 0;
      }
      text += JsonLine(ResultValue(r)) + "\n";
    }
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {"\n",        "\"curve\":[\"a\"]", "4000000000", "1e308",
          "null",      "\"trial\":",        "\"rung\":",  "-1",
          "1e-320",    "\"values\":{}",     "..",         "|",
          "\"axes\":", "\"halving\"",       "\"round\":", "true"};
}
void Repair(Bytes*, int64_t) {}
uint64_t Mutations() { return 4000; }

}  // namespace temper::fuzz
