// See page.h.
#include "ports/host/report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/files/text.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/base/shell.h"
#include "ports/host/base/version.h"
#include "ports/host/report/arena_map.h"
#include "ports/host/report/html.h"
#include "ports/host/report/png_writer.h"
#include "ports/host/train/model_source.h"

namespace temper::host {
namespace {

using Facts = std::vector<std::pair<std::string, std::string>>;

std::string Percent(double share) {
  return fmt::format("{:.2f} %", 100 * share);
}

std::string Seconds(double seconds) {
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

// Rounded up, as everywhere.
std::string Mebibytes(double bytes) {
  return fmt::format("{:.2f} MiB", std::ceil(bytes / 1048576.0 * 100) / 100);
}

// A value of a configuration as a reader has it.
std::string ValueText(const Value& value) {
  if (value.kind() == Value::Kind::kText) {
    return value.AsText().empty() ? "-" : value.AsText();
  }
  return value.is_null() ? "-" : JsonText(value);
}

std::optional<double> PlannedBytes(const RunData& run) {
  const Value* const bytes =
      run.plan.is_null() ? nullptr : run.plan.Find("arena_bytes");
  if (bytes == nullptr || bytes->kind() != Value::Kind::kUnsigned) return {};
  return bytes->AsDouble();
}

// The charts that a run has numbers for.
class Charts {
 public:
  void Add(std::string name, SvgChart chart) {
    if (HasPoints(chart))
      pictures_.push_back({std::move(name), ChartSvg(chart)});
  }
  void Add(std::string name, std::string svg) {
    if (!svg.empty()) pictures_.push_back({std::move(name), std::move(svg)});
  }
  // Of the pictures since `first`.
  std::string Grid(size_t first = 0) const {
    std::vector<std::string> parts;
    for (size_t i = first; i < pictures_.size(); ++i) {
      parts.push_back(pictures_[i].svg);
    }
    return HtmlGrid(parts);
  }
  size_t size() const { return pictures_.size(); }
  std::vector<NamedSvg> Take() { return std::move(pictures_); }

 private:
  std::vector<NamedSvg> pictures_;
};

SvgChart EpochChart(std::string title, std::string y, bool log = false) {
  SvgChart chart;
  chart.title = std::move(title);
  chart.x_label = "epoch";
  chart.whole_x = true;
  chart.y_label = std::move(y);
  chart.log_y = log;
  return chart;
}

void AddEpochs(const RunData& run, Charts* charts) {
  const NumberTable& m = run.metrics;
  const auto both = [&](const char* title, const char* y, const char* train,
                        const char* val) {
    SvgChart chart = EpochChart(title, y);
    chart.log_if_steep = true;  // of accuracies none is
    chart.series.push_back(
        {"training", PointsOf(m, "epoch", train), true, false, 0});
    chart.series.push_back(
        {"validation", PointsOf(m, "epoch", val), false, false, 1});
    std::erase_if(chart.series,
                  [](const SvgSeries& s) { return s.points.empty(); });
    if (run.best_epoch != 0) {
      chart.mark = "best";
      chart.mark_x = run.best_epoch;
    }
    return chart;
  };
  charts->Add("loss", both("Loss", "loss", "train_loss", "val_loss"));
  charts->Add("accuracy",
              both("Accuracy", "share", "train_accuracy", "val_accuracy"));
  for (const auto& [column, title] :
       {std::pair{"val_mae", "Mean absolute error (validation)"},
        std::pair{"val_rmse", "Root mean squared error (validation)"},
        std::pair{"lr", "Learning rate (end of the epoch)"},
        std::pair{"clipped", "Share of clipped steps"},
        std::pair{"sparsity", "Share of weights that are 0"},
        std::pair{"penalty", "Weight decay's part of the objective"}}) {
    SvgChart chart = EpochChart(title, "");
    chart.zero = true;
    chart.series.push_back({"", PointsOf(m, "epoch", column), false, false, 2});
    charts->Add(column, chart);
  }
}

// What steps.csv holds beside the loss.
void AddSteps(const RunData& run, Charts* charts) {
  const NumberTable& s = run.steps;
  const auto add = [&](const char* name, const char* title, const char* column,
                       bool log) {
    SvgChart chart = EpochChart(title, "", log);
    chart.log_if_steep = column == std::string_view("loss");
    chart.x_label = "step";
    chart.series.push_back({"", PointsOf(s, "step", column), false, false, 6});
    charts->Add(name, chart);
  };
  add("step_loss", "Loss of single steps", "loss", false);
  add("step_rate", "Learning rate of single steps", "lr", false);
  add("gradient_norm", "Norm of the gradient", "gradient_norm", true);
  add("update_ratio", "Update ratio: |update| / |weights|", "update_ratio",
      false);
  add("update_ratio_log", "Update ratio, logarithmic", "update_ratio", true);
}

// What layers.csv holds: as many layers in a chart as there are colours.
void AddLayers(const RunData& run, Charts* charts) {
  constexpr uint32_t kMostCharts = 8;
  for (const auto& [name, ending, title] :
       {std::tuple{"layers_rms", ".rms", "Root mean square of the output"},
        std::tuple{"layers_norm", ".norm", "Norm of the weights"}}) {
    std::vector<std::string> columns;
    for (const std::string& column : run.layers.names) {
      if (column.ends_with(ending) && run.layers.Column(column) != nullptr) {
        columns.push_back(column);
      }
    }
    const size_t count = std::min<size_t>(
        kMostCharts, (columns.size() + kChartColors - 1) / kChartColors);
    for (size_t k = 0; k < count; ++k) {
      SvgChart chart = EpochChart(title, "", true);
      const size_t end =
          std::min<size_t>(columns.size(), (k + 1) * kChartColors);
      for (size_t i = k * kChartColors; i < end; ++i) {
        const std::string& column = columns[i];
        chart.series.push_back({column.substr(0, column.rfind('.')),
                                PointsOf(run.layers, "epoch", column), false,
                                false,
                                static_cast<uint32_t>(i % kChartColors)});
      }
      charts->Add(count == 1 ? name : fmt::format("{}_{}", name, k + 1), chart);
    }
  }
}

void AddRateSearch(const RunData& run, Charts* charts) {
  SvgChart chart = EpochChart("Learning-rate finder", "smoothed loss");
  if (run.options.lr > 0) {
    chart.mark = "this run";
    chart.mark_x = run.options.lr;
  }
  chart.x_label = "learning rate";
  chart.whole_x = false;
  chart.log_x = true;
  const char* const y =
      run.lr_find.Column("smoothed") != nullptr ? "smoothed" : "loss";
  chart.series.push_back({"", PointsOf(run.lr_find, "lr", y), false, false, 4});
  charts->Add("lr_find", chart);
}

std::string Matrix(const RunEvaluation& e) {
  constexpr size_t kMost = 40;
  if (e.classes.size() > kMost) {
    return fmt::format(
        "<p class=\"soft\">{} classes: `temper eval --json` has the whole "
        "matrix.</p>",
        e.classes.size());
  }
  std::string html =
      "<div class=\"scroll\"><table class=\"matrix\"><tr><th>true \\ "
      "predicted</th>";
  for (const std::string& name : e.classes) {
    html += "<th>" + Escaped(Shown(name, {}, 12)) + "</th>";
  }
  html += "<th>accuracy</th></tr>";
  for (size_t i = 0; i < e.classes.size(); ++i) {
    uint64_t row = 0;
    for (const uint64_t count : e.confusion[i]) row += count;
    html += "<tr><th>" + Escaped(Shown(e.classes[i], {}, 24)) + "</th>";
    for (size_t k = 0; k < e.classes.size(); ++k) {
      const uint64_t count = e.confusion[i][k];
      if (count == 0) {
        html += "<td></td>";
        continue;
      }
      const double share =
          static_cast<double>(count) / static_cast<double>(row);
      html += fmt::format(
          "<td style=\"background:color-mix(in srgb,{} {:.0f}%,transparent)\">"
          "{}</td>",
          i == k ? "#009e73" : "#d55e00", 8 + 62 * share, count);
    }
    html += row == 0
                ? "<td></td></tr>"
                : fmt::format("<td>{}</td></tr>",
                              Percent(static_cast<double>(e.confusion[i][i]) /
                                      static_cast<double>(row)));
  }
  return html + "</table></div>";
}

std::string Worst(const RunEvaluation& e) {
  if (e.worst.empty()) return "";
  std::string html = "<div class=\"worst\">";
  for (const WorstSample& w : e.worst) {
    html += "<figure>";
    if (!w.picture.empty()) {
      html += fmt::format("<img alt=\"\" src=\"{}\">", PngUri(w.picture));
    }
    html += fmt::format(
        "<figcaption>{}<br>is {}<br>taken for {} ({}), loss {:.2f}"
        "</figcaption></figure>",
        Escaped(w.name), Escaped(w.truth), Escaped(w.guess),
        Percent(w.probability), w.loss);
  }
  return html + "</div>";
}

// Norm and rms of every weight tensor of the best weights.
std::string Weights(const RunData& run) {
  if (run.weights.empty()) return "";
  struct Sum {
    double squares = 0, largest = 0;
    uint64_t count = 0;
  };
  std::vector<std::vector<std::string>> rows = {
      {"tensor", "values", "norm", "rms", "largest"}};
  try {
    ModelSource file(run.weights);
    std::vector<Sum> sums(file.header().weights.size());
    const StoredTensor* const first = file.header().weights.data();
    file.Read([&](const StoredTensor& tensor, bool state, uint64_t,
                  std::span<const float> values) {
      if (state) return;
      Sum& sum = sums[static_cast<size_t>(&tensor - first)];
      for (const float v : values) {
        sum.squares += double{v} * v;
        sum.largest = std::max(sum.largest, std::fabs(double{v}));
      }
      sum.count += values.size();
    });
    for (size_t i = 0; i < sums.size(); ++i) {
      const Sum& s = sums[i];
      if (s.count == 0) continue;
      rows.push_back(
          {std::string(first[i].name), fmt::format("{}", s.count),
           fmt::format("{:.4g}", std::sqrt(s.squares)),
           fmt::format("{:.4g}",
                       std::sqrt(s.squares / static_cast<double>(s.count))),
           fmt::format("{:.4g}", s.largest)});
    }
  } catch (const Failure&) {
    return "";  // the run's state says that it is damaged
  }
  return "<details><summary>Norms of the weight tensors</summary>" +
         HtmlTable(rows) + "</details>";
}

std::string Configuration(const RunData& run) {
  Facts facts;
  for (size_t i = 0; i < run.config.size(); ++i) {
    facts.emplace_back(run.config.key(i), ValueText(run.config.at(i)));
  }
  return "<details><summary>config.json</summary>" + HtmlFacts(facts) +
         "</details>";
}

std::string Environment(const RunData& run) {
  Facts facts = {{"report by", std::string(Version())}};
  for (const Value& event : run.events) {
    const Value* const kind = event.Find("event");
    if (kind == nullptr ||
        (ValueText(*kind) != "start" && ValueText(*kind) != "resume")) {
      continue;
    }
    std::string text;
    for (size_t i = 0; i < event.size(); ++i) {
      if (event.key(i) == "event") continue;
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", event.key(i),
                          ValueText(event.at(i)));
    }
    facts.emplace_back(ValueText(*kind), text);
  }
  if (!run.weights_sha256.empty()) {
    facts.emplace_back("weights", run.weights);
    facts.emplace_back("weights_sha256", run.weights_sha256);
  }
  return HtmlFacts(facts);
}

std::string Items(const std::vector<std::string>& texts) {
  std::string html;
  for (const std::string& text : texts) {
    html += "<li>" + Escaped(text) + "</li>";
  }
  return html.empty() ? "" : "<ul>" + html + "</ul>";
}

// Notes and warnings of the run.
std::string Said(const RunData& run) {
  std::vector<std::string> texts;
  for (const Value& event : run.events) {
    const Value* const text = event.Find("text");
    if (text == nullptr || text->kind() != Value::Kind::kText) continue;
    texts.push_back(text->AsText());
  }
  return Items(texts);
}

std::string Header(const RunData& run) {
  return fmt::format("<h1>{}</h1><p class=\"soft\">{} on {}</p>",
                     Escaped(run.path), Escaped(run.options.model),
                     Escaped(run.options.data));
}

std::vector<std::pair<std::string, std::string>> Verdict(const RunData& run) {
  std::vector<std::pair<std::string, std::string>> cards = {
      {"state", run.state},
      {"epochs", fmt::format("{} of {}", run.epochs_done, run.options.epochs)}};
  if (run.best_accuracy) {
    cards.emplace_back("best validation accuracy", Percent(*run.best_accuracy));
  }
  if (run.best_loss) {
    cards.emplace_back("its validation loss",
                       fmt::format("{:.4f}", *run.best_loss));
  }
  if (run.best_epoch != 0) {
    cards.emplace_back("best epoch", fmt::format("{}", run.best_epoch));
  }
  if (!run.best_loss) {
    if (const auto loss = run.metrics.Last("train_loss")) {
      cards.emplace_back("training loss", fmt::format("{:.4f}", *loss));
    }
  }
  if (const auto seconds = run.metrics.Last("seconds")) {
    cards.emplace_back("time of training", Seconds(*seconds));
  }
  if (const auto rate = run.metrics.Last("images_per_second")) {
    cards.emplace_back("samples a second", fmt::format("{:.0f}", *rate));
  }
  if (const auto bytes = PlannedBytes(run)) {
    cards.emplace_back("arena", Mebibytes(*bytes));
  }
  return cards;
}

}  // namespace

std::pair<std::string, std::string> NextAction(const RunData& run) {
  const auto with = [&](const char* verb, const std::string& rest = "") {
    return fmt::format("temper {} {}{}", verb, ShellWord(run.path), rest);
  };
  if (run.state == "stopped") return {"It can go on:", with("resume")};
  if (run.state == "diverged") {
    return {
        "It diverged: start a new run with a smaller --lr, or with --warmup.",
        ""};
  }
  if (run.state == "running") return {"It is running.", ""};
  if (run.state == "damaged") {
    return {"Its files are damaged: start a new run.", ""};
  }
  // Without a test split it is what val= holds out (SpecWithSplit).
  return {"Judge it on data that it has not been trained on:",
          with("eval", " --data " + ShellWord(run.options.val.empty()
                                                  ? run.options.data
                                                  : run.options.val))};
}

ReportPage RunPage(const RunData& run,
                   const std::optional<RunEvaluation>& evaluation,
                   const std::string& why_not) {
  Charts charts;
  const auto [action, command] = NextAction(run);
  std::string body =
      Header(run) + HtmlCards(Verdict(run)) + "<p>" + Escaped(action) +
      (command.empty() ? "" : " <code>" + Escaped(command) + "</code>") +
      "</p>";
  body += HtmlSection("What the curves say", Items(run.diagnoses));
  AddEpochs(run, &charts);
  body += HtmlSection("Epochs", charts.Grid());
  size_t first = charts.size();
  AddSteps(run, &charts);
  body += HtmlSection("Steps", charts.Grid(first));
  first = charts.size();
  AddLayers(run, &charts);
  body += HtmlSection("Layers", charts.Grid(first));
  first = charts.size();
  AddRateSearch(run, &charts);
  body += HtmlSection("Learning rate", charts.Grid(first));
  if (evaluation) {
    body += HtmlSection(fmt::format("Validation: {} of {} samples right ({})",
                                    evaluation->correct, evaluation->samples,
                                    evaluation->split),
                        Matrix(*evaluation));
    body +=
        HtmlSection("Largest losses among the wrong ones", Worst(*evaluation));
  } else {
    body += HtmlSection("Validation",
                        "<p class=\"soft\">" + Escaped(why_not) + "</p>");
  }
  const std::string map = ArenaMapSvg(run.plan);
  charts.Add("arena", map);
  body += HtmlSection(
      "Memory", map.empty() ? "" : "<div class=\"scroll\">" + map + "</div>");
  body += HtmlSection("Notes", Said(run));
  body += HtmlSection("Weights", Weights(run));
  body += HtmlSection("Configuration", Configuration(run));
  body += HtmlSection("Environment", Environment(run));
  return {HtmlPage("temper: " + run.path, body), charts.Take(), {}};
}

ReportPage ComparisonPage(const std::vector<RunData>& runs) {
  Charts charts;
  for (const auto& [name, title, train, val] :
       {std::tuple{"loss", "Loss: training dashed, validation solid",
                   "train_loss", "val_loss"},
        std::tuple{"accuracy", "Accuracy: training dashed, validation solid",
                   "train_accuracy", "val_accuracy"},
        std::tuple{"lr", "Learning rate", "", "lr"}}) {
    SvgChart chart = EpochChart(title, "");
    chart.log_if_steep = name == std::string_view("loss");
    for (uint32_t i = 0; i < runs.size(); ++i) {
      const NumberTable& m = runs[i].metrics;
      chart.series.push_back({"", PointsOf(m, "epoch", train), true, false, i});
      chart.series.push_back(
          {runs[i].path, PointsOf(m, "epoch", val), false, false, i});
    }
    charts.Add(name, chart);
  }
  std::vector<std::vector<std::string>> rows = {{"run", "state", "epochs",
                                                 "best epoch", "accuracy",
                                                 "loss", "time", "arena"}};
  for (const RunData& run : runs) {
    const auto seconds = run.metrics.Last("seconds");
    const auto bytes = PlannedBytes(run);
    rows.push_back(
        {run.path, run.state,
         fmt::format("{}/{}", run.epochs_done, run.options.epochs),
         run.best_epoch == 0 ? "-" : fmt::format("{}", run.best_epoch),
         run.best_accuracy ? Percent(*run.best_accuracy) : "-",
         run.best_loss ? fmt::format("{:.4f}", *run.best_loss) : "-",
         seconds ? Seconds(*seconds) : "-", bytes ? Mebibytes(*bytes) : "-"});
  }
  // What they do not have in common.
  std::vector<std::vector<std::string>> differences = {{"option"}};
  for (const RunData& run : runs) differences[0].push_back(run.path);
  std::vector<std::string> keys;
  for (const RunData& run : runs) {
    for (size_t i = 0; i < run.config.size(); ++i) {
      if (std::find(keys.begin(), keys.end(), run.config.key(i)) ==
          keys.end()) {
        keys.push_back(run.config.key(i));
      }
    }
  }
  for (const std::string& key : keys) {
    std::vector<std::string> row = {key};
    for (const RunData& run : runs) {
      const Value* const value = run.config.Find(key);
      row.push_back(value == nullptr ? "-" : ValueText(*value));
    }
    const bool same = std::equal(row.begin() + 2, row.end(), row.begin() + 1);
    if (!same) differences.push_back(std::move(row));
  }
  std::string body = fmt::format("<h1>{} runs</h1>", runs.size());
  body += HtmlTable(rows);
  body += HtmlSection("Curves", charts.Grid());
  body += HtmlSection("What differs", HtmlTable(differences));
  return {HtmlPage(fmt::format("temper: {} runs", runs.size()), body),
          charts.Take(),
          {}};
}

}  // namespace temper::host
