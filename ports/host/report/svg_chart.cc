// See svg_chart.h.
#include "ports/host/report/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "models/files/text.h"

namespace temper::host {
namespace {

constexpr double kWidth = 640, kPlotHeight = 240;
constexpr double kLeft = 64, kRight = 14, kTop = 30, kBottom = 44;
constexpr double kLegendRow = 20, kLetter = 9;
constexpr size_t kMostPoints = 240;  // columns of a line

// Okabe and Ito's colours, which colour-blind readers can tell apart; yellow is
// too light for a line.
constexpr const char* kLight[kChartColors] = {"#0072b2", "#d55e00", "#009e73",
                                              "#cc79a7", "#56b4e9", "#a6761d",
                                              "#7570b3", "#444444"};
constexpr const char* kDark[kChartColors] = {"#56a8e8", "#ff8c42", "#2fcf9f",
                                             "#e59ac7", "#8fd3ff", "#d6a84b",
                                             "#a9a4e8", "#bbbbbb"};

struct Axis {
  double low = 0, high = 1;
  bool log = false;
  double from = 0, to = 1;  // pixels

  // Differences of what it takes are finite.
  bool Takes(double v) const {
    return std::fabs(v) <= 1e300 && (!log || v > 0);
  }
  double Of(double v) const { return log ? std::log10(v) : v; }
  double At(double v) const {
    return from + (Of(v) - low) / (high - low) * (to - from);
  }
};

// The range of all that can be drawn, in the axis' own measure.
template <class Get>
void Range(const SvgChart& chart, Get&& get, Axis* axis) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const SvgSeries& s : chart.series) {
    for (const SvgPoint& p : s.points) {
      const double v = get(p);
      if (!axis->Takes(v)) continue;
      low = std::min(low, axis->Of(v));
      high = std::max(high, axis->Of(v));
    }
  }
  if (!(low <= high)) low = 0, high = 1;
  if (low == high) {
    const double room = axis->log ? 0.5 : std::max(std::fabs(low) * 0.1, 1e-9);
    low -= room, high += room;
  }
  axis->low = low, axis->high = high;
}

std::string TickText(double v) {
  if (v == 0) return "0";
  const double size = std::fabs(v);
  if (size >= 1e5 || size < 1e-3) return fmt::format("{:.3g}", v);
  return fmt::format("{:.6g}", v);
}

// Ticks of an axis and what stands at them.
std::vector<std::pair<double, std::string>> TicksOf(const Axis& axis,
                                                    int wanted,
                                                    bool whole = false) {
  std::vector<std::pair<double, std::string>> ticks;
  if (!axis.log || axis.high - axis.low < 1.0) {
    // Less than a decade: a linear scale's numbers say more.
    const double low = axis.log ? std::pow(10.0, axis.low) : axis.low;
    const double high = axis.log ? std::pow(10.0, axis.high) : axis.high;
    for (const double v : AxisTicks(low, high, wanted)) {
      if (!whole || v == std::floor(v)) ticks.emplace_back(v, TickText(v));
    }
    return ticks;
  }
  const int first = static_cast<int>(std::ceil(axis.low - 1e-9));
  const int last = static_cast<int>(std::floor(axis.high + 1e-9));
  const int step = std::max(1, (last - first) / wanted);
  for (int e = first; e <= last; e += step) {
    ticks.emplace_back(std::pow(10.0, e),
                       e >= -3 && e <= 4
                           ? fmt::format("{:.6g}", std::pow(10.0, e))
                           : fmt::format("1e{}", e));
  }
  return ticks;
}

// The path of a line. Of many points a column of pixels keeps the lowest and
// the highest.
std::string Path(const SvgSeries& series, const Axis& x, const Axis& y) {
  struct Pixel {
    double x, y;
  };
  std::string path;
  std::vector<Pixel> part;
  const auto flush = [&] {
    if (part.size() == 1) {  // a point alone: a dot
      path += fmt::format("M{:.1f} {:.1f}h.1", part[0].x, part[0].y);
    } else {
      for (size_t i = 0; i < part.size(); ++i) {
        path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", part[i].x,
                            part[i].y);
      }
    }
    part.clear();
  };
  const size_t n = series.points.size();
  const size_t group = n <= 2 * kMostPoints ? 1 : n / kMostPoints + 1;
  for (size_t first = 0; first < n; first += group) {
    const size_t last = std::min(n, first + group);
    std::vector<Pixel> seen;
    bool broken = false;
    for (size_t i = first; i < last; ++i) {
      const SvgPoint& p = series.points[i];
      if (!x.Takes(p.x) || !y.Takes(p.y)) {
        broken = true;
        continue;
      }
      seen.push_back({x.At(p.x), y.At(p.y)});
    }
    if (!seen.empty()) {
      const auto [low, high] = std::minmax_element(
          seen.begin(), seen.end(),
          [](const Pixel& a, const Pixel& b) { return a.y < b.y; });
      part.push_back(low <= high ? *low : *high);
      if (low != high) part.push_back(low <= high ? *high : *low);
    }
    if (broken) flush();
  }
  flush();
  return path;
}

