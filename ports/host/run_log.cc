// The logs of a run: appending, and cutting off what a crash left half done.
// Read run_log.h first.
#include "ports/host/run_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "ports/host/data_spec.h"
#include "ports/host/failure.h"

namespace temper::host {
namespace {

constexpr std::string_view kMetricsHeader =
    "epoch,step,lr,train_loss,train_accuracy,penalty,val_loss,val_accuracy,"
    "images_per_second,seconds,best\n";
constexpr size_t kMetricsFields = 11;
constexpr uint64_t kMaxLog = uint64_t{1} << 30;

}  // namespace

AppendFile::AppendFile(const FilePlace& place) : path_(place.shown) {
  fd_ = openat(place.folder, place.name.c_str(),
               O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
  if (fd_ < 0) {
    FailErrno(kExitCannotCreate, errno, "cannot open the file", path_,
              "Check the permissions of the folder.");
  }
  struct stat info;
  if (fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd_);
    Fail(kExitCannotCreate, "cannot open the file", path_,
         "it is not a regular file", "Remove it.");
  }
  size_ = static_cast<uint64_t>(info.st_size);
}

AppendFile::~AppendFile() { close(fd_); }

void AppendFile::Append(const char* text, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n =
        pwrite(fd_, text + done, size - done, static_cast<off_t>(size_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = n == 0 ? ENOSPC : errno;
      // No half row: if this fails as well, opening for resume cuts it off.
      [[maybe_unused]] const int cut =
          ftruncate(fd_, static_cast<off_t>(size_));
      FailErrno(kExitIo, error, "cannot write the file", path_,
                "Check the free space and the storage device.");
    }
    done += static_cast<size_t>(n);
  }
  size_ += size;
}

void AppendFile::Sync() {
  if (fdatasync(fd_) != 0) {
    FailErrno(kExitIo, errno, "cannot write the file", path_,
              "Check the storage device.");
  }
}

void AppendFile::Truncate(uint64_t size) {
  if (size == size_) return;
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0) {
    FailErrno(kExitIo, errno, "cannot shorten the file", path_,
              "Check the storage device.");
  }
  size_ = size;
}

std::string AppendFile::ReadAll() const {
  if (size_ > kMaxLog) {
    Fail(kExitBadData, "cannot read the file", path_,
         fmt::format("{} bytes are too many", size_), "Move it away.");
  }
  std::string text(static_cast<size_t>(size_), '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = pread(fd_, text.data() + done, text.size() - done,
                            static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      FailErrno(kExitIo, n == 0 ? EIO : errno, "cannot read the file", path_,
                "Check the storage device.");
    }
    done += static_cast<size_t>(n);
  }
  return text;
}

namespace {

// The epoch of a row of metrics.csv, or nullopt if it is not one of ours.
std::optional<uint64_t> EpochOfRow(std::string_view row) {
  std::optional<uint64_t> epoch;
  for (size_t field = 0;; ++field) {
    const size_t comma = row.find(',');
    const std::string_view text = row.substr(0, comma);
    if (field < 2) {
      const std::optional<uint64_t> number = ParseCount(text, UINT64_MAX);
      if (!number.has_value()) return std::nullopt;
      if (field == 0) epoch = number;
    } else if (text.find_first_not_of("0123456789+-.einfa") !=
               std::string_view::npos) {
      return std::nullopt;
    }
    if (comma == std::string_view::npos) {
      return field + 1 == kMetricsFields ? epoch : std::nullopt;
    }
    row.remove_prefix(comma + 1);
  }
}

// Bytes of the leading lines for which keep(line) holds.
template <class Keep>
size_t LeadingLines(std::string_view text, Keep&& keep) {
  size_t end = 0;
  for (;;) {
    const size_t newline = text.find('\n', end);
    if (newline == std::string_view::npos) return end;
    if (!keep(text.substr(end, newline - end))) return end;
    end = newline + 1;
  }
}

}  // namespace

MetricsLog::MetricsLog(const FilePlace& place) : file_(place) {
  file_.Truncate(0);
  file_.Append(kMetricsHeader.data(), kMetricsHeader.size());
}

MetricsLog::MetricsLog(const FilePlace& place, uint32_t epochs) : file_(place) {
  const std::string text = file_.ReadAll();
  if (text.size() < kMetricsHeader.size() && kMetricsHeader.starts_with(text)) {
    dropped_ = text.empty() ? 0 : 1;
    file_.Truncate(0);
    file_.Append(kMetricsHeader.data(), kMetricsHeader.size());
    file_.Sync();
    return;
  }
  if (!text.starts_with(kMetricsHeader)) {
    Fail(kExitBadData, "cannot go on with the metrics", file_.path(),
         "its first line names other columns",
         "Move the file away; a new one will be started.");
  }
  const std::string_view rows =
      std::string_view(text).substr(kMetricsHeader.size());
  uint64_t last = 0;
  const size_t keep = LeadingLines(rows, [&](std::string_view row) {
    const std::optional<uint64_t> epoch = EpochOfRow(row);
    if (!epoch.has_value() || *epoch <= last || *epoch > epochs) return false;
    last = *epoch;
    ++kept_;
    return true;
  });
  const std::string_view rest = rows.substr(keep);
  dropped_ = static_cast<uint32_t>(std::count(rest.begin(), rest.end(), '\n'));
  if (!rest.empty() && rest.back() != '\n') ++dropped_;
  file_.Truncate(kMetricsHeader.size() + keep);
  file_.Sync();
}

