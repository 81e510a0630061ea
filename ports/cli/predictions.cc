// See predictions.h.
#include "ports/cli/predictions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "models/files/text.h"
#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"

namespace temper::host {
namespace {

// Numbers are exact: the shortest decimals that read back as they are.
Value Entry(const Prediction& p) {
  Value entry = {{"sample", p.sample}};
  if (p.error) {
    entry["error"] = ErrorValue(*p.error);
    return entry;
  }
  if (!p.classes.empty()) {
    Value& classes = entry["classes"] = Value::array();
    for (const auto& [name, probability] : p.classes) {
      classes.push_back({{"class", name}, {"probability", probability}});
    }
  }
  if (!p.values.empty()) entry["values"] = p.values;
  if (p.loss) entry["loss"] = *p.loss;
  if (!p.label.empty()) entry["label"] = p.label;
  if (!p.targets.empty()) entry["targets"] = p.targets;
  return entry;
}

// A line for people; none of a sample without an answer.
std::string Line(const Prediction& p) {
  if (p.error) return "";
  std::string line = Printable(p.sample);
  for (const auto& [name, probability] : p.classes) {
    line += fmt::format("\t{} {}", Printable(name),
                        FormatValue(probability, kShare));
  }
  if (!p.values.empty()) {
    line += fmt::format("\t{:.6g}", fmt::join(p.values, " "));
  }
  if (p.loss) line += fmt::format("\t{:.6f}", *p.loss);
  if (!p.label.empty()) line += fmt::format("\t(label {})", Printable(p.label));
  if (!p.targets.empty()) {
    line += fmt::format("\t(target {:.6g})", fmt::join(p.targets, " "));
  }
  return line;
}

}  // namespace

std::string CsvField(const std::string& text) {
  const std::string shown = IsUtf8(text) ? text : Printable(text);
  const bool blank =
      !shown.empty() && (shown.front() == ' ' || shown.back() == ' ');
  if (!blank && shown.find_first_of(",\"\r\n") == std::string::npos) {
    return shown;
  }
  std::string quoted = "\"";
  for (const char c : shown) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

PredictionWriter::PredictionWriter(Output& output, const Report& report,
                                   PredictionForm form)
    : output_(output), report_(report), form_(std::move(form)) {
  if (form_.csv.empty() || form_.csv == "-") return;
  // What takes its place is a file: a device or a folder would be gone.
  std::error_code ignored;
  const auto status = std::filesystem::status(form_.csv, ignored);
  if (std::filesystem::exists(status) &&
      !std::filesystem::is_regular_file(status)) {
    Fail(ErrorKind::kCannotCreate, "cannot write the table",
         Printable(form_.csv), "it is no file",
         "Name a file, or - for standard output.");
  }
  file_.emplace(form_.csv);
  if (!file_->Open().ok()) {
    throw Failure(ErrorKind::kCannotCreate, file_->error());
  }
}

void PredictionWriter::Begin() {
  if (begun_) return;
  begun_ = true;
  if (!form_.csv.empty()) WriteCells(Header());
  if (!output_.open()) output_.Begin(report_, "predictions");
}

std::vector<std::string> PredictionWriter::Header() const {
  std::vector<std::string> cells = {"sample"};
  for (uint32_t k = 1; k <= columns_.classes; ++k) {
    const std::string number = k == 1 ? "" : fmt::format("_{}", k);
    cells.push_back("class" + number);
    cells.push_back("probability" + number);
  }
  for (uint32_t k = 0; k < columns_.values; ++k) {
    cells.push_back(fmt::format("value_{}", k));
  }
  if (columns_.loss) cells.push_back("loss");
  if (columns_.label) cells.push_back("label");
  for (uint32_t k = 0; k < columns_.targets; ++k) {
    cells.push_back(fmt::format("target_{}", k));
  }
  cells.push_back("error");
  return cells;
}

std::vector<std::string> PredictionWriter::Cells(const Prediction& p) const {
  std::vector<std::string> cells = {CsvField(p.sample)};
  const auto number = [&](const std::vector<float>& from, size_t k) {
    cells.push_back(k < from.size() ? fmt::format("{}", from[k]) : "");
  };
  for (size_t k = 0; k < columns_.classes; ++k) {
    const bool there = k < p.classes.size();
    cells.push_back(there ? CsvField(p.classes[k].first) : "");
    cells.push_back(there ? fmt::format("{}", p.classes[k].second) : "");
  }
  for (size_t k = 0; k < columns_.values; ++k) number(p.values, k);
  if (columns_.loss) cells.push_back(p.loss ? fmt::format("{}", *p.loss) : "");
  if (columns_.label) cells.push_back(CsvField(p.label));
  for (size_t k = 0; k < columns_.targets; ++k) number(p.targets, k);
  cells.push_back(p.error ? CsvField(p.error->message) : "");
  return cells;
}

void PredictionWriter::WriteCells(const std::vector<std::string>& cells) {
  const std::string line = fmt::format("{}\n", fmt::join(cells, ","));
  if (!file_) {
    PrintResult(line);
    return;
  }
  rows_ += line;
  constexpr size_t kMost = 65536;
  if (rows_.size() >= kMost) WriteRows();
}

void PredictionWriter::WriteRows() {
  if (!file_->Write(rows_.data(), rows_.size())) Refuse();
  rows_.clear();
}

void PredictionWriter::Refuse() const {
  throw Failure(ErrorKind::kIo,
                std::string(file_->error()) + "\n  " + file_->consequence());
}

void PredictionWriter::Write(const Prediction& prediction) {
  Begin();
  if (!form_.csv.empty()) WriteCells(Cells(prediction));
  if (form_.csv == "-") return;
  const Value entry = Entry(prediction);
  if (form_.jsonl) {
    PrintResult(JsonLine(entry) + "\n");
    return;
  }
  const std::string line = output_.json ? "" : Line(prediction);
  output_.Row(entry, line.empty() ? "" : line + "\n");
}

void PredictionWriter::Flush() { (void)FlushResults(); }

void PredictionWriter::Finish() {
  Begin();
  if (!file_) return;
  WriteRows();
  if (!file_->Commit().ok()) Refuse();
}

}  // namespace temper::host