std::string Dots(const SvgSeries& series, const Axis& x, const Axis& y) {
  std::string dots;
  const size_t most = 2 * kMostPoints;
  const size_t step = series.points.size() / most + 1;
  for (size_t i = 0; i < series.points.size(); i += step) {
    const SvgPoint& p = series.points[i];
    if (!x.Takes(p.x) || !y.Takes(p.y)) continue;
    dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>",
                        x.At(p.x), y.At(p.y));
  }
  return dots;
}

struct Legend {
  std::string svg;
  double height = 0;
};
Legend LegendOf(const SvgChart& chart, double top) {
  Legend legend;
  double x = kLeft, y = top;
  for (const SvgSeries& s : chart.series) {
    if (s.name.empty()) continue;
    const std::string name = Shown(s.name, {}, 40);
    const double width = 30 + kLetter * static_cast<double>(Columns(name));
    if (x > kLeft && x + width > kWidth - kRight) x = kLeft, y += kLegendRow;
    legend.svg += fmt::format(
        "<path class=\"l c{}{}\" d=\"M{:.0f} {:.0f}h18\"/>"
        "<text class=\"n\" x=\"{:.0f}\" y=\"{:.0f}\">{}</text>",
        s.color % kChartColors, s.dashed ? " d" : "", x, y, x + 23, y + 4,
        Escaped(name));
    x += width;
  }
  if (!legend.svg.empty()) legend.height = y - top + kLegendRow;
  return legend;
}

}  // namespace

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : Shown(text, "\n")) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::vector<double> AxisTicks(double low, double high, int wanted) {
  std::vector<double> ticks;
  const double rough = (high - low) / std::max(1, wanted);
  if (!(rough > 0) || !std::isfinite(rough)) return ticks;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double times : {1.0, 2.0, 5.0}) {
    if (times * power >= rough * 0.999) {
      step = times * power;
      break;
    }
  }
  const double first = std::ceil(low / step - 1e-9);
  for (double i = first; i * step <= high + 1e-9 * step; ++i) {
    if (ticks.size() >= 64) break;  // rounding cannot make it endless
    ticks.push_back(i == 0 ? 0.0 : i * step);
  }
  return ticks;
}

std::string SvgOpen(uint32_t width, uint32_t height, std::string_view title) {
  std::string colors, dark;
  for (uint32_t i = 0; i < kChartColors; ++i) {
    colors += fmt::format(".c{0}{{stroke:{1}}}.f{0}{{fill:{1}}}", i, kLight[i]);
    dark += fmt::format(".c{0}{{stroke:{1}}}.f{0}{{fill:{1}}}", i, kDark[i]);
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" "
      "role=\"img\"><title>{2}</title><style>"
      "text{{font:12px system-ui,sans-serif;fill:#333}}.t{{font-weight:600;"
      "font-size:14px}}.g{{stroke:#ddd;fill:none}}.a{{stroke:#888;fill:none}}"
      ".l{{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
      "}"
      // A narrow screen makes pictures small, not what they say.
      ".d{{stroke-dasharray:5 "
      "4}}@media(max-width:600px){{text{{font-size:18px}}"
      ".t{{font-size:20px}}.n{{font-size:15px}}}}{3}@media(prefers-color-"
      "scheme:dark){{"
      "text{{fill:#ddd}}.g{{stroke:#3a3a3a}}.a{{stroke:#888}}{4}}}</style>",
      width, height, Escaped(title), colors, dark);
}

bool HasPoints(const SvgChart& chart) {
  for (const SvgSeries& s : chart.series) {
    for (const SvgPoint& p : s.points) {
      if (std::isfinite(p.x) && std::isfinite(p.y) &&
          (!chart.log_x || p.x > 0) && (!chart.log_y || p.y > 0)) {
        return true;
      }
    }
  }
  return false;
}

