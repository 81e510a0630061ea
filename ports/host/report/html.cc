// See html.h.
#include "ports/host/report/html.h"

#include <fmt/format.h>

#include "ports/host/report/svg_chart.h"

namespace temper::host {
namespace {

constexpr std::string_view kStyle = R"CSS(
:root{color-scheme:light dark;--fg:#1c1c1c;--soft:#666;--bg:#fff;--card:#f5f5f3;
--line:#ddd;--accent:#0072b2}
@media(prefers-color-scheme:dark){:root{--fg:#e6e6e6;--soft:#a5a5a5;--bg:#161616;
--card:#222;--line:#3a3a3a;--accent:#56a8e8}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:80rem;color:var(--fg);background:var(--bg);
font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .6rem}
p{margin:.4rem 0}.soft{color:var(--soft)}
code{font:13px/1.4 ui-monospace,monospace;background:var(--card);padding:.1rem .3rem;
border-radius:4px}
.cards{display:grid;gap:.6rem;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));
margin:1rem 0}
.card{background:var(--card);border-radius:8px;padding:.6rem .8rem}
.card b{display:block;font-size:1.35rem;font-weight:600}
.grid{display:grid;gap:1rem;
grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}
.grid>*,.wide{min-width:0;margin:0}
svg{display:block;width:100%;height:auto}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:14px}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line);
white-space:nowrap}
th:first-child,td:first-child{text-align:left}
.facts td{text-align:left;white-space:normal;vertical-align:top}
.facts td:first-child{color:var(--soft);white-space:nowrap}
.matrix td{text-align:center;border:1px solid var(--line);padding:.25rem .4rem}
.matrix th{font-weight:400}
figure{margin:0}figcaption{font-size:13px;color:var(--soft)}
.worst{display:grid;gap:.8rem;
grid-template-columns:repeat(auto-fill,minmax(7.5rem,1fr))}
.worst img{width:100%;max-width:7.5rem;image-rendering:pixelated;border-radius:4px}
)CSS";

}  // namespace

std::string HtmlPage(std::string_view title, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<title>{}</title><style>{}</style></head><body>{}</body></html>\n",
      Escaped(title), kStyle, body);
}

std::string HtmlSection(std::string_view heading, const std::string& body) {
  if (body.empty()) return "";
  return fmt::format("<section><h2>{}</h2>{}</section>", Escaped(heading),
                     body);
}

std::string HtmlCards(
    const std::vector<std::pair<std::string, std::string>>& cards) {
  std::string html = "<div class=\"cards\">";
  for (const auto& [name, value] : cards) {
    html += fmt::format("<div class=\"card\"><b>{}</b>{}</div>", Escaped(value),
                        Escaped(name));
  }
  return html + "</div>";
}

std::string HtmlFacts(
    const std::vector<std::pair<std::string, std::string>>& facts) {
  if (facts.empty()) return "";
  std::string html = "<table class=\"facts\">";
  for (const auto& [name, value] : facts) {
    html += fmt::format("<tr><td>{}</td><td>{}</td></tr>", Escaped(name),
                        Escaped(value));
  }
  return html + "</table>";
}

std::string HtmlTable(const std::vector<std::vector<std::string>>& rows) {
  if (rows.size() < 2) return "";
  std::string html = "<div class=\"scroll\"><table>";
  for (size_t i = 0; i < rows.size(); ++i) {
    const char* const cell = i == 0 ? "th" : "td";
    html += "<tr>";
    for (const std::string& text : rows[i]) {
      html += fmt::format("<{0}>{1}</{0}>", cell, Escaped(text));
    }
    html += "</tr>";
  }
  return html + "</table></div>";
}

std::string HtmlGrid(const std::vector<std::string>& parts) {
  std::string html;
  for (const std::string& part : parts) {
    if (!part.empty()) html += "<figure>" + part + "</figure>";
  }
  return html.empty() ? "" : "<div class=\"grid\">" + html + "</div>";
}

}  // namespace temper::host
