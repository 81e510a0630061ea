// A report as one HTML page: what one run did, or how several differ. It needs no
// network and no script; pictures are inside. Next: svg_chart.h, evaluation.h.
#ifndef TEMPER_PORTS_HOST_REPORT_PAGE_H_
#define TEMPER_PORTS_HOST_REPORT_PAGE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ports/host/report/evaluation.h"
#include "ports/host/report/run_data.h"

namespace temper::host {

// Of one run, by the name of the file it could be.
struct NamedSvg {
  std::string name;  // "loss", "accuracy", ...
  std::string svg;
};

struct ReportPage {
  std::string html;
  std::vector<NamedSvg> pictures;  // all charts of the page
  std::vector<std::string> notes;  // for whoever asked for it; on the page, too
};

// `evaluation`: nothing, with the reason in `why_not`.
ReportPage RunPage(const RunData& run,
                   const std::optional<RunEvaluation>& evaluation,
                   const std::string& why_not);
// Of two or more.
ReportPage ComparisonPage(const std::vector<RunData>& runs);

// What to do next with a run in this state: a sentence, and a command ("" for
// none).
std::pair<std::string, std::string> NextAction(const RunData& run);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_REPORT_PAGE_H_
