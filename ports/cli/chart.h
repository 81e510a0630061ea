// A curve drawn in characters: at most 80 columns, ASCII.
#ifndef TEMPER_PORTS_CLI_CHART_H_
#define TEMPER_PORTS_CLI_CHART_H_

#include <string>
#include <vector>

namespace temper::host {

struct ChartPoint {
  double x = 0, y = 0;
};

struct Chart {
  std::vector<ChartPoint> points;  // x ascends and is > 0
  // What y is shown: others are drawn at the edge, those above as '^'.
  double bottom = 0, top = 1;
  // Columns within it stand under a line; none if high is 0.
  double low = 0, high = 0;
  // A value of x that gets a mark; 0: none.
  double mark = 0;
};

// Lines, x on a logarithmic axis with its powers of ten.
std::vector<std::string> DrawLogX(const Chart& chart);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_CHART_H_
