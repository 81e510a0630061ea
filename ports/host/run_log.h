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
  // Opens or creates the file; kExitCannotCreate.
  explicit AppendFile(const FilePlace& place);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // All or nothing: after a failed write (disk full) the file is cut back to
  // its old end. kExitIo.
  void Append(const char* text, size_t size);
  // Makes what was appended survive a power failure. kExitIo.
  void Sync();
  void Truncate(uint64_t size);
  std::string ReadAll() const;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

struct MetricsRow {
  uint32_t epoch = 0;  // counts from 1; rows ascend
  uint64_t step = 0;   // steps since the start of training
  float lr = 0.0f;
  float train_loss = 0.0f, train_accuracy = 0.0f;
  float penalty = 0.0f;  // weight decay's part of the objective
  std::optional<float> val_loss, val_accuracy;
  double images_per_second = 0.0;
  double seconds = 0.0;  // since the start of training, over all resumes
  bool best = false;
};

class MetricsLog {
 public:
  // A new file with its header; an existing one is emptied.
  explicit MetricsLog(const FilePlace& place);
  // Goes on after `epochs` finished epochs: keeps the leading valid rows up to
  // that epoch and drops everything behind. kExitBadData if the header is not
  // ours; a missing file is made anew.
  MetricsLog(const FilePlace& place, uint32_t epochs);

  void Append(const MetricsRow& row);
  void Sync() { file_.Sync(); }
  uint32_t kept() const { return kept_; }        // rows, after a resume
  uint32_t dropped() const { return dropped_; }  // lines, whole or half

 private:
  AppendFile file_;
  uint32_t kept_ = 0, dropped_ = 0;
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

 private:
  static constexpr size_t kBuffer = 4096;
  static constexpr size_t kReserve = 16;  // ",  then  ,"cut":true}\n

  AppendFile file_;
  char buffer_[kBuffer];
  size_t used_ = 0;
  bool cut_ = false;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RUN_LOG_H_
