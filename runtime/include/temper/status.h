// Status: the outcome of every call that can fail. One code, the graph node it
// concerns (or kNoNode), a static sentence and, where memory was too small, how
// much it must be; no heap, no formatting.
// Next: graph.h (what is planned), plan.h (where most failures are found).
#ifndef TEMPER_STATUS_H_
#define TEMPER_STATUS_H_

#include <cstdint>

namespace temper {

enum class StatusCode : uint32_t {
  kOk = 0,
  kInvalidArgument,  // an option or parameter is out of its range
  kShapeMismatch,    // shapes or counts that must agree do not
  kArenaTooSmall,    // the memory given is smaller than the plan: Status::bytes
  kUnsupported,      // valid, but this build cannot do it
  kBadData,          // a label or sample that the model cannot take
  kBadFile,          // a file breaks its format
  kNotFound,         // a name or file does not exist
  kIoError,          // the operating system refused
  kMismatch,         // two things that must be equal differ
  kNotFinite,        // NaN or infinity in loss, weights or state
  kWrongState,       // the call is not allowed now
  kInternal,         // a bug in temper
};

inline constexpr uint32_t kNoNode = 0xffffffffu;

struct [[nodiscard]] Status {
  StatusCode code = StatusCode::kOk;
  uint32_t node = kNoNode;  // index into Graph::nodes
  const char* message = "";
  uint64_t bytes = 0;  // kArenaTooSmall: the size that works

  constexpr bool ok() const { return code == StatusCode::kOk; }
};

constexpr Status Ok() { return Status{}; }
constexpr Status Error(StatusCode code, const char* message,
                       uint32_t node = kNoNode) {
  return Status{code, node, message, 0};
}

}  // namespace temper

#define TEMPER_RETURN_IF_ERROR(expression)                \
  do {                                                    \
    const ::temper::Status temper_status_ = (expression); \
    if (!temper_status_.ok()) return temper_status_;      \
  } while (false)

#endif  // TEMPER_STATUS_H_