void MetricsLog::Append(const MetricsRow& row) {
  // Eleven numbers of at most 24 characters.
  char line[512];
  char* end = line;
  const auto value = [&](const std::optional<float>& v) {
    if (v.has_value()) end = fmt::format_to(end, "{}", *v);
    *end++ = ',';
  };
  // Shortest text that reads back as the same float: equal runs, equal files.
  end = fmt::format_to(end, "{},{},{},{},{},{},", row.epoch, row.step, row.lr,
                       row.train_loss, row.train_accuracy, row.penalty);
  value(row.val_loss);
  value(row.val_accuracy);
  // Bounded: {:.1f} of 1e300 would have 300 digits.
  const double rate = std::clamp(row.images_per_second, 0.0, 1e15);
  const double seconds = std::clamp(row.seconds, 0.0, 1e15);
  end = fmt::format_to(end, "{:.1f},{:.3f},{}\n", rate, seconds,
                       row.best ? 1 : 0);
  file_.Append(line, static_cast<size_t>(end - line));
}

EventLog::EventLog(const FilePlace& place, bool resume) : file_(place) {
  if (!resume) {
    file_.Truncate(0);
    return;
  }
  const std::string text = file_.ReadAll();
  file_.Truncate(LeadingLines(text, [](std::string_view line) {
    return line.starts_with("{\"event\":\"") && line.ends_with('}');
  }));
  file_.Sync();
}

EventLog::Line EventLog::Begin(std::string_view event) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const auto result = fmt::format_to_n(
      buffer_, kBuffer / 2, "{{\"event\":\"{}\",\"time\":{}.{:03}", event,
      static_cast<int64_t>(now.tv_sec), now.tv_nsec / 1'000'000);
  used_ = std::min(kBuffer / 2, result.size);
  cut_ = false;
  return Line(this);
}

bool EventLog::Line::Raw(std::string_view text) {
  if (log_->used_ + text.size() + kReserve > kBuffer) {
    log_->cut_ = true;
    return false;
  }
  std::memcpy(log_->buffer_ + log_->used_, text.data(), text.size());
  log_->used_ += text.size();
  return true;
}

template <class T>
EventLog::Line& EventLog::Line::Number(std::string_view name, const char* quote,
                                       T value) {
  char text[256];
  const auto result = fmt::format_to_n(text, sizeof(text), ",\"{}\":{}{}{}",
                                       name, quote, value, quote);
  if (result.size > sizeof(text)) {
    log_->cut_ = true;
  } else {
    Raw({text, result.size});
  }
  return *this;
}

EventLog::Line& EventLog::Line::Field(std::string_view name, uint64_t value) {
  return Number(name, "", value);
}
EventLog::Line& EventLog::Line::Field(std::string_view name, int value) {
  return Number(name, "", value);
}
// JSON has no NaN and no infinity: they become strings.
EventLog::Line& EventLog::Line::Field(std::string_view name, float value) {
  return Number(name, std::isfinite(value) ? "" : "\"", value);
}
EventLog::Line& EventLog::Line::Field(std::string_view name, double value) {
  return Number(name, std::isfinite(value) ? "" : "\"", value);
}
EventLog::Line& EventLog::Line::Field(std::string_view name, bool value) {
  return Number(name, "", value);
}

namespace {

// Length of the valid UTF-8 sequence that `text` starts with, or 0.
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned second = byte(1);  // overlong, surrogate, beyond U+10FFFF
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
      (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) {
    return 0;
  }
  return length;
}

}  // namespace

EventLog::Line& EventLog::Line::Field(std::string_view name,
                                      std::string_view value) {
  // The frame must fit as a whole, the text as far as there is room. kReserve
  // covers the closing quote.
  if (log_->used_ + name.size() + 5 + kReserve > kBuffer) {
    log_->cut_ = true;
    return *this;
  }
  Raw(",\"");
  Raw(name);
  Raw("\":\"");
  while (!value.empty()) {
    const size_t length = Utf8Length(value);
    const char c = value[0];
    char escape[8];
    std::string_view text = value.substr(0, length);
    if (length == 0) {
      text = "\\ufffd";
    } else if (c == '"' || c == '\\') {
      escape[0] = '\\';
      escape[1] = c;
      text = {escape, 2};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      const auto end = fmt::format_to(escape, "\\u{:04x}", static_cast<int>(c));
      text = {escape, static_cast<size_t>(end - escape)};
    }
    if (!Raw(text)) break;
    value.remove_prefix(std::max<size_t>(1, length));
  }
  log_->buffer_[log_->used_++] = '"';
  return *this;
}

void EventLog::Line::Write() {
  char* end = log_->buffer_ + log_->used_;
  const std::string_view tail = log_->cut_ ? ",\"cut\":true}\n" : "}\n";
  std::memcpy(end, tail.data(), tail.size());
  log_->file_.Append(log_->buffer_, log_->used_ + tail.size());
}

}  // namespace temper::host
