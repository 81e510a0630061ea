// Charts as SVG text: lines over a linear or logarithmic axis, points, bars. A
// chart stands alone (its style is inside) and goes into a page as it is; dark
// and light follow what the reader's system asks for.
// Next: page.h (the page of them), arena_map.h (another picture).
#ifndef TEMPER_PORTS_HOST_REPORT_SVG_CHART_H_
#define TEMPER_PORTS_HOST_REPORT_SVG_CHART_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace temper::host {

struct SvgPoint {
  double x = 0, y = 0;  // one that is not finite breaks the line
};

struct SvgSeries {
  std::string name;  // in the legend; empty: not in it
  std::vector<SvgPoint> points;
  bool dashed = false;
  bool dots = false;   // points instead of a line
  uint32_t color = 0;  // of kChartColors
};
inline constexpr uint32_t kChartColors = 8;

struct SvgChart {
  std::string title;
  std::string x_label, y_label;
  bool log_x = false, log_y = false;  // values of 0 and below are left out
  // The y axis is logarithmic if the highest value would press the others flat.
  bool log_if_steep = false;
  bool zero = false;     // the y axis begins at 0
  bool whole_x = false;  // x counts: labels are whole numbers
  std::vector<SvgSeries> series;
  double mark_x = 0;  // a vertical line there
  std::string mark;   // its name; empty: none
};

// True if some series has a point that can be drawn.
bool HasPoints(const SvgChart& chart);
// At most some 40 kB, whatever the number of points: neighbours are drawn as
// their lowest and highest.
std::string ChartSvg(const SvgChart& chart);

// Ascending numbers at which an axis from `low` to `high` is labelled: about
// `wanted` of 1, 2 or 5 times a power of ten. Needs low < high, both finite.
std::vector<double> AxisTicks(double low, double high, int wanted);

// What every SVG of a report begins with, and the colours of its classes.
std::string SvgOpen(uint32_t width, uint32_t height, std::string_view title);
// Text as SVG and HTML have it: well-formed UTF-8 with the characters of markup
// escaped; controls are shown as they are printed (models/files/text.h).
std::string Escaped(std::string_view text);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_REPORT_SVG_CHART_H_
