// A search as one HTML page: what each trial came to, over every axis, and the
// curves of the best. Next: page.h, ports/host/search/study.h.
#ifndef TEMPER_PORTS_HOST_REPORT_SEARCH_PAGE_H_
#define TEMPER_PORTS_HOST_REPORT_SEARCH_PAGE_H_

#include <string>

#include "ports/host/report/page.h"

namespace temper::host {

// True if the folder is that of a search.
bool IsSearch(const std::string& folder);
// kNotFound, kBadData as ReadSearch.
ReportPage SearchPage(const std::string& folder);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_REPORT_SEARCH_PAGE_H_
