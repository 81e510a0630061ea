// The progress line. What it shows and when: progress.h.
#include "ports/cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "models/files/text.h"
#include "ports/cli/messages.h"

namespace temper::host {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kTerminalInterval = kSecond / 5;
constexpr uint64_t kPlainInterval = 30 * kSecond;
constexpr uint64_t kMeasureInterval = kSecond / 5;
// Weight of the newest measurement in the mean speed.
constexpr double kNewest = 0.1;

uint64_t MonotonicClock() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond +
         static_cast<uint64_t>(now.tv_nsec);
}

constexpr size_t kColumns = 80;

// A fixed buffer that text is added to and cut at.
class Text {
 public:
  Text(char* to, size_t size) : to_(to), size_(size) {}
  template <class... Args>
  void Add(fmt::format_string<Args...> format, Args&&... args) {
    const auto result = fmt::format_to_n(to_ + used_, size_ - used_, format,
                                         std::forward<Args>(args)...);
    used_ = std::min(size_, used_ + result.size);
  }
  // All of it, or nothing where the line would be longer than a terminal's.
  template <class Body>
  void AddIfItFits(Body&& body) {
    const size_t before = used_;
    body(*this);
    if (used_ > kColumns) used_ = before;
  }
  size_t used() const { return used_; }

 private:
  char* to_;
  size_t size_;
  size_t used_ = 0;
};

void AddDuration(Text& text, double seconds) {
  const uint64_t s = static_cast<uint64_t>(std::min(seconds, 8.64e8) + 0.5);
  if (s >= 86400) {
    text.Add("{}d{:02}h", s / 86400, s / 3600 % 24);
  } else if (s >= 3600) {
    text.Add("{}h{:02}m", s / 3600, s / 60 % 60);
  } else if (s >= 60) {
    text.Add("{}m{:02}s", s / 60, s % 60);
  } else {
    text.Add("{}s", s);
  }
}

}  // namespace

Progress::Progress(Style style, int fd, Clock clock)
    : style_(style),
      fd_(fd),
      clock_(clock != nullptr ? clock : MonotonicClock) {
  if (style_ == Style::kAuto) {
    style_ = isatty(fd) == 1 ? Style::kTerminal : Style::kPlain;
  }
  last_line_ = clock_();
}

void Progress::ResetSpeed() {
  measured_ = false;
  rate_ = 0.0;
}

void Progress::Measure(const ProgressState& state, uint64_t now) {
  if (!measured_ || state.samples < last_samples_) {
    measured_ = true;
    last_measure_ = now;
    last_samples_ = state.samples;
    return;
  }
  if (now - last_measure_ < kMeasureInterval ||
      state.samples == last_samples_) {
    return;
  }
  const double rate = static_cast<double>(state.samples - last_samples_) * 1e9 /
                      static_cast<double>(now - last_measure_);
  rate_ = rate_ == 0.0 ? rate : rate_ + kNewest * (rate - rate_);
  last_measure_ = now;
  last_samples_ = state.samples;
}

// What counts most comes first: the rest is there where there is room.
size_t Progress::Format(const ProgressState& state, const Validation* val,
                        char* to) const {
  Text text(to, kBuffer);
  text.Add("epoch {:>2}/{}", state.epoch, state.epochs);
  if (val == nullptr) text.Add("  {:>4}/{}", state.step, state.steps);
  text.Add("  loss {:.4f}", state.loss);
  if (!(state.accuracy < 0.0))
    text.Add("  acc {:.1f} %", 100.0 * state.accuracy);
  // NaN is a value to show; only a negative one stands for "none".
  if (val != nullptr && !(val->loss < 0.0)) {
    text.Add("  val loss {:.4f}", val->loss);
    if (!(val->accuracy < 0.0)) {
      text.Add("  val acc {:.1f} %", 100.0 * val->accuracy);
    }
    if (!(val->mae < 0.0)) text.Add("  val mae {:.4g}", val->mae);
  }
  const auto add_rate = [&] {
    text.AddIfItFits([&](Text& t) { t.Add("  lr {:.2g}", state.lr); });
  };
  if (val != nullptr) add_rate();  // the same columns for every epoch
  const uint64_t left =
      state.samples_total - std::min(state.samples, state.samples_total);
  if (rate_ > 0.0 && left > 0) {
    text.AddIfItFits([&](Text& t) {
      t.Add("  ETA ");
      AddDuration(t, static_cast<double>(left) / rate_);
    });
  }
  if (val != nullptr) return text.used();
  if (rate_ > 0.0) {
    text.AddIfItFits([&](Text& t) {
      t.Add("  {:.{}f} samples/s", rate_, rate_ < 10.0 ? 1 : 0);
    });
  }
  add_rate();
  return text.used();
}