// One value far above most of them, none of which an axis of logarithms lacks.
bool IsSteep(const SvgChart& chart) {
  constexpr double kSteep = 20;  // times the median
  std::vector<double> values;
  for (const SvgSeries& series : chart.series) {
    for (const SvgPoint& p : series.points) {
      if (!std::isfinite(p.y)) continue;
      if (!(p.y > 0)) return false;
      values.push_back(p.y);
    }
  }
  if (values.size() < 3) return false;
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *std::max_element(middle, values.end()) > kSteep * *middle;
}

std::string ChartSvg(const SvgChart& given) {
  SvgChart chart = given;
  if (chart.log_if_steep && !chart.log_y && IsSteep(chart)) {
    chart.log_y = true;
    chart.title += ", logarithmic";
  }
  Axis x, y;
  x.log = chart.log_x, y.log = chart.log_y;
  Range(
      chart, [](const SvgPoint& p) { return p.x; }, &x);
  Range(
      chart, [](const SvgPoint& p) { return p.y; }, &y);
  if (chart.zero && !y.log) {
    y.low = std::min(0.0, y.low);
    y.high = std::max(y.high, y.low + 1e-9);
  }
  const double room = (y.high - y.low) * 0.04;
  if (!(chart.zero && y.low == 0)) y.low -= room;
  y.high += room;
  const Legend legend = LegendOf(chart, kTop + 10);
  const double top = kTop + legend.height;
  x.from = kLeft, x.to = kWidth - kRight;
  y.from = top + kPlotHeight, y.to = top + 4;
  const double height = top + kPlotHeight + kBottom;

  std::string svg = SvgOpen(static_cast<uint32_t>(kWidth),
                            static_cast<uint32_t>(height), chart.title);
  svg += fmt::format("<text class=\"t\" x=\"{}\" y=\"18\">{}</text>", kLeft,
                     Escaped(chart.title));
  svg += legend.svg;
  for (const auto& [value, text] : TicksOf(y, 5)) {
    if (!y.Takes(value)) continue;
    const double at = y.At(value);
    svg += fmt::format(
        "<path class=\"g\" d=\"M{0} {1:.1f}H{2}\"/><text x=\"{3}\" "
        "y=\"{4:.1f}\" "
        "text-anchor=\"end\">{5}</text>",
        kLeft, at, kWidth - kRight, kLeft - 6, at + 4, text);
  }
  for (const auto& [value, text] : TicksOf(x, 8, chart.whole_x)) {
    if (!x.Takes(value)) continue;
    const double at = x.At(value);
    svg += fmt::format(
        "<path class=\"g\" d=\"M{0:.1f} {1:.1f}V{2:.1f}\"/><text x=\"{0:.1f}\" "
        "y=\"{3:.1f}\" text-anchor=\"middle\">{4}</text>",
        at, y.to, y.from, y.from + 16, text);
  }
  svg += fmt::format("<path class=\"a\" d=\"M{0} {1:.1f}V{2:.1f}H{3}\"/>",
                     kLeft, y.to, y.from, kWidth - kRight);
  if (!chart.mark.empty() && x.Takes(chart.mark_x)) {
    const double at = x.At(chart.mark_x);
    const bool left = at > (x.from + x.to) / 2;
    svg += fmt::format(
        "<path class=\"a d\" d=\"M{0:.1f} {1:.1f}V{2:.1f}\"/><text "
        "x=\"{3:.1f}\" "
        "y=\"{4:.1f}\" text-anchor=\"{5}\">{6}</text>",
        at, y.to, y.from, at + (left ? -5 : 5), y.to + 12,
        left ? "end" : "start", Escaped(chart.mark));
  }
  for (const SvgSeries& s : chart.series) {
    const uint32_t color = s.color % kChartColors;
    if (s.dots) {
      svg += fmt::format("<g class=\"f{}\">{}</g>", color, Dots(s, x, y));
      continue;
    }
    const std::string path = Path(s, x, y);
    if (path.empty()) continue;
    svg += fmt::format("<path class=\"l c{}{}\" d=\"{}\"/>", color,
                       s.dashed ? " d" : "", path);
  }
  svg += fmt::format(
      "<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>",
      (x.from + x.to) / 2, y.from + 34, Escaped(chart.x_label));
  if (!chart.y_label.empty()) {
    svg += fmt::format(
        "<text transform=\"translate(13 {:.1f})rotate(-90)\" "
        "text-anchor=\"middle\">{}</text>",
        (y.from + y.to) / 2, Escaped(chart.y_label));
  }
  return svg + "</svg>";
}

}  // namespace temper::host
