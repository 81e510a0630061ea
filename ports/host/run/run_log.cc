// The logs of a run: appending, and cutting off what a crash left half done.
// Read run_log.h first.
#include "ports/host/run/run_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_option.h"
#include "ports/host/data/data_spec.h"

namespace temper::host {

bool AppendFile::Open() {
  fd_ = openat(place_.folder, place_.name.c_str(),
               O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
  if (fd_ < 0) return false;
  struct stat info;
  if (fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd_);
    fd_ = -1;
    errno = EEXIST;
    return false;
  }
  size_ = static_cast<uint64_t>(info.st_size);
  return true;
}

AppendFile::AppendFile(const FilePlace& place, Mode mode) : place_(place) {
  if (Open()) return;
  if (mode == Mode::kNew) {
    if (errno == EEXIST) {
      Fail(ErrorKind::kCannotCreate, "cannot open the file", path(),
           "it is not a regular file", "Remove it.");
    }
    FailErrno(ErrorKind::kCannotCreate, errno, "cannot open the file", path(),
              "Check the permissions of the folder.");
  }
  // A folder, a link, and what is no file in other ways.
  const bool other =
      errno == EEXIST || errno == EISDIR || errno == ELOOP || errno == ENXIO;
  MoveAside(other ? "it is not a regular file"
                  : std::generic_category().message(errno));
}

AppendFile::~AppendFile() {
  if (fd_ >= 0) close(fd_);
}

void AppendFile::MoveAside(std::string_view why) {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  size_ = 0;
  const auto taken = [&](const std::string& name) {
    struct stat info;
    return fstatat(place_.folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) ==
           0;
  };
  std::string aside = place_.name + ".damaged";
  for (int n = 2; taken(aside); ++n) {
    aside = fmt::format("{}.damaged-{}", place_.name, n);
  }
  if (renameat(place_.folder, place_.name.c_str(), place_.folder,
               aside.c_str()) == 0 &&
      Open()) {
    Warn(fmt::format("moved to {}, a new one begins", aside), why);
  } else {
    Warn("this log is not written", why);
  }
}

void AppendFile::Warn(std::string_view what, std::string_view why) {
  if (warning_size_ != 0) return;
  const auto result = fmt::format_to_n(warning_, sizeof(warning_), "{}: {}: {}",
                                       path(), what, why);
  warning_size_ = std::min(sizeof(warning_), result.size);
}

std::string_view AppendFile::TakeWarning() {
  return {warning_, std::exchange(warning_size_, 0)};
}

void AppendFile::Append(const char* text, size_t size) {
  if (fd_ < 0) return;
  if (size <= sizeof(pending_) - pending_size_) {
    std::memcpy(pending_ + pending_size_, text, size);
    pending_size_ += size;
  }
  Flush();
}

void AppendFile::Flush() {
  size_t done = 0;
  while (done < pending_size_) {
    const ssize_t n = pwrite(fd_, pending_ + done, pending_size_ - done,
                             static_cast<off_t>(size_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = n == 0 ? ENOSPC : errno;
      // No half line: if this fails as well, opening for resume cuts it off.
      [[maybe_unused]] const int cut =
          ftruncate(fd_, static_cast<off_t>(size_));
      if (!std::exchange(failing_, true)) {
        Warn("cannot write the log; training goes on", strerror(error));
      }
      return;
    }
    done += static_cast<size_t>(n);
  }
  size_ += pending_size_;
  pending_size_ = 0;
  failing_ = false;
}

void AppendFile::Sync() {
  if (fd_ < 0) return;
  if (pending_size_ != 0) Flush();
  if (fdatasync(fd_) != 0 && !std::exchange(failing_, true)) {
    Warn("cannot write the log; training goes on", strerror(errno));
  }
}

void AppendFile::Truncate(uint64_t size) {
  if (fd_ < 0 || size == size_) return;
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0) {
    Warn("cannot shorten the log", strerror(errno));
  }
  size_ = size;  // lines go there all the same
}

AppendFile::Lines AppendFile::ReadLines(
    const std::function<bool(std::string_view)>& keep) {
  Lines lines;
  std::vector<char> buffer(2 * kMostLine);
  size_t used = 0;  // bytes in the buffer
  bool keeping = true;
  uint64_t at = 0;  // of the file, read so far
  while (at < size_) {
    const ssize_t n = pread(fd_, buffer.data() + used, buffer.size() - used,
                            static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      MoveAside(std::generic_category().message(n == 0 ? EIO : errno));
      return {};
    }
    at += static_cast<uint64_t>(n);
    used += static_cast<size_t>(n);
    size_t begin = 0;
    for (;;) {
      const std::string_view rest(buffer.data() + begin, used - begin);
      const size_t newline = rest.find('\n');
      if (newline == rest.npos) {
        // Too long for a line of ours: what follows is not kept, and its own
        // end is looked for without its beginning.
        if (rest.size() > kMostLine) {
          keeping = false;
          begin = used;
        }
        break;
      }
      keeping =
          keeping && newline <= kMostLine && keep(rest.substr(0, newline));
      begin += newline + 1;
      if (keeping) {
        lines.end += newline + 1;
      } else {
        ++lines.lost;
      }
    }
    used -= begin;
    std::memmove(buffer.data(), buffer.data() + begin, used);
  }
  lines.half.assign(buffer.data(), used);
  return lines;
}

bool AppendFile::Rewrite(
    uint64_t end, const std::function<std::string(std::string_view)>& edit) {
  AtomicFile file(place_);
  bool good = file.Open().ok();
  uint64_t seen = 0;
  ReadLines([&](std::string_view line) {
    seen += line.size() + 1;
    if (!good || seen > end) return false;
    const std::string text = edit(line) + "\n";
    good = file.Write(text.data(), text.size());
    return good;
  });
  if (!good || !file.Commit().ok()) {
    Warn("its columns stay those of an earlier version", file.error());
    return false;
  }
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  return Open();
}

namespace {

// The text after `name` in a line, up to a comma or a brace; "" if there is
// none. Lines are ours: no name occurs in a text before its field.
std::string_view FieldOf(std::string_view line, std::string_view name) {
  const size_t at = line.find(name);
  if (at == std::string_view::npos) return "";
  line.remove_prefix(at + name.size());
  return line.substr(0, line.find_first_of(",}"));
}

}  // namespace

EventLog::EventLog(const FilePlace& place, bool resume)
    : file_(place,
            resume ? AppendFile::Mode::kResume : AppendFile::Mode::kNew) {
  if (!resume) {
    file_.Truncate(0);
    return;
  }
  const AppendFile::Lines lines =
      file_.ReadLines([this](std::string_view line) {
        constexpr std::string_view kBegin = "{\"event\":\"";
        if (!line.starts_with(kBegin) || !line.ends_with('}')) return false;
        const std::string_view kind = line.substr(
            kBegin.size(), line.find('"', kBegin.size()) - kBegin.size());
        last_event_ = kind;
        const uint64_t step =
            ParseCount(FieldOf(line, "\"step\":"), UINT64_MAX).value_or(0);
        if (kind == "save") {
          saved_step_ = step;
          const std::string_view value = FieldOf(line, "\"seconds\":");
          double seconds = 0;
          const auto read = std::from_chars(
              value.data(), value.data() + value.size(), seconds);
          saved_seconds_.reset();
          if (read.ec == std::errc() && seconds >= 0) saved_seconds_ = seconds;
        } else if (kind == "diverged") {
          diverged_step_ = step;
          constexpr std::string_view kWhy = "\"why\":\"";
          const size_t why = line.find(kWhy);
          if (why != std::string_view::npos && line.ends_with("\"}")) {
            diverged_why_ = line.substr(why + kWhy.size());
            diverged_why_.resize(diverged_why_.size() - 2);
          }
        }
        return true;
      });
  // Half a line is what a crash leaves; anything more was whole once.
  if (lines.end == 0 && lines.lost > 0) {
    file_.MoveAside("its first line is damaged");
  } else if (lines.lost > 0) {
    file_.Warn(fmt::format("the last {} lines are lost", lines.lost),
               "the first of them is damaged");
  }
  file_.Truncate(lines.end);
  file_.Sync();
}

std::optional<double> EventLog::SecondsAt(uint64_t step) const {
  return saved_step_ == step ? saved_seconds_ : std::nullopt;
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
