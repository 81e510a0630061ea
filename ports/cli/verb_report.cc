// report: a run folder, or several side by side, as one page that a browser shows
// without a network.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/files/files.h"
#include "ports/host/base/failure.h"
#include "ports/host/os/file_io.h"
#include "ports/host/report/page.h"
#include "ports/host/report/search_page.h"

namespace temper::host {
namespace {

struct Arguments {
  std::vector<std::string> runs;
  std::string out, svg;
  bool no_data = false;
  uint32_t threads = 0;
};

void WriteText(const std::string& path, const std::string& text) {
  AtomicFile file{FilePlace(path)};
  SaveOrFail(file, [&](const ByteSink& sink) {
    return sink.write(sink.context, text.data(), text.size());
  });
}

// The page of what the folders are: a search, a run, several runs.
ReportPage MakePage(const Arguments& a, std::vector<RunData>* runs,
                    Report* report) {
  if (a.runs.size() == 1 && IsSearch(a.runs[0])) return SearchPage(a.runs[0]);
  for (const std::string& path : a.runs) runs->push_back(ReadRun(path));
  if (runs->size() > 1) return ComparisonPage(*runs);
  std::optional<RunEvaluation> evaluation;
  std::string why_not = "Not evaluated (--no-data).";
  if (!a.no_data) {
    try {
      evaluation = EvaluateRun(runs->front(), a.threads);
    } catch (const Failure& failure) {
      why_not = "Not evaluated: " + failure.message;
      constexpr std::string_view kWhat = "no confusion matrix";
      report->Note(failure.message.starts_with(kWhat)
                       ? failure.message
                       : fmt::format("{}: {}", kWhat, failure.message));
    }
  }
  return RunPage(runs->front(), evaluation, why_not);
}

int Run(Cli& cli, const Arguments& a) {
  std::vector<RunData> runs;
  Report report(cli.verb);
  const ReportPage page = MakePage(a, &runs, &report);
  report.Notes(page.notes);
  const std::string out = !a.out.empty()       ? a.out
                          : a.runs.size() == 1 ? a.runs[0] + "/report.html"
                                               : "report.html";
  WriteText(out, page.html);
  std::vector<std::string> pictures;
  if (!a.svg.empty()) {
    std::error_code error;
    std::filesystem::create_directories(a.svg, error);
    if (error) {
      Fail(ErrorKind::kIo, "--svg", Printable(a.svg), error.message(),
           "Name a folder that can be made");
    }
    for (const NamedSvg& picture : page.pictures) {
      pictures.push_back(a.svg + "/" + picture.name + ".svg");
      WriteText(pictures.back(), picture.svg);
    }
  }
  report.Fact("report", "report", out, kVerbatim);
  report.Fact("report_bytes", "size", page.html.size(), kBytes);
  report.Data("run_folders", a.runs);
  report.Data("pictures", pictures);
  if (!pictures.empty()) {
    report.Text("pictures", fmt::format("{} in {}", pictures.size(), a.svg));
  }
  for (const RunData& run : runs) {
    if (run.state == "stopped") report.Next({"resume", run.path});
  }
  return cli.output.Print(report);
}

}  // namespace

void AddReportVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb& verb = cli.Add("report",
                       "Make a page of a run: curves, memory, confusion, or of "
                       "several side by side",
                       [&cli, a] { return Run(cli, *a); });
  verb.example = "temper report runs/train";
  verb.Add("run", &a->runs, "RUN",
           "Run folders, of which several are compared, or that of a search")
      .Required()
      .Group("What");
  verb.Add("--out", &a->out, "FILE", "The page")
      .Default("report.html in the run folder; of several, here")
      .Group("Output");
  verb.Add("--svg", &a->svg, "DIR", "Each chart as a file of its own, too")
      .Group("Output");
  verb.Flag("--no-data", &a->no_data,
            "Leave out what needs the run's data: confusion matrix, worst "
            "predictions")
      .Group("What");
  verb.Add("--threads", &a->threads, "N", "Threads")
      .Whole(1, 64)
      .Default("all CPUs")
      .Group("Machine");
}

}  // namespace temper::host
