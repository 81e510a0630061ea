// AppendFile and EventLog: the files of a run folder that grow. Appending
// formats into a fixed buffer and calls pwrite(2): no allocation, and a line is
// in the file or it is not.
//
//   events.jsonl  {"event":"...","time":...}, one object per line
//   metrics.csv   metrics_log.h
//
// After a crash a file may end in half a line: opening for resume cuts it off.
// Reading takes a fixed buffer, however long a run has been.
//
// Logs never end a run: the checkpoint decides. Lines that cannot be written
// wait for the next one; lines lost from a damaged file, and every failure, are
// a warning that TakeWarning() returns once. Only a new run that cannot make
// its logs at all fails.
#ifndef TEMPER_PORTS_HOST_RUN_RUN_LOG_H_
#define TEMPER_PORTS_HOST_RUN_RUN_LOG_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ports/files/files.h"

namespace temper::host {

// A file that lines are appended to. Shared by the two logs.
class AppendFile {
 public:
  enum class Mode { kNew, kResume };
  // Opens or creates the file. kNew: empties it; kCannotCreate. kResume:
  // anything but a regular file is moved aside; if that fails, there is no log.
  AppendFile(const FilePlace& place, Mode mode);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // All lines or none: after a failed write (disk full) the file is cut back to
  // its old end, and the lines wait for the next call, as far as there is room.
  void Append(const char* text, size_t size);
  // After it, appended lines survive a power failure.
  void Sync();
  void Truncate(uint64_t size);
  // Calls keep(line) for one line after the other, up to the first for which it
  // returns false or that is longer than kMostLine. A file that cannot be read
  // is moved aside, and a new one begun.
  struct Lines {
    uint64_t end = 0;   // bytes of the lines that were kept
    uint64_t lost = 0;  // whole lines after them
    std::string
        half;  // the start of a last line without an end; at most kMostLine
  };
  static constexpr size_t kMostLine = 16384;
  Lines ReadLines(const std::function<bool(std::string_view line)>& keep);
  // Replaces the first `end` bytes, line by line, and drops the rest. False if
  // that could not be written: then the file is as it was.
  bool Rewrite(uint64_t end,
               const std::function<std::string(std::string_view line)>& edit);
  // Renames the file to PATH.damaged and begins a new one.
  void MoveAside(std::string_view why);

  void Warn(std::string_view what, std::string_view why);
  // The first thing that went wrong since the last call; empty: nothing. Valid
  // until the next call of any function.
  std::string_view TakeWarning();
  const std::string& path() const { return place_.shown; }

 private:
  bool Open();
  void Flush();

  const FilePlace place_;  // its folder is open in the constructors alone
  int fd_ = -1;            // negative: no log
  uint64_t size_ = 0;
  bool failing_ = false;  // has been warned of
  char pending_[8192];    // lines that are not in the file yet
  size_t pending_size_ = 0;
  char warning_[1024];
  size_t warning_size_ = 0;
};

class EventLog {
 public:
  // `resume` keeps what is there, less a half last line.
  EventLog(const FilePlace& place, bool resume);

  // log.Begin("best").Field("epoch", 3).Field("val_loss", 0.31).Write();
  // Names are identifiers of ours; string values may be anything and are cut
  // where the line would grow beyond the buffer (then "cut":true is added).
  class Line {
   public:
    Line& Field(std::string_view name, uint64_t value);
    Line& Field(std::string_view name, uint32_t value) {
      return Field(name, uint64_t{value});
    }
    Line& Field(std::string_view name, int value);
    Line& Field(std::string_view name, float value);
    Line& Field(std::string_view name, double value);
    Line& Field(std::string_view name, bool value);
    Line& Field(std::string_view name, std::string_view value);
    Line& Field(std::string_view name, const char* value) {
      return Field(name, std::string_view(value));
    }
    void Write();

   private:
    friend class EventLog;
    explicit Line(EventLog* log) : log_(log) {}
    bool Raw(std::string_view text);
    template <class T>
    Line& Number(std::string_view name, const char* quote, T value);
    EventLog* log_;
  };
  Line Begin(std::string_view event);
  void Sync() { file_.Sync(); }
  std::string_view TakeWarning() { return file_.TakeWarning(); }

  // Of the log that a resume found: training time up to the save at this step,
  // if the event has it.
  std::optional<double> SecondsAt(uint64_t step) const;
  // The kind of the last event; step and reason of the last divergence.
  const std::string& last_event() const { return last_event_; }
  std::optional<uint64_t> diverged_step() const { return diverged_step_; }
  const std::string& diverged_why() const { return diverged_why_; }

 private:
  static constexpr size_t kBuffer = 4096;
  static constexpr size_t kReserve = 16;  // ",  then  ,"cut":true}\n

  AppendFile file_;
  char buffer_[kBuffer];
  size_t used_ = 0;
  bool cut_ = false;
  std::string last_event_, diverged_why_;
  std::optional<uint64_t> diverged_step_;
  uint64_t saved_step_ = 0;
  std::optional<double> saved_seconds_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RUN_RUN_LOG_H_
