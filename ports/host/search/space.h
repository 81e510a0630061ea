// What a search chooses: axes, each an option of the job with a range on a scale
// or a list of choices. A value is text, as an option takes it, of 4 digits, so
// that a trial is the same wherever it is run.
// Next: rounds.h (which values a trial gets), study.h (running them).
#ifndef TEMPER_PORTS_HOST_SEARCH_SPACE_H_
#define TEMPER_PORTS_HOST_SEARCH_SPACE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ports/host/base/failure.h"
#include "ports/host/train/job.h"

namespace temper::host {

struct Axis {
  enum class Scale : uint8_t {
    kLog,  // low > 0
    kLinear,
    kPower2,  // whole numbers; powers of 2 where the range has any
    kChoice,
  };
  std::string name;
  Scale scale = Scale::kLog;
  double low = 0, high = 0;          // of numbers, low <= high
  std::vector<std::string> choices;  // of kChoice; in the order of preference
  uint32_t round = 0;                // from which it is searched, from 0

  bool IsNumber() const { return scale != Scale::kChoice; }
};

// Of an axis that a user may name: what it is, and its usual range.
struct AxisInfo {
  const char* name;
  const char* help;
  Axis usual;
};
// All of them, in the order in which a search opens them: rate, decay, momentum,
// schedule, batch, dropout, augmentation, freezing, optimizer, initializer.
const std::vector<AxisInfo>& Axes();

// The axes by name ("lr,wd"; empty: those that the job has a use for), with the
// ranges of `ranges` ("lr=1e-6..1e-2,optimizer=sgd|adam"); names there are
// searched, too. `suggested`: a learning rate that is known to be good: the usual
// range of lr is a decade and a half around it, else 1e-5 to 1. `check`: what the
// option of that name says against a value ("must be 0 to 1"); each choice and
// both ends of each range are asked. kUsage.
using OptionCheck = std::function<std::string(const std::string& option,
                                              const std::string& value)>;
std::vector<Axis> ReadAxes(const std::string& names, const std::string& ranges,
                           const JobOptions& job,
                           std::optional<double> suggested,
                           const OptionCheck& check = {});
// "1e-06..0.01", "sgd|adam".
std::string RangeText(const Axis& axis);

// A number between 0 and 1 as a value of the axis.
std::string ValueAt(const Axis& axis, double part);
// Where a value lies, 0 to 1; of choices its number. Nothing if it is outside.
std::optional<double> PlaceOf(const Axis& axis, std::string_view value);
// True for what lies in the range: all that ValueAt may give.
bool IsValue(const Axis& axis, std::string_view value);
// A number as a value of the axis.
std::string ValueText(const Axis& axis, double value);
// How many values ValueAt may give; UINT64_MAX: any number of them.
uint64_t ValueCount(const Axis& axis);

// Values by the names of axes, in their order.
using Values = std::vector<std::pair<std::string, std::string>>;
// Every choice of an axis or both ends of its range, each as a job can have it: a
// field of optimizers with each optimizer that has it.
std::vector<Values> ProbesOf(const std::vector<Axis>& axes, const Axis& axis,
                             const JobOptions& job);
// Throws the failure again with the axis and the value that it is of.
[[noreturn]] void FailAxis(const Failure& failure, const Axis& axis,
                           const Values& probe);
// Without those that the trial has no use for: fields that its optimizer lacks.
Values UsedValues(const JobOptions& job, const Values& values);
// The job with these values. Another optimizer than the job's brings its own rate,
// unless `lr` is among them. kUsage: an optimizer without such a field, ...
JobOptions WithValues(const JobOptions& job, const Values& values);
// The same as options of the command line: {"--lr", "0.1"}, ...; "" leaves an
// option out. The model is none of them: WithValues has it.
std::vector<std::pair<std::string, std::string>> OptionsOf(
    const JobOptions& job, const Values& values);

// low * (high / low)^part, the same bits on every machine; low > 0.
double OnLogScale(double low, double high, double part);
// Four digits that matter, shortest form: 0.01234, 1e-05.
std::string FourDigits(double value);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_SEARCH_SPACE_H_
