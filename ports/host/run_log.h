// MetricsLog and EventLog: the two files of a run folder that grow. Appending
// formats into a fixed buffer and calls pwrite(2): no allocation, and a row is
// in the file or it is not.
//
//   metrics.csv   one row per epoch; empty field = no value
//   events.jsonl  {"event":"...","time":...}, one object per line
//
// After a crash a file may end in half a row, or with rows that the resumed run
// makes again: opening for resume cuts both off (events are history and lose
// only the half line).
//
// Logs never end a run: the checkpoint decides. Lines that cannot be written
// wait for the next one; what a damaged file loses, and every failure, is a
// warning that TakeWarning() hands out once. Only a new run that cannot make
// its logs at all fails.
#ifndef TEMPER_PORTS_HOST_RUN_LOG_H_
#define TEMPER_PORTS_HOST_RUN_LOG_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ports/host/files.h"

namespace temper::host {

// A file that lines are appended to. Shared by the two logs.
class AppendFile {
 public:
  enum class Mode { kNew, kResume };
  // Opens or creates the file. kNew: empties it; kExitCannotCreate. kResume:
  // what is no regular file is moved aside; if nothing helps, there is no log.
  AppendFile(const FilePlace& place, Mode mode);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // All lines or none: after a failed write (disk full) the file is cut back to
  // its old end, and the lines wait for the next call, as far as there is room.
  void Append(const char* text, size_t size);
  // Makes what was appended survive a power failure.
  void Sync();
  void Truncate(uint64_t size);
  // What is there; a file that cannot be read is moved aside, and a new one
  // begun.
  std::string ReadAll();
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

struct MetricsRow {
  uint32_t epoch = 0;  // counts from 1; rows ascend
  uint64_t step = 0;   // steps since the start of training
  float lr = 0.0f;
  float train_loss = 0.0f, train_accuracy = 0.0f;
  float penalty = 0.0f;  // weight decay's part of the objective
  std::optional<float> val_loss, val_accuracy;
  double images_per_second = 0.0;  // of this process
  double seconds = 0.0;            // of steps since the start, over all resumes
  bool best = false;
};

class MetricsLog {
 public:
  // A new file with its header; an existing one is emptied.
  explicit MetricsLog(const FilePlace& place);
  // Goes on after `epochs` finished epochs: keeps the leading valid rows up to
  // that epoch and drops everything after them. A file with another header is
  // moved aside; a missing one is made anew. Rows that are lost are a warning.
  MetricsLog(const FilePlace& place, uint32_t epochs);

  void Append(const MetricsRow& row);
  void Sync() { file_.Sync(); }
  std::string_view TakeWarning() { return file_.TakeWarning(); }
  uint32_t kept() const { return kept_; }        // rows, after a resume
  uint32_t dropped() const { return dropped_; }  // lines, whole or half
  // Of the last row that was kept: 0 if there is none.
  uint64_t kept_epoch() const { return kept_epoch_; }
  double kept_seconds() const { return kept_seconds_; }
  bool kept_validation() const { return kept_validation_; }

 private:
  AppendFile file_;
  uint32_t kept_ = 0, dropped_ = 0;
  uint64_t kept_epoch_ = 0;
  double kept_seconds_ = 0;
  bool kept_validation_ = false;
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

  // What a resume found. Training time up to the save at this step, if the
  // event tells.
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

#endif  // TEMPER_PORTS_HOST_RUN_LOG_H_
