// See schedule_plot.h.
#include "ports/cli/schedule_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace temper::host {

std::string SchedulePlot(const Schedule& schedule, uint64_t steps_per_epoch) {
  constexpr uint64_t kColumns = 60;
  constexpr size_t kRows = 12;
  const uint64_t total = schedule.total_steps;
  const size_t columns = static_cast<size_t>(std::min(kColumns, total));
  std::vector<double> rates;
  for (size_t c = 0; c < columns; ++c) {
    rates.push_back(
        LearningRate(schedule, (2 * c + 1) * total / (2 * columns)));
  }
  double most = 0;
  for (const double rate : rates) most = std::max(most, rate);
  // Row r is for rates nearest to most * r / (kRows - 1).
  const auto row_of = [&](double rate) {
    return most > 0 ? static_cast<size_t>(rate / most * (kRows - 1) + 0.5) : 0;
  };
  std::string text;
  for (size_t r = kRows; r-- > 0;) {
    const double label = most * static_cast<double>(r) / (kRows - 1);
    std::string line = r % 2 == 1 || r == 0 ? fmt::format("{:>10.3g} |", label)
                                            : fmt::format("{:>10} |", "");
    for (const double rate : rates) line += row_of(rate) == r ? '*' : ' ';
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  text += fmt::format("{:>10} +{:-<{}}\n", "", "", columns);
  const std::string end = fmt::format(
      "{} epochs of {} steps", (total + steps_per_epoch - 1) / steps_per_epoch,
      steps_per_epoch);
  text += fmt::format("{:>10}  0{:>{}}\n", "", end,
                      std::max(columns, end.size() + 2) - 1);
  return text;
}

namespace {

void AddPhase(const JobPhase& phase, uint32_t* epoch, Report* report,
              Table* table) {
  const Schedule& schedule = phase.schedule;
  const std::string plot = SchedulePlot(schedule, phase.steps_per_epoch);
  for (size_t at = 0; at < plot.size();) {
    const size_t end = plot.find('\n', at);
    report->Line(plot.substr(at, end - at));
    at = end + 1;
  }
  if (schedule.kind == ScheduleKind::kPlateau) {
    report->Line(
        "plateau: the rate falls when the loss stops falling; drawn is the "
        "rate until then");
  }
  for (uint64_t e = 0; e < phase.epochs; ++e) {
    const uint64_t first = e * phase.steps_per_epoch;
    table->Add({++*epoch, LearningRate(schedule, first),
                LearningRate(schedule, first + phase.steps_per_epoch - 1)},
               false);
  }
}

}  // namespace

void AddSchedule(const JobOptions& options, Report* report) {
  const Job job = PrepareJob(options);
  Table rates{"rates",
              {{"epoch", ""}, {"first_rate", ""}, {"last_rate", ""}},
              {},
              {},
              ""};
  uint32_t epoch = 0;
  for (uint32_t k = 0; k < job.PhaseCount(); ++k) {
    if (!job.phases.empty()) {
      report->Line(
          fmt::format("phase {}: {}", k + 1, job.options.phases[k].train));
    }
    AddPhase(job.Phase(k), &epoch, report, &rates);
  }
  report->Data("steps_per_epoch", job.steps_per_epoch);
  report->AddTable("rates", rates.columns) = rates;
}

}  // namespace temper::host
