// The parts of a page: its frame, tables, cards. Next: page.cc.
#ifndef TEMPER_PORTS_HOST_REPORT_HTML_H_
#define TEMPER_PORTS_HOST_REPORT_HTML_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace temper::host {

// The page around `body`, with its style. `title` is text.
std::string HtmlPage(std::string_view title, const std::string& body);
// A section with a heading. Nothing of an empty body.
std::string HtmlSection(std::string_view heading, const std::string& body);
// Numbers that matter, large, with what they are below.
std::string HtmlCards(
    const std::vector<std::pair<std::string, std::string>>& cards);
// Names and what they are: two columns.
std::string HtmlFacts(
    const std::vector<std::pair<std::string, std::string>>& facts);
// A table of text; the first row is its heading.
std::string HtmlTable(const std::vector<std::vector<std::string>>& rows);
// Pictures side by side where there is room.
std::string HtmlGrid(const std::vector<std::string>& parts);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_REPORT_HTML_H_
