// See chart.h.
#include "ports/cli/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/exact_math.h"

namespace temper::host {
namespace {

constexpr size_t kColumns = 66, kRows = 14;

double Log10(double x) { return exact::Log(x) / exact::Log(10.0); }

}  // namespace

std::vector<std::string> DrawLogX(const Chart& chart) {
  std::vector<std::string> lines;
  if (chart.points.size() < 2) return lines;
  const double first = Log10(chart.points.front().x);
  const double span = std::max(1e-9, Log10(chart.points.back().x) - first);
  const auto column = [&](double x) {
    const double at = (Log10(x) - first) / span * (kColumns - 1);
    return static_cast<size_t>(
        std::clamp(at + 0.5, 0.0, static_cast<double>(kColumns - 1)));
  };
  std::vector<std::string> rows(kRows, std::string(kColumns, ' '));
  // Every column shows the mean of its points.
  std::vector<double> sums(kColumns, 0.0), counts(kColumns, 0.0);
  for (const ChartPoint& p : chart.points) {
    sums[column(p.x)] += p.y;
    counts[column(p.x)] += 1;
  }
  const double height = std::max(1e-30, chart.top - chart.bottom);
  for (size_t c = 0; c < kColumns; ++c) {
    if (counts[c] == 0) continue;
    const double at = (sums[c] / counts[c] - chart.bottom) / height;
    const double row = std::clamp(at, 0.0, 1.0) * (kRows - 1);
    rows[static_cast<size_t>(row + 0.5)][c] = at > 1.0 ? '^' : '*';
  }
  for (size_t r = kRows; r-- > 0;) {
    const double label =
        chart.bottom + height * static_cast<double>(r) / (kRows - 1);
    std::string line = (r % 2 == 1 || r == 0 ? fmt::format("{:>9.4g} |", label)
                                             : std::string(9, ' ') + " |") +
                       rows[r];
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  }
  std::string axis(kColumns, '-'), names(kColumns + 6, ' ');
  for (int power = static_cast<int>(std::ceil(first - 1e-9));
       power <= first + span + 1e-9; ++power) {
    const size_t c =
        column(exact::Exp(static_cast<double>(power) * exact::Log(10.0)));
    axis[c] = '+';
    const std::string name = fmt::format("1e{}", power);
    const bool free =
        names.find_first_not_of(' ', c == 0 ? 0 : c - 1) == std::string::npos;
    if (free) names.replace(c, name.size(), name);
  }
  if (chart.high > 0) {
    std::string range(kColumns, ' ');
    for (size_t c = column(chart.low); c <= column(chart.high); ++c) {
      range[c] = '=';
    }
    if (chart.mark > 0) range[column(chart.mark)] = '#';
    range.erase(range.find_last_not_of(' ') + 1);
    lines.push_back(fmt::format("{:>9} |{}", "falls", range));
  }
  names.erase(names.find_last_not_of(' ') + 1);
  lines.push_back(fmt::format("{:>9} +{}", "", axis));
  lines.push_back(fmt::format("{:>9}  {}", "", names));
  return lines;
}

}  // namespace temper::host