void Progress::Update(const ProgressState& state) {
  if (style_ == Style::kQuiet) return;
  const uint64_t now = clock_();
  Measure(state, now);
  const bool terminal = style_ == Style::kTerminal;
  if (now - last_line_ < (terminal ? kTerminalInterval : kPlainInterval))
    return;
  last_line_ = now;
  char line[kBuffer + 1];
  size_t size = Format(state, nullptr, line);
  if (terminal) {
    WriteTerminal(line, size);
  } else {
    line[size++] = '\n';
    Write(line, size);
  }
}

void Progress::EndEpoch(const ProgressState& state, double val_loss,
                        double val_accuracy, double val_mae) {
  if (style_ == Style::kQuiet) return;
  last_line_ = clock_();
  Measure(state, last_line_);
  char line[kBuffer + 1];
  const Validation val = {val_loss, val_accuracy, val_mae};
  Line({line, Format(state, &val, line)});
}

void Progress::Line(std::string_view text) {
  if (style_ == Style::kQuiet) return;
  constexpr std::string_view kAllowed = "\n\t";
  if (!IsShowable(text, kAllowed)) {
    Line(Shown(text, kAllowed));
    return;
  }
  Clear();
  while (text.size() > kBuffer) {
    Write(text.data(), kBuffer);
    text.remove_prefix(kBuffer);
  }
  char line[kBuffer + 1];
  std::memcpy(line, text.data(), text.size());
  line[text.size()] = '\n';
  Write(line, text.size() + 1);
}

void Progress::Clear() {
  if (style_ != Style::kTerminal || shown_ == 0) return;
  char line[kBuffer + 2];
  line[0] = '\r';
  std::memset(line + 1, ' ', shown_);
  line[1 + shown_] = '\r';
  Write(line, shown_ + 2);
  shown_ = 0;
}

void Progress::Reading(uint64_t done, uint64_t total, bool ended) {
  const bool terminal = style_ == Style::kTerminal;
  if (terminal && ended) return Clear();
  const uint64_t now = clock_();
  const bool due = terminal || now - last_line_ >= kPlainInterval;
  if (style_ == Style::kQuiet || ended || !due) return;
  last_line_ = now;
  char line[kBuffer + 1];
  Text text(line, kBuffer);
  text.Add("reads pictures: {} of {}", done, total);
  if (terminal) return WriteTerminal(line, text.used());
  size_t size = text.used();
  line[size++] = '\n';
  Write(line, size);
}

void Progress::Work(std::string_view text) {
  if (style_ != Style::kTerminal) return;
  if (text.empty()) return Clear();
  WriteTerminal(text.data(), std::min(text.size(), kBuffer));
}

void ShowWork(std::string_view text) {
  static Progress progress;
  progress.Work(text);
}

void ShowReading(uint64_t done, uint64_t total, bool ended) {
  static Progress progress;
  progress.Reading(done, total, ended);
}

// One write: back to the start, the text, blanks over the rest of the old one.
void Progress::WriteTerminal(const char* text, size_t size) {
  // A line that wraps could not be written over.
  winsize window = {};
  if (ioctl(fd_, TIOCGWINSZ, &window) == 0 && window.ws_col > 1) {
    size = std::min<size_t>(size, window.ws_col - 1u);
    shown_ = std::min<size_t>(shown_, window.ws_col - 1u);
  }
  char line[kBuffer + 2];
  line[0] = '\r';
  std::memcpy(line + 1, text, size);
  const size_t columns = std::max(size, shown_);
  std::memset(line + 1 + size, ' ', columns - size);
  Write(line, 1 + columns);
  shown_ = size;
}

// Training does not wait for the reader of its progress.
void Progress::Write(const char* text, size_t size) {
  WriteMessage(fd_, {text, size}, 0);
}

}  // namespace temper::host
