// See search_page.h.
#include "ports/host/report/search_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>

#include "ports/host/report/html.h"
#include "ports/host/report/svg_chart.h"
#include "ports/host/search/study.h"

namespace temper::host {
namespace {

constexpr size_t kMostCurves = 20;
constexpr size_t kMostRows = 200;

std::optional<double> NumberOf(const std::string& text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return {};
  return value;
}

const std::string* ValueOf(const TrialResult& r, const std::string& axis) {
  for (const auto& [name, value] : r.values) {
    if (name == axis) return &value;
  }
  return nullptr;
}

// The names of all axes, in the order in which trials have them.
std::vector<std::string> AxesOf(const std::vector<TrialResult>& results) {
  std::vector<std::string> names;
  for (const TrialResult& r : results) {
    for (const auto& [name, value] : r.values) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(name);
      }
    }
  }
  return names;
}

// The score over an axis of numbers; choices stand side by side, 1, 2, ...
std::string Scatter(const std::vector<TrialResult>& results,
                    const std::string& axis, bool accuracy) {
  SvgChart chart;
  chart.title = axis;
  chart.y_label = accuracy ? "validation accuracy" : "validation loss";
  bool numbers = true, positive = true;
  double low = INFINITY, high = 0;
  std::vector<std::string> choices;
  for (const TrialResult& r : results) {
    const std::string* const value = ValueOf(r, axis);
    if (value == nullptr) continue;
    const std::optional<double> v = NumberOf(*value);
    numbers &= v.has_value();
    if (v)
      positive &= *v > 0, low = std::min(low, *v), high = std::max(high, *v);
    if (std::find(choices.begin(), choices.end(), *value) == choices.end()) {
      choices.push_back(*value);
    }
  }
  chart.log_x = numbers && positive && high >= 10 * low;
  chart.whole_x = !numbers;
  SvgSeries early, late, diverged;
  early.name = "first rounds", early.color = 4;
  late.name = "last round", late.color = 1;
  uint32_t last = 0;
  for (const TrialResult& r : results) last = std::max(last, r.round);
  for (const TrialResult& r : results) {
    const std::string* const value = ValueOf(r, axis);
    if (value == nullptr || !r.Trained()) continue;
    const double x =
        numbers ? *NumberOf(*value)
                : 1.0 + static_cast<double>(
                            std::find(choices.begin(), choices.end(), *value) -
                            choices.begin());
    const double y = accuracy ? r.val_accuracy : r.val_loss;
    (r.round == last && last > 0 ? late : early).points.push_back({x, y});
  }
  early.dots = late.dots = true;
  if (!numbers) {
    for (size_t i = 0; i < choices.size(); ++i) {
      chart.x_label +=
          fmt::format("{}{} {}", i == 0 ? "" : ", ", i + 1, choices[i]);
    }
  }
  chart.series = {early, late};
  if (late.points.empty()) chart.series = {early}, chart.series[0].name = "";
  return HasPoints(chart) ? ChartSvg(chart) : "";
}

std::string Curve(const TrialResult& r, bool accuracy) {
  SvgChart chart;
  chart.title =
      fmt::format("trial {}: {}", r.number,
                  !r.Trained() ? std::string("diverged")
                  : accuracy   ? fmt::format("{:.2f} %", 100 * r.val_accuracy)
                               : fmt::format("loss {:.4f}", r.val_loss));
  for (const auto& [name, value] : r.values) {
    chart.x_label +=
        fmt::format("{}{} {}", chart.x_label.empty() ? "" : ", ", name, value);
  }
  if (chart.x_label.empty()) chart.x_label = "the options as they were given";
  chart.whole_x = true;
  const auto add = [&](const std::vector<double>& losses, bool dashed,
                       uint32_t color) {
    SvgSeries series;
    series.dashed = dashed;
    series.color = color;
    for (size_t e = 0; e < losses.size(); ++e) {
      series.points.push_back({static_cast<double>(e + 1), losses[e]});
    }
    chart.series.push_back(std::move(series));
  };
  add(r.curve, false, 1);
  add(r.train_curve, true, 0);
  return HasPoints(chart) ? ChartSvg(chart) : "";
}

}  // namespace

bool IsSearch(const std::string& folder) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(folder + "/" + kSearchFile, ignored);
}

ReportPage SearchPage(const std::string& folder) {
  SearchFile file = ReadSearch(folder);
  std::vector<TrialResult> results = std::move(file.results);
  std::sort(results.begin(), results.end(), IsBetter);
  // Of classes the score is the accuracy, of values the negative loss.
  const bool accuracy =
      std::any_of(results.begin(), results.end(),
                  [](const TrialResult& r) { return r.score > 0; });
  const std::vector<std::string> axes = AxesOf(results);
  ReportPage page;
  page.notes = std::move(file.notes);
  std::string body = "<h1>" + Escaped(folder) + "</h1>";
  uint64_t epochs = 0;
  size_t diverged = 0, failed = 0;
  for (const TrialResult& r : results) {
    if (r.failed.empty()) epochs += r.epochs;
    diverged += r.diverged;
    failed += !r.failed.empty();
  }
  std::vector<std::pair<std::string, std::string>> cards = {
      {"trainings", fmt::format("{}", results.size())},
      {"epochs", fmt::format("{}", epochs)},
      {"diverged", fmt::format("{}", diverged)}};
  if (failed > 0) cards.push_back({"failed", fmt::format("{}", failed)});
  if (const TrialResult* const best = BestOf(results)) {
    cards.insert(cards.begin(),
                 {"best, on validation data",
                  accuracy ? fmt::format("{:.2f} %", 100 * best->val_accuracy)
                           : fmt::format("{:.4f}", best->val_loss)});
  }
  body += HtmlCards(cards);
  for (const std::string& note : page.notes) {
    body += "<p>" + Escaped(note) + "</p>";
  }
  std::vector<std::string> parts;
  for (const std::string& axis : axes) {
    std::string svg = Scatter(results, axis, accuracy);
    if (svg.empty()) continue;
    parts.push_back(svg);
    page.pictures.push_back({"search_" + axis, std::move(svg)});
  }
  body += HtmlSection("What the axes do", HtmlGrid(parts));
  parts.clear();
  for (size_t i = 0; i < std::min(kMostCurves, results.size()); ++i) {
    parts.push_back(Curve(results[i], accuracy));
  }
  body +=
      HtmlSection("Loss of the best trials: validation solid, training dashed",
                  HtmlGrid(parts));
  std::vector<std::vector<std::string>> rows = {
      {"trial", "epochs", accuracy ? "accuracy" : "loss"}};
  rows[0].insert(rows[0].end(), axes.begin(), axes.end());
  for (size_t i = 0; i < std::min(kMostRows, results.size()); ++i) {
    const TrialResult& r = results[i];
    std::vector<std::string> row = {
        fmt::format("{}", r.number), fmt::format("{}", r.epochs),
        !r.failed.empty() ? "failed: " + r.failed
        : r.diverged      ? std::string("diverged")
        : accuracy        ? fmt::format("{:.2f} %", 100 * r.val_accuracy)
                          : fmt::format("{:.4f}", r.val_loss)};
    for (const std::string& axis : axes) {
      const std::string* const value = ValueOf(r, axis);
      row.push_back(value == nullptr ? "-" : *value);
    }
    rows.push_back(std::move(row));
  }
  body += HtmlSection("Trials", HtmlTable(rows));
  page.html = HtmlPage("temper: " + folder, body);
  return page;
}

}  // namespace temper::host
