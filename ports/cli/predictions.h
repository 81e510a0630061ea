// Predictions: what a model says of samples, one after the other, in the form
// that is asked for: lines of text, rows of the one JSON document, a JSON
// document in each line (--jsonl), or a table of comma-separated values (--csv).
// There may be more samples than memory: nothing is kept.
// Next: output.h, latency.h.
#ifndef TEMPER_PORTS_CLI_PREDICTIONS_H_
#define TEMPER_PORTS_CLI_PREDICTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ports/cli/output.h"
#include "ports/files/files.h"

namespace temper::host {

// Of one sample: classes, values, a loss, or an error.
struct Prediction {
  std::string sample;
  std::vector<std::pair<std::string, float>> classes;  // the likeliest first
  std::vector<float> values;
  std::optional<float> loss;
  std::string label;           // what the data say; "": nothing
  std::vector<float> targets;  // likewise
  std::optional<ReportError> error;
};

// What all predictions have: the columns of a table.
struct PredictionColumns {
  uint32_t classes = 0;  // likeliest ones
  uint32_t values = 0;
  bool loss = false;
  bool label = false;    // the data say the class
  uint32_t targets = 0;  // values that the data say
};

struct PredictionForm {
  bool jsonl = false;
  std::string csv;  // a file, "-" for stdout, or none: ""
};

class PredictionWriter {
 public:
  // `report`: what is known before the first sample. kCannotCreate if --csv names
  // what is no file.
  PredictionWriter(Output& output, const Report& report, PredictionForm form);

  // Before the first Write.
  void SetColumns(const PredictionColumns& columns) { columns_ = columns; }
  void Write(const Prediction& prediction);
  // Everything so far is out: the reader of a stream waits for it.
  void Flush();
  // The file is in its place. kIo.
  void Finish();

 private:
  void Begin();
  // A line of the table, also its first.
  void WriteCells(const std::vector<std::string>& cells);
  void WriteRows();
  [[noreturn]] void Refuse() const;
  std::vector<std::string> Header() const;
  std::vector<std::string> Cells(const Prediction& p) const;

  Output& output_;
  const Report& report_;
  const PredictionForm form_;
  PredictionColumns columns_;
  bool begun_ = false;
  std::optional<AtomicFile> file_;
  std::string rows_;  // on their way to it
};

// A field of a table as RFC 4180 has it: in quotes where it needs them.
std::string CsvField(const std::string& text);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_PREDICTIONS_H_
