// search.jsonl: what a search found, a line for each training.
//
//   {"search": 1, what the search is}
//   {"trial": 3, "values": {...}, "score": ...}
//
// The file may have been cut, or changed by hand: a line that is no trial of this
// search is left out, with a note that names it. Next: study.h.
#ifndef TEMPER_PORTS_HOST_SEARCH_SEARCH_FILE_H_
#define TEMPER_PORTS_HOST_SEARCH_SEARCH_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ports/host/base/value.h"
#include "ports/host/run/run_folder.h"
#include "ports/host/search/rounds.h"

namespace temper::host {

struct SearchFile {
  SearchPlan plan;     // as its first line says; ranges have four digits
  std::string header;  // that line
  std::vector<TrialResult> results;  // in the order of their lines
  std::vector<std::string> notes;    // of lines that are left out
  uint64_t bytes = 0;                // of whole lines; the last may be cut
};

// `where`: the file, for messages. kBadData: it is none of a search.
SearchFile ParseSearch(std::string_view text, const std::string& where);
// Of a search's folder. kNotFound: no such file.
SearchFile ReadSearch(const std::string& folder);
// The bytes of its file; nothing if there is none. kIo.
bool ReadSearchText(const std::string& folder, std::string* text);

// The first line of a search's file. `job`: what else decides its results.
std::string SearchHeader(const SearchPlan& plan, const Value& job);
// A result as a line, and back. kBadData.
Value ResultValue(const TrialResult& result);
TrialResult ReadResult(std::string_view line);
// Why this is no trial of the search; empty: it may be one.
std::string WhyNoTrial(const SearchPlan& plan, const TrialResult& result);

// True for errors that one trial may have while others train: its options do not
// go together, its plan does not fit. Other errors end a search.
bool IsTrialFailure(ErrorKind kind);

// The score of what is no training.
double WorstScore(bool classes);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_SEARCH_SEARCH_FILE_H_
