// The table of columns, and reading rows of other tables. See metrics_log.h.
#include "ports/host/run/metrics_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "ports/host/data/data_option.h"

namespace temper::host {
namespace {

constexpr std::string_view kEpoch = "epoch", kStep = "step",
                           kValLoss = "val_loss", kSeconds = "seconds";

// Shortest text that reads back as the same float: equal runs, equal files.
template <class T>
char* Shortest(T value, char* to) {
  return fmt::format_to(to, "{}", value);
}
char* OrEmpty(const std::optional<float>& value, char* to) {
  return value ? Shortest(*value, to) : to;
}

constexpr MetricsColumn kColumns[] = {
    {kEpoch,
     [](const MetricsRow& r, char* to) { return Shortest(r.epoch, to); }, true},
    {kStep, [](const MetricsRow& r, char* to) { return Shortest(r.step, to); },
     true},
    {"lr", [](const MetricsRow& r, char* to) { return Shortest(r.lr, to); },
     true},
    {"train_loss",
     [](const MetricsRow& r, char* to) { return Shortest(r.train_loss, to); },
     true},
    {"train_accuracy",
     [](const MetricsRow& r, char* to) {
       return OrEmpty(r.train_accuracy, to);
     },
     true},
    {"penalty",
     [](const MetricsRow& r, char* to) { return Shortest(r.penalty, to); },
     true},
    {kValLoss,
     [](const MetricsRow& r, char* to) { return OrEmpty(r.val_loss, to); },
     true},
    {"val_accuracy",
     [](const MetricsRow& r, char* to) { return OrEmpty(r.val_accuracy, to); },
     true},
    // Bounded: {:.1f} of 1e300 would have 300 digits.
    {"images_per_second",
     [](const MetricsRow& r, char* to) {
       return fmt::format_to(to, "{:.1f}",
                             std::clamp(r.images_per_second, 0.0, 1e15));
     },
     true},
    {kSeconds,
     [](const MetricsRow& r, char* to) {
       return fmt::format_to(to, "{:.3f}", std::clamp(r.seconds, 0.0, 1e15));
     },
     true},
    {"best",
     [](const MetricsRow& r, char* to) {
       *to = r.best ? '1' : '0';
       return to + 1;
     },
     true},
    {"val_mae",
     [](const MetricsRow& r, char* to) { return OrEmpty(r.val_mae, to); },
     false, &MetricsKinds::errors},
    {"val_rmse",
     [](const MetricsRow& r, char* to) { return OrEmpty(r.val_rmse, to); },
     false, &MetricsKinds::errors},
    {"clipped",
     [](const MetricsRow& r, char* to) { return OrEmpty(r.clipped, to); },
     false, &MetricsKinds::clipped},
    {"sparsity",
     [](const MetricsRow& r, char* to) { return OrEmpty(r.sparsity, to); },
     false, &MetricsKinds::sparsity},
    {"val_balanced_accuracy",
     [](const MetricsRow& r, char* to) {
       return OrEmpty(r.val_balanced_accuracy, to);
     },
     false, &MetricsKinds::classes},
    {"val_f1",
     [](const MetricsRow& r, char* to) { return OrEmpty(r.val_f1, to); }, false,
     &MetricsKinds::classes},
    {"val_auc",
     [](const MetricsRow& r, char* to) { return OrEmpty(r.val_auc, to); },
     false, &MetricsKinds::classes},
};

// Calls f(text) for each field of a line.
template <class F>
void ForEachField(std::string_view line, F&& f) {
  for (;;) {
    const size_t comma = line.find(',');
    f(line.substr(0, comma));
    if (comma == line.npos) return;
    line.remove_prefix(comma + 1);
  }
}

std::string HeaderOf(std::span<const MetricsColumn> columns) {
  std::string header;
  for (const MetricsColumn& column : columns) {
    header += header.empty() ? "" : ",";
    header += column.name;
  }
  return header;
}

}  // namespace

std::vector<MetricsColumn> MetricsColumns(const MetricsKinds& kinds) {
  std::vector<MetricsColumn> columns;
  for (const MetricsColumn& column : kColumns) {
    if (column.of == nullptr || kinds.*column.of) columns.push_back(column);
  }
  return columns;
}

MetricsLog::MetricsLog(const FilePlace& place,
                       std::vector<MetricsColumn> columns)
    : columns_(std::move(columns)), file_(place, AppendFile::Mode::kNew) {
  Begin();
}

// Empties the file; our own columns.
void MetricsLog::Begin() {
  order_.clear();
  for (const MetricsColumn& column : columns_) order_.push_back(&column);
  const std::string header = HeaderOf(columns_) + "\n";
  file_.Truncate(0);
  file_.Append(header.data(), header.size());
  file_.Sync();  // the first checkpoint must not be ahead of it
}

MetricsLog::MetricsLog(const FilePlace& place, uint32_t epochs,
                       std::vector<MetricsColumn> columns)
    : columns_(std::move(columns)), file_(place, AppendFile::Mode::kResume) {
  bool first = true, ours = false;
  bool again = false;  // what follows are rows that training makes again
  const AppendFile::Lines lines = file_.ReadLines([&](std::string_view line) {
    if (first) {
      first = false;
      ours = ReadHeader(line);
      return ours;
    }
    const std::optional<Kept> row = ParseRow(line);
    if (!row.has_value() || row->epoch <= last_.epoch) return false;
    again = row->epoch > epochs;
    if (again) return false;
    last_ = *row;
    ++kept_;
    return true;
  });
  if (!ours) {
    if (first && HeaderOf(columns_).starts_with(lines.half)) {
      dropped_ = lines.half.empty() ? 0 : 1;  // a crash while it was begun
      if (epochs > 0) {
        file_.Warn("the rows of the finished epochs are lost", "it is empty");
      }
    } else {
      file_.MoveAside("its first line names other columns");
    }
    Begin();
    return;
  }
  dropped_ = static_cast<uint32_t>(lines.lost) + (lines.half.empty() ? 0 : 1);
  if (last_.epoch < epochs) {
    file_.Warn(fmt::format("the rows after epoch {} are lost", last_.epoch),
               dropped_ > 0 && !again
                   ? fmt::format("{} lines are damaged", dropped_)
                   : "they are not there");
  }
  AddColumns(lines.end);
  file_.Sync();
}

bool MetricsLog::ReadHeader(std::string_view line) {
  order_.clear();
  bool twice = false;
  ForEachField(line, [&](std::string_view name) {
    const MetricsColumn* known = nullptr;
    for (const MetricsColumn& column : columns_) {
      if (column.name == name) known = &column;
    }
    twice = twice ||
            (known != nullptr &&
             std::find(order_.begin(), order_.end(), known) != order_.end());
    order_.push_back(known);
  });
  const bool whole = std::all_of(
      columns_.begin(), columns_.end(), [&](const MetricsColumn& column) {
        return !column.always ||
               std::find(order_.begin(), order_.end(), &column) != order_.end();
      });
  return whole && !twice && order_.size() <= kMostColumns;
}

// Nullopt if it is not one of ours.
std::optional<MetricsLog::Kept> MetricsLog::ParseRow(
    std::string_view line) const {
  Kept kept;
  size_t field = 0;
  bool good = true;
  ForEachField(line, [&](std::string_view text) {
    const MetricsColumn* column =
        field < order_.size() ? order_[field] : nullptr;
    ++field;
    if (column == nullptr) return;
    if (column->name == kEpoch || column->name == kStep) {
      const std::optional<uint64_t> number = ParseCount(text, UINT64_MAX);
      good = good && number.has_value();
      if (column->name == kEpoch) kept.epoch = number.value_or(0);
    } else if (text.find_first_not_of("0123456789+-.einfa") != text.npos) {
      good = false;
    }
    if (column->name == kValLoss) {
      kept.validation = !text.empty() && text.find('n') == text.npos;
    }
    if (column->name == kSeconds) {
      kept.seconds = ParseDecimal(text).value_or(0);
    }
  });
  if (!good || field != order_.size()) return std::nullopt;
  return kept;
}

// Of a file whose first `end` bytes are kept: the columns that an earlier
// version did not have.
void MetricsLog::AddColumns(uint64_t end) {
  std::vector<const MetricsColumn*> more;
  std::string names, commas;
  for (const MetricsColumn& column : columns_) {
    if (std::find(order_.begin(), order_.end(), &column) != order_.end()) {
      continue;
    }
    more.push_back(&column);
    names += ',';
    names += column.name;
    commas += ',';
  }
  bool header = true;
  if (!more.empty() && order_.size() + more.size() <= kMostColumns &&
      file_.Rewrite(end, [&](std::string_view line) {
        return std::string(line) +
               (std::exchange(header, false) ? names : commas);
      })) {
    order_.insert(order_.end(), more.begin(), more.end());
    return;
  }
  file_.Truncate(end);
}

void MetricsLog::Append(const MetricsRow& row) {
  char line[kMostColumns * 33];
  char* end = line;
  for (const MetricsColumn* column : order_) {
    if (column != nullptr) end = column->write(row, end);
    *end++ = ',';
  }
  end[-1] = '\n';
  file_.Append(line, static_cast<size_t>(end - line));
}

}  // namespace temper::host
